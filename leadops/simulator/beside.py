"""Calls beside a worker's own work, on virtual time: each is another task of its process.

What threads are to enrichment outside (``stages/beside.py``) is this to it in the simulator: its deadline
passes while answers are under way, they come late, and who dies takes them along.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leadops.simulator.scheduler import Scheduler, Task
from leadops.stages.beside import Inline, Tell


class ByTurns(Inline):
    """As ``Threads``; outside of a task a call is over when it returns."""

    def __init__(self, scheduler: Scheduler, at_once: int) -> None:
        super().__init__()
        self.at_once = at_once
        self._scheduler = scheduler
        self._waits: Task | None = None

    def write(self, work: Callable[[Tell], None]) -> None:
        task = self._scheduler.current
        if task is None:
            self.call(work)
        else:
            self._scheduler.start(f"{task.process} asks", lambda: work(self._tell))

    def _tell(self, what: Any) -> None:
        self._told.append(what)
        if self._waits is not None:
            self._scheduler.wake(self._waits)

    def told(self, patience_s: float | None = None) -> list[Any]:
        task = self._scheduler.current
        if not self._told and task is not None and patience_s is not None and patience_s > 0:
            self._waits = task
            self._scheduler.sleep(timedelta(seconds=patience_s))
            self._waits = None
        return super().told()


class Latch:
    """As ``threading.Event``, for tasks."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: list[Task] = []
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        for task in self._waiting:
            self._scheduler.wake(task)

    def wait(self, timeout: float | None = None) -> bool:
        task = self._scheduler.current
        if not self._is_set and task is not None and timeout is not None:
            self._waiting.append(task)
            self._scheduler.sleep(timedelta(seconds=timeout))
            self._waiting.remove(task)
        return self._is_set
