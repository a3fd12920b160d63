"""Calls beside the thread that decides: what is overlapped, what shares a commit, what no neighbour feels."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.providers.llm.template import TemplateWriter
from leadops.stages import hand_over, outreach
from leadops.stages.beside import Threads
from leadops.stages.outreach import send_due
from leadops.store.engine import StoreError
from leadops.terms import Outcome, SendResult
from leadops_tests.house import World, house_of
from leadops_tests.stages.sending import Scripted, capped, demo, process, send

MANY = 12
AT_ONCE = 4


class Slow(Scripted):
    """Takes a moment for each message; remembers how many were under way at once."""

    def __init__(self, answer: Callable[[str], SendResult] = lambda _: SendResult(Outcome.ACCEPTED)) -> None:
        super().__init__(answer)
        self.under_way, self.most, self._guard = 0, 0, threading.Lock()
        self.together = threading.Barrier(2)
        """Two calls meet here, or the test fails: no waiting for a guessed time."""

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        with self._guard:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if not self.together.broken:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.together.wait(0.5)
        try:
            return super().send(key, from_address, to_address, wire)
        finally:
            with self._guard:
                self.under_way -= 1


def world_with(engine: Engine, folder: Path, **parts: Any) -> World:
    house = house_of(engine, folder, **({"email": Scripted(), "beside": lambda: Threads(AT_ONCE)} | parts))
    return World(house, folder)


def states(world: World) -> Counter[str]:
    return Counter(t["state"] for t in world.rows("select state from touches where position = 1"))


def test_messages_are_under_way_side_by_side_and_never_too_many(engine: Engine, tmp_path: Path) -> None:
    email = Slow()
    world = world_with(engine, tmp_path, email=email)
    demo(world, *range(MANY))
    process(world)
    done = send(world).dispatches
    assert done.counts["sent"] == MANY
    assert 2 <= email.most <= AT_ONCE
    assert states(world) == {"sent": MANY}
    assert len({key for key, _, _ in email.calls}) == len(email.calls) == MANY
    assert len(done.answered) == MANY


def test_no_more_is_handed_over_than_calls_can_begin(engine: Engine, tmp_path: Path) -> None:
    """Which is what a kill can leave in doubt."""
    seen: list[int] = []

    class Looking(Scripted):
        def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
            under_way = world.rows("select count(*) as n from touches where state = 'handing_over'")
            seen.append(under_way[0]["n"])
            return super().send(key, from_address, to_address, wire)

    world = world_with(engine, tmp_path, email=Looking())
    demo(world, *range(MANY))
    process(world)
    send(world)
    assert len(seen) == MANY
    assert max(seen) <= AT_ONCE


def test_several_share_a_commit(engine: Engine, tmp_path: Path) -> None:
    """A group's price is a commit before its calls and few after: not two for each message."""
    world = world_with(engine, tmp_path, beside=lambda: Threads(MANY))
    demo(world, *range(MANY))
    process(world)
    commits: list[int] = []
    event.listen(engine, "commit", lambda _connection: commits.append(1))
    send(world)
    assert states(world) == {"sent": MANY}
    assert len(commits) < 2 * MANY


def test_a_cap_is_counted_within_a_group_too(engine: Engine, tmp_path: Path) -> None:
    world = world_with(engine, tmp_path, loaded=capped(5), beside=lambda: Threads(MANY))
    demo(world, *range(MANY))
    process(world)
    send(world)
    assert states(world) == {"sent": 5, "planned": MANY - 5}


@pytest.mark.parametrize("code", ["compose", "database"])
def test_one_that_fails_in_a_group_fails_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    world = world_with(engine, tmp_path, beside=lambda: Threads(MANY))
    demo(world, *range(MANY))
    process(world)
    compose = hand_over.compose

    def composed(**given: Any) -> bytes:
        if given["to_address"] == "lead3@company3.example":
            raise StoreError("db_22021", "refused") if code == "database" else ValueError("no such message")
        return compose(**given)

    monkeypatch.setattr(hand_over, "compose", composed)
    done = send(world).dispatches
    assert done.counts["sent"] == MANY - 1
    assert done.counts["failed:draft_failed"] == 1
    assert set(done.parked.values()) == {"db_22021" if code == "database" else "compose_ValueError"}
    assert states(world) == {"sent": MANY - 1, "failed": 1}


def test_outcomes_of_every_kind_side_by_side(engine: Engine, tmp_path: Path) -> None:
    kinds = [Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.RETRY, Outcome.REJECTED]
    order: list[str] = []

    def answer(key: str) -> SendResult:
        order.append(key)
        return SendResult(kinds[len(order) % 4], detail="said")

    world = world_with(engine, tmp_path, email=Scripted(answer))
    demo(world, *range(MANY))
    process(world)
    done = send(world).dispatches.counts
    share = MANY // 4
    assert (done["sent"], done["unknown"], done["retry"], done["failed:rejected"]) == (share,) * 4
    assert states(world) == {"sent": share, "unknown": share, "planned": share, "failed": share}


def test_where_outcomes_cannot_be_recorded_together_each_is_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refused(*_given: Any, **_more: Any) -> set[str]:
        asked.append(1)
        raise StoreError("db_40P01", "a deadlock")

    monkeypatch.setattr(outreach, "settle_sent", refused)
    world = world_with(engine, tmp_path, email=Slow())
    demo(world, *range(MANY))
    process(world)
    assert send(world).dispatches.counts["sent"] == MANY
    assert asked
    assert states(world) == {"sent": MANY}


class Dripping(SlotWriter):
    """Tells one answer after another, the last first, from a thread of its own."""

    name = "dripping"
    at_once = 3

    def __init__(self) -> None:
        self.asked: list[int] = []

    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        return TemplateWriter().write(requests)

    def write_each(self, requests: Sequence[SlotRequest], told: Callable[[int, WrittenSlots], None]) -> None:
        self.asked.append(len(requests))
        answers = self.write(requests)
        for index in reversed(range(len(requests))):
            told(index, answers[index])

    def check(self) -> None:
        pass


def test_a_writer_is_given_what_it_takes_at_once_and_more_when_it_has_told(
    engine: Engine, tmp_path: Path
) -> None:
    writer = Dripping()
    world = world_with(engine, tmp_path, writer=writer)
    demo(world, *range(MANY))
    process(world)
    assert send(world).dispatches.counts["sent"] == MANY
    assert sum(writer.asked) == MANY
    assert max(writer.asked) <= writer.at_once


class Half(Dripping):
    """Tells half, then breaks; asked again for one, it answers."""

    def write_each(self, requests: Sequence[SlotRequest], told: Callable[[int, WrittenSlots], None]) -> None:
        for index, answer in enumerate(self.write(requests)[: len(requests) // 2]):
            told(index, answer)
        raise RuntimeError("gone")


def test_a_writer_that_breaks_has_told_what_it_told(engine: Engine, tmp_path: Path) -> None:
    world = world_with(engine, tmp_path, writer=Half())
    demo(world, *range(MANY))
    process(world)
    assert send(world).dispatches.counts["sent"] == MANY


class Ended(BaseException):
    """What ends a run from outside: Dagster's own interrupt is no Exception either."""


def test_ended_in_the_middle_what_is_on_its_way_is_heard_of(engine: Engine, tmp_path: Path) -> None:
    world = world_with(engine, tmp_path, email=Slow())
    demo(world, *range(MANY))
    process(world)
    asked: list[int] = []

    def clock() -> datetime:
        if threading.current_thread() is threading.main_thread():
            asked.append(1)
            # Claim, words, a hand-over and some outcomes; then the run is ended while calls are under way.
            if len(asked) == 6:
                raise Ended
        return world.now

    with pytest.raises(Ended):
        send_due(world.house.outreach, clock)
    left = states(world)
    assert left["handing_over"] == 0
    assert left["sent"] > 0


def test_a_call_that_breaks_its_word_ends_the_batch_instead_of_standing_still() -> None:
    beside = Threads(2)

    def broken(_tell: Callable[[Any], None]) -> None:
        raise ValueError("it was to tell, not to raise")

    beside.call(broken)
    with pytest.raises(ValueError, match="to tell"):
        beside.told()
    assert beside.close() == []


def test_threads_end_with_the_batch(engine: Engine, tmp_path: Path) -> None:
    world = world_with(engine, tmp_path)
    demo(world, 1, 2)
    process(world)
    send(world)
    deadline = time.monotonic() + 5
    while any(t.name.startswith(("leadops-call", "leadops-write")) for t in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
