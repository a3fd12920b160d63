"""Inbound messages: whose they are, what they are, what they stop and what they let go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.domain.keys import Keyring
from leadops.playbook.loader import load
from leadops_tests.house import DEMO, PLAYBOOK, World, house_of, wire

KEYRING = Keyring(b"test")
AWAY = {"headers": {"Auto-Submitted": "auto-replied"}, "subject": "Out of office"}


def touched(world: World, email: str = "anna@acme.example", **given: Any) -> dict[str, Any]:
    """A lead who has had the first touch: its thread."""
    world.post(wire("demo_requested", email, **(DEMO | given)))
    world.run()
    world.later(hours=3)
    found: dict[str, Any] = world.rows(
        """select t.touch_id, t.message_id, e.reply_token, e.enrolment_id, e.lead_id
        from touches t join enrolments e using (enrolment_id) join leads l on l.lead_id = e.lead_id
        where t.state = 'sent' and l.email = :email""",
        email=email,
    )[0]
    return found


def receive(
    world: World,
    email: str | None,
    text: str = "Which department are you in?",
    kind: str = "reply_received",
    **p: Any,
) -> str:
    report = world.post(wire(kind, email, at=world.now, properties={"text": text} | p))
    world.run()
    assert report.items[0].event_id is not None
    return report.items[0].event_id


def enrolment(world: World) -> tuple[str, str | None]:
    found = world.one("select state, exit_reason from enrolments")
    return found["state"], found["exit_reason"]


def answered(world: World, event_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.one(
        "select class, matched_by, lead_id from replies where event_id = :id", id=event_id
    )
    return found


@pytest.mark.parametrize(
    ("cites", "by"),
    [
        (lambda t: {"to": f"Mara <reply+{t['reply_token']}@reply.northwind.example>"}, "token"),
        (lambda t: {"reply_token": t["reply_token"]}, "token"),
        (lambda t: {"in_reply_to": t["message_id"]}, "msgid"),
        (lambda t: {"references": f"<x@y.example> {t['message_id']}"}, "msgid"),
        (lambda t: {"touch_id": t["touch_id"]}, "touch"),
    ],
)
def test_an_answer_from_another_address_is_found_by_its_thread(world: World, cites: Any, by: str) -> None:
    thread = touched(world)
    event_id = receive(world, "anna.private@gmail.com", name="Colleague", **cites(thread))
    assert answered(world, event_id) == {"class": "human", "matched_by": by, "lead_id": thread["lead_id"]}
    assert enrolment(world) == ("finished_replied", "replied")
    assert world.one("select count(*) from handoffs where lead_id = :id", id=thread["lead_id"]) == 1
    assert world.one("select count(*) from leads") == 1


def test_the_other_address_does_not_become_the_persons(world: World) -> None:
    thread = touched(world)
    event = wire("reply_received", "bob@acme.example", at=world.now, name="Bob", title="Intern")
    world.post(
        event | {"properties": {"in_reply_to": thread["message_id"], "text": "Anna asked me to answer."}}
    )
    world.run()
    lead = world.one("select name, title, state->'emails' as emails from leads")
    assert lead == {"name": "Anna", "title": "VP Operations", "emails": ["anna@acme.example"]}
    assert world.rows("select 1 from lead_keys where key = :key", key=KEYRING.email("bob@acme.example")) == []
    world.post(wire("demo_requested", "bob@acme.example", at=world.now, **DEMO))
    world.run()
    assert world.one("select count(*) from leads where merged_into is null") == 2


def test_the_sender_finds_the_lead_where_nothing_is_cited(world: World) -> None:
    thread = touched(world)
    event_id = receive(world, "Anna+phone@ACME.example")
    assert answered(world, event_id) == {
        "class": "human",
        "matched_by": "email",
        "lead_id": thread["lead_id"],
    }
    assert enrolment(world) == ("finished_replied", "replied")


@pytest.mark.parametrize("account_stop", [True, False])
def test_a_colleague_stops_the_account_where_the_playbook_says_so(
    engine: Engine, tmp_path: Path, account_stop: bool
) -> None:
    loaded = load(PLAYBOOK)
    rules = loaded.playbook.enrolment.model_copy(update={"account_stop": account_stop})
    book = replace(loaded, playbook=loaded.playbook.model_copy(update={"enrolment": rules}))
    world = World(house_of(engine, tmp_path, loaded=book), tmp_path)
    thread = touched(world)
    event_id = receive(
        world, "boss@mail.acme.example" if account_stop else "boss@acme.example", "We have decided."
    )
    found = answered(world, event_id)
    assert (found["matched_by"], found["lead_id"]) == (
        ("domain", thread["lead_id"]) if account_stop else ("none", None)
    )
    waiting = {r["lead_id"] for r in world.rows("select lead_id from handoffs")}
    assert (thread["lead_id"] in waiting) is account_stop
    receive(world, "ceo@acme.example", "Stop this please.")
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == (1 if account_stop else 3)


def test_out_of_office_parks_the_next_touch_and_the_sequence_goes_on_after_the_return(world: World) -> None:
    touched(world)
    before = world.rows(
        "select touch_id, position, due_at from touches where state = 'planned' order by position"
    )
    event_id = receive(world, "anna@acme.example", "I am out of the office until 20 March 2026.", **AWAY)
    assert answered(world, event_id)["class"] == "out_of_office"
    assert world.one("select state, resume_at::date::text as day from enrolments") == {
        "state": "paused_ooo",
        "day": "2026-03-23",
    }
    after = world.rows(
        "select touch_id, position, due_at from touches where state = 'planned' order by position"
    )
    assert [(t["touch_id"], t["position"]) for t in after] == [(t["touch_id"], t["position"]) for t in before]
    assert all(t["due_at"].isoformat() >= "2026-03-23" for t in after)
    assert after[1]["due_at"] - after[0]["due_at"] >= timedelta(hours=48)
    world.go(world.now + timedelta(days=12))
    assert len(world.outbox()) == 1
    world.go(world.now + timedelta(days=30))
    assert len(world.outbox()) == 3
    assert enrolment(world) == ("finished_no_reply", "completed")


def test_what_a_person_has_paused_an_absence_does_not_resume(world: World) -> None:
    touched(world)
    with world.house.engine.begin() as connection:
        connection.exec_driver_sql("update enrolments set state = 'paused'")
    receive(world, "anna@acme.example", "I am out of the office until 20 March 2026.", **AWAY)
    world.later(days=30)
    world.run()
    assert enrolment(world) == ("paused", None)
    assert len(world.outbox()) == 1


def test_a_machines_answer_stops_nothing(world: World) -> None:
    touched(world)
    event_id = receive(
        world,
        "anna@acme.example",
        "We have received your message.",
        headers={"Auto-Submitted": "auto-generated"},
    )
    assert answered(world, event_id)["class"] == "auto"
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 3
    assert world.rows("select * from handoffs") == []
    assert world.one("select state->>'human_replies' from leads") == "0"


@pytest.mark.parametrize("mine", [{"folder": "Sent"}, {}])
def test_our_own_copy_is_no_answer(world: World, mine: dict[str, str]) -> None:
    thread = touched(world)
    sender = "anna@acme.example" if mine else "mara@mail.northwind.example"
    event_id = receive(world, sender, in_reply_to=thread["message_id"], **mine)
    assert answered(world, event_id)["class"] == "own_copy"
    assert world.one("select count(*) from leads") == 1
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 3


def test_who_has_left_is_out_of_reach(world: World) -> None:
    touched(world)
    receive(
        world, "anna@acme.example", "I no longer work at Acme.", headers={"Auto-Submitted": "auto-replied"}
    )
    assert enrolment(world) == ("bounced", "left_company")
    assert world.one("select reason from suppressions") == "left_company"
    assert world.rows("select * from handoffs") == []


def test_words_of_withdrawal_suppress_whoever_wrote_them(world: World) -> None:
    thread = touched(world)
    receive(world, "anna.private@gmail.com", "Unsubscribe", in_reply_to=thread["message_id"])
    assert enrolment(world) == ("opted_out", "opted_out")
    found = {r["key"] for r in world.rows("select key from suppressions")}
    assert found == {KEYRING.email("anna@acme.example"), KEYRING.email("anna.private@gmail.com")}
    assert world.rows("select * from handoffs") == []
    world.post(wire("demo_requested", "anna.private@gmail.com", at=world.now, **DEMO))
    world.run()
    assert len(world.outbox()) == 1


def test_a_stranger_who_writes_in_is_a_lead_and_is_answered(world: World) -> None:
    event_id = receive(world, "new@acme.example", "Can you show me a demo?", kind="message_received")
    assert answered(world, event_id)["class"] == "new_lead"
    world.go(world.now + timedelta(days=2))
    assert len(world.outbox()) == 1


def test_a_touched_lead_who_writes_in_has_answered(world: World) -> None:
    touched(world)
    event_id = receive(world, "anna@acme.example", "One question first.", kind="message_received")
    assert answered(world, event_id)["class"] == "human"
    assert enrolment(world) == ("finished_replied", "replied")


def test_an_enrolled_lead_who_writes_in_before_the_first_touch_gets_that_touch(world: World) -> None:
    night = wire(
        "form_submitted",
        "anna@acme.example",
        at=world.now,
        country="JP",
        **{k: v for k, v in DEMO.items() if k != "country"},
    )
    world.post(night)
    world.run()
    assert world.outbox() == []
    event_id = receive(world, "anna@acme.example", "Are you there?", kind="message_received")
    assert answered(world, event_id)["class"] == "new_lead"
    world.go(world.now + timedelta(days=3))
    assert len(world.outbox()) >= 1
    assert world.one("select count(*) from enrolments") == 1


def test_a_strangers_answer_reaches_a_persons_list(world: World) -> None:
    receive(world, "stranger@nowhere.example", "About your message: who are you?")
    task = world.one("select lead_id, owner, reason from handoffs")
    assert task["reason"] == "replied"
    assert task["owner"].startswith("rep-")
    assert world.one("select became_lead_at, email from leads") == {
        "became_lead_at": None,
        "email": "stranger@nowhere.example",
    }
    assert "who are you?" in (world.folder / "crm" / "tasks.jsonl").read_text()
    assert world.rows("select * from enrolments") == []


def test_a_rep_who_has_answered_before_we_heard_of_it_owes_nothing(world: World) -> None:
    touched(world)
    wrote, called = world.now - timedelta(minutes=30), world.now - timedelta(minutes=10)
    world.post(
        wire("reply_received", at=wrote, properties={"text": "Call me"}), wire("rep_activity", at=called)
    )
    world.run()
    assert world.one("select acted_at is not null and acted_at >= created_at from handoffs")


def test_a_message_that_cannot_be_read_is_put_aside_and_its_neighbour_is_not(world: World) -> None:
    touched(world, "a@acme.example")
    touched(world, "b@other.example")
    bad = (
        world.post(wire("reply_received", "a@acme.example", at=world.now, properties={"text": "Hello"}))
        .items[0]
        .event_id
    )
    with world.house.engine.begin() as connection:
        connection.exec_driver_sql(
            """update event_payloads set payload = jsonb_set(payload, '{contact,email}', '5')
            where event_id = %(id)s""",
            {"id": bad},
        )
    receive(world, "b@other.example")
    parked = {(r["stage"], r["item_id"]) for r in world.rows("select stage, item_id from parked_items")}
    assert ("replies", bad) in parked
    states = world.rows("select l.email, e.state from enrolments e join leads l using (lead_id) order by 1")
    assert states[1] == {"email": "b@other.example", "state": "finished_replied"}
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 2


def test_nothing_is_folded_before_it_is_classified(world: World) -> None:
    thread = touched(world)
    reply = wire(
        "reply_received", "alias@gmail.com", at=world.now, properties={"in_reply_to": thread["message_id"]}
    )
    world.post(reply)
    from leadops.stages.fold import fold_pending

    report = fold_pending(world.house.engine, world.house.playbook, KEYRING, now=world.now)
    assert (report.did, report.pending) == (0, 0)
    world.run()
    assert world.one("select count(*) from leads") == 1
