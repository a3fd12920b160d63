"""Workers by turns: one thread, a drawn order that a seed repeats, virtual time, deaths."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from leadops.simulator.boundaries import Crash
from leadops.simulator.scheduler import Clock, Scheduler, Task

START = datetime(2026, 3, 3, tzinfo=UTC)


def scheduler(seed: int = 1, on_crash: Callable[[Task], None] = lambda _task: None) -> Scheduler:
    return Scheduler(Clock(START), random.Random(seed), on_crash)


def interleaved(seed: int) -> list[str]:
    made, said = scheduler(seed), []

    def work(name: str) -> None:
        for n in range(5):
            said.append(f"{name}{n}")
            made.give_way()

    for name in "abc":
        made.start(name, lambda name=name: work(name))  # type: ignore[misc]
    made.run()
    return said


def test_the_order_is_the_seeds_and_each_keeps_its_own() -> None:
    assert interleaved(1) == interleaved(1)
    assert len({tuple(interleaved(seed)) for seed in range(8)}) > 4
    assert [s for s in interleaved(3) if s[0] == "b"] == ["b0", "b1", "b2", "b3", "b4"]


def test_who_sleeps_lets_others_go_on_and_time_moves_only_from_outside() -> None:
    made, said = scheduler(), []

    def sleeper() -> None:
        made.sleep(timedelta(minutes=3))
        said.append("awake")

    made.start("sleeper", sleeper)
    made.start("other", lambda: said.append("other"))
    made.run()
    assert said == ["other"]
    assert made.wakes_next() == START + timedelta(minutes=3)
    made.clock.advance(START + timedelta(minutes=3))
    made.run()
    assert said == ["other", "awake"]
    assert made.wakes_next() is None


def test_who_dies_is_told_of_and_runs_no_more() -> None:
    died: list[str] = []
    made = scheduler(on_crash=lambda task: died.append(task.name))

    def dies() -> None:
        try:
            raise Crash
        except Exception:  # as any handler of ours: it must not hold up a kill
            died.append("handled")

    made.start("a", dies)
    made.run()
    assert died == ["a"]
    assert not made.is_running("a")


def test_what_goes_wrong_in_a_task_is_raised_where_it_runs() -> None:
    made = scheduler()
    made.start("a", lambda: [].pop())  # type: ignore[misc]
    with pytest.raises(IndexError):
        made.run()
    assert not made.is_running("a")


def test_outside_of_a_task_nothing_gives_way_and_sleeping_moves_the_clock() -> None:
    made = scheduler()
    made.give_way()
    made.sleep(timedelta(seconds=2))
    assert made.clock() == START + timedelta(seconds=2)


def test_at_the_end_everybody_is_gone() -> None:
    made, ended = scheduler(), []

    def work() -> None:
        try:
            made.sleep(timedelta(days=1))
        finally:
            ended.append(True)

    made.start("a", work)
    made.run()
    made.kill_all()
    assert ended == [True]
    assert not made.is_running("a")


def test_who_starts_another_runs_beside_it_and_takes_it_along() -> None:
    """Another task of a task's process: each goes on by itself, and where one dies all of them do."""
    died: list[str] = []
    made, said = scheduler(on_crash=lambda task: died.append(task.process)), []

    def call() -> None:
        made.sleep(timedelta(seconds=1))
        said.append("call")
        raise Crash

    def work() -> None:
        made.start("call", call)
        made.sleep(timedelta(seconds=5))
        said.append("work")

    made.start("a", work)
    made.start("b", lambda: made.sleep(timedelta(seconds=5)))
    made.run()
    made.clock.advance(START + timedelta(seconds=1))
    made.run()
    assert (said, died) == (["call"], ["a"])
    assert not made.is_running("a")
    assert made.is_running("b")


def test_who_is_woken_sleeps_no_longer() -> None:
    made, said = scheduler(), []

    def sleeper() -> None:
        made.sleep(timedelta(days=1))
        said.append(made.clock())

    task = made.start("a", sleeper)
    made.run()
    made.wake(task)
    made.run()
    assert said == [START]
