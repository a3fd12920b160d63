"""What a person does by hand: settle touches of unknown outcome, put parked items back, read handoffs.

Automation never takes these steps by itself; each is recorded and safe to repeat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.errors import LeadopsError, UsageError
from leadops.playbook.model import Playbook
from leadops.stages.settle import settle_sent
from leadops.store import touches
from leadops.store.engine import rows, sql, transaction
from leadops.terms import Outcome, SendResult, TouchReason

# --- touches whose outcome nobody knows


@dataclass(frozen=True, slots=True)
class UnknownTouch:
    """A touch that was handed over and never answered for. ``since`` is when that was."""

    touch_id: str
    lead_id: str
    position: int
    since: datetime | None
    provider: str | None
    detail: str | None


class Resolution(StrEnum):
    """What a person found out about such a touch."""

    ARRIVED = "arrived"
    NOT_ARRIVED = "not_arrived"
    GIVE_UP = "given_up"


_UNKNOWN = sql(
    """select touch_id, lead_id, position, coalesce(handed_over_at, settled_at) as since, provider, detail
    from touches where state = 'unknown' order by settled_at, touch_id"""
)
_TOUCH = sql("select state, enrolment_id, lead_id from touches where touch_id = :id")
# The task to look after the touch is done with this; nobody needs to be reminded of it.
_LOOKED_AFTER = sql(
    """update handoffs set acted_at = :now
    where lead_id = :lead and event_id = :touch and reason = 'unknown_outcome' and acted_at is null"""
)


def unknown_touches(engine: Engine) -> list[UnknownTouch]:
    """Every touch with unknown outcome, the longest unknown first."""
    with transaction(engine) as connection:
        return [UnknownTouch(**r) for r in rows(connection, _UNKNOWN)]


def resolve_touch(
    engine: Engine, playbook: Playbook, touch_id: str, resolution: Resolution, by: str, *, now: datetime
) -> str:
    """Settle one unknown touch as a person found it; says in a sentence what happens now.

    Arrived: sent, and the CRM gets its note. Not arrived: planned again, under the same key, so that the
    gates decide. Given up: failed, the sequence goes on without it.

    Raises:
        LeadopsError: ``no_such_touch``; ``not_unknown``: it has an outcome already.
        UsageError: ``bad_name``: ``by`` is not a short name.
    """
    detail = f"{resolution.value}:{short_name(by)}"
    with transaction(engine) as connection:
        found = rows(connection, _TOUCH, id=touch_id)
        if not found:
            raise LeadopsError("no_such_touch", f"No touch {touch_id}; see leadops touches unknown.")
        touches.lock_enrolment(connection, found[0]["enrolment_id"])
        touch = touches.lock_unknown(connection, touch_id)
        if touch is None:
            state = rows(connection, _TOUCH, id=touch_id)[0]["state"]
            raise LeadopsError(
                "not_unknown", f"Touch {touch_id} is {state}, not unknown: nothing to resolve."
            )
        if resolution is Resolution.ARRIVED:
            said = _arrived(connection, touch, detail, playbook, now)
        elif resolution is Resolution.NOT_ARRIVED:
            said = _not_arrived(connection, touch_id, detail, now)
        else:
            said = _given_up(connection, touch_id, detail, now)
            touches.close_if_done(connection, [touch["enrolment_id"]], now)
        connection.execute(_LOOKED_AFTER, {"lead": touch["lead_id"], "touch": touch_id, "now": now})
    return said


def _arrived(
    connection: Connection, touch: Mapping[str, Any], detail: str, playbook: Playbook, now: datetime
) -> str:
    result = SendResult(outcome=Outcome.ACCEPTED, detail=detail)
    settle_sent(
        connection,
        [touches.Sent(touch["touch_id"], touch["enrolment_id"], None, result)],
        playbook,
        now=now,
    )
    return f"Touch {touch['touch_id']} counts as sent; the CRM is told."


def _not_arrived(connection: Connection, touch_id: str, detail: str, now: datetime) -> str:
    reason = TouchReason.PROVIDER_RETRY
    touches.unknown_to_planned(connection, touch_id, due=now, reason=reason, detail=detail)
    return f"Touch {touch_id} is planned again and goes as soon as its gates let it."


def _given_up(connection: Connection, touch_id: str, detail: str, now: datetime) -> str:
    touches.give_up_unknown(connection, touch_id, detail, now=now)
    return f"Touch {touch_id} is given up: never sent again; the sequence goes on without it."


def short_name(by: str) -> str:
    """The name as it may stand in the ledger, which holds codes and no addresses.

    Raises:
        UsageError: ``bad_name``.
    """
    name = re.sub(r"\s+", "-", by.strip())
    if not re.fullmatch(r"[\w.-]{1,40}", name):
        raise UsageError("bad_name", "--by: a short name or rep id such as anna, without @ or punctuation.")
    return name


# --- parked items


@dataclass(frozen=True, slots=True)
class Parked:
    stage: str
    item_id: str
    reason: str
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class Unparked:
    """``put_back``: their stage takes them up again. ``gone``: there is nothing left to do for them."""

    put_back: tuple[tuple[str, str], ...]
    gone: tuple[tuple[str, str], ...]


_PARKED = sql("select * from parked_items order by parked_at, stage, item_id")
_ONE_PARKED = sql("select 1 from parked_items where stage = :stage and item_id = :item for update")
_UNPARK = sql("delete from parked_items where stage = :stage and item_id = :item")
_OF_LEAD = "update leads set {flag} = true where lead_id = :item and merged_into is null"
_PUT_BACK = {
    "fold": sql("update lead_events set pending_fold = true where event_id = :item"),
    "replies": sql("update lead_events set pending_reply = true where event_id = :item"),
    "enrich": sql(_OF_LEAD.format(flag="pending_enrichment")),
    "score": sql(_OF_LEAD.format(flag="pending_score")),
    "enrol": sql(_OF_LEAD.format(flag="pending_enrolment")),
    "plan": sql(
        """update enrolments set pending_plan = true
        where enrolment_id = :item and state in ('active', 'paused', 'paused_ooo')"""
    ),
}


def parked(engine: Engine) -> list[Parked]:
    """Everything a stage has put aside for a person, oldest first."""
    with transaction(engine) as connection:
        return [Parked(**r) for r in rows(connection, _PARKED)]


def unpark(engine: Engine, items: Sequence[tuple[str, str]]) -> Unparked:
    """Put (stage, item id) pairs back on their stage's list, all of them or none.

    Raises:
        LeadopsError: ``not_parked``; ``unknown_stage``: a stage that takes nothing back.
    """
    back: list[tuple[str, str]] = []
    gone: list[tuple[str, str]] = []
    with transaction(engine) as connection:
        for stage, item in sorted(set(items)):
            if not rows(connection, _ONE_PARKED, stage=stage, item=item):
                raise LeadopsError("not_parked", f"{stage} {item} is not parked; see leadops events parked.")
            if stage not in _PUT_BACK:
                known = ", ".join(sorted(_PUT_BACK))
                raise LeadopsError("unknown_stage", f"Stage {stage} takes nothing back; these do: {known}.")
            raised = connection.execute(_PUT_BACK[stage], {"item": item}).rowcount
            connection.execute(_UNPARK, {"stage": stage, "item": item})
            (back if raised else gone).append((stage, item))
    return Unparked(tuple(back), tuple(gone))


# --- handoffs

_HANDOFFS = sql(
    """select h.*, l.name, l.company, h.acted_at is null and h.sla_due_at < :now as overdue
    from handoffs h left join leads l using (lead_id)
    where (:every or h.acted_at is null) and (cast(:owner as text) is null or h.owner = :owner)
    order by h.acted_at is not null, h.sla_due_at, h.handoff_id"""
)
_HANDOFF = sql(
    """select h.*, l.name, l.company, h.acted_at is null and h.sla_due_at < :now as overdue,
        w.payload as task, w.state as task_state
    from handoffs h left join leads l using (lead_id)
    left join crm_writebacks w on w.dedupe_key = 'task:' || h.handoff_id
    where h.handoff_id = :id"""
)


def handoffs(engine: Engine, *, every: bool, owner: str | None, now: datetime) -> list[dict[str, Any]]:
    """Handoffs with the lead's name and company: those no rep has acted on (first), or ``every`` one."""
    with transaction(engine) as connection:
        return rows(connection, _HANDOFFS, every=every, owner=owner, now=now)


def handoff(engine: Engine, handoff_id: str, *, now: datetime) -> dict[str, Any]:
    """One handoff with the context its rep was given (``task``; None where that was erased).

    Raises:
        LeadopsError: ``no_such_handoff``.
    """
    with transaction(engine) as connection:
        found = rows(connection, _HANDOFF, id=handoff_id, now=now)
    if not found:
        raise LeadopsError("no_such_handoff", f"No handoff {handoff_id}; see leadops handoffs list --all.")
    return found[0]
