"""What the CRM and its people are owed: the write-back outbox and handoffs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, one_value, put, rows, sql
from leadops.store.tables import crm_writebacks, handoffs


@dataclass(frozen=True, slots=True)
class Owed:
    """One action the CRM is to be told, once: ``dedupe_key`` says which."""

    dedupe_key: str
    kind: str  # touch, score, enrolment, task
    lead_id: str
    payload: Mapping[str, Any]


def enqueue(connection: Connection, owed: Iterable[Owed], *, now: datetime) -> None:
    """Put actions into the outbox; one already there is left as it is."""
    values = [
        {
            "dedupe_key": o.dedupe_key,
            "kind": o.kind,
            "lead_id": o.lead_id,
            "payload": dict(o.payload),
            "state": "pending",
            "created_at": now,
            "due_at": now,
        }
        for o in sorted(owed, key=lambda o: o.dedupe_key)
    ]
    put(connection, crm_writebacks, values)


_CLAIM = sql(
    """
    with due as (
        select dedupe_key from crm_writebacks
        where state = 'pending' and due_at <= :now
        order by due_at, dedupe_key limit :limit for update skip locked
    )
    update crm_writebacks w set due_at = :until, attempts = attempts + 1
    from due where w.dedupe_key = due.dedupe_key
    returning w.dedupe_key, w.kind, w.lead_id, w.payload, w.attempts, w.created_at,
        (select jsonb_build_object('crm_ids', l.state -> 'crm_ids', 'contact', jsonb_strip_nulls(
            jsonb_build_object('email', l.state ->> 'address', 'name', l.name, 'company', l.company)))
         from leads l where l.lead_id = coalesce(
            (select m.merged_into from leads m where m.lead_id = w.lead_id), w.lead_id)) as who
    """
)
_DONE = sql(
    """update crm_writebacks set state = 'done', done_at = :now, detail = null
    where dedupe_key = any(:keys) and state = 'pending'""",
    keys=TEXTS,
)
_RETRY = sql(
    """update crm_writebacks set due_at = :due, detail = :detail
    where dedupe_key = :key and state = 'pending'"""
)
_FAILED = sql(
    """update crm_writebacks set state = 'failed', done_at = :now, detail = :detail
    where dedupe_key = :key and state = 'pending'"""
)
_PENDING = sql("select count(*) from crm_writebacks where state = 'pending'")


def claim_writebacks(
    connection: Connection, *, now: datetime, limit: int, lease: timedelta
) -> list[dict[str, Any]]:
    """Take due actions; they come back by themselves after ``lease`` unless recorded (told at least once,
    and once only to the CRM because its adapter deduplicates by key)."""
    return rows(connection, _CLAIM, now=now, limit=limit, until=now + lease)


def writebacks_done(connection: Connection, keys: Sequence[str], *, now: datetime) -> None:
    """The CRM has these."""
    if keys:
        connection.execute(_DONE, {"keys": sorted(keys), "now": now})


def writeback_retry(connection: Connection, key: str, *, due: datetime, detail: str) -> None:
    """Try again at ``due``."""
    connection.execute(_RETRY, {"key": key, "due": due, "detail": detail})


def writeback_failed(connection: Connection, key: str, *, now: datetime, detail: str) -> None:
    """The CRM refuses it for good: a person's list."""
    connection.execute(_FAILED, {"key": key, "now": now, "detail": detail})


def writebacks_pending(connection: Connection) -> int:
    """How many actions the CRM is still owed."""
    return int(one_value(connection, _PENDING))


@dataclass(frozen=True, slots=True)
class Handoff:
    """A lead given to a person."""

    handoff_id: str
    lead_id: str
    enrolment_id: str | None
    event_id: str
    reason: str
    owner: str
    created_at: datetime
    sla_due_at: datetime


_OPEN = sql("select distinct lead_id from handoffs where acted_at is null and lead_id = any(:ids)", ids=TEXTS)
# A rep may have acted after the event that caused it and before we heard of it.
_ACTED = sql(
    """update handoffs h set acted_at = greatest(m.at::timestamptz, h.created_at)
    from unnest(:leads, :moments) as m(lead_id, at)
    where h.lead_id = m.lead_id and h.acted_at is null and m.at::timestamptz >= coalesce(
        (select e.occurred_at from lead_events e where e.event_id = h.event_id), h.created_at)""",
    leads=TEXTS,
    moments=TEXTS,
)


def open_handoffs(connection: Connection, lead_ids: Iterable[str]) -> set[str]:
    """Those of these leads that already wait on somebody."""
    ids = sorted(lead_ids)
    return {r["lead_id"] for r in rows(connection, _OPEN, ids=ids)} if ids else set()


def hand_off(connection: Connection, given: Sequence[Handoff]) -> set[str]:
    """Record handoffs; returns the ids that were new."""
    values = [{f: getattr(h, f) for f in Handoff.__dataclass_fields__} for h in given]
    return set(put(connection, handoffs, values, returning="handoff_id"))


def record_rep_action(connection: Connection, at_by_lead: Mapping[str, datetime]) -> None:
    """A rep acted on these leads: closes what waited on them."""
    if at_by_lead:
        ids = sorted(at_by_lead)
        connection.execute(_ACTED, {"leads": ids, "moments": [at_by_lead[i].isoformat() for i in ids]})
