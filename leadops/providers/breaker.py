"""A short pause after failures in a row, so that a dead provider does not cost every batch its time."""

from __future__ import annotations

import threading
from collections.abc import Callable

FAILURES = 5
PAUSE_S = 30.0


class Breaker:
    """Counts failures in a row. Usable by several threads at once. ``clock``: monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float], failures: int = FAILURES, pause_s: float = PAUSE_S
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._pause_s = pause_s
        self._in_a_row = 0
        self._paused_until = float("-inf")
        self._rests_until = float("-inf")
        self._guard = threading.Lock()

    @property
    def is_pausing(self) -> bool:
        """Whether nobody should ask now. After the pause one more failure is enough to pause again."""
        return self._clock() < max(self._paused_until, self._rests_until)

    def worked(self) -> None:
        with self._guard:
            self._in_a_row = 0
            self._paused_until = float("-inf")

    def failed(self) -> None:
        with self._guard:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._paused_until = self._clock() + self._pause_s

    def rest(self, seconds: float) -> None:
        """Pause for as long as the provider itself has asked for, whatever else it answers meanwhile."""
        with self._guard:
            self._rests_until = max(self._rests_until, self._clock() + seconds)
