"""What a runner serves: a job each, beside one another, and how each knows that there is something to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from leadops.store import status

PATIENCE_S = (1.0, 30.0)
"""What a run has left is tried again so much later, doubling: others hold it, or nobody can do it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """``name`` is its job's. ``assets``: what a run of it makes; the rest of the job has a lane of its own.

    ``waits(connection, now)``: something that tells what waits from what waited before, None where nothing
    does. ``look_s``: how often somebody looks who was not told.
    """

    name: str
    assets: tuple[str, ...]
    waits: Callable[[Connection, datetime], object]
    look_s: float = 1.0


LANES = (
    Lane(
        "handle_inbound", ("replies", "leads", "handoffs"), lambda c, now: status.oldest_pending(c, now).stops
    ),
    # The CRM is told by another lane: a slow one must not keep the next lead waiting.
    Lane(
        "first_touch",
        (
            "leads",
            "enriched_leads",
            "lead_scores",
            "enrolments",
            "send_schedule",
            "message_drafts",
            "dispatches",
        ),
        lambda c, now: status.oldest_pending(c, now).others,
    ),
    Lane(
        "due_touches",
        ("message_drafts", "dispatches", "handoffs"),
        lambda c, now: status.something_due(c, now) or None,
    ),
    Lane("write_back", ("crm_writebacks",), lambda c, now: status.something_owed(c, now) or None),
)


@dataclass(slots=True)
class Patience:
    """When a lane may run again. Times are monotonic seconds. Pure."""

    _seen: object = None
    _delay_s: float = 0.0
    _until: float = 0.0

    def may(self, what: object, at: float) -> bool:
        """Whether what waits now is worth a run: it is new, or has rested."""
        return what is not None and (what != self._seen or at >= self._until)

    def ran(self, before: object, after: object, at: float) -> None:
        """A run is over; ``after`` is what waits now. The same as before it: wait longer."""
        if after is None or after != before:
            self._seen, self._delay_s = None, 0.0
            return
        self._seen = after
        self._delay_s = min(max(PATIENCE_S[0], 2 * self._delay_s), PATIENCE_S[1])
        self._until = at + self._delay_s
