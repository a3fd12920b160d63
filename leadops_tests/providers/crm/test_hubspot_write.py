"""What we tell HubSpot stands there once and whole, on the right contact, whatever is retried or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from leadops.providers.crm.port import Writeback, WritebackResult
from leadops.sandbox.hubspot import Record
from leadops.terms import Outcome
from leadops_tests.providers.crm.inprocess import Account

AT = "2026-03-03T15:00:00.123456+00:00"


@pytest.fixture(params=[True, False], ids=["unique", "searched"])
def account(request: pytest.FixtureRequest) -> Account:
    """An account that takes unique properties on activities, and one that refuses them."""
    found = Account(unique_engagement_properties=request.param)
    found.crm.setup()
    found.sandbox.exchanges.clear()
    return found


@pytest.fixture
def plain() -> Account:
    found = Account()
    found.crm.setup()
    return found


def item(kind: str, n: int | str, contact: str | None, **payload: Any) -> Writeback:
    who = (("hubspot", contact),) if contact else ()
    return Writeback(f"{kind}:{n}", kind, "led_1", who, payload, {})


def score(n: int, contact: str, total: float = 50, at: str = AT, **more: Any) -> Writeback:
    return item("score", n, contact, total=total, tier="warm", why="Because", at=at, **more)


def touch(n: int | str, contact: str | None, **more: Any) -> Writeback:
    payload = {"touch_id": f"tch_{n}", "channel": "email", "subject": f"Hello {n}", "at": AT} | more
    return item("touch", n, contact, **payload)


def outcomes(results: list[WritebackResult]) -> list[tuple[str, str]]:
    return [(r.outcome.value, r.detail) for r in results]


DONE = ("accepted", "")


def of(account: Account, object_type: str, contact: str) -> list[Record]:
    ids = account.portal.associated("contacts", contact, object_type)
    return [account.portal.get(object_type, i) for i in ids]


def test_a_touch_is_a_mail_in_the_contacts_timeline(account: Account) -> None:
    contact = account.contact()
    assert outcomes(account.crm.write([touch(1, contact, text="Good day")])) == [DONE]
    (email,) = of(account, "emails", contact)
    shown = {
        k: email.properties[k] for k in email.properties if k.startswith("hs_email_") or k == "hs_timestamp"
    }
    assert shown == {
        "hs_email_direction": "EMAIL",
        "hs_email_status": "SENT",
        "hs_email_subject": "Hello 1",
        "hs_email_text": "Good day",
        "hs_timestamp": "2026-03-03T15:00:00.123Z",
    }
    assert email.properties["leadops_action_id"] == "touch:1"
    assert account.problems() == []


def test_a_handoff_is_a_task_of_its_rep_with_all_they_need(account: Account) -> None:
    contact = account.contact()
    payload = {
        "title": "Answer the reply: Anna",
        "owner": "rep-ben",
        "due_at": "2026-03-03T15:30:00+00:00",
        "reason": "meeting_booked",
        "lead": {"name": "Anna <b>Ågård</b>", "email": "anna@acme.example", "title": None},
        "score": {"total": 81.5, "tier": "hot", "why": "Asked for a demo"},
        "they_wrote": "Call me & soon\nplease",
        "received": [{"at": AT, "channel": "email", "outcome": "sent", "subject": "Hi", "body": "Line"}],
    }
    account.crm.write([item("task", "hof_1", contact, **payload)])
    (task,) = of(account, "tasks", contact)
    assert task.properties["hs_task_subject"] == "Answer the reply: Anna"
    assert task.properties["hs_timestamp"] == "2026-03-03T15:30:00.000Z"
    assert (task.properties["hs_task_status"], task.properties["hs_task_priority"]) == ("NOT_STARTED", "HIGH")
    assert task.properties["hubspot_owner_id"] == "71002"
    body = str(task.properties["hs_task_body"])
    for words in (
        "Call me &amp; soon<br>please",
        "Anna &lt;b&gt;Ågård&lt;/b&gt;",
        "meeting booked",
        "Asked for a demo",
        "Hi<br>Line",
    ):
        assert words in body


def test_a_step_for_a_rep_is_one_task_though_owed_as_task_and_as_touch(account: Account) -> None:
    contact = account.contact(hubspot_owner_id="71003")
    items = [
        item("task", "tch_1", contact, title="Call Anna", text="Say hello", touch_id="tch_1"),
        touch(1, contact, channel="rep_task", subject="Call Anna"),
    ]
    assert outcomes(account.crm.write(items)) == [DONE, DONE]
    account.later(minutes=5)
    assert outcomes(account.crm.write(items[1:])) == [DONE]
    (task,) = of(account, "tasks", contact)
    assert task.properties["hs_task_body"] == "<p>Say hello</p><p>touch id: tch_1</p>"
    assert task.properties["hubspot_owner_id"] == "71003"  # the contact's owner, where no rep is named


def test_a_task_a_rep_has_worked_on_is_left_alone(account: Account) -> None:
    contact = account.contact()
    one = item("task", "hof_1", contact, title="Answer")
    account.crm.write([one])
    (task,) = of(account, "tasks", contact)
    account.later(minutes=5)
    account.portal.update("tasks", task.id, {"hs_task_status": "COMPLETED"}, at=account.now)
    assert outcomes(account.adapter().write([one])) == [DONE]
    assert of(account, "tasks", contact)[0].properties["hs_task_status"] == "COMPLETED"


def test_an_enrolment_is_state_and_a_note(account: Account) -> None:
    contact = account.contact()
    begun = item("enrolment", "e:started", contact, state="active", sequence="hot", variant="direct", at=AT)
    ended = item(
        "enrolment", "e:ended", contact, state="opted_out", reason="opted_out", at="2026-03-04T15:00Z"
    )
    assert outcomes(account.crm.write([begun, ended])) == [DONE, DONE]
    known = account.portal.get("contacts", contact).properties
    assert known["leadops_sequence_state"] == "opted_out"
    assert (known["leadops_exit_reason"], known["leadops_opted_out"]) == ("opted_out", "true")
    assert [n.properties["hs_note_body"] for n in of(account, "notes", contact)] == [
        "leadops: Sequence started: hot, variant direct.",
        "leadops: Sequence ended: opted out.",
    ]


def test_of_several_scores_the_last_one_stands(account: Account) -> None:
    contact = account.contact()
    items = [score(n, contact, total=n, at=f"2026-03-03T15:0{n}:00Z") for n in range(1, 4)]
    assert outcomes(account.crm.write(items)) == [DONE] * 3
    assert account.portal.get("contacts", contact).properties["leadops_score"] == "3"
    assert account.crm.write(items[:1])[0].outcome is Outcome.ACCEPTED  # an old one, tried again
    known = account.portal.get("contacts", contact).properties
    assert (known["leadops_score"], known["leadops_scored_at"]) == ("3", "2026-03-03T15:03:00.000Z")
    assert (known["leadops_tier"], known["leadops_score_reason"]) == ("warm", "Because")
    assert known["leadops_lead_id"] == "led_1"


def test_a_score_says_who_they_are_what_they_did_and_who_scored() -> None:
    account = Account()
    account.crm.setup()
    contact = account.contact()
    learned = {"model_version": "m-7", "probability": 0.125, "rules_total": 41.5, "contributions": []}
    told = {"fit": 30.5, "engagement": 11, "disqualified": None, "scorecard": "2026-2"}
    lines = ["+30.5 title 'VP Sales' has 'vp': 18 of 18", "+11 asked for a demo: 25 of 25"]

    def stands() -> dict[str, str | None]:
        known = account.portal.get("contacts", contact).properties
        names = ("fit", "engagement", "disqualified", "scored_by", "probability", "rules_score")
        return {name: known.get(f"leadops_{name}") or None for name in names}

    of_both = {"fit": "30.5", "engagement": "11", "disqualified": None}
    asked = len(account.wire.asks)
    account.crm.write([score(1, contact, **told, lines=lines, learned=learned)])
    assert account.portal.get("contacts", contact).properties["leadops_score_lines"] == "\n".join(lines)
    assert len(account.wire.asks) - asked == 2  # the contact is read, then written: nothing more
    assert stands() == of_both | {"scored_by": "model m-7", "probability": "0.125", "rules_score": "41.5"}

    later = "2026-03-03T16:00:00Z"
    account.crm.write([score(2, contact, at=later, **(told | {"disqualified": "competitor"}))])
    by_rules = {"scored_by": "scorecard 2026-2", "probability": None, "rules_score": None}
    assert stands() == of_both | {"disqualified": "competitor"} | by_rules

    account.crm.write([score(3, contact, at="2026-03-03T17:00:00Z", **told)])
    assert stands() == of_both | by_rules
    assert account.problems() == []


def test_a_lead_unknown_to_hubspot_is_made_once(account: Account) -> None:
    contact = {"email": "Nia@Acme.example", "name": "Nia van New", "company": "Acme"}
    items = [
        Writeback("score:1", "score", "led_9", (), {"total": 1, "tier": "cold"}, contact),
        Writeback("touch:1", "touch", "led_9", (), {"channel": "email", "subject": "Hi"}, contact),
        Writeback(
            "touch:2", "touch", "led_9", (("web", "77"),), {"channel": "email", "subject": "Ho"}, contact
        ),
    ]
    for _ in range(2):
        assert outcomes(account.crm.write(items)) == [DONE] * 3
    (made,) = account.portal.records("contacts")
    names = ("email", "firstname", "lastname", "company", "leadops_lead_id")
    assert [made.properties[n] for n in names] == ["nia@acme.example", "Nia", "van New", "Acme", "led_9"]
    assert len(of(account, "emails", made.id)) == 2


def test_a_contact_that_is_there_keeps_its_names(account: Account) -> None:
    there = account.contact("nia@acme.example", firstname="Antonia")
    contact = {"email": "nia@acme.example", "name": "Nia New"}
    account.crm.write([Writeback("score:1", "score", "led_9", (), {"total": 1, "tier": "cold"}, contact)])
    known = account.portal.get("contacts", there).properties
    assert (known["firstname"], known.get("lastname"), known["leadops_lead_id"]) == ("Antonia", None, "led_9")


def test_a_contact_that_was_merged_is_found_by_address_a_deleted_one_is_not_made_again(
    account: Account,
) -> None:
    gone, stays = account.contact("old@acme.example"), account.contact("anna@acme.example")
    account.portal.archive("contacts", gone, at=account.now)
    who = (("hubspot", gone),)
    payload: Mapping[str, Any] = {"channel": "email", "subject": "Hi"}
    merged = Writeback("touch:1", "touch", "led_1", who, payload, {"email": "anna@acme.example"})
    deleted = Writeback("touch:2", "touch", "led_2", who, payload, {"email": "old@acme.example"})
    nobody = Writeback("touch:3", "touch", "led_3", (), payload, {})
    fine = touch(4, stays)
    assert outcomes(account.crm.write([merged, deleted, nobody, fine])) == [
        DONE,
        ("rejected", "crm_contact_gone"),
        ("rejected", "crm_no_contact"),
        DONE,
    ]
    assert len(of(account, "emails", stays)) == 2
    assert account.portal.count("contacts") == 1


def test_an_address_that_hubspot_refuses_takes_no_neighbour_along(account: Account) -> None:
    contact = account.contact()
    bad = Writeback("score:1", "score", "led_2", (), {"total": 1, "tier": "cold"}, {"email": "a@b"})
    worse = Writeback("score:2", "score", "led_3", (), {"total": 1, "tier": "cold"}, {"email": "a,b@c.de"})
    got = account.crm.write([bad, worse, score(3, contact)])
    assert [r.outcome for r in got] == [Outcome.REJECTED, Outcome.REJECTED, Outcome.ACCEPTED]


@pytest.mark.parametrize("traced", [True, False], ids=["207", "400"])
def test_a_validation_rule_refuses_one_item_alone(plain: Account, traced: bool) -> None:
    """From 2026-09 on an account's own rules hold for the API too."""
    contact = plain.contact()

    def no_sevens(object_type: str, properties: Mapping[str, str | None]) -> str | None:
        return "no sevens here" if properties.get("hs_email_subject") == "Hello 7" else None

    plain.sandbox.options.validation_rules.append(no_sevens)
    if not traced:
        plain.wire.forget_traces = True
    got = plain.crm.write([touch(n, contact) for n in range(20)])
    detail = "crm_refused_validation_error" if traced else "crm_refused_400_validation_error"
    assert outcomes(got) == [("rejected", detail) if n == 7 else DONE for n in range(20)]
    assert len(of(plain, "emails", contact)) == 19


def test_the_many_go_by_the_hundred(plain: Account) -> None:
    contact = plain.contact()
    plain.crm.write([touch("warm", contact)])
    before = len(plain.wire.asks)
    items = [touch(n, contact) for n in range(250)]
    assert outcomes(plain.crm.write(items)) == [DONE] * 250
    # the contact, what is there, upsert, associate
    assert len(plain.wire.asks) - before == 1 + 3 + 3 + 3
    assert len(of(plain, "emails", contact)) == 251
    assert plain.problems() == []


def test_two_at_once_make_one(plain: Account) -> None:
    contact = plain.contact()
    one, other = plain.crm, plain.adapter()
    for adapter in (one, other, one):
        adapter.write([touch(1, contact), score(1, contact)])
    assert len(of(plain, "emails", contact)) == 1


def test_an_index_that_lags_makes_no_second_one_where_there_is_no_unique_property() -> None:
    account = Account(unique_engagement_properties=False, index_lag_s=30)
    account.crm.setup()
    contact = account.contact()
    for _ in range(3):
        assert outcomes(account.crm.write([touch(1, contact)])) == [DONE]
    account.later(seconds=31)
    assert outcomes(account.adapter().write([touch(1, contact)])) == [DONE]
    assert len(of(account, "emails", contact)) == 1


def test_without_setup_nothing_is_given_up(account: Account) -> None:
    fresh = Account()
    contact = fresh.contact()
    got = fresh.crm.write([score(1, contact), touch(2, contact), item("task", 3, contact, title="x")])
    assert outcomes(got) == [("retry", "crm_setup")] * 3
    fresh.crm.setup()
    assert outcomes(fresh.crm.write([score(1, contact), touch(2, contact)])) == [DONE] * 2


def test_a_kind_nobody_knows_is_refused(plain: Account) -> None:
    contact = plain.contact()
    got = plain.crm.write([item("poem", 1, contact), touch(2, contact)])
    assert outcomes(got) == [("rejected", "crm_unknown_kind"), DONE]


def test_without_the_scope_of_owners_a_task_has_no_owner(plain: Account) -> None:
    kinds = [f"crm.{s}.contacts.{a}" for s in ("objects", "schemas") for a in ("read", "write")]
    plain.sandbox.options.scopes = set(kinds)
    contact = plain.contact()
    assert outcomes(plain.crm.write([item("task", 1, contact, title="x", owner="rep-ana")])) == [DONE]
    assert of(plain, "tasks", contact)[0].properties.get("hubspot_owner_id") is None


def test_a_poisoned_item_that_makes_hubspot_fail_is_found_alone(plain: Account) -> None:
    contact = plain.contact()
    plain.wire.fails_on = b"Hello 7"
    got = plain.crm.write([touch(n, contact) for n in range(20)])
    assert outcomes(got) == [("retry", "crm_unavailable_500") if n == 7 else DONE for n in range(20)]


def test_an_answer_cut_short_of_its_results_is_asked_again(plain: Account) -> None:
    contact = plain.contact()
    plain.wire.swallow = 1
    assert outcomes(plain.crm.write([touch(n, contact) for n in range(4)])) == [DONE] * 4
    assert len(of(plain, "emails", contact)) == 4
