"""Many workers in one thread: which of them goes on is drawn from a seed, at places where each may be left.

A worker is a greenlet around the very stage functions. It gives way after each commit and around each
call of a provider, never inside a transaction, so it holds no lock while others run, and the same seed is
the same interleaving. Time is virtual: it moves by a millisecond at every commit (so that no two commits
bear one time) and otherwise only when nobody can go on.
https://greenlet.readthedocs.io/
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

from leadops.demo import past
from leadops.simulator.boundaries import Crash

TICK = timedelta(milliseconds=1)


class Clock(past.Clock):
    """Virtual time, aware UTC. Never goes back."""

    def advance(self, to: datetime) -> None:
        """To this moment, unless it has passed."""
        self.now = max(self.now, to)

    def tick(self) -> None:
        self.now += TICK


@dataclass(slots=True, eq=False)
class Task:
    """One logical worker's run. ``committed_at``: its latest commit. ``crashed``: it died at a boundary.

    ``process``: where it runs; whoever dies there takes the others along. ``carries``: what is lost with it,
    for whoever must bring it again.
    """

    name: str
    work: Callable[[], None]
    wakes_at: datetime
    process: str
    lets: greenlet | None = None
    committed_at: datetime | None = None
    crashed: bool = False
    done: bool = False
    carries: Any = None


class Scheduler:
    """Runs tasks by turns. ``chance`` draws who goes on; ``on_error`` is told what a task ended with."""

    def __init__(
        self, clock: Clock, chance: random.Random, on_crash: Callable[[Task], None] = lambda _task: None
    ) -> None:
        self.clock, self._chance, self._on_crash = clock, chance, on_crash
        self._tasks: list[Task] = []
        self.current: Task | None = None
        self.switches = 0

    def start(self, name: str, work: Callable[[], None]) -> Task:
        """A task that begins now: in a process of its own, or as another thread of the one that starts it."""
        by = self.current
        task = Task(name, work, self.clock.now, name if by is None else by.process)
        task.lets = greenlet(self._body(task), None if by is None or by.lets is None else by.lets.parent)
        self._tasks.append(task)
        return task

    def _body(self, task: Task) -> Callable[[], None]:
        def body() -> None:
            try:
                task.work()
            except Crash:
                task.crashed = True
            finally:
                task.done = True

        return body

    # From inside a task -------------------------------------------------------------------------------

    def give_way(self) -> None:
        """Somebody else may go on first. Outside of a task: nothing."""
        if self.current is not None and len(self._tasks) > 1:
            self._leave()

    def sleep(self, span: timedelta) -> None:
        """So much virtual time passes for this task; others go on. Outside of a task time itself moves."""
        if self.current is None:
            self.clock.now += span
            return
        self.current.wakes_at = self.clock.now + span
        self._leave()

    def wake(self, task: Task) -> None:
        """Whoever sleeps need not any longer."""
        task.wakes_at = min(task.wakes_at, self.clock.now)

    def _leave(self) -> None:
        hub = getcurrent().parent
        assert hub is not None
        hub.switch()

    # From outside -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until nobody can go on at this moment. What a task raises (but Crash) is raised here."""
        while ready := [t for t in self._tasks if t.wakes_at <= self.clock.now]:
            task = ready[self._chance.randrange(len(ready))] if len(ready) > 1 else ready[0]
            self._step(task)

    def _step(self, task: Task) -> None:
        assert task.lets is not None
        self.current = task
        self.switches += 1
        try:
            task.lets.switch()
        finally:
            self.current = None
            if task.done:
                self._tasks.remove(task)
        if task.crashed:
            self._kill([t for t in self._tasks if t.process == task.process])
            self._on_crash(task)

    def wakes_next(self) -> datetime | None:
        """When the first sleeping task goes on; None: nobody sleeps."""
        return min((t.wakes_at for t in self._tasks), default=None)

    def is_running(self, name: str) -> bool:
        """Whether a task of this name has not ended."""
        return any(t.name == name for t in self._tasks)

    def kill_all(self) -> None:
        """Every task dies where it stands, as its process would."""
        self._kill(list(self._tasks))

    def _kill(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if task.lets:  # it has begun
                task.lets.throw(Crash)
            task.done = True
            self._tasks.remove(task)
