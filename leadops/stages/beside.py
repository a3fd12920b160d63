"""Calls of providers beside the database's work: one thread decides and records, others wait for answers.

``Inline`` makes each call where it stands, for whoever has one thread and a clock of their own (the
simulator, the simulated past). What comes of a call is the same either way.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

Tell = Callable[[Any], None]


class Latch(Protocol):
    """Something that happens once, and others wait for (``threading.Event``)."""

    def set(self) -> None:
        """It has happened."""

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it has, after ``timeout`` seconds at the latest."""


class Beside(Protocol):
    """Runs calls. A call says what came of it by ``tell``, as often as it likes, and raises nothing."""

    at_once: int
    """How many calls of one kind may be under way."""

    def call(self, work: Callable[[Tell], None]) -> None:
        """One call that somebody waits for."""

    def write(self, work: Callable[[Tell], None]) -> None:
        """One that takes long and tells as it goes; it never takes the place of the others."""

    def told(self, patience_s: float | None = None) -> list[Any]:
        """What was told since; waits for something if nothing was, ``patience_s`` at most."""

    def close(self) -> list[Any]:
        """Wait for calls under way; what they told that nobody has heard."""


class Inline:
    """No threads: a call is over when it returns."""

    at_once = 1

    def __init__(self) -> None:
        self._told: list[Any] = []

    def call(self, work: Callable[[Tell], None]) -> None:
        work(self._told.append)

    write = call

    def told(self, patience_s: float | None = None) -> list[Any]:  # noqa: ARG002 - nothing is under way
        found, self._told = self._told, []
        return found

    def close(self) -> list[Any]:
        """Nothing is: whoever made the call has heard."""
        return []


@dataclass(frozen=True, slots=True)
class _Broken:
    """A call that raised."""

    error: BaseException


class Threads:
    """``at_once`` threads for calls; others beside them for what takes long."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._calls = ThreadPoolExecutor(at_once, thread_name_prefix="leadops-call")
        self._writes = ThreadPoolExecutor(at_once, thread_name_prefix="leadops-write")

    def call(self, work: Callable[[Tell], None]) -> None:
        self._calls.submit(self._do, work)

    def write(self, work: Callable[[Tell], None]) -> None:
        self._writes.submit(self._do, work)

    def _do(self, work: Callable[[Tell], None]) -> None:
        try:
            work(self._told.put)
        except BaseException as error:  # noqa: BLE001 - it broke its word; or somebody would wait for ever
            self._told.put(_Broken(error))

    def told(self, patience_s: float | None = None) -> list[Any]:
        try:
            found = [self._told.get(timeout=None if patience_s is None else max(patience_s, 0.0))]
        except queue.Empty:
            return []
        found += self._heard()
        for one in found:
            if isinstance(one, _Broken):
                raise one.error
        return found

    def _heard(self) -> list[Any]:
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._told.get_nowait())
        return found

    def close(self) -> list[Any]:
        # Words nobody waits for any more cost a deadline; a message on its way must be heard of.
        self._writes.shutdown(wait=False, cancel_futures=True)
        self._calls.shutdown(wait=True)
        return self._heard()
