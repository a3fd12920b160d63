"""From the log to rows to learn from: what was known of each lead when first scored (``as_of.py``), and what
came of it.

Training and scoring go through the same ``row_of``: a lead's row is the same in both, to the byte.
A lead counts once its horizon is over, however soon it converted: early winners alone would teach a lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from leadops.domain.modes import TRAILING
from leadops.domain.scoring import score as decide
from leadops.learning.as_of import Known, cohort, cuts_of, in_chunks, known_at, outcomes
from leadops.playbook.model import Playbook, Scorecard
from leadops.store.engine import rows, sql
from leadops.store.leads import came_in
from leadops.terms import LEAD_KINDS, EventKind, LeadEvent

if TYPE_CHECKING:
    from leadops.learning.train import Examples

_TOLD_IN = LEAD_KINDS | {
    EventKind.LEAD_UPDATED,
    EventKind.PAGE_VIEWED,
    EventKind.PRICING_VIEWED,
    EventKind.MESSAGE_RECEIVED,
}
"""Kinds whose properties speak of the lead, not of a message of ours."""
_NOT_READ = frozenset(
    {
        *("message", "subject", "body", "text", "html", "raw", "headers", "message_id", "in_reply_to"),
        *("references", "source", "test", "spam", "token"),
        *("name", "first_name", "last_name", "full_name", "email", "phone"),
    }
)
"""Properties that are somebody's words or name, or stand in the row already."""
_MOST_PROPERTIES = 300
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """One lead's row, the moment as of which it is known (seconds since 1970), the scorecard's total then."""

    lead_id: str
    at: float
    row: Mapping[str, Any]
    rules: float


@dataclass(slots=True)
class Found:
    """``examples``: mature leads in the order of time. ``recent``: who came in the last 30 days, for drift.
    ``volume``: leads in the trailing 30 days; ``immature``: of the window, too young to count."""

    examples: Examples
    recent: list[Asked] = field(default_factory=list)
    volume: int = 0
    immature: int = 0


_LAST = sql(
    "select max(became_lead_at) as at from leads where became_lead_at <= :now and merged_into is null"
)


def volume(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """Leads of the trailing 30 days, and when the last one came in."""
    counted = came_in(connection, since=now - TRAILING, until=now)
    (last,) = rows(connection, _LAST, now=now)
    return counted, last["at"]


def collect(
    connection: Connection, playbook: Playbook, now: datetime, *, until: datetime | None = None
) -> Found:
    """Every lead of the window, newest ``max_leads`` of them, as it was known at the time; read by the chunk.

    ``until``: only who became a lead by then; unset: by now.
    """
    import numpy as np

    from leadops.learning.train import Examples

    setting = playbook.model
    since = now - timedelta(days=setting.window_days)
    horizon = timedelta(days=setting.horizon_days)
    labelled: list[tuple[Asked, bool]] = []
    out = Found(Examples((), np.zeros(0), (), np.zeros(0, dtype=np.bool_), np.zeros(0)))
    out.volume = came_in(connection, since=now - TRAILING, until=now)
    for cuts in in_chunks(
        cohort(connection, since=since, until=until or now, now=now, most=setting.max_leads)
    ):
        won_at = outcomes(connection, [c.lead_id for c in cuts], setting.outcome, now)
        for lead in known_at(connection, cuts):
            came, asked = lead.cut.became_lead_at, row_of(lead, playbook.scorecard)
            won = won_at.get(asked.lead_id)
            if now - came <= TRAILING:
                out.recent.append(asked)
            if won is not None and won < came:
                continue  # a customer already: nothing to foretell
            if now - came < horizon:
                out.immature += 1
                continue
            labelled.append((asked, won is not None and won - came <= horizon))
    labelled.sort(key=lambda pair: (pair[0].at, pair[0].lead_id))
    out.recent.sort(key=lambda asked: (asked.at, asked.lead_id))
    out.examples = Examples(
        [a.lead_id for a, _ in labelled],
        np.array([a.at for a, _ in labelled], dtype=np.float64),
        [a.row for a, _ in labelled],
        np.array([converted for _, converted in labelled], dtype=np.bool_),
        np.array([a.rules for a, _ in labelled], dtype=np.float64),
    )
    return out


def asked_now(
    connection: Connection, lead_ids: Sequence[str], scorecard: Scorecard, now: datetime
) -> dict[str, Asked]:
    """lead_id -> its row, as training will see it one day. Whoever never became a lead has none."""
    looks = known_at(connection, cuts_of(connection, lead_ids, now))
    return {k.cut.lead_id: row_of(k, scorecard) for k in looks}


def row_of(lead: Known, scorecard: Scorecard) -> Asked:
    """A lead's row: its inputs, the scorecard's points for them, how it came, what its source told."""
    rules = decide(lead.inputs, scorecard)
    row: dict[str, Any] = {k: v for k, v in lead.inputs.items() if v is not None}
    row |= {f"points.{s.signal}": s.points for s in rules.signals} | {"points.total": rules.total}
    row |= _came(lead)
    row |= _properties(lead.events)
    return Asked(lead.cut.lead_id, lead.cut.occurred.timestamp(), row, rules.total)


_PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")


def _came(lead: Known) -> dict[str, Any]:
    """How and when they came, in UTC; the month is no reason."""
    state, came = lead.state, lead.cut.became_lead_at
    at = came.astimezone(UTC)
    first = lead.events[0].occurred_at
    system = next((e.source for e in lead.events if e.event_id == state.became_lead_event), None)
    found: dict[str, Any] = {
        "came.weekday": f"{at:%a}",
        "came.through": system,
        "came.after_days": round(max(0.0, (came - first).total_seconds() / 86_400), 4),
        "events": state.event_count,
        "email.domain_end": state.emails[0].rpartition(".")[2] if state.emails else None,
        "phone.given": state.phone is not None,
        "message.length": len(state.message) if state.message else 0,
        "timezone": state.timezone,
    }
    if not state.lead_day_precision:
        found["came.part_of_day"] = _PARTS_OF_DAY[at.hour // 6]
    found |= {f"kind.{kind}": n for kind, n in state.kinds.items()}
    return {k: v for k, v in found.items() if v is not None}


def _properties(events: Sequence[LeadEvent]) -> dict[str, Any]:
    """Whatever the source told of the lead beyond what we have words for; the latest word of each."""
    found: dict[str, Any] = {}
    for event in events:
        if event.kind in _TOLD_IN:
            _flatten("p", event.properties, found, _DEPTH)
    return found


def _flatten(prefix: str, given: Mapping[str, Any], found: dict[str, Any], depth: int) -> None:
    for name, value in given.items():
        key = f"{prefix}.{name}"[:100]
        if str(name).casefold() in _NOT_READ or (len(found) >= _MOST_PROPERTIES and key not in found):
            continue
        if isinstance(value, Mapping):
            if depth > 1:
                _flatten(key, value, found, depth - 1)
        elif value is not None:
            found[key] = value
