"""The send ledger: the only place that knows whether a touch left, and the only one that lets it.

    planned -> claimed (lease; nothing may leave yet; expiry -> planned)
            -> in_review (a person decides, ``reviews.py``; approved -> planned, rejected -> cancelled)
            -> handing_over (gate passed, bytes frozen; committed right before the call; expiry -> unknown)
            -> sent | failed | unknown                any of the first three -> cancelled

Every function is one statement on rows whose state it names, so that two workers, or a worker that
wakes up after its lease, never both win (R3).

Order of locks, everywhere: the stop gate's, the enrolment's row, the mailbox's cap, the touch's row. The
fold ends an enrolment and then cancels its touches; the other way round here, the two would wait for
each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Connection, LargeBinary

from leadops.store.engine import BIGINTS, TEXTS, one_value, put, rows, sql
from leadops.store.gate import lock_numbers
from leadops.store.runners import WORKERS_ALIVE
from leadops.store.tables import touches
from leadops.terms import PlannedTouch, SendResult, TouchReason

LEASED_BY_THE_DEAD = f"(position('~' in lease_token) = 10 and left(lease_token, 9) not in ({WORKERS_ALIVE}))"
"""SQL, of a touch: its lease is that of a runner that is gone. Only for claims, of which nothing has left: a
hand-over may be on the wire while its worker has lost nothing but the database."""
_NOT_HANDED_OVER = "state in ('planned', 'claimed', 'in_review')"

# One index range per urgency: reads what is due and nothing else, however big the table.
_CLAIM = sql(
    """
    with due as (
        select d.touch_id from (values (0), (1), (2)) as u(urgency),
        lateral (
            select t.touch_id, t.urgency, t.due_at from touches t
            where t.state = 'planned' and t.urgency = u.urgency and t.due_at <= :now
            order by t.due_at, t.touch_id limit :limit for update skip locked
        ) d
        order by d.urgency, d.due_at, d.touch_id limit :limit
    )
    update touches t set state = 'claimed', reason = 'leased', lease_token = :token, lease_until = :until
    from due where t.touch_id = due.touch_id
    returning t.*
    """
)
_DUE = sql(
    """select count(*) from (
        select 1 from (values (0), (1), (2)) as u(urgency),
        lateral (select 1 from touches t where t.state = 'planned' and t.urgency = u.urgency
            and t.due_at <= :now limit :limit) d
    ) counted"""
)
_ENROLMENT = sql("select 1 from enrolments where enrolment_id = :id for no key update")
# Each part waits for the one before it, so that the locks are taken in the ledger's order.
_FOR_HANDOVER = sql(
    """with enrolment as materialized (
        select 1 from enrolments where enrolment_id = any(:enrolments) order by enrolment_id
        for no key update
    ), caps as materialized (
        select count(pg_advisory_xact_lock(k)) as n from unnest(:caps) as k
        where (select count(*) from enrolment) >= 0
    )
    select t.touch_id from touches t join unnest(:ids, :tokens) as mine(touch_id, token)
        on mine.touch_id = t.touch_id and mine.token = t.lease_token
    where t.state = 'claimed' and (select n from caps) >= 0 order by t.touch_id for update of t""",
    enrolments=TEXTS,
    caps=BIGINTS,
    ids=TEXTS,
    tokens=TEXTS,
)
_HAND_OVER = sql(
    """with given as materialized (
        select * from unnest(:ids, :tokens, :drafts, :message_ids, :wires)
            as g(touch_id, token, draft_id, message_id, wire)
    ), frozen as (
        update message_bodies b set wire = coalesce(b.wire, g.wire) from given g
        where b.draft_id = g.draft_id returning b.draft_id, b.wire
    )
    update touches t set state = 'handing_over', reason = 'in_flight', handed_over_at = :now,
    lease_until = :until, attempts = attempts + 1, draft_id = g.draft_id, message_id = g.message_id,
    provider = :provider
    from given g left join frozen f using (draft_id)
    where t.touch_id = g.touch_id and t.state = 'claimed' and t.lease_token = g.token
    returning t.touch_id, f.wire""",
    ids=TEXTS,
    tokens=TEXTS,
    drafts=TEXTS,
    message_ids=TEXTS,
    wires=ARRAY(LargeBinary),
)
_DEFER = sql(
    """update touches set state = 'planned', reason = :reason, due_at = :due, detail = :detail,
    lease_token = null, lease_until = null, handed_over_at = null, settled_at = null
    where touch_id = :id and lease_token = :token and state in ('claimed', 'handing_over', 'unknown')
    returning *"""
)
_CANCEL_MINE = sql(
    """update touches set state = 'cancelled', reason = :reason, settled_at = :now, detail = :detail,
    lease_token = null, lease_until = null
    where touch_id = :id and lease_token = :token and state = 'claimed' returning *"""
)
# The enrolment's row is locked before the touch's is written, as everywhere.
_SENT = sql(
    """with enrolment as materialized (
        select enrolment_id from enrolments where enrolment_id = any(:enrolments) order by enrolment_id
        for no key update
    )
    update touches t set state = 'sent', reason = null, settled_at = :now, detail = g.detail,
    provider_ref = g.ref, message_id = coalesce(g.message_id, t.message_id), lease_token = null,
    lease_until = null
    from unnest(:ids, :tokens, :details, :refs, :message_ids)
        as g(touch_id, token, detail, ref, message_id), enrolment e
    where t.touch_id = g.touch_id and t.enrolment_id = e.enrolment_id
    and t.state in ('handing_over', 'unknown') and (t.lease_token = g.token or g.token is null)
    returning t.*, (select b.subject from message_bodies b where b.draft_id = t.draft_id) as subject""",
    enrolments=TEXTS,
    ids=TEXTS,
    tokens=TEXTS,
    details=TEXTS,
    refs=TEXTS,
    message_ids=TEXTS,
)
_FAILED = sql(
    """update touches set state = 'failed', reason = :reason, settled_at = :now, detail = :detail,
    lease_token = null, lease_until = null
    where touch_id = :id and state in ('claimed', 'handing_over', 'unknown') and lease_token = :token
    returning *"""
)
_UNKNOWN = sql(
    """update touches set state = 'unknown', reason = 'ambiguous', settled_at = :now, detail = :detail,
    lease_until = null
    where touch_id = :id and state = 'handing_over' and lease_token = :token returning *"""
)
_CANCEL = sql(
    f"""update touches set state = 'cancelled', reason = :reason, settled_at = :now, lease_token = null,
    lease_until = null
    where enrolment_id = any(:ids) and {_NOT_HANDED_OVER} returning touch_id, enrolment_id""",
    ids=TEXTS,
)
_EXPIRED_CLAIMS = sql(
    f"""update touches set state = 'planned', reason = 'lease_expired', lease_token = null, lease_until = null
    where touch_id in (select touch_id from touches where state = 'claimed' and (lease_until < :now
        or {LEASED_BY_THE_DEAD}) for update skip locked) returning touch_id"""
)
_EXPIRED_HANDOVERS = sql(
    """update touches set state = 'unknown', reason = 'ambiguous', settled_at = :now, lease_until = null,
    detail = 'no_outcome_recorded'
    where touch_id in (select touch_id from touches where state = 'handing_over' and lease_until < :now
        for update skip locked) returning *"""
)
_UNKNOWNS = sql(
    "select * from touches where state = 'unknown' order by settled_at desc, touch_id limit :limit"
)
_STILL_UNKNOWN = sql("select * from touches where touch_id = :id and state = 'unknown' for update")
_UNKNOWN_TO_PLANNED = sql(
    """update touches set state = 'planned', reason = :reason, due_at = :due, detail = :detail,
    lease_token = null, handed_over_at = null, settled_at = null
    where touch_id = :id and state = 'unknown' returning *"""
)
_GIVEN_UP = sql(
    """update touches set state = 'failed', settled_at = :now, detail = :detail, lease_token = null
    where touch_id = :id and state = 'unknown' returning *"""
)
_FINISH_AT = sql(
    """update enrolments e set finish_at = :at
    where e.enrolment_id = any(:ids) and e.state in ('active', 'paused', 'paused_ooo')
    and not e.pending_plan and not exists (
        select 1 from touches t where t.enrolment_id = e.enrolment_id
        and t.state in ('planned', 'claimed', 'in_review', 'handing_over', 'unknown'))""",
    ids=TEXTS,
)


def row(
    p: PlannedTouch, *, enrolment_id: str, lead_id: str, mailbox: str, urgency: int, now: datetime
) -> dict[str, Any]:
    """A planned touch as ``add`` takes it."""
    return {
        "touch_id": p.touch_id,
        "enrolment_id": enrolment_id,
        "lead_id": lead_id,
        "position": p.position,
        "sequence": p.sequence,
        "step": p.step,
        "channel": p.channel.value,
        "template": p.template,
        "state": "planned",
        "reason": TouchReason.SCHEDULED.value,
        "urgency": urgency,
        "planned_at": now,
        "first_due_at": p.due_at,
        "due_at": p.due_at,
        "why": dict(p.why),
        "mailbox": mailbox,
    }


def add(connection: Connection, planned: Sequence[Mapping[str, Any]]) -> None:
    """Put plans into the ledger; a step that is there already keeps what it has (R17)."""
    put(connection, touches, planned)


def claim_due(
    connection: Connection, *, now: datetime, limit: int, token: str, lease: timedelta
) -> list[dict[str, Any]]:
    """Lease what is due, most urgent first. Nothing may leave on a lease alone."""
    found = rows(connection, _CLAIM, now=now, limit=limit, token=token, until=now + lease)
    return sorted(found, key=lambda t: (t["urgency"], t["due_at"], t["touch_id"]))


def due_count(connection: Connection, *, now: datetime, limit: int = 1000) -> int:
    """How many touches are due, counted up to about ``limit``."""
    return int(one_value(connection, _DUE, now=now, limit=limit))


def lock_enrolment(connection: Connection, enrolment_id: str) -> None:
    """Taken before any touch of it is settled: whoever pauses or ends it waits, or is seen.

    Also lets two that settle the last touches of one enrolment see each other (``close_if_done``).
    """
    connection.execute(_ENROLMENT, {"id": enrolment_id})


def lock_for_handover(
    connection: Connection, mine: Mapping[str, str], *, enrolments: Iterable[str], caps: Iterable[str]
) -> set[str]:
    """Lock the enrolments, what ``caps`` names, then the touches: touch_id -> lease token. Returns those that
    are still this worker's.

    Counting a cap and taking a place under it is one at a time per mailbox or domain (R22).
    """
    given = {"ids": sorted(mine), "tokens": [mine[i] for i in sorted(mine)]}
    numbers = lock_numbers("cap:" + c for c in caps)
    found = rows(connection, _FOR_HANDOVER, enrolments=sorted(enrolments), caps=numbers, **given)
    return {r["touch_id"] for r in found}


@dataclass(frozen=True, slots=True)
class HandOver:
    """A touch that may leave now. ``wire``: the draft's bytes; None: it is no message."""

    touch_id: str
    token: str
    draft_id: str
    message_id: str | None = None
    wire: bytes | None = None


def hand_over(
    connection: Connection, given: Sequence[HandOver], *, now: datetime, until: datetime, provider: str
) -> dict[str, bytes | None]:
    """The step after which bytes may leave. Commit before the call.

    A draft's bytes are fixed for good here. touch_id -> those that stand: the first ones, on a retry. Those
    that are no longer this worker's are missing.
    """
    found = rows(
        connection,
        _HAND_OVER,
        ids=[g.touch_id for g in given],
        tokens=[g.token for g in given],
        drafts=[g.draft_id for g in given],
        message_ids=[g.message_id for g in given],
        wires=[g.wire for g in given],
        now=now,
        until=until,
        provider=provider,
    )
    return {r["touch_id"]: r["wire"] for r in found}


def defer(
    connection: Connection,
    touch_id: str,
    token: str,
    reason: TouchReason,
    due: datetime,
    detail: str | None = None,
) -> bool:
    """Back to planned: certainly nothing was accepted. It no longer counts toward a cap.

    Of an ``unknown`` one only the worker that made the call can say so. False: it is no longer this worker's.
    """
    given = {"id": touch_id, "token": token, "reason": reason.value, "due": due, "detail": detail}
    return bool(rows(connection, _DEFER, **given))


def cancel_claimed(
    connection: Connection,
    touch_id: str,
    token: str,
    reason: TouchReason,
    *,
    now: datetime,
    detail: str | None = None,
) -> bool:
    """A gate refused for good (R15): ends once, with its reason. False: it is no longer this worker's."""
    given = {"id": touch_id, "token": token, "reason": reason.value, "now": now, "detail": detail}
    return bool(rows(connection, _CANCEL_MINE, **given))


@dataclass(frozen=True, slots=True)
class Sent:
    """What a provider has accepted. ``token`` None: whoever holds it, definite news beats none."""

    touch_id: str
    enrolment_id: str
    token: str | None
    result: SendResult


def record_sent(connection: Connection, sent: Sequence[Sent], *, now: datetime) -> list[dict[str, Any]]:
    """The provider has them: the rows as they are now, with their subjects. Locks the enrolments as well.

    Also settles ``unknown`` ones. Those that others have settled meanwhile are missing.
    """
    return rows(
        connection,
        _SENT,
        enrolments=sorted({s.enrolment_id for s in sent}),
        ids=[s.touch_id for s in sent],
        tokens=[s.token for s in sent],
        details=[s.result.detail or None for s in sent],
        refs=[s.result.provider_ref for s in sent],
        message_ids=[s.result.message_id for s in sent],
        now=now,
    )


def record_failed(
    connection: Connection, touch_id: str, token: str, reason: TouchReason, detail: str, *, now: datetime
) -> dict[str, Any] | None:
    """Certainly not accepted and never to be tried again."""
    given = {"id": touch_id, "token": token, "reason": reason.value, "detail": detail, "now": now}
    found = rows(connection, _FAILED, **given)
    return found[0] if found else None


def record_unknown(
    connection: Connection, touch_id: str, token: str, detail: str, *, now: datetime
) -> dict[str, Any] | None:
    """Bytes left and no answer settles it: never sent again by itself (R2)."""
    found = rows(connection, _UNKNOWN, id=touch_id, token=token, detail=detail, now=now)
    return found[0] if found else None


def cancel_open(
    connection: Connection, enrolment_ids: Iterable[str], reason: TouchReason, *, now: datetime
) -> int:
    """Cancel what has not been handed over of these enrolments."""
    ids = sorted(enrolment_ids)
    return len(rows(connection, _CANCEL, ids=ids, reason=reason.value, now=now)) if ids else 0


def expire(connection: Connection, *, now: datetime) -> tuple[int, list[dict[str, Any]]]:
    """Leases that ran out: claims become planned again (how many), hand-overs unknown (which).

    What somebody is settling right now is left to them.
    """
    claims = len(rows(connection, _EXPIRED_CLAIMS, now=now))
    return claims, rows(connection, _EXPIRED_HANDOVERS, now=now)


def unknown(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Touches with unknown outcome, newest first: those nobody can settle never hide a new one."""
    return rows(connection, _UNKNOWNS, limit=limit)


_WITH_RECEIPT = sql(
    """select t.touch_id from touches t where t.touch_id = any(:ids) and (
        exists (select 1 from lead_events e join event_payloads p using (event_id)
            where e.lead_id = t.lead_id and p.payload -> 'properties' ->> 'touch_id' = t.touch_id
            and e.kind in ('email_processed', 'email_delivered', 'email_opened', 'email_clicked',
                'email_bounced', 'email_complained'))
        or exists (select 1 from replies r where r.touch_id = t.touch_id and r.matched_by = 'msgid'))""",
    ids=TEXTS,
)
_LOCK_ENROLMENTS_OF = sql(
    """select 1 from enrolments where enrolment_id in (select enrolment_id from touches
        where touch_id = any(:ids)) order by enrolment_id for no key update""",
    ids=TEXTS,
)
_MESSAGE_IDS = sql(
    """update touches t set message_id = m.message_id
    from unnest(:touches, :ids) as m(touch_id, message_id)
    where t.touch_id = m.touch_id and t.message_id is distinct from m.message_id
    and t.state in ('handing_over', 'sent', 'unknown')""",
    touches=TEXTS,
    ids=TEXTS,
)


def with_receipt(connection: Connection, touch_ids: Sequence[str]) -> set[str]:
    """Those of these touches of which the provider, or the lead, has told us that they left."""
    found = rows(connection, _WITH_RECEIPT, ids=sorted(touch_ids)) if touch_ids else []
    return {r["touch_id"] for r in found}


def put_message_ids(connection: Connection, told: Mapping[str, str]) -> None:
    """touch_id -> Message-ID as it was on the wire. Locks the enrolments first, in order."""
    if not told:
        return
    ids = sorted(told)
    rows(connection, _LOCK_ENROLMENTS_OF, ids=ids)
    connection.execute(_MESSAGE_IDS, {"touches": ids, "ids": [told[i] for i in ids]})


def lock_unknown(connection: Connection, touch_id: str) -> dict[str, Any] | None:
    """The touch, locked, if its outcome is still unknown."""
    found = rows(connection, _STILL_UNKNOWN, id=touch_id)
    return found[0] if found else None


def unknown_to_planned(
    connection: Connection, touch_id: str, *, due: datetime, reason: TouchReason, detail: str
) -> dict[str, Any] | None:
    """The provider certainly does not have it: try again with the same key."""
    given = {"id": touch_id, "due": due, "reason": reason.value, "detail": detail}
    found = rows(connection, _UNKNOWN_TO_PLANNED, **given)
    return found[0] if found else None


def give_up_unknown(
    connection: Connection, touch_id: str, detail: str, *, now: datetime
) -> dict[str, Any] | None:
    """A person stops waiting for news: never sent again. Its reason stays ``ambiguous``: nobody knows."""
    found = rows(connection, _GIVEN_UP, id=touch_id, detail=detail, now=now)
    return found[0] if found else None


def close_if_done(connection: Connection, enrolment_ids: Iterable[str], at: datetime) -> None:
    """Where nothing is left to send, the enrolment finishes at ``at`` unless a person answers before."""
    if ids := sorted(enrolment_ids):
        connection.execute(_FINISH_AT, {"ids": ids, "at": at})
