"""A dispatch killed at every one of its boundaries: never a second message, never a lost one (R1)."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.providers.email.outbox import Outbox
from leadops.providers.email.port import EmailPort
from leadops.terms import SendResult
from leadops_tests.house import World, house_of
from leadops_tests.stages.sending import Noted, capped, demo, noted, process, send

Die = Callable[[str], None]


class Mortal(EmailPort):
    """A provider whose caller may die right before or right after the call."""

    def __init__(self, inner: EmailPort, boundary: Die) -> None:
        self.inner = inner
        self.name = inner.name
        self.boundary = boundary

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        self.boundary("before call")
        result = self.inner.send(key, from_address, to_address, wire)
        self.boundary("after call")
        return result

    def look_up(self, key: str) -> SendResult | None:
        return self.inner.look_up(key)

    def check(self) -> None:
        pass


def _dispatch(world: World, deadly: int, notes: Path) -> None:
    """In a process of its own: one dispatch that is killed at its boundary number ``deadly``."""
    world.house.engine.dispose(close=False)  # the parent's connections are the parent's
    passed = [0]

    def boundary(name: str) -> None:
        if passed[0] == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        passed[0] += 1
        with notes.open("a") as out:
            out.write(name + "\n")

    dialect = world.house.engine.dialect
    commit = dialect.do_commit

    def mortal_commit(connection: Any) -> None:
        boundary("before commit")
        commit(connection)
        boundary("after commit")

    dialect.do_commit = mortal_commit  # type: ignore[method-assign]
    house = dataclasses.replace(world.house, email=Mortal(world.house.email, boundary))
    send(World(house, world.folder, world.now), limit=1)


def _in_a_process_of_its_own(world: World, deadly: int, notes: Path) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=_dispatch, args=(world, deadly, notes))
    child.start()
    child.join(60)
    return child.exitcode


def _boundaries(world: World, tmp_path: Path) -> list[str]:
    """What one dispatch passes when nobody kills it."""
    demo(world, 0)
    process(world)
    assert _in_a_process_of_its_own(world, -1, tmp_path / "all") == 0
    return (tmp_path / "all").read_text().splitlines()


def _kill_at_each(world: World, boundaries: int, notes: Path) -> dict[int, str]:
    """One dispatch per boundary, killed there: boundary -> the touch that it had taken."""
    seen = {t["touch_id"] for t in world.rows("select touch_id from touches where state <> 'planned'")}
    taken = {}
    for deadly in range(boundaries):
        assert _in_a_process_of_its_own(world, deadly, notes) == -signal.SIGKILL, deadly
        for touch in world.rows("select touch_id from touches where state <> 'planned'"):
            if touch["touch_id"] not in seen:
                seen.add(touch["touch_id"])
                taken[deadly] = touch["touch_id"]
    return taken


def _recover(world: World) -> None:
    """Fresh processes, after every lease has run out, until nothing is left to do."""
    for _ in range(3):
        world.later(minutes=10)
        world.chain.reconcile(world.now)
        send(world)


def _states(world: World) -> dict[str, tuple[str, str | None]]:
    found = world.rows("select touch_id, state, reason from touches where position = 1")
    return {t["touch_id"]: (t["state"], t["reason"]) for t in found}


def test_killed_anywhere_with_a_provider_that_can_tell_exactly_one_message_leaves(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(house_of(engine, tmp_path, email=Outbox(tmp_path / "outbox")), tmp_path)
    names = _boundaries(world, tmp_path)
    assert names.count("before call") == 1
    assert len(names) >= 12
    demo(world, *range(1, len(names) + 1))
    process(world)
    taken = _kill_at_each(world, len(names), tmp_path / "notes")
    assert set(taken) == set(range(1, len(names)))  # the first one dies before it has claimed anything
    _recover(world)
    states = _states(world)
    assert {names[n]: states[t] for n, t in taken.items() if states[t] != ("sent", None)} == {}
    assert {p.stem for p in world.outbox()} == set(states)
    told = world.one("select count(*) from crm_writebacks where kind = 'touch'")
    assert told == len(states) == len(names) + 1


def test_killed_anywhere_with_a_provider_that_cannot_tell_nothing_is_sent_twice(
    engine: Engine, tmp_path: Path
) -> None:
    sends = tmp_path / "sends"
    world = World(house_of(engine, tmp_path, email=Noted(sends)), tmp_path)
    names = _boundaries(world, tmp_path)
    demo(world, *range(1, len(names) + 1))
    process(world)
    taken = _kill_at_each(world, len(names), tmp_path / "notes")
    _recover(world)
    states, called = _states(world), Counter(s["key"] for s in noted(sends))
    call = names.index("before call")
    # From the commit into handing_over (the boundary before the call) to the commit of the outcome.
    in_doubt = {taken[n] for n in range(call - 1, call + 3)}
    for deadly, touch_id in taken.items():
        where = (deadly, names[deadly])
        if touch_id in in_doubt:
            assert states[touch_id] == ("unknown", "ambiguous"), where
            assert called[touch_id] == (deadly > call), where
        else:
            assert (states[touch_id], called[touch_id]) == (("sent", None), 1), where
    given = {h["event_id"] for h in world.rows("select * from handoffs where reason = 'unknown_outcome'")}
    assert given == in_doubt
    assert max(called.values()) == 1


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_again_while_recovering_nothing_is_sent_twice(engine: Engine, tmp_path: Path) -> None:
    """Two kills in a row: the first at every boundary, the second at every third."""
    sends = tmp_path / "sends"
    world = World(house_of(engine, tmp_path, email=Noted(sends), loaded=capped(10_000)), tmp_path)
    names = _boundaries(world, tmp_path)
    for second in range(0, len(names), 3):
        world.later(minutes=10)
        demo(world, *range(1000 * (second + 1), 1000 * (second + 1) + len(names)))
        process(world)
        _kill_at_each(world, len(names), tmp_path / "notes")
        world.later(minutes=10)
        world.chain.reconcile(world.now)
        for _ in names:
            _in_a_process_of_its_own(world, second, tmp_path / "notes")
        _recover(world)
        called = Counter(s["key"] for s in noted(sends))
        states = _states(world)
        assert max(called.values()) == 1
        assert {s for s, _ in states.values()} <= {"sent", "unknown"}
        assert {t for t, (s, _) in states.items() if s == "sent"} <= set(called)
