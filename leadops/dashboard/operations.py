"""What happens now, from the operational tables: leads of the last day, handoffs, what is due, one lead.

Every question is bounded: a limit, an index, and the connection's statement timeout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.keys import Keyring
from leadops.domain.modes import Mode
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook
from leadops.stages.explain import explain, find_lead, heads_of
from leadops.stages.modes import mode_now
from leadops.stages.story import LeadStory
from leadops.store import drafts, reviews, status
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.store.reviews import Backlog
from leadops.terms import Draft

LATEST, NEXT, UNKNOWN, WAITING = 15, 8, 20, 300
MAX_OF_A_DAY = 20_000
WORDS_LENGTH = 8_000
Row = dict[str, Any]

# --- overview

# The first attempt of a lead: as metrics.int_person_touches has it, for the leads of one day.
_DAY = """day as (
    select l.lead_id, l.name, l.company, l.email, l.tier, l.score, l.source, l.became_lead_at,
        l.stop_reason, l.not_enrolled_reason, l.lead_day_precision,
        l.pending_enrichment or l.pending_score or l.pending_enrolment as in_work,
        t.first_at, t.next_due,
        extract(epoch from t.first_at - l.became_lead_at)::float8 as seconds
    from (select * from leads where became_lead_at > :since and became_lead_at <= :now
            and merged_into is null and not is_test order by became_lead_at desc limit :most) l
    left join lateral (
        select min(settled_at) filter (where state = 'sent' and channel = 'email') as first_at,
            min(due_at) filter (where state = 'planned') as next_due
        from touches where lead_id = l.lead_id
    ) t on true)"""
_TODAY = sql(
    f"""with {_DAY} select count(*) as leads,
        count(*) filter (where not lead_day_precision) as timed,
        count(*) filter (where not lead_day_precision and seconds <= 90) as within_90s,
        count(*) filter (where not lead_day_precision and seconds <= 300) as within_5min,
        count(*) filter (where not lead_day_precision and seconds <= 900) as within_15min,
        count(*) filter (where first_at is null) as not_written,
        count(*) filter (where first_at is null and next_due is not null) as planned_later
    from day"""
)
_HOURS = sql(
    f"""with {_DAY} select floor(extract(epoch from :now - became_lead_at) / 3600)::int as hours_ago,
        case when first_at is null then 'not written to yet'
            when lead_day_precision or seconds > 300 then 'later' else 'within 5 min' end as answer,
        count(*) as leads
    from day group by 1, 2 order by 1 desc, 2"""
)
_LATEST = sql(f"with {_DAY} select * from day order by became_lead_at desc, lead_id limit {LATEST}")
# One index range per urgency: the index begins with it.
_ONE_URGENCY = """(select touch_id, lead_id, position, sequence, channel, due_at, reason from touches
    where state = 'planned' and urgency = {} order by due_at limit :limit)"""
_NEXT = sql(
    f"""with n as ({" union all ".join(_ONE_URGENCY.format(u) for u in (0, 1, 2))})
    select n.*, l.name, l.company, l.tier from n left join leads l using (lead_id)
    order by n.due_at, n.touch_id limit :limit"""
)
_UNKNOWN = sql(
    f"""select t.touch_id, t.lead_id, t.position, coalesce(t.handed_over_at, t.settled_at) as since,
        l.name, l.company from touches t left join leads l using (lead_id)
    where t.state = 'unknown' order by t.settled_at limit {UNKNOWN}"""
)
_OVERDUE = sql("select count(*) as n from handoffs where acted_at is null and sla_due_at < :now")


@dataclass(frozen=True, slots=True)
class Overview:
    """``counts`` as ``leadops up`` shows them; ``today``: the last 24 hours; lists: newest, soonest first."""

    counts: dict[str, int]
    today: Row
    overdue: int
    hours: list[Row]
    latest: list[Row]
    upcoming: list[Row]
    unknown: list[Row]


def overview(engine: Engine, now: datetime) -> Overview:
    """How things stand at ``now`` (aware)."""
    counts = status.counts(engine, now)
    day = {"now": now, "since": now - timedelta(hours=24), "most": MAX_OF_A_DAY}
    with transaction(engine) as connection:
        return Overview(
            counts=counts,
            today=rows(connection, _TODAY, **day)[0],
            overdue=rows(connection, _OVERDUE, now=now)[0]["n"],
            hours=rows(connection, _HOURS, **day),
            latest=rows(connection, _LATEST, **(day | {"most": LATEST})),
            upcoming=rows(connection, _NEXT, limit=NEXT),
            unknown=rows(connection, _UNKNOWN),
        )


# --- handoffs

_HANDOFFS = sql(
    f"""select h.handoff_id, h.lead_id, h.reason, h.owner, h.created_at, h.sla_due_at, h.escalated_at,
        h.sla_due_at < :now as overdue, l.name, l.company, l.tier, l.score,
        left(w.payload->>'they_wrote', 600) as they_wrote
    from (select * from handoffs where acted_at is null
            and (cast(:owner as text) is null or owner = :owner) order by sla_due_at limit {WAITING}) h
    left join leads l using (lead_id)
    left join crm_writebacks w on w.dedupe_key = 'task:' || h.handoff_id
    order by h.sla_due_at, h.handoff_id"""
)
_OWNERS = sql(
    """select owner, count(*) as waiting, count(*) filter (where sla_due_at < :now) as overdue
    from handoffs where acted_at is null group by owner order by 3 desc, 2 desc, 1"""
)


@dataclass(frozen=True, slots=True)
class Handoffs:
    """Who waits (most urgent first, at most ``WAITING``), and how many per rep."""

    waiting: list[Row]
    owners: list[Row]


def handoffs(engine: Engine, owner: str | None, now: datetime) -> Handoffs:
    """Open handoffs, of one rep or of all. The soonest deadline first, so the overdue lead."""
    with transaction(engine) as connection:
        return Handoffs(rows(connection, _HANDOFFS, owner=owner, now=now), rows(connection, _OWNERS, now=now))


# --- review


@dataclass(frozen=True, slots=True)
class Review:
    """Messages that wait for a person, as ``leadops review list`` orders them, at most ``WAITING``."""

    waiting: list[Row]
    backlog: Backlog


def review(engine: Engine) -> Review:
    """What waits, and how many in all since when."""
    with transaction(engine) as connection:
        return Review(reviews.waiting(connection, limit=WAITING), reviews.backlog(connection))


def mode(engine: Engine, playbook: Playbook, now: datetime) -> Mode:
    """Whether a person approves what is sent at ``now`` (aware), and why."""
    with transaction(engine) as connection:
        return mode_now(connection, playbook, now=now)


# --- one lead

_SAID = sql(
    """select event_id, left(payload->'properties'->>'text', :length) as text,
        left(payload->'properties'->>'message', :length) as message,
        payload->'properties'->>'actor' as actor, left(payload->'properties'->>'url', 300) as url,
        payload->'properties'->>'bounce' as bounce, left(payload->'properties'->>'status', 100) as status
    from event_payloads where event_id = any(:ids)""",
    ids=TEXTS,
)


@dataclass(frozen=True, slots=True)
class LeadPage:
    """A lead's story with the words: ``sent`` touch id -> draft, ``said`` event id -> what it carried."""

    story: LeadStory
    sent: dict[str, Draft]
    said: dict[str, Row]


def find(engine: Engine, keyring: Keyring, wanted: str) -> list[str]:
    """The leads a reader may mean, at most 20; empty: none."""
    with transaction(engine) as connection:
        return find_lead(connection, keyring, wanted)[:20]


def heads(engine: Engine, lead_ids: list[str]) -> list[Row]:
    """Id, name, company and address of several leads."""
    return heads_of(engine, lead_ids)


def lead_page(
    engine: Engine, playbook: Playbook, keyring: Keyring, lead_id: str, now: datetime
) -> LeadPage | None:
    """Everything about a lead at ``now``; None where there is no such lead."""
    try:
        story = explain(engine, playbook, keyring, lead_id, now)
    except LeadopsError as error:
        if error.code == "no_such_lead":
            return None
        raise
    with transaction(engine) as connection:
        return LeadPage(
            story,
            drafts.of_touches(connection, [t.touch_id for t in story.touches]),
            _said(connection, story),
        )


def _said(connection: Connection, story: LeadStory) -> dict[str, Row]:
    ids = [e.event_id for e in story.events]
    return {r["event_id"]: r for r in rows(connection, _SAID, ids=ids, length=WORDS_LENGTH)}
