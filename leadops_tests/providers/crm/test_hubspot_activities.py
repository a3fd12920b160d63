"""Calls, emails, meetings, deals and tasks in HubSpot: what stops a sequence, and whose it is."""

from __future__ import annotations

import json

import pytest

from leadops.domain.keys import Keyring, event_keys
from leadops.providers.crm.port import Writeback
from leadops.terms import STOP_KINDS, EventKind, stable_id
from leadops_tests.providers.crm.inprocess import START, Account
from leadops_tests.providers.crm.test_hubspot_contacts import Reader, kinds

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
VOICEMAIL = "b2cf5968-551e-4856-9783-52b3da59a7d0"


@pytest.fixture
def account() -> Account:
    found = Account()
    found.crm.setup()
    return found


@pytest.fixture
def anna(account: Account) -> str:
    return account.contact()


@pytest.fixture
def reader(account: Account, anna: str) -> Reader:
    found = Reader(account)
    assert kinds(found.new()) == ["lead_created"]
    account.later(minutes=10)
    return found


def stamp(account: Account) -> str:
    return account.now.isoformat()


@pytest.mark.parametrize(
    ("properties", "outcome"),
    [
        ({"hs_call_disposition": CONNECTED}, "connected"),
        ({"hs_call_disposition": VOICEMAIL, "hs_call_status": "COMPLETED"}, None),
        ({"hs_call_status": "COMPLETED"}, "connected"),
        ({"hs_call_status": "NO_ANSWER"}, None),
        ({}, None),
    ],
)
def test_a_call_is_the_reps_act(
    account: Account, reader: Reader, anna: str, properties: dict[str, str], outcome: str | None
) -> None:
    call = account.log("calls", anna, hs_timestamp=stamp(account), **properties)
    (event,) = reader.new()
    assert (event.kind, event.properties.get("outcome")) == (EventKind.REP_ACTIVITY, outcome)
    assert event.source_event_id == f"call:{call}:{'connected' if outcome else 'logged'}:{anna}"
    assert (event.contact.crm_id, event.contact.email) == (anna, "anna@acme.example")
    assert event.occurred_at == account.now


def test_a_call_that_turns_out_to_have_reached_them_says_so_later(
    account: Account, reader: Reader, anna: str
) -> None:
    call = account.log("calls", anna, hs_timestamp=stamp(account))
    assert [e.properties.get("outcome") for e in reader.new()] == [None]
    account.portal.update("calls", call, {"hs_call_disposition": CONNECTED}, at=account.later(minutes=1))
    assert [e.properties.get("outcome") for e in reader.new()] == ["connected"]


def test_a_stop_carries_the_keys_of_the_person(account: Account, reader: Reader, anna: str) -> None:
    account.log("calls", anna, hs_timestamp=stamp(account))
    (event,) = reader.new()
    keyring = Keyring(b"test")
    blocking = {k.key for k in event_keys(event, keyring) if k.blocking}
    assert blocking == {keyring.email("anna@acme.example"), keyring.crm("hubspot", anna)}


def test_a_record_about_two_contacts_stops_both(account: Account, reader: Reader, anna: str) -> None:
    bo = account.contact("bo@acme.example")
    account.log("calls", [anna, bo], hs_timestamp=stamp(account))
    found = [e for e in reader.new() if e.kind is EventKind.REP_ACTIVITY]
    assert {e.contact.crm_id for e in found} == {anna, bo}


def test_a_contact_added_to_a_record_later_is_not_missed_while_the_overlap_lasts(
    account: Account, reader: Reader, anna: str
) -> None:
    call = account.log("calls", [], hs_timestamp=stamp(account))
    assert reader.new() == []
    account.portal.associate("calls", call, "contacts", anna)
    account.later(seconds=30)
    assert [e.contact.crm_id for e in reader.new()] == [anna]


def test_what_is_about_no_contact_is_no_news(account: Account, reader: Reader) -> None:
    account.log("calls", [], hs_timestamp=stamp(account))
    assert reader.new() == []


def test_a_mail_of_a_reps_is_their_act(account: Account, reader: Reader, anna: str) -> None:
    email = account.log(
        "emails", anna, hs_timestamp=stamp(account), hs_email_direction="EMAIL", hs_email_status="SENT"
    )
    (event,) = reader.new()
    assert (event.kind, event.source_event_id) == (EventKind.REP_ACTIVITY, f"email:{email}:sent:{anna}")


@pytest.mark.parametrize(
    "properties",
    [
        {"hs_email_direction": "DRAFT_EMAIL"},
        {"hs_email_direction": "EMAIL", "hs_email_status": "SCHEDULED"},
        {"hs_email_direction": "EMAIL", "leadops_action_id": "touch:tch_1"},
        # The mailbox a message of ours left by is connected to HubSpot, which then logs it too.
        {
            "hs_email_direction": "EMAIL",
            "hs_email_message_id": f"<{stable_id('tch', 'enr_1', 'hot', '1')}@northwind.example>",
        },
    ],
)
def test_drafts_and_our_own_mail_are_no_news(
    account: Account, reader: Reader, anna: str, properties: dict[str, str]
) -> None:
    account.log("emails", anna, hs_timestamp=stamp(account), **properties)
    assert reader.new() == []


def test_an_answer_is_a_reply_with_its_words(account: Account, reader: Reader, anna: str) -> None:
    headers = {
        "from": {"email": "Anna@Acme.example", "firstName": "Anna"},
        "to": [{"email": "sales@northwind.example"}],
        "In-Reply-To": "<tch_1@northwind.example>",
        "Auto-Submitted": "no",
    }
    bo = account.contact("bo@acme.example")
    account.log(
        "emails",
        [anna, bo],
        hs_timestamp=stamp(account),
        hs_email_direction="INCOMING_EMAIL",
        hs_email_subject="Re: Your demo",
        hs_email_html="<p>Not interested,<br>thanks &amp; bye</p>",
        hs_email_headers=json.dumps(headers),
    )
    (event,) = [e for e in reader.new() if e.kind is EventKind.REPLY_RECEIVED]
    assert event.contact.crm_id == anna  # who wrote it, not who got a copy
    assert event.properties["text"] == "Not interested,\nthanks & bye"
    assert event.properties["subject"] == "Re: Your demo"
    assert event.properties["in_reply_to"] == "<tch_1@northwind.example>"
    assert event.properties["headers"]["auto-submitted"] == "no"


@pytest.mark.parametrize(
    ("subject", "kind"), [("Question", "message_received"), ("AW: Demo", "reply_received")]
)
def test_a_mail_out_of_the_blue_is_a_message(
    account: Account, reader: Reader, anna: str, subject: str, kind: str
) -> None:
    account.log(
        "emails",
        anna,
        hs_timestamp=stamp(account),
        hs_email_direction="INCOMING_EMAIL",
        hs_email_subject=subject,
        hs_email_text="Hello",
    )
    found = reader.new()
    assert kinds(found) == [kind]
    assert found[0].kind in STOP_KINDS


def test_a_meeting_is_booked_once_however_often_it_moves(account: Account, reader: Reader, anna: str) -> None:
    meeting = account.log(
        "meetings",
        anna,
        hs_timestamp="2026-03-10T15:00:00Z",
        hs_meeting_start_time="2026-03-10T15:00:00Z",
        hs_meeting_outcome="SCHEDULED",
    )
    booked = account.now
    (event,) = reader.new()
    assert (event.kind, event.occurred_at) == (EventKind.MEETING_BOOKED, booked)
    assert event.source_event_id == f"meeting:{meeting}:booked:{anna}"
    assert event.properties["starts_at"] == "2026-03-10T15:00:00.000Z"
    moved = {"hs_meeting_start_time": "2026-03-12T15:00:00Z", "hs_meeting_outcome": "RESCHEDULED"}
    account.portal.update("meetings", meeting, moved, at=account.later(days=1))
    assert reader.new() == []
    account.later(days=10)
    account.portal.update("meetings", meeting, {"hs_meeting_outcome": "COMPLETED"}, at=account.now)
    (held,) = reader.new()
    assert (held.kind, held.occurred_at.isoformat()) == (EventKind.MEETING_HELD, "2026-03-12T15:00:00+00:00")


@pytest.mark.parametrize(("outcome", "found"), [("CANCELED", ["meeting_canceled"]), ("NO_SHOW", [])])
def test_a_meeting_that_did_not_take_place(
    account: Account, reader: Reader, anna: str, outcome: str, found: list[str]
) -> None:
    meeting = account.log("meetings", anna, hs_timestamp=stamp(account), hs_meeting_outcome="SCHEDULED")
    reader.new()
    account.portal.update("meetings", meeting, {"hs_meeting_outcome": outcome}, at=account.later(days=1))
    assert kinds(reader.new()) == found


def test_deals_are_won_and_lost_by_stage_and_moved_by_reps(
    account: Account, reader: Reader, anna: str
) -> None:
    deal = account.log("deals", anna, dealname="Acme", dealstage="appointmentscheduled")
    assert kinds(reader.new()) == ["rep_activity"]
    account.portal.update(
        "deals", deal, {"dealstage": "contractsent"}, at=account.later(days=1), source="AUTOMATION_PLATFORM"
    )
    assert reader.new() == []
    account.portal.update(
        "deals", deal, {"dealstage": "closedwon"}, at=account.later(days=1), source="AUTOMATION_PLATFORM"
    )
    (won,) = reader.new()
    assert (won.kind, won.occurred_at) == (EventKind.DEAL_WON, account.now)
    assert won.source_event_id == f"deal:{deal}:won:{anna}"
    lost = account.log("deals", anna, dealname="Other", dealstage="closedlost")
    assert [e.source_event_id for e in reader.new()] == [f"deal:{lost}:lost:{anna}"]


def test_a_handoff_ticked_off_is_the_reps_act_a_step_of_the_sequence_is_not(
    account: Account, reader: Reader, anna: str
) -> None:
    who = (("hubspot", anna),)
    items = [
        Writeback("task:hof_1", "task", "led_1", who, {"title": "Answer the reply", "owner": "rep-ana"}),
        Writeback("task:tch_1", "task", "led_1", who, {"title": "Call", "touch_id": "tch_1"}),
    ]
    account.crm.write(items)
    assert reader.new() == []  # our own writing
    for record in list(account.portal.records("tasks")):
        done = {"hs_task_status": "COMPLETED"}
        account.portal.update("tasks", record.id, done, at=account.later(minutes=5))
    (event,) = reader.new()
    assert (event.kind, event.properties["action"]) == (EventKind.REP_ACTIVITY, "task:hof_1")
    assert event.contact.crm_id == anna


def test_a_task_of_a_reps_own_is_nobodys_business(account: Account, reader: Reader, anna: str) -> None:
    account.log("tasks", anna, hs_timestamp=stamp(account), hs_task_status="COMPLETED", hs_task_subject="x")
    assert reader.new() == []


def test_what_is_dated_in_the_future_happened_when_it_was_written(
    account: Account, reader: Reader, anna: str
) -> None:
    account.log("calls", anna, hs_timestamp="2027-01-01T00:00:00Z")
    (event,) = reader.new()
    assert START < event.occurred_at <= account.now


def test_reading_breaks_no_rule_of_hubspots(account: Account, reader: Reader, anna: str) -> None:
    test_a_meeting_is_booked_once_however_often_it_moves(account, reader, anna)
    test_deals_are_won_and_lost_by_stage_and_moved_by_reps(account, reader, anna)
    assert account.problems() == []
