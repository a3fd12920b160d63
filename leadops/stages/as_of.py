"""Leads as they were known when they came in: what a score or a model may look at, and what came of it.

Only events up to the moment they became a lead are folded, so nothing that happened later can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.domain.fold import fold
from leadops.domain.scoring import inputs_of
from leadops.stages.enrich import evidence_of
from leadops.store import events as log
from leadops.store.engine import rows, sql
from leadops.terms import LeadEvent, LeadState

_BATCH = 1_000
_COHORT = sql(
    """select lead_id, became_lead_at, meeting_booked_at, won_at from leads
    where became_lead_at >= :since and became_lead_at < :until and merged_into is null and not is_test
    and (became_lead_at, lead_id) > (:after, :lead)
    order by became_lead_at, lead_id limit :limit"""
)


@dataclass(frozen=True, slots=True)
class FirstLook:
    """One lead at the moment it became one. ``inputs``: names of ``scoring.INPUTS``. ``events``: up to then,
    in order. ``converted_at``: first meeting booked or deal won after it, whenever that was."""

    lead_id: str
    at: datetime
    state: LeadState
    events: tuple[LeadEvent, ...]
    inputs: dict[str, Any]
    converted_at: datetime | None


def first_looks(connection: Connection, *, since: datetime, until: datetime) -> Iterator[FirstLook]:
    """Everybody who became a lead in [since, until), the oldest first; tests and merged records are left out.

    Enrichment is as stored: it says who somebody is, not what they did afterwards.
    """
    after, lead = since, ""
    while batch := rows(connection, _COHORT, since=since, until=until, after=after, lead=lead, limit=_BATCH):
        yield from _looks(connection, batch)
        after, lead = batch[-1]["became_lead_at"], batch[-1]["lead_id"]


def _looks(connection: Connection, batch: Sequence[dict[str, Any]]) -> Iterator[FirstLook]:
    ids = [r["lead_id"] for r in batch]
    loaded = log.load(connection, ids, ())
    evidence = evidence_of(connection, ids)
    own: dict[str, list[LeadEvent]] = {i: [] for i in ids}
    for event_id, event in loaded.events.items():
        own[loaded.lead_of[event_id]].append(event)
    for row in batch:
        lead_id, at = row["lead_id"], row["became_lead_at"]
        known = sorted(
            (e for e in own[lead_id] if e.occurred_at <= at), key=lambda e: (e.occurred_at, e.event_id)
        )
        if not known:  # its events were moved to another person and the fold has yet to see that
            continue
        state = fold(known, loaded.classes)
        came = [t for t in (row["meeting_booked_at"], row["won_at"]) if t is not None and t >= at]
        yield FirstLook(
            lead_id=lead_id,
            at=at,
            state=state,
            events=tuple(known),
            inputs=inputs_of(state, evidence[lead_id], at),
            converted_at=min(came, default=None),
        )
