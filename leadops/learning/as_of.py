"""Leads as they were known when first scored: what a score of the past, or a model, may look at; and what
came of them. The one place that says so, for training, scoring by a model, and the replay of a scorecard.

* Only events that had happened, and had been received, when the lead was first scored; where it was first
  scored long after it came in (imported history), only what had happened when it became a lead.
* Never an outcome, a deal, a rep's act or word: whatever their times say, they are what is to be foretold.
* Of what enrichment vendors told, only what was known by then; what is read from the lead itself, from what
  it had said by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime

from leadops.domain.fold import fold
from leadops.domain.scoring import inputs_of
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.store import evidence
from leadops.store.engine import TEXTS, rows, sql
from leadops.store.events import event_from_row
from leadops.store.evidence import Told
from leadops.terms import EventKind, EvidenceField, LeadEvent, LeadState, ReplyClass

CHUNK = 1_000
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
_WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)
_STAMP = DateTime(timezone=True)
_COHORT = sql(
    """select l.lead_id, l.became_lead_at, s.first_scored_at
    from leads l left join lateral (
        select min(scored_at) as first_scored_at from lead_scores where lead_id = l.lead_id
    ) s on true
    where l.became_lead_at > :since and l.became_lead_at <= :until and l.merged_into is null and not l.is_test
    order by l.became_lead_at desc, l.lead_id limit :most"""
)
_FIRST_SCORED = sql(
    """select l.lead_id, l.became_lead_at, min(s.scored_at) as first_scored_at
    from leads l left join lead_scores s using (lead_id)
    where l.lead_id = any(:ids) and l.became_lead_at is not null group by l.lead_id""",
    ids=TEXTS,
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


@dataclass(frozen=True, slots=True)
class Cut:
    """As of when a lead is looked at: what had ``occurred`` and been ``received`` by then."""

    lead_id: str
    became_lead_at: datetime
    occurred: datetime
    received: datetime

    @property
    def enriched(self) -> datetime:
        """What vendors have told since is not known; of an imported lead, what was told on its first day."""
        return min(self.received, self.occurred + PROMPT)


@dataclass(frozen=True, slots=True)
class Known:
    """One lead as of its cut. ``events``: those it may be known by, in the order of time; ``inputs``: names
    of ``scoring.INPUTS``."""

    cut: Cut
    state: LeadState
    events: tuple[LeadEvent, ...]
    inputs: Mapping[str, Any]


def cut_of(lead_id: str, became_lead_at: datetime, first_scored_at: datetime) -> Cut:
    """``first_scored_at``: for a lead that is scored for the first time, now."""
    if became_lead_at <= first_scored_at <= became_lead_at + PROMPT:
        return Cut(lead_id, became_lead_at, first_scored_at, first_scored_at)
    return Cut(lead_id, became_lead_at, became_lead_at, _WHENEVER)


def cohort(
    connection: Connection, *, since: datetime, until: datetime, now: datetime, most: int | None = None
) -> list[Cut]:
    """Who became a lead in (since, until], newest first, at most ``most``; no tests, no merged records."""
    return _cuts(rows(connection, _COHORT, since=since, until=until, most=most), now)


def cuts_of(connection: Connection, lead_ids: Sequence[str], now: datetime) -> list[Cut]:
    """Of these leads; whoever never became a lead has none."""
    return _cuts(rows(connection, _FIRST_SCORED, ids=sorted(lead_ids)), now)


def _cuts(found: Sequence[Mapping[str, Any]], now: datetime) -> list[Cut]:
    return [cut_of(r["lead_id"], r["became_lead_at"], r["first_scored_at"] or now) for r in found]


def in_chunks(cuts: Sequence[Cut]) -> Iterator[Sequence[Cut]]:
    """So many as are read at once."""
    for start in range(0, len(cuts), CHUNK):
        yield cuts[start : start + CHUNK]


def known_at(connection: Connection, cuts: Sequence[Cut]) -> list[Known]:
    """Each lead as of its cut, by id; of whom nothing had been known is left out."""
    ordered = sorted(cuts, key=lambda c: c.lead_id)
    ids = [c.lead_id for c in ordered]
    found = rows(
        connection,
        _KNOWN,
        ids=ids,
        occurred=[c.occurred for c in ordered],
        received=[c.received for c in ordered],
        never=sorted(AFTERWARDS),
    )
    events: dict[str, list[LeadEvent]] = {i: [] for i in ids}
    classes: dict[str, ReplyClass] = {}
    for row in found:
        events[row["lead_id"]].append(event_from_row(row))
        if row["class"] is not None:
            classes[row["event_id"]] = ReplyClass(row["class"])
    told = evidence.told(connection, ids)
    looks = (known(c, events[c.lead_id], classes, told[c.lead_id]) for c in ordered)
    return [k for k in looks if k is not None]


def known(
    cut: Cut,
    events: Sequence[LeadEvent],
    classes: Mapping[str, ReplyClass] | None = None,
    told: Sequence[Told] = (),
) -> Known | None:
    """A lead as of its cut from all its events; None where none of those known by then makes a lead."""
    by_then = sorted(
        (
            e
            for e in events
            if e.kind not in AFTERWARDS and e.occurred_at <= cut.occurred and e.received_at <= cut.received
        ),
        key=lambda e: (e.occurred_at, e.event_id),
    )
    if not by_then:
        return None
    state = fold(by_then, classes or {})
    if state.became_lead_at is None:
        return None
    return Known(cut, state, tuple(by_then), inputs_of(state, _enriched(cut, state, told), cut.occurred))


def _enriched(cut: Cut, state: LeadState, told: Sequence[Told]) -> dict[str, EvidenceField]:
    """What vendors had told by then, and what the lead's own words said: the stored one is today's."""
    provider = OfflineEnrichment()
    rank = next(
        (t.rank for t in told if t.provider == provider.name), 1 + max((t.rank for t in told), default=-1)
    )
    own = Told(provider.name, rank, cut.occurred, provider.enrich(state))
    return evidence.merged([own, *(t for t in told if t.provider != own.provider and t.at <= cut.enriched)])


def outcomes(
    connection: Connection, lead_ids: Sequence[str], kinds: Sequence[EventKind], now: datetime
) -> dict[str, datetime]:
    """lead_id -> when the first of ``kinds`` happened; who has none is not there."""
    wanted = sorted(k.value for k in kinds)
    return {
        r["lead_id"]: r["at"]
        for r in rows(connection, _OUTCOMES, ids=sorted(lead_ids), kinds=wanted, now=now)
    }
