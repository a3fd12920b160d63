"""Leads and who owns which identity key. One row per person; written by the fold alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, on_conflict_update, one_value, put, rows, sql
from leadops.store.gate import lock_exclusive
from leadops.store.tables import lead_keys, leads, parked_items
from leadops.terms import LeadState, Score

_OWNERS = sql("select key, lead_id from lead_keys where key = any(:keys)", keys=TEXTS)
_LOCK_LEADS = sql(
    """select lead_id, created_at, state, state_digest, merged_into
    from leads where lead_id = any(:ids) order by lead_id for update""",
    ids=TEXTS,
)
_ASSIGN = sql(
    """update lead_events e set lead_id = coalesce(m.lead_id, e.lead_id),
    pending_fold = e.pending_fold and e.event_id <> all(:folded)
    from unnest(:events, :owners) as m(event_id, lead_id) where e.event_id = m.event_id""",
    events=TEXTS,
    owners=TEXTS,
    folded=TEXTS,
)
_MERGE = [
    sql(
        """update leads set merged_into = :into, pending_enrichment = false, pending_score = false,
        pending_enrolment = false, enrich_again_at = null, updated_at = :at where lead_id = :lead"""
    ),
    sql("update lead_keys set lead_id = :into where lead_id = :lead"),
]


@dataclass(frozen=True, slots=True)
class KnownLead:
    """What the fold needs of a row that exists."""

    lead_id: str
    created_at: datetime
    state_digest: str
    state_json: Mapping[str, Any]


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
        r["lead_id"]: KnownLead(r["lead_id"], r["created_at"], r["state_digest"], r["state"])
        for r in found
        if r["merged_into"] is None
    }


def assign_events(connection: Connection, owner_of: Mapping[str, str], *, folded: Iterable[str]) -> None:
    """Say whose events these are, and take the ``folded`` ones off the fold's list.

    No other row is written: the rest of the list is another worker's, who may be waiting for this one.
    """
    done = sorted(folded)
    events = sorted({*owner_of, *done})
    if events:
        given = {"events": events, "owners": [owner_of.get(e) for e in events], "folded": done}
        connection.execute(_ASSIGN, given)


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


_CLAIM = {
    flag: sql(
        f"""select * from leads where {flag} and merged_into is null
        order by updated_at, lead_id limit :limit for update skip locked"""
    )
    for flag in ("pending_score", "pending_enrolment")
}
_SCORED = sql(
    """with done as (
        update leads l set pending_score = false, score = coalesce(m.total::float8, l.score),
            tier = coalesce(m.tier, l.tier),
            disqualified = case when m.tier is null then l.disqualified else m.disqualified end,
            pending_enrolment = l.pending_enrolment or l.lead_id = any(:scored)
        from unnest(:ids, :totals, :tiers, :disqualified) as m(lead_id, total, tier, disqualified)
        where l.lead_id = m.lead_id
    )
    select count(*) from leads where pending_score and lead_id <> all(:ids)""",
    ids=TEXTS,
    totals=TEXTS,
    tiers=TEXTS,
    disqualified=TEXTS,
    scored=TEXTS,
)
_DECIDED = sql(
    """with done as (
        update leads l set pending_enrolment = false, not_enrolled_reason =
            case when l.lead_id = any(:decided) then m.reason else l.not_enrolled_reason end
        from unnest(:ids, :reasons) as m(lead_id, reason) where l.lead_id = m.lead_id
    )
    select count(*) from leads where pending_enrolment and lead_id <> all(:ids)""",
    ids=TEXTS,
    reasons=TEXTS,
    decided=TEXTS,
)


def claim(connection: Connection, flag: str, limit: int) -> list[dict[str, Any]]:
    """Lock up to ``limit`` leads that wait for a stage, oldest change first, until the transaction ends."""
    return rows(connection, _CLAIM[flag], limit=limit)


def scored(
    connection: Connection,
    lead_ids: Iterable[str],
    scores: Mapping[str, Score],
    *,
    changed: Collection[str],
) -> int:
    """These were looked at, and those with a score go on to the decision to enrol; of the ``changed`` ones
    the score is new. Returns how many others wait for a score."""
    ids = sorted(lead_ids)
    new = [scores[i] if i in changed else None for i in ids]
    totals = [None if s is None else str(s.total) for s in new]
    given = {
        "ids": ids,
        "totals": totals,
        "tiers": [None if s is None else s.tier.value for s in new],
        "disqualified": [None if s is None else s.disqualified for s in new],
        "scored": sorted(scores),
    }
    return int(one_value(connection, _SCORED, **given))


def decided(connection: Connection, lead_ids: Iterable[str], reasons: Mapping[str, str | None]) -> int:
    """Whether to enrol these is decided. ``reasons``: of those enrolled (None) or refused, why not.

    Returns how many others wait for that decision."""
    ids = sorted(lead_ids)
    given = {"ids": ids, "reasons": [reasons.get(i) for i in ids], "decided": sorted(reasons)}
    return int(one_value(connection, _DECIDED, **given))


_CAME_IN = sql(
    """select count(*) from (
        select 1 from leads where became_lead_at > :since and became_lead_at <= :until
        and merged_into is null and not is_test limit :most) counted"""
)


def came_in(connection: Connection, *, since: datetime, until: datetime, at_most: int | None = None) -> int:
    """How many became leads after ``since`` up to ``until``, counted to ``at_most``: its price is bounded by
    that; None: all. Test records and leads that turned out to be another one are left out.
    """
    return int(one_value(connection, _CAME_IN, since=since, until=until, most=at_most))
