"""Numbers for the status line, sensors and checks: what waits, what is due, what a person must look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

from leadops.store.engine import rows, sql, transaction

_COUNTS = sql(
    """
    select
        (select count(*) from lead_events where pending_fold or pending_reply) as pending_events,
        (select count(*) from leads where became_lead_at > :since and merged_into is null) as leads_24h,
        (select count(*) from touches where state = 'planned' and due_at <= :now) as due_touches,
        (select count(*) from touches where state in ('handing_over', 'sent', 'unknown')
            and handed_over_at > :since) as sent_24h,
        (select count(*) from touches where state = 'unknown') as unknown,
        (select count(*) from handoffs where acted_at is null) as handoffs_open,
        (select count(*) from quarantined_events where replayed_at is null) as quarantined
    """
)
_OLDEST = sql(
    """
    select least(
        (select min(received_at) from lead_events where pending_fold),
        (select min(received_at) from lead_events where pending_reply),
        (select min(updated_at) from leads where pending_enrichment),
        (select min(updated_at) from leads where pending_score),
        (select min(updated_at) from leads where pending_enrolment),
        (select min(enrolled_at) from enrolments where pending_plan)
    ) as oldest
    """
)
_HAS_TABLES = sql("select to_regclass('lead_events') is not null as there")


def counts(engine: Engine, now: datetime | None = None) -> dict[str, int]:
    """For `leadops up`: name -> number, in the order to show them. Reads indexes, not whole tables."""
    moment = now or datetime.now(UTC)
    since = moment - timedelta(hours=24)
    with transaction(engine) as connection:
        return {k: int(v) for k, v in rows(connection, _COUNTS, now=moment, since=since)[0].items()}


def oldest_pending(connection: Connection) -> datetime | None:
    """Since when the oldest item waits to be taken up by a stage; None when nothing waits."""
    found: datetime | None = rows(connection, _OLDEST)[0]["oldest"]
    return found


def is_ready(engine: Engine) -> bool:
    """Whether the database answers and has our tables."""
    with transaction(engine) as connection:
        return bool(rows(connection, _HAS_TABLES)[0]["there"])
