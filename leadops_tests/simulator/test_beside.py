"""What waiting for others is where time is virtual: answers, deadlines and latches among tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from leadops.simulator.beside import ByTurns, Latch
from leadops.simulator.scheduler import Scheduler
from leadops_tests.simulator.test_scheduler import START, scheduler


def run(made: Scheduler, seconds: int = 10) -> None:
    """So many seconds, one after the other."""
    for n in range(seconds + 1):
        made.clock.advance(START + timedelta(seconds=n))
        made.run()


def answers_after(made: Scheduler, seconds: int, patience_s: float) -> list[tuple[float, list[Any]]]:
    """(when, what) somebody hears who is patient for so long, and then once more."""
    heard = []

    def work() -> None:
        beside = ByTurns(made, 2)

        def call(tell: Any) -> None:
            made.sleep(timedelta(seconds=seconds))
            tell("answer")

        beside.write(call)
        for patience in (patience_s, 60.0):
            told = beside.told(patience)
            heard.append(((made.clock() - START).total_seconds(), told))

    made.start("a", work)
    run(made)
    return heard


def test_an_answer_wakes_whoever_waits_for_it() -> None:
    made = scheduler()
    assert answers_after(made, 3, 5.0) == [(3, ["answer"])]
    assert made.is_running("a")  # and waits for more


def test_the_deadline_passes_while_an_answer_is_under_way() -> None:
    assert answers_after(scheduler(), 3, 2.0) == [(2, []), (3, ["answer"])]


def test_outside_of_a_task_a_call_is_over_at_once() -> None:
    beside = ByTurns(scheduler(), 2)
    beside.write(lambda tell: tell("answer"))
    assert beside.told(1.0) == ["answer"]
    assert beside.told(1.0) == []


def test_a_latch_is_waited_for_until_it_is_set() -> None:
    made, said = scheduler(), []
    latch = Latch(made)

    def waits(seconds: float) -> None:
        said.append((latch.wait(seconds), (made.clock() - START).total_seconds()))

    def sets() -> None:
        made.sleep(timedelta(seconds=3))
        latch.set()

    for name, work in (("short", lambda: waits(1)), ("long", lambda: waits(60)), ("sets", sets)):
        made.start(name, work)
    run(made)
    assert said == [(False, 1), (True, 3)]
    assert latch.wait(0)
