"""One event loop in one background thread per process, so that connections stay warm between calls."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as OutOfTime
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

__all__ = ["OutOfTime", "Runner", "loop", "run"]


class Runner(Protocol):
    """Where coroutines run. This module is one: its two functions are."""

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, which gives the time too. The same one while connections shall stay open."""

    def run(self, work: Coroutine[Any, Any, T], patience_s: float) -> T:
        """The result of ``work``. Raises OutOfTime after ``patience_s`` of that loop's time."""


class _Background:
    """The thread and its loop. A forked child has neither: it begins anew."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None

    def started(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                threading.Thread(target=self.loop.run_forever, name="leadops-openai", daemon=True).start()
            return self.loop


_background = _Background()


def _begin_anew() -> None:
    # The parent's lock may be held, and its thread did not come along.
    global _background
    _background = _Background()


os.register_at_fork(after_in_child=_begin_anew)


def loop() -> asyncio.AbstractEventLoop:
    """The process's loop; its thread runs."""
    return _background.started()


def run(work: Coroutine[Any, Any, T], patience_s: float) -> T:
    """Run on the loop, wait for the result. Raises OutOfTime after ``patience_s``; the work is cancelled."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result(patience_s)
    except OutOfTime:
        future.cancel()
        raise
