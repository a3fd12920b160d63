"""From the log to rows to learn from: what was known of each lead when first scored, and what came of it.

The one place that says what a model may read. Training and scoring go through the same ``row_of``: a lead's
row is the same in both, to the byte.

* Only events that had happened, and had been received, when the lead was first scored; where it was first
  scored long after it came in (imported history), only what had happened when it became a lead.
* Never an outcome, a deal, a rep's act or word: whatever their times say, they are what is to be foretold.
* A lead counts once its horizon is over, however soon it converted: early winners alone would teach a lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime

from leadops.domain.fold import fold
from leadops.domain.scoring import inputs_of
from leadops.domain.scoring import score as decide
from leadops.playbook.model import Playbook, Scorecard
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.store.engine import TEXTS, rows, sql
from leadops.store.events import event_from_row
from leadops.store.leads import came_in
from leadops.terms import LEAD_KINDS, EventKind, LeadEvent, LeadState, ReplyClass

if TYPE_CHECKING:
    from leadops.learning.train import Examples

_WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)
PROMPT = timedelta(days=1)
"""First scored within this of becoming a lead: scored as it came in, and not from an import."""
AFTERWARDS = frozenset(
    {
        EventKind.MEETING_BOOKED,
        EventKind.MEETING_HELD,
        EventKind.MEETING_CANCELED,
        EventKind.DEAL_WON,
        EventKind.DEAL_LOST,
        EventKind.REP_ACTIVITY,
        EventKind.DISPOSITION,
    }
)
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
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Cut:
    """As of when a lead is looked at: what had ``occurred`` and been ``received`` by then."""

    lead_id: str
    became_lead_at: datetime
    occurred: datetime
    received: datetime


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
    last_lead_at: datetime | None = None


_MONTH = timedelta(days=30)
_STAMP = DateTime(timezone=True)
_LEADS = sql(
    """select l.lead_id, l.became_lead_at, s.first_scored_at
    from leads l left join lateral (
        select min(scored_at) as first_scored_at from lead_scores where lead_id = l.lead_id
    ) s on true
    where l.became_lead_at > :since and l.became_lead_at <= :now and l.merged_into is null and not l.is_test
    order by l.became_lead_at desc, l.lead_id limit :most"""
)
_FIRST_SCORED = sql(
    """select l.lead_id, l.became_lead_at, min(s.scored_at) as first_scored_at
    from leads l left join lead_scores s using (lead_id)
    where l.lead_id = any(:ids) and l.became_lead_at is not null group by l.lead_id""",
    ids=TEXTS,
)
_LAST = sql(
    "select max(became_lead_at) as at from leads where became_lead_at <= :now and merged_into is null"
)
_KNOWN = sql(
    """select e.event_id, e.source, e.source_event_id, e.kind, e.occurred_at, e.received_at, e.day_precision,
        e.lead_id, p.payload, r.class
    from unnest(:ids, :occurred, :received) as cut(lead_id, occurred, received)
    join lead_events e on e.lead_id = cut.lead_id and e.occurred_at <= cut.occurred
        and e.received_at <= cut.received and e.kind <> all(:never)
    left join event_payloads p using (event_id) left join replies r using (event_id)""",
    ids=TEXTS,
    never=TEXTS,
    occurred=ARRAY(_STAMP),
    received=ARRAY(_STAMP),
)
_OUTCOMES = sql(
    """select lead_id, min(occurred_at) as at from lead_events
    where lead_id = any(:ids) and kind = any(:kinds) and occurred_at <= :now
    group by lead_id""",
    ids=TEXTS,
    kinds=TEXTS,
)


def volume(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """Leads of the trailing 30 days, and when the last one came in."""
    counted = came_in(connection, since=now - _MONTH, until=now)
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
    leads = rows(connection, _LEADS, since=since, now=until or now, most=setting.max_leads)
    horizon = timedelta(days=setting.horizon_days)
    labelled: list[tuple[Asked, bool]] = []
    count, last = volume(connection, now)
    out = Found(Examples((), np.zeros(0), (), np.zeros(0, dtype=np.bool_), np.zeros(0)), [], count, 0, last)
    for start in range(0, len(leads), CHUNK):
        cuts = {r["lead_id"]: cut_of(r, now) for r in leads[start : start + CHUNK]}
        outcomes = _outcomes(connection, sorted(cuts), playbook, now)
        for asked in known_at(connection, list(cuts.values()), playbook.scorecard):
            came = cuts[asked.lead_id].became_lead_at
            won = outcomes.get(asked.lead_id)
            if now - came <= _MONTH:
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
    found = rows(connection, _FIRST_SCORED, ids=sorted(lead_ids))
    cuts = [cut_of(r, now) for r in found]
    return {a.lead_id: a for a in known_at(connection, cuts, scorecard)}


def cut_of(lead: Mapping[str, Any], now: datetime) -> Cut:
    """``lead``: lead_id, became_lead_at, first_scored_at (None: it is scored for the first time, now)."""
    came: datetime = lead["became_lead_at"]
    scored: datetime = lead["first_scored_at"] or now
    if came <= scored <= came + PROMPT:
        return Cut(lead["lead_id"], came, scored, scored)
    return Cut(lead["lead_id"], came, came, _WHENEVER)


def known_at(connection: Connection, cuts: Sequence[Cut], scorecard: Scorecard) -> list[Asked]:
    """The row of each lead as of its cut; leads of which nothing had been known are left out."""
    ordered = sorted(cuts, key=lambda c: c.lead_id)
    found = rows(
        connection,
        _KNOWN,
        ids=[c.lead_id for c in ordered],
        occurred=[c.occurred for c in ordered],
        received=[c.received for c in ordered],
        never=sorted(AFTERWARDS),
    )
    events: dict[str, list[LeadEvent]] = {}
    classes: dict[str, ReplyClass] = {}
    for row in found:
        events.setdefault(row["lead_id"], []).append(event_from_row(row))
        if row["class"] is not None:
            classes[row["event_id"]] = ReplyClass(row["class"])
    asked = (row_of(c, events[c.lead_id], classes, scorecard) for c in ordered if c.lead_id in events)
    return [a for a in asked if a is not None]


def row_of(
    cut: Cut, events: Sequence[LeadEvent], classes: Mapping[str, ReplyClass], scorecard: Scorecard
) -> Asked | None:
    """A lead's row from its events up to the cut; None where none of them makes a lead."""
    known = [
        e
        for e in events
        if e.kind not in AFTERWARDS and e.occurred_at <= cut.occurred and e.received_at <= cut.received
    ]
    if not known:
        return None
    state = fold(known, classes)
    if state.became_lead_at is None:
        return None
    evidence = OfflineEnrichment().enrich(state)  # what others found is not kept as it was at the time
    inputs = inputs_of(state, evidence, cut.occurred)
    rules = decide(inputs, scorecard)
    row: dict[str, Any] = {k: v for k, v in inputs.items() if v is not None}
    row |= {f"points.{s.signal}": s.points for s in rules.signals} | {"points.total": rules.total}
    row |= _came(state, known, cut)
    row |= _properties(known)
    return Asked(cut.lead_id, cut.occurred.timestamp(), row, rules.total)


_PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")


def _came(state: LeadState, known: Sequence[LeadEvent], cut: Cut) -> dict[str, Any]:
    """How and when they came, in UTC; the month is no reason."""
    at = cut.became_lead_at.astimezone(UTC)
    first = min(e.occurred_at for e in known)
    system = next((e.source for e in known if e.event_id == state.became_lead_event), None)
    found: dict[str, Any] = {
        "came.weekday": f"{at:%a}",
        "came.through": system,
        "came.after_days": round(max(0.0, (cut.became_lead_at - first).total_seconds() / 86_400), 4),
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


def _properties(known: Sequence[LeadEvent]) -> dict[str, Any]:
    """Whatever the source told of the lead beyond what we have words for; the latest word of each."""
    found: dict[str, Any] = {}
    for event in sorted(known, key=lambda e: (e.occurred_at, e.event_id)):
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


def _outcomes(
    connection: Connection, lead_ids: Sequence[str], playbook: Playbook, now: datetime
) -> dict[str, datetime]:
    kinds = sorted(k.value for k in playbook.model.outcome)
    return {r["lead_id"]: r["at"] for r in rows(connection, _OUTCOMES, ids=lead_ids, kinds=kinds, now=now)}
