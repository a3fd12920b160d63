"""What was sent stays sent, what was stopped stays stopped: replays, merges, replies, opt-outs."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine, event, text

from leadops.providers.llm.template import TemplateWriter
from leadops.stages.outreach import send_due
from leadops.store import enrolments
from leadops.store.engine import transaction
from leadops.terms import EnrolmentState
from leadops_tests.house import DEMO, World, house_of, wire
from leadops_tests.stages.sending import Scripted, address, demo, process, send, until

SENT = "select l.email, t.sequence, t.step from touches t join leads l using (lead_id) where t.state = 'sent'"
COUNTS = """select (select count(*) from enrolments) as enrolments, (select count(*) from touches) as touches,
    (select count(*) from lead_scores) as scores, (select count(*) from crm_writebacks) as told"""
WORDS = {"text": "Thanks, call me tomorrow.", "subject": "Re: demo"}


@pytest.fixture
def email() -> Scripted:
    return Scripted()


@pytest.fixture
def world(engine: Engine, tmp_path: Path, email: Scripted) -> World:
    return World(house_of(engine, tmp_path, email=email), tmp_path)


def execute(world: World, statement: str, **given: Any) -> None:
    with world.house.engine.begin() as connection:
        connection.execute(text(statement), given)


def go_to_step(world: World, position: int) -> None:
    """Run up to the moment at which this touch is due, and stop before it is sent."""
    due = world.one("select min(due_at) from touches where position = :n and state = 'planned'", n=position)
    world.go(due - timedelta(seconds=1))
    world.now = due


def test_replaying_the_whole_log_twice_adds_nothing(world: World, email: Scripted) -> None:
    log = [
        wire("demo_requested", address(1), id="e1", at=world.now, **DEMO),
        wire("page_viewed", address(1), id="e2", at=world.now),
        wire("demo_requested", address(2), id="e3", at=world.now, **DEMO),
        wire("opted_out", address(2), id="e4", at=world.now + timedelta(minutes=1)),
    ]
    world.post(*log)
    world.run()
    world.go(world.now + timedelta(days=3))
    before, sent = world.one(COUNTS), world.rows(SENT)
    assert sent
    for _ in range(2):
        assert world.post(*log).accepted == 0
        execute(world, "update lead_events set pending_fold = true")
        execute(
            world,
            """update leads set pending_enrichment = true, pending_score = true, pending_enrolment = true
            where became_lead_at is not null""",
        )
        world.run()
    assert world.one(COUNTS) == before
    assert world.rows(SENT) == sent
    world.go(world.now + timedelta(days=30))
    keys = [key for key, _, _ in email.calls]
    assert len(keys) == len(set(keys)) == 3


def test_planning_again_pausing_and_resuming_send_no_step_twice(world: World, email: Scripted) -> None:
    demo(world, 1)
    world.run()
    enrolment = world.one("select enrolment_id from enrolments")
    with transaction(world.house.engine) as connection:
        until_when = world.now + timedelta(days=4)
        assert enrolments.pause(connection, enrolment, EnrolmentState.PAUSED, until_when)
    world.go(world.now + timedelta(days=3))
    assert len(email.calls) == 1
    world.go(world.now + timedelta(days=20))
    assert len(email.calls) == 3
    execute(world, "update enrolments set state = 'active', pending_plan = true")
    world.go(world.now + timedelta(days=20))
    keys = [key for key, _, _ in email.calls]
    assert len(keys) == len(set(keys)) == 3


def merged(world: World, *addresses: str) -> None:
    named = {"emails": list(addresses)}
    world.post(wire("identity_merged", addresses[0], at=world.now, properties=named))


def test_of_two_merged_enrolments_the_older_stays_and_repeats_nothing(world: World, email: Scripted) -> None:
    demo(world, 1)
    process(world)
    execute(world, "update touches set due_at = due_at + interval '1 hour'")
    world.later(minutes=1)
    demo(world, 2)
    world.run()
    assert [to for _, to, _ in email.calls] == [address(2)]
    merged(world, address(1), address(2))
    world.run()
    older, younger = world.rows("select * from enrolments order by enrolled_at")
    assert (older["state"], younger["state"], younger["exit_reason"]) == ("active", "cancelled", "merged")
    assert older["lead_id"] == younger["lead_id"]
    first = world.one(
        "select state, reason from touches where enrolment_id = :id and position = 1",
        id=older["enrolment_id"],
    )
    assert first == {"state": "cancelled", "reason": "already_sent"}
    world.go(world.now + timedelta(days=30))
    sent = world.rows("select sequence, step from touches where state = 'sent' order by step")
    assert sent == [{"sequence": "hot", "step": step} for step in (1, 2, 3)]
    assert len(email.calls) == 3


def test_merged_when_both_have_sent_the_rest_goes_once(world: World, email: Scripted) -> None:
    demo(world, 1, 2)
    world.run()
    assert len(email.calls) == 2
    merged(world, address(1), address(2))
    world.go(world.now + timedelta(days=30))
    assert len(email.calls) == 4
    assert [e["state"] for e in world.rows("select state from enrolments order by state")] == [
        "cancelled",
        "finished_no_reply",
    ]


@pytest.mark.parametrize("cites", ["token", "message_id"])
def test_an_answer_in_the_thread_of_a_merged_enrolment_holds_the_one_that_stayed(
    world: World, email: Scripted, cites: str
) -> None:
    demo(world, 1, 2)
    world.run()
    merged(world, address(1), address(2))
    world.run()
    gone = world.one("select * from enrolments where state = 'cancelled'")
    sent = world.one(
        "select message_id from touches where enrolment_id = :id and state = 'sent'", id=gone["enrolment_id"]
    )
    named = {"token": {"reply_token": gone["reply_token"]}, "message_id": {"in_reply_to": sent}}[cites]
    go_to_step(world, 2)
    world.post(wire("reply_received", "elsewhere@gmail.com", at=world.now, properties=WORDS | named))
    done = send(world).dispatches.counts
    assert (done["claimed"], done["sent"]) == (1, 0)
    world.go(world.now + timedelta(days=30))
    assert len(email.calls) == 2


@pytest.mark.parametrize("channel", ["email", "rep_task"])
@pytest.mark.parametrize(
    ("kind", "properties", "state"),
    [
        ("reply_received", WORDS, "finished_replied"),
        ("opted_out", {}, "opted_out"),
        ("meeting_booked", {}, "handed_off"),
    ],
)
def test_a_stop_holds_at_once_on_every_channel_and_ends_the_enrolment_when_processed(
    world: World, email: Scripted, channel: str, kind: str, properties: dict[str, Any], state: str
) -> None:
    demo(world, 1)
    world.run()
    execute(world, "update touches set channel = :channel where position = 2", channel=channel)
    go_to_step(world, 2)
    world.post(wire(kind, address(1), at=world.now, properties=properties))
    done = send(world).dispatches.counts
    assert (done["claimed"], done["sent"]) == (1, 0)
    assert world.one("select count(*) from touches where handed_over_at is not null") == 1
    world.go(world.now + timedelta(days=30))
    assert len(email.calls) == 1
    assert world.one("select state from enrolments") == state
    assert world.rows("select * from crm_writebacks where payload ->> 'channel' = 'rep_task'") == []
    assert {t["state"] for t in world.rows("select state from touches where position > 1")} == {"cancelled"}


def suppress(world: World, reason: str) -> None:
    key = world.house.keyring.email(address(1))
    execute(
        world,
        """insert into suppressions (key, scope, reason, actor, suppressed_at)
        values (:key, 'address', :reason, 'test', :now)""",
        key=key,
        reason=reason,
        now=world.now,
    )


def test_a_suppressed_touch_ends_once_with_its_reason(world: World, email: Scripted) -> None:
    demo(world, 1)
    process(world)
    suppress(world, "manual")
    assert send(world).dispatches.counts["cancelled:suppressed"] == 1
    assert send(world).dispatches.counts["claimed"] == 0
    world.go(world.now + timedelta(days=30))
    assert email.calls == []
    touches = world.rows("select state, reason, attempts, draft_id from touches")
    assert touches == [{"state": "cancelled", "reason": "suppressed", "attempts": 0, "draft_id": None}] * len(
        touches
    )
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "failed",
        "exit_reason": "all_touches_failed",
    }
    told = "select payload ->> 'state' from crm_writebacks where dedupe_key like 'enrolment:%ended'"
    assert world.one(told) == "failed"


def test_an_address_that_does_not_work_leaves_the_step_of_a_rep(world: World, email: Scripted) -> None:
    demo(world, 1)
    process(world)
    execute(world, "update touches set channel = 'rep_task' where position = 2")
    suppress(world, "bounced")
    world.go(world.now + timedelta(days=30))
    assert email.calls == []
    states = world.rows("select channel, state, reason from touches order by position")
    assert [tuple(t.values()) for t in states] == [
        ("email", "cancelled", "suppressed"),
        ("rep_task", "sent", None),
        ("email", "cancelled", "suppressed"),
    ]
    assert world.one("select count(*) from crm_writebacks where dedupe_key like 'task:tch_%'") == 1


def test_suppressed_between_drafting_and_hand_over_nothing_goes(
    engine: Engine, tmp_path: Path, email: Scripted
) -> None:
    world = World(house_of(engine, tmp_path, email=email), tmp_path)
    demo(world, 1)
    process(world)

    class Meanwhile(TemplateWriter):
        def write(self, *given: Any) -> Any:
            suppress(world, "manual")
            return super().write(*given)

    house = dataclasses.replace(world.house.outreach, writer=Meanwhile())
    assert send_due(house, world.clock).dispatches.counts["cancelled:suppressed"] == 1
    assert email.calls == []


def test_a_stop_that_takes_effect_and_a_gate_that_refuses_do_not_wait_for_each_other(
    world: World, database_url: str
) -> None:
    """The fold has ended the enrolment and comes to its touches, while a dispatcher cancels the last one."""
    demo(world, 1)
    process(world)
    execute(
        world,
        """update touches set state = 'cancelled', reason = 'stopped', settled_at = planned_at
        where position > 1""",
    )
    suppress(world, "manual")
    engine = create_engine(database_url, poolclass=NullPool)
    folder = World(house_of(engine, world.folder), world.folder)
    reached, go = threading.Event(), threading.Event()

    def hold(connection: object, cursor: object, statement: str, *_: object) -> None:
        if "update touches set state = 'cancelled'" in statement and not reached.is_set():
            reached.set()
            assert go.wait(60)

    event.listen(engine, "before_cursor_execute", hold)
    world.post(wire("opted_out", address(1), at=world.now))
    failed: list[BaseException] = []

    def run(work: Any) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    fold = run(lambda: process(folder))
    assert reached.wait(60)
    dispatcher = run(lambda: send(world))
    waiting = "select count(*) from pg_locks where not granted"
    until(lambda: world.one(waiting) > 0 or not dispatcher.is_alive())
    go.set()
    fold.join(60)
    dispatcher.join(60)
    assert failed == []
    assert world.one("select state from enrolments") == "opted_out"
    assert world.one("select state from touches where position = 1") == "cancelled"
