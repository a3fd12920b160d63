"""The line under `leadops up`: what it says is pure, where it goes depends on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

QUIET_S = 10.0
LIVE_S = 1.0


def status_line(counts: Mapping[str, int] | None, health: Mapping[str, str] | None = None) -> str:
    """`counts` in their order (None: the database does not answer), then the services that are not ready."""
    if counts is None:
        parts = ["database unreachable"]
    else:
        parts = [f"{name.replace('_', ' ')} {number:,}" for name, number in counts.items()]
    states = health or {}
    troubled = [f"{name} {state}" for name, state in states.items() if state != "ready"]
    if troubled:
        parts.append(", ".join(troubled))
    elif states:
        parts.append(f"{len(states)} services ready")
    return " | ".join(parts)


class StatusDisplay:
    """Shows the line: rewritten every second on a terminal, else printed when it changed, at most every 10 s.

    A context manager; `say` prints a lasting line above it.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._shown_at = float("-inf")
        self._shown = ""

    def __enter__(self) -> StatusDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def tick(self, line: Callable[[], str]) -> None:
        """Show `line()` if it is time; it is not called otherwise (it asks the database)."""
        at = self._clock()
        if at - self._shown_at < (QUIET_S if self._live is None else LIVE_S):
            return
        self._shown_at = at
        text = line()
        if self._live is not None:
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif text != self._shown:
            self.say(text)
        self._shown = text
