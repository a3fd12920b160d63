"""Enrolments: a person's run through a sequence; at most one live per person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, one_value, put, rows, sql
from leadops.store.tables import enrolments
from leadops.terms import EnrolmentState, ExitReason

_LIVE = "state in ('active', 'paused', 'paused_ooo')"
_OF_LEADS = sql("select * from enrolments where lead_id = any(:ids) order by enrolled_at", ids=TEXTS)
_END = sql(
    f"""update enrolments set state = :state, exit_reason = :reason, ended_at = :now, pending_plan = false,
    finish_at = null, resume_at = null
    where {_LIVE} and enrolment_id = any(:ids) returning enrolment_id, lead_id, tier_at_enrolment, variant""",
    ids=TEXTS,
)
_LIVE_OF = sql(f"select * from enrolments where {_LIVE} and lead_id = any(:ids)", ids=TEXTS)
_MOVE = [
    sql("update enrolments set lead_id = :into where lead_id = :lead"),
    sql("update touches set lead_id = :into where lead_id = :lead"),
    sql("update replies set lead_id = :into where lead_id = :lead"),
    sql("update handoffs set lead_id = :into where lead_id = :lead"),
]
# Sent by an enrolment of the same person that ran at the same time (R17); one that had ended before the
# live one began is another story told again on purpose.
_ALREADY_SENT = sql(
    f"""update touches t set state = 'cancelled', reason = 'already_sent', settled_at = :now,
    lease_token = null, lease_until = null
    from enrolments e, enrolments o, touches s
    where e.lead_id = any(:leads) and e.{_LIVE} and o.lead_id = e.lead_id
    and o.enrolment_id <> e.enrolment_id and o.ended_at > e.enrolled_at
    and t.enrolment_id = e.enrolment_id and t.state in ('planned', 'claimed', 'in_review')
    and s.enrolment_id = o.enrolment_id and s.state in ('handing_over', 'sent', 'unknown')
    and t.sequence = s.sequence and t.step = s.step
    returning t.enrolment_id""",
    leads=TEXTS,
)
_FOLLOW = [
    sql(
        """update enrolments e set lead_id = v.lead_id from lead_events v
        where e.lead_id = any(:leads) and v.event_id = e.lead_event_id and v.lead_id <> e.lead_id
        and not exists (select 1 from enrolments o where o.lead_id = v.lead_id
            and o.state in ('active', 'paused', 'paused_ooo'))""",
        leads=TEXTS,
    ),
    sql(
        """update touches t set lead_id = e.lead_id from enrolments e
        where t.lead_id = any(:leads) and e.enrolment_id = t.enrolment_id and e.lead_id <> t.lead_id""",
        leads=TEXTS,
    ),
]
_UNPLANNED = sql(
    """select e.*, l.state as lead_state, l.timezone, l.country from enrolments e join leads l using (lead_id)
    where e.pending_plan order by e.enrolled_at, e.enrolment_id limit :limit for update of e skip locked"""
)
# After the rows are locked: a merge that has ended another enrolment of the lead is seen.
_BEFORE = sql(
    """select e.enrolment_id, t.position, t.last_touch, exists (select 1 from enrolments o
        where o.lead_id = e.lead_id and o.enrolment_id <> e.enrolment_id and o.ended_at > e.enrolled_at
        ) as beside_another
    from enrolments e left join lateral (select max(position) as position, max(handed_over_at) as last_touch
        from touches where enrolment_id = e.enrolment_id) t on true
    where e.enrolment_id = any(:ids)""",
    ids=TEXTS,
)
_PLANNED = sql(
    """with done as (
        update enrolments set pending_plan = false, finish_at = null where enrolment_id = any(:ids)
    )
    select count(*) from enrolments where pending_plan and enrolment_id <> all(:ids)""",
    ids=TEXTS,
)
_RAISE = sql(
    f"""update enrolments set tier = :tier, sequence_version = :version, pending_plan = true
    where {_LIVE} and enrolment_id = :id"""
)
_PAUSE = sql(
    f"""update enrolments set state = :state, resume_at = :resume_at
    where {_LIVE} and enrolment_id = :id returning enrolment_id"""
)
_LOCK_LIVE = sql(
    f"""select 1 from enrolments where {_LIVE} and lead_id = any(:ids)
    order by enrolment_id for no key update""",
    ids=TEXTS,
)
_RESUME = sql(
    """update enrolments set state = 'active', resume_at = null
    where enrolment_id in (select enrolment_id from enrolments
        where state in ('paused', 'paused_ooo') and resume_at is not null and resume_at <= :now
        order by enrolment_id for update skip locked)
    returning enrolment_id, lead_id"""
)
_FINISHED = sql(
    f"""select e.enrolment_id, exists (select 1 from touches t where t.enrolment_id = e.enrolment_id
        and t.state = 'sent') as reached
    from enrolments e where e.finish_at is not null and e.finish_at <= :now and {_LIVE}
    and not e.pending_plan order by e.finish_at limit :limit for update skip locked"""
)


def add(connection: Connection, values: Sequence[Mapping[str, Any]]) -> set[str]:
    """Enrol; a person who is live already is left alone. Returns the ids that were new."""
    ordered = sorted(values, key=lambda v: str(v["enrolment_id"]))
    return set(put(connection, enrolments, ordered, returning="enrolment_id"))


def of_leads(connection: Connection, lead_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """lead_id -> every enrolment it ever had, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(connection, _OF_LEADS, ids=sorted(lead_ids)):
        found.setdefault(row["lead_id"], []).append(row)
    return found


def live_of(connection: Connection, lead_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """lead_id -> its live enrolment."""
    ids = sorted(lead_ids)
    return {r["lead_id"]: r for r in rows(connection, _LIVE_OF, ids=ids)} if ids else {}


def end(
    connection: Connection,
    enrolment_ids: Iterable[str],
    state: EnrolmentState,
    reason: ExitReason,
    *,
    now: datetime,
) -> list[dict[str, Any]]:
    """Leave a live state for good; those not live are left alone. Returns what ended."""
    ids = sorted(enrolment_ids)
    return rows(connection, _END, ids=ids, state=state.value, reason=reason.value, now=now) if ids else []


def move(connection: Connection, lead_id: str, into: str) -> None:
    """A merged lead's enrolments, touches, replies and handoffs are the surviving lead's."""
    for statement in _MOVE:
        connection.execute(statement, {"lead": lead_id, "into": into})


def cancel_already_sent(connection: Connection, lead_ids: Iterable[str], *, now: datetime) -> list[str]:
    """Open steps that these leads were sent by an enrolment that was merged away; whose they were."""
    ids = sorted(lead_ids)
    connection.execute(_LOCK_LIVE, {"ids": ids})  # before any touch: the ledger's order of locks
    found = rows(connection, _ALREADY_SENT, leads=ids, now=now)
    return [r["enrolment_id"] for r in found]


def follow_events(connection: Connection, lead_ids: Iterable[str]) -> None:
    """An enrolment belongs to the person of the event that started it, also after a split."""
    if ids := sorted(lead_ids):
        for statement in _FOLLOW:
            connection.execute(statement, {"leads": ids})


def claim_unplanned(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Lock enrolments whose touches are not planned, with their lead's zone and country."""
    return rows(connection, _UNPLANNED, limit=limit)


def before_planning(connection: Connection, enrolment_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """enrolment_id -> ``position`` and ``last_touch`` of what it has had (None where nothing), and whether
    the lead has had another one at the same time (``beside_another``). The rows must be locked already."""
    ids = sorted(enrolment_ids)
    return {r["enrolment_id"]: r for r in rows(connection, _BEFORE, ids=ids)} if ids else {}


def planned(connection: Connection, enrolment_ids: Iterable[str]) -> int:
    """Their touches stand in the ledger. Returns how many other enrolments wait for their plan."""
    return int(one_value(connection, _PLANNED, ids=sorted(enrolment_ids)))


def raise_tier(connection: Connection, enrolment_id: str, tier: str, version: str) -> None:
    """Move a live enrolment up; its touches are planned anew. Attribution stays as it was."""
    connection.execute(_RAISE, {"id": enrolment_id, "tier": tier, "version": version})


def pause(
    connection: Connection, enrolment_id: str, state: EnrolmentState, resume_at: datetime | None
) -> bool:
    """Whether it was live and now waits."""
    given = {"id": enrolment_id, "state": state.value, "resume_at": resume_at}
    return connection.execute(_PAUSE, given).first() is not None


def resume_due(connection: Connection, *, now: datetime) -> list[str]:
    """End the pauses whose time is up; returns the enrolments."""
    return [r["enrolment_id"] for r in rows(connection, _RESUME, now=now)]


def finish_due(connection: Connection, *, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Finish what has nothing left to send and was not answered. Returns what ended."""
    found = rows(connection, _FINISHED, now=now, limit=limit)
    reached = [r["enrolment_id"] for r in found if r["reached"]]
    never = [r["enrolment_id"] for r in found if not r["reached"]]
    return end(connection, reached, EnrolmentState.FINISHED_NO_REPLY, ExitReason.COMPLETED, now=now) + end(
        connection, never, EnrolmentState.FAILED, ExitReason.ALL_TOUCHES_FAILED, now=now
    )


_BY_TOKEN = sql("select 1 from enrolments where reply_token = :token")


def is_reply_token(connection: Connection, token: str) -> bool:
    """Whether this is the reply token of a conversation of ours."""
    return bool(rows(connection, _BY_TOKEN, token=token))
