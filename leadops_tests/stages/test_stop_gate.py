"""From the commit of a stop on, nothing is handed over: raced by real processes, and step by step."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, event, text

from leadops_tests.house import World, house_of, wire
from leadops_tests.stages.sending import Scripted, address, demo, noted, process, race, send, until

LEADS = 120
HANDED_OVER = {"handing_over", "sent", "unknown"}


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path, email=Scripted()), tmp_path)


def _raced(world: World, database_url: str, leads: int, mutant: str = "") -> tuple[Counter[str], list[str]]:
    """(how often which came first, the kinds of stops after whose commit a touch was handed over)."""
    demo(world, *range(leads))
    process(world)
    race(database_url, world.folder, "dispatch_beside_stops", "stop", mutant=mutant)
    stops = noted(world.folder / "stops")
    assert len(stops) == leads
    ends = {r["touch_id"]: r["state"] for r in world.rows("select touch_id, state from touches")}
    called = [s["key"] for s in noted(world.folder / "sends")]
    assert len(called) == len(set(called))
    order: Counter[str] = Counter()
    violations = []
    for stop in stops:
        if stop["state"] in HANDED_OVER:
            order["handed over first"] += 1
            continue
        order["stopped first"] += 1
        if ends[stop["touch"]] in HANDED_OVER or stop["touch"] in called:
            violations.append(stop["kind"])
    return order, violations


def test_after_the_commit_of_a_stop_nothing_is_handed_over(world: World, database_url: str) -> None:
    order, violations = _raced(world, database_url, LEADS)
    assert violations == []
    # Both orders, or nothing was raced; each touch meets its stop, so the machine's pace does not matter.
    assert min(order["handed over first"], order["stopped first"]) >= LEADS // 12, order


@pytest.mark.full
def test_without_the_locks_of_the_gate_the_race_is_lost(world: World, database_url: str) -> None:
    _, violations = _raced(world, database_url, 40, mutant="no_locks")
    assert violations


class Held:
    """The commit of a transaction that ran a certain statement waits until it is let go."""

    def __init__(self, engine: Engine, statement: str) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()
        self._statement = statement
        self._mine = threading.local()
        event.listen(engine, "before_cursor_execute", self._saw)
        event.listen(engine, "commit", self._commit)

    def _saw(self, connection: object, cursor: object, statement: str, *_: object) -> None:
        if self._statement in statement:
            self._mine.held = True

    def _commit(self, connection: object) -> None:
        if getattr(self._mine, "held", False):
            self._mine.held = False
            self.reached.set()
            assert self.go.wait(60)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run in a thread; joined at the end, its error is ours."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()
    assert not failed, failed


def _someone_waits_for_a_lock(world: World) -> bool:
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with world.house.engine.connect() as connection:
        return bool(connection.execute(text(waiting)).scalar_one())


def _reply(world: World) -> None:
    words = {"text": "Call me", "subject": "Re: demo"}
    world.post(wire("reply_received", address(1), at=world.now, properties=words))


def _another(world: World, database_url: str) -> World:
    """The same house in another process's place: an engine of its own."""
    engine = create_engine(database_url, poolclass=NullPool)
    return World(house_of(engine, world.folder, email=world.house.email), world.folder)


def test_a_reply_waits_for_the_commit_of_a_hand_over_whose_gate_was_clear(
    world: World, database_url: str
) -> None:
    demo(world, 1)
    process(world)
    other = _another(world, database_url)
    held = Held(other.house.engine, "set state = 'handing_over'")
    with beside(lambda: send(other)) as dispatcher:
        assert held.reached.wait(60)
        with beside(lambda: _reply(world)) as ingestion:
            until(lambda: _someone_waits_for_a_lock(world))
            assert ingestion.is_alive()
            assert world.rows("select * from lead_events where kind = 'reply_received'") == []
            held.go.set()
        dispatcher.join(60)
    assert world.one("select state from touches where position = 1") == "sent"
    assert len(world.rows("select * from lead_events where kind = 'reply_received'")) == 1


def test_a_hand_over_waits_for_the_commit_of_a_reply_and_then_refuses(
    world: World, database_url: str
) -> None:
    demo(world, 1)
    process(world)
    other = _another(world, database_url)
    held = Held(other.house.engine, "INSERT INTO event_keys")
    with beside(lambda: _reply(other)):
        assert held.reached.wait(60)
        with beside(lambda: send(world)) as dispatcher:
            until(lambda: _someone_waits_for_a_lock(world))
            assert dispatcher.is_alive()
            assert world.house.email.calls == []
            held.go.set()
    assert world.house.email.calls == []
    assert world.one("select state, reason from touches where position = 1") == {
        "state": "planned",
        "reason": "pending_inbound",
    }


def test_an_address_only_a_merge_has_named_stops_the_person_too(world: World) -> None:
    demo(world, 1)
    process(world)
    named = {"emails": [address(1), "private@gmail.com"]}
    world.post(wire("identity_merged", None, at=world.now, crm_id="1", properties=named))
    process(world)
    world.post(wire("opted_out", "private@gmail.com", at=world.now))
    assert send(world).dispatches.counts["sent"] == 0
    process(world)
    send(world)
    assert world.house.email.calls == []
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "opted_out",
        "exit_reason": "opted_out",
    }
