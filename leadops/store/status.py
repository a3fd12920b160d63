"""Numbers for the status line, sensors and checks: what waits, what is due, what a person must look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.store.touches import LEASED_BY_THE_DEAD
from leadops.terms import STOP_KINDS

_COUNTS = sql(
    """
    select
        (select count(*) from lead_events where pending_fold or pending_reply) as pending_events,
        (select count(*) from leads where became_lead_at > :since and merged_into is null) as leads_24h,
        (select count(*) from touches where state = 'planned' and due_at <= :now) as due_touches,
        (select count(*) from touches where state in ('handing_over', 'sent', 'unknown')
            and handed_over_at > :since) as sent_24h,
        (select count(*) from touches where state = 'in_review') as in_review,
        (select count(*) from touches where state = 'unknown') as unknown,
        (select count(*) from handoffs where acted_at is null) as handoffs_open,
        (select count(*) from quarantined_events where replayed_at is null) as quarantined
    """
)
_OLDEST = sql(
    """
    select
        least(
            (select min(received_at) from lead_events where pending_reply),
            (select min(received_at) from lead_events where pending_fold and kind = any(:stops))
        ) as stops,
        least(
            (select min(received_at) from lead_events where pending_fold and kind <> all(:stops)),
            (select min(updated_at) from leads where pending_enrichment),
            (select min(enrich_again_at) from leads where enrich_again_at <= :now),
            (select min(updated_at) from leads where pending_score),
            (select min(updated_at) from leads where pending_enrolment),
            (select min(enrolled_at) from enrolments where pending_plan)
        ) as others
    """,
    stops=TEXTS,
)
_DUE = sql(
    f"""select
        exists (select 1 from touches where state = 'planned' and urgency = 0 and due_at <= :now)
        or exists (select 1 from touches where state = 'planned' and urgency = 1 and due_at <= :now)
        or exists (select 1 from touches where state = 'planned' and urgency = 2 and due_at <= :now)
        or exists (select 1 from touches where state in ('claimed', 'handing_over') and lease_until < :now)
        or exists (select 1 from touches where state = 'claimed' and {LEASED_BY_THE_DEAD})
        or exists (select 1 from enrolments where finish_at is not null and finish_at <= :now)
        or exists (select 1 from enrolments where state in ('paused', 'paused_ooo')
            and resume_at is not null and resume_at <= :now)
        or exists (select 1 from handoffs where acted_at is null and escalated_at is null
            and sla_due_at < :now) as due"""
)
_OWED = sql("select exists (select 1 from crm_writebacks where state = 'pending' and due_at <= :now) as owed")
_HAS_TABLES = sql("select to_regclass('lead_events') is not null as there")


def counts(engine: Engine, now: datetime | None = None) -> dict[str, int]:
    """For `leadops up`: name -> number, in the order to show them. Reads indexes, not whole tables."""
    moment = now or datetime.now(UTC)
    since = moment - timedelta(hours=24)
    with transaction(engine) as connection:
        return {k: int(v) for k, v in rows(connection, _COUNTS, now=moment, since=since)[0].items()}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when the oldest item of each lane waits to be taken up by a stage; None when nothing waits."""

    stops: datetime | None
    others: datetime | None


def oldest_pending(connection: Connection, now: datetime) -> Waiting:
    """What waits in the two lanes: answers and stops apart, so that they never stand behind a burst."""
    return Waiting(**rows(connection, _OLDEST, stops=sorted(STOP_KINDS), now=now)[0])


def something_due(connection: Connection, now: datetime) -> bool:
    """Whether a touch, an expired lease, a pause, the end of an enrolment or an SLA is due."""
    return bool(rows(connection, _DUE, now=now)[0]["due"])


def something_owed(connection: Connection, now: datetime) -> bool:
    """Whether the CRM is owed a write-back that may be tried now."""
    return bool(rows(connection, _OWED, now=now)[0]["owed"])


def is_ready(engine: Engine) -> bool:
    """Whether the database answers and has our tables."""
    with transaction(engine) as connection:
        return bool(rows(connection, _HAS_TABLES)[0]["there"])
