"""Leads and who owns which identity key. One row per person; written by the fold alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, on_conflict_update, one_value, put, rows, sql
from leadops.store.gate import lock_exclusive
from leadops.store.tables import lead_keys, leads, parked_items
from leadops.terms import LeadState

_OWNERS = sql("select key, lead_id from lead_keys where key = any(:keys)", keys=TEXTS)
_LOCK_LEADS = sql(
    """select lead_id, created_at, state_digest, became_lead_at, merged_into
    from leads where lead_id = any(:ids) order by lead_id for update""",
    ids=TEXTS,
)
_ASSIGN = sql(
    """update lead_events e set lead_id = m.lead_id
    from unnest(:events, :owners) as m(event_id, lead_id) where e.event_id = m.event_id""",
    events=TEXTS,
    owners=TEXTS,
)
_FOLDED = sql("update lead_events set pending_fold = false where event_id = any(:events)", events=TEXTS)
_CLASSES = sql("select event_id, class from replies where event_id = any(:events)", events=TEXTS)
_MERGE = [
    sql(
        """update leads set merged_into = :into, pending_enrichment = false, pending_score = false,
        pending_enrolment = false, updated_at = :at where lead_id = :lead"""
    ),
    sql("update lead_keys set lead_id = :into where lead_id = :lead"),
]


@dataclass(frozen=True, slots=True)
class KnownLead:
    """What the fold needs of a row that exists."""

    lead_id: str
    created_at: datetime
    state_digest: str


@dataclass(frozen=True, slots=True)
class LeadRow:
    """One row to write. ``flag`` names the pending flag the change raises, if any."""

    lead_id: str
    state: LeadState
    state_json: Mapping[str, Any]
    state_digest: str
    flag: str | None


def lock_fold_keys(connection: Connection, keys: Iterable[str]) -> None:
    """Two folds of events that share an identity key go one after the other."""
    lock_exclusive(connection, {"fold:" + k for k in keys})


def owners_of(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """identity key -> lead_id, for those that have an owner."""
    return {r["key"]: r["lead_id"] for r in rows(connection, _OWNERS, keys=sorted(keys))}


def lock_leads(connection: Connection, lead_ids: Iterable[str]) -> dict[str, KnownLead]:
    """Lock these rows until the transaction ends; merged ones are left out."""
    found = rows(connection, _LOCK_LEADS, ids=sorted(lead_ids))
    return {
        r["lead_id"]: KnownLead(r["lead_id"], r["created_at"], r["state_digest"])
        for r in found
        if r["merged_into"] is None
    }


def reply_classes(connection: Connection, events: Iterable[str]) -> dict[str, str]:
    """event_id -> ReplyClass value, for inbound messages already classified."""
    return {r["event_id"]: r["class"] for r in rows(connection, _CLASSES, events=sorted(events))}


def assign_events(connection: Connection, owner_of: Mapping[str, str], *, folded: Iterable[str]) -> None:
    """Say whose events these are, and take the ``folded`` ones off the fold's list.

    No other row is written: the rest of the list is another worker's, who may be waiting for this one.
    """
    if owner_of:
        events = sorted(owner_of)
        connection.execute(_ASSIGN, {"events": events, "owners": [owner_of[e] for e in events]})
    connection.execute(_FOLDED, {"events": sorted(folded)})


def write_keys(connection: Connection, owner_of: Mapping[str, str]) -> None:
    """Upsert identity key -> lead_id."""
    values = [{"key": k, "lead_id": v} for k, v in sorted(owner_of.items())]
    put(connection, lead_keys, values, on_conflict_update("key", "lead_id"))


def write_leads(connection: Connection, written: Sequence[LeadRow], *, now: datetime) -> None:
    """Insert or update; a pending flag is only ever raised here, never taken down."""
    if not written:
        return
    values = sorted((_columns(row, now) for row in written), key=lambda v: str(v["lead_id"]))
    flags = ("pending_enrichment", "pending_score")
    kept = {"lead_id", "created_at", *flags}
    raised = "".join(f", {flag} = leads.{flag} or excluded.{flag}" for flag in flags)
    tail = on_conflict_update("lead_id", *(name for name in values[0] if name not in kept)) + raised
    put(connection, leads, values, tail)


def _columns(row: LeadRow, now: datetime) -> dict[str, Any]:
    s = row.state
    return {
        "lead_id": row.lead_id,
        "email": s.address,
        "name": s.name,
        "company": s.company,
        "domain": s.domain,
        "title": s.title,
        "country": s.country,
        "timezone": s.timezone,
        "source": s.source,
        "owner": s.owner,
        "became_lead_at": s.became_lead_at,
        "lead_day_precision": s.lead_day_precision,
        "last_event_at": s.last_event_at,
        "stop_reason": s.stop.reason.value if s.stop else None,
        "stopped_at": s.stop.at if s.stop else None,
        "is_test": s.is_test,
        "first_human_reply_at": s.first_human_contact_at,
        "meeting_booked_at": s.meeting_booked_at,
        "meeting_held_at": s.meeting_held_at,
        "won_at": s.won_at,
        "lost_at": s.lost_at,
        "state": dict(row.state_json),
        "state_digest": row.state_digest,
        "merged_into": None,
        "created_at": now,
        "updated_at": now,
        "pending_enrichment": row.flag == "pending_enrichment",
        "pending_score": row.flag == "pending_score",
    }


def merge_into(connection: Connection, lead_id: str, into: str, *, now: datetime) -> None:
    """``lead_id`` turned out to be ``into``."""
    for statement in _MERGE:
        given = {"lead": lead_id, "into": into, "at": now}
        connection.execute(statement, {n: given[n] for n in statement.compile().params})


def park(connection: Connection, stage: str, items: Mapping[str, str], *, now: datetime) -> None:
    """Put items aside for a person: item id -> error code."""
    values = [{"stage": stage, "item_id": i, "reason": r, "parked_at": now} for i, r in sorted(items.items())]
    put(connection, parked_items, values, on_conflict_update("stage, item_id", "reason", "parked_at"))


_PENDING_COUNT = {
    flag: sql(f"select count(*) from leads where {flag}")
    for flag in ("pending_enrichment", "pending_score", "pending_enrolment")
}
_CLAIM = {
    flag: sql(
        f"""select * from leads where {flag} and merged_into is null
        order by updated_at, lead_id limit :limit for update skip locked"""
    )
    for flag in ("pending_enrichment", "pending_score", "pending_enrolment")
}
_DONE = {
    flag: sql(f"update leads set {flag} = false where lead_id = any(:ids)", ids=TEXTS)
    for flag in ("pending_enrichment", "pending_score", "pending_enrolment")
}


def claim(connection: Connection, flag: str, limit: int) -> list[dict[str, Any]]:
    """Lock up to ``limit`` leads that wait for a stage, oldest change first, until the transaction ends."""
    return rows(connection, _CLAIM[flag], limit=limit)


def done(connection: Connection, flag: str, lead_ids: Iterable[str]) -> None:
    """These no longer wait for the stage."""
    connection.execute(_DONE[flag], {"ids": sorted(lead_ids)})


def waiting(connection: Connection, flag: str) -> int:
    """How many leads wait for a stage (partial index)."""
    return int(one_value(connection, _PENDING_COUNT[flag]))
