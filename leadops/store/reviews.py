"""Touches that wait for a person. The steps of the ledger (``touches.py``) that only a person's word takes.

    claimed -> in_review (bytes kept as ``message_bodies.proof``) -> planned, approved | cancelled, rejected

An approval names the digest of the bytes that were shown; the hand-over lets nothing else leave.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, LargeBinary

from leadops.store.engine import TEXTS, put, rows, sql
from leadops.store.tables import reviews
from leadops.terms import TouchReason, stable_id

# Bytes that were handed over once are what a retry would send: they are shown, not what is composed now.
_HOLD = sql(
    """with given as materialized (
        select * from unnest(:ids, :tokens, :drafts, :proofs) as g(touch_id, token, draft_id, proof)
    ), kept as (
        update message_bodies b set proof = coalesce(b.wire, g.proof) from given g
        where b.draft_id = g.draft_id returning b.draft_id
    )
    update touches t set state = 'in_review', reason = :reason, in_review_since = :now, lease_token = null,
    lease_until = null, draft_id = k.draft_id, approved_digest = null, reviewed_by = null, reviewed_at = null
    from given g join kept k using (draft_id)
    where t.touch_id = g.touch_id and t.state = 'claimed' and t.lease_token = g.token
    returning t.touch_id""",
    ids=TEXTS,
    tokens=TEXTS,
    drafts=TEXTS,
    proofs=ARRAY(LargeBinary),
)
_APPROVE = sql(
    """update touches t set state = 'planned', reason = 'approved', due_at = greatest(t.due_at, :now),
    approved_digest = g.digest, reviewed_by = :by, reviewed_at = :now
    from unnest(:ids, :digests) as g(touch_id, digest)
    where t.touch_id = g.touch_id and t.state = 'in_review' returning t.touch_id""",
    ids=TEXTS,
    digests=TEXTS,
)
_REJECT = sql(
    """update touches set state = 'cancelled', reason = 'rejected_by_reviewer', settled_at = :now,
    reviewed_by = :by, reviewed_at = :now
    where touch_id = any(:ids) and state = 'in_review' returning touch_id""",
    ids=TEXTS,
)
_LOCK_ENROLMENTS = sql(
    """select 1 from enrolments where enrolment_id in (select enrolment_id from touches
        where touch_id = any(:ids)) order by enrolment_id for no key update""",
    ids=TEXTS,
)
_LOCK = sql("select * from touches where touch_id = any(:ids) order by touch_id for update", ids=TEXTS)
_BYTES = sql(
    """select t.touch_id, b.proof, b.wire from touches t join message_bodies b using (draft_id)
    where t.touch_id = any(:ids)""",
    ids=TEXTS,
)
_WAITING = sql(
    """select t.touch_id, t.enrolment_id, t.lead_id, t.position, t.sequence, t.step, t.template, t.reason,
        t.due_at, t.in_review_since, t.mailbox, b.subject, b.body, b.proof, l.name, l.company, l.tier, l.score
    from touches t left join message_bodies b using (draft_id) left join leads l on l.lead_id = t.lead_id
    where t.state = 'in_review' and (cast(:tier as text) is null or t.sequence = :tier)
        and (cast(:template as text) is null or t.template = :template)
    order by t.urgency, t.in_review_since, t.touch_id limit :limit"""
)
# Bounded, for it is told with every run; one look at the index per urgency for the oldest.
_HOW_MANY = sql(
    """select
        (select count(*) from (select 1 from touches where state = 'in_review' limit :most) c) as waiting,
        (select min(o.at) from (values (0), (1), (2)) as u(urgency), lateral (
            select t.in_review_since as at from touches t where t.state = 'in_review'
            and t.urgency = u.urgency order by t.in_review_since limit 1) o) as since"""
)
COUNTED = 5_000
_SAID = sql("select * from reviews where touch_id = :id order by reviewed_at, verdict = 'void', review_id")


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed touch whose message a person must look at. ``proof``: all of it, but for when it leaves."""

    touch_id: str
    token: str
    draft_id: str
    proof: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A message's bytes: as shown for review, and as frozen by a hand-over; None where there are none."""

    proof: bytes | None
    wire: bytes | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many touches wait for a person, and since when the oldest of them does."""

    waiting: int
    since: datetime | None


def hold(connection: Connection, held: Sequence[Held], reason: TouchReason, *, now: datetime) -> set[str]:
    """They wait for a person from now on; an earlier approval is over. Returns those that were this worker's.

    One whose draft is gone is missing.
    """
    found = rows(
        connection,
        _HOLD,
        ids=[h.touch_id for h in held],
        tokens=[h.token for h in held],
        drafts=[h.draft_id for h in held],
        proofs=[h.proof for h in held],
        reason=reason.value,
        now=now,
    )
    return {r["touch_id"] for r in found}


def lock(connection: Connection, touch_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The touches as they are, locked; their enrolments before them, as everywhere."""
    ids = sorted(touch_ids)
    rows(connection, _LOCK_ENROLMENTS, ids=ids)
    return {r["touch_id"]: r for r in rows(connection, _LOCK, ids=ids)}


def kept(connection: Connection, touch_ids: Collection[str]) -> dict[str, Kept]:
    """touch_id -> its bytes; missing where it has no draft."""
    found = rows(connection, _BYTES, ids=sorted(touch_ids)) if touch_ids else []
    return {r["touch_id"]: Kept(r["proof"], r["wire"]) for r in found}


def approve(connection: Connection, digests: Mapping[str, str], by: str, *, now: datetime) -> set[str]:
    """touch_id -> digest of what was looked at. Returns those that waited until now."""
    ids = sorted(digests)
    found = rows(connection, _APPROVE, ids=ids, digests=[digests[i] for i in ids], by=by, now=now)
    done = {r["touch_id"] for r in found}
    record(connection, {i: digests[i] for i in done}, "approved", by, now=now)
    return done


def reject(
    connection: Connection, digests: Mapping[str, str | None], by: str, why: str | None, *, now: datetime
) -> set[str]:
    """The same for those that are not to leave; they are cancelled."""
    found = rows(connection, _REJECT, ids=sorted(digests), by=by, now=now)
    done = {r["touch_id"] for r in found}
    record(connection, {i: digests[i] for i in done}, "rejected", by, why, now=now)
    return done


def record(
    connection: Connection,
    digests: Mapping[str, str | None],
    verdict: str,
    by: str,
    why: str | None = None,
    *,
    now: datetime,
) -> None:
    """What was said of these, for good: touch_id -> digest of the bytes it is about."""
    said = [
        {
            "review_id": stable_id("rev", touch_id, verdict, digest or "", now.isoformat()),
            "touch_id": touch_id,
            "verdict": verdict,
            "digest": digest,
            "reviewer": by,
            "why": why,
            "reviewed_at": now,
        }
        for touch_id, digest in sorted(digests.items())
    ]
    put(connection, reviews, said)


def waiting(
    connection: Connection, *, tier: str | None = None, template: str | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Those that wait, the most urgent tier first and in it the oldest; with their lead and their bytes."""
    return rows(connection, _WAITING, tier=tier, template=template, limit=limit)


def backlog(connection: Connection) -> Backlog:
    """Counted up to ``COUNTED``."""
    return Backlog(**rows(connection, _HOW_MANY, most=COUNTED)[0])


def said_of(connection: Connection, touch_id: str) -> list[dict[str, Any]]:
    """Every word of a person on this touch, oldest first."""
    return rows(connection, _SAID, id=touch_id)
