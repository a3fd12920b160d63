"""Somebody asks to stop: once to end in order, Ctrl-C again to end at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Wrappers (make, uv, a shell) forward a Ctrl-C that the terminal has already sent to us.
ECHO_S = 0.5


class StopRequest:
    """Shared between signal handlers, which only ask, and loops, which wait on it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked = threading.Event()
        self._first_at = 0.0
        self._forced = False

    def ask(self, insist: bool = False) -> None:
        """Ask to stop. Asked again with `insist`, and not as an echo of the first: stop at once."""
        if not self._asked.is_set():
            self._first_at = self._clock()
            self._asked.set()
        elif insist and self._clock() - self._first_at >= ECHO_S:
            self._forced = True

    @property
    def requested(self) -> bool:
        """Stop in order."""
        return self._asked.is_set()

    @property
    def forced(self) -> bool:
        """Stop at once: kill."""
        return self._forced

    def wait(self, seconds: float) -> bool:
        """Wait until asked, at most `seconds`; True when asked."""
        return self._asked.wait(seconds)


@contextmanager
def stop_on_signals(stop: StopRequest) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP ask `stop` inside the block. Only in the main thread.

    SIGINT counts even when we were started with it ignored (a shell's `&`): whoever sends it means it.
    An ignored SIGHUP stays ignored: that is what nohup is for.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.ask(insist=number == signal.SIGINT)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
