"""A ledger with a past: leads, enrolments, touches and what came of them, as many as wanted, by SQL alone.

90 days in which people came in evenly, whatever the size: ten times the touches are ten times the leads per
day and ten times the mailboxes. What lies in the past is settled, what lies ahead is planned, nothing is due.
States are those of one real event through intake and fold, with another name and address for each lead.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection, Engine

from leadops.domain.fold import fold, state_to_json
from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring
from leadops.playbook.loader import LoadedPlaybook, load
from leadops.playbook.model import Mailbox
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.terms import LeadState
from leadops_tests.bench.ground import NOW
from leadops_tests.house import DEMO, PLAYBOOK, wire

DAYS = 90
KEYRING = Keyring(b"bench")
_PER_ENROLMENT = 4.8  # a fifth hot with 3 touches, three tenths warm with 4, half cold with 6
_PER_MAILBOX = 100  # a day and mailbox: half of what it may


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the tables, and the playbook with as many mailboxes as send it."""

    leads: int
    enrolments: int
    touches: int
    loaded: LoadedPlaybook


def fill(engine: Engine, touches: int, *, drafts: bool = False) -> Filled:
    """About ``touches`` touches, none of them due at NOW. ``drafts``: also the drafts of what was sent."""
    loaded = _with_mailboxes(math.ceil(touches / DAYS / _PER_MAILBOX))
    enrolled = max(round(touches / _PER_ENROLMENT), 1)
    with transaction(engine) as connection:
        _people(connection, loaded, first=-(enrolled // 10), last=enrolled, waiting=False)
        for statement in (*_FILL, *([_DRAFTS] if drafts else [])):
            connection.execute(statement, {"now": NOW})
        counts = rows(connection, _COUNTS)[0]
    settle(engine)
    return Filled(**counts, loaded=loaded)


def add_due(engine: Engine, filled: Filled, count: int) -> None:
    """``count`` more leads who have had their first touch; their second has been due for 1 to 60 minutes."""
    with transaction(engine) as connection:
        first = filled.enrolments + 1
        _people(connection, filled.loaded, first=first, last=first + count - 1, waiting=True)
        for statement in _FILL:
            connection.execute(statement, {"now": NOW})
    settle(engine)


def settle(engine: Engine) -> None:
    """As autovacuum leaves the tables behind; it must not come while something is measured."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
        connection.exec_driver_sql("alter table touches set (autovacuum_enabled = false)")


def a_state() -> LeadState:
    """What one request for a demo makes of a person."""
    event = parse_event(wire("demo_requested", at=NOW, id="1", **DEMO), now=NOW, keyring=KEYRING)
    return fold([event])


def _with_mailboxes(count: int) -> LoadedPlaybook:
    loaded = load(PLAYBOOK)
    boxes = tuple(
        Mailbox(address=f"rep{n}@mail.northwind.example", name=f"Rep {n}", daily_cap=200)
        for n in range(max(count, 2))
    )
    sender = loaded.playbook.sender.model_copy(update={"mailboxes": boxes, "domain_daily_cap": None})
    return replace(loaded, playbook=loaded.playbook.model_copy(update={"sender": sender}))


def _people(connection: Connection, loaded: LoadedPlaybook, *, first: int, last: int, waiting: bool) -> None:
    """Temporary tables for the rest: steps of the playbook, people by number (up to 0: never enrolled)."""
    steps = [
        {"tier": tier.value, "step": n, "day": step.day, "template": step.template}
        for tier, sequence in loaded.playbook.sequences.items()
        for n, step in enumerate(sequence.steps, 1)
    ]
    connection.execute(_STEPS, {"steps": json.dumps(steps)})
    given = {
        "first": first,
        "last": last,
        "waiting": waiting,
        "now": NOW,
        "past": timedelta(days=DAYS),
        "mailboxes": [m.address for m in loaded.playbook.sender.mailboxes],
        "state": json.dumps(state_to_json(a_state())),
    }
    connection.execute(_PEOPLE, given)


_STEPS = sql(
    """create temp table steps on commit drop as
    select * from jsonb_to_recordset(cast(:steps as jsonb))
        as s(tier text, step int, day float, template text)"""
)
# luck decides how an enrolment ends: 2 % opt out, 2 % bounce, 8 % reply, 3 % book a meeting.
_PEOPLE = sql(
    """create temp table people on commit drop as
    select n, 'lead_' || left(md5('lead' || n), 24) as lead_id,
        case when n > 0 then 'enr_' || left(md5('enrolment' || n), 24) end as enrolment_id,
        tier, array_position(array['hot', 'warm', 'cold'], tier) - 1 as urgency,
        case when tier = 'hot' then (array['direct', 'question'])[1 + n / 10 % 2] else 'standard' end
            as variant,
        (array['web', 'organic_search', 'paid_search', 'referral', 'event', 'partner'])[1 + abs(n) / 7 % 6]
            as source,
        cast(:mailboxes as text[]) as mailboxes, cast(:waiting as boolean) as waiting,
        came + interval '30 seconds' as enrolled_at, came, luck,
        case when luck < 0.15 and came + interval '3.5 days' < :now then came + interval '3.5 days' end
            as left_at,
        cast(:state as jsonb) as lead_state
    from (select n, (array['hot', 'hot', 'warm', 'warm', 'warm', 'cold', 'cold', 'cold', 'cold', 'cold'])
            [1 + abs(n) % 10] as tier,
        case when :waiting then 1 else ('x' || left(md5('luck' || n), 4))::bit(16)::int / 65536.0 end as luck
        from generate_series(cast(:first as int), cast(:last as int)) as n) as drawn,
    lateral (select case
        when :waiting then cast(:now as timestamptz) - interval '30 seconds'
            - interval '1 day' * (select s.day from steps s where s.tier = drawn.tier and s.step = 2)
            - interval '1 minute' * (1 + n % 60)
        else :now - interval '10 minutes'
            - cast(:past as interval) * (1 - (abs(n) - 0.5) / greatest(:last, 1))
        end as came) as times""",
    mailboxes=TEXTS,
)
_FILL = [
    sql(
        """insert into leads (lead_id, email, name, company, domain, title, country, source, became_lead_at,
            last_event_at, first_human_reply_at, meeting_booked_at, won_at, state, state_digest, tier, score,
            not_enrolled_reason, created_at, updated_at)
        select lead_id, address, 'Anna', 'Company ' || n, domain, 'VP Operations', country, source, came,
            came, case when luck >= 0.04 then left_at end, case when luck >= 0.12 then left_at end,
            case when luck >= 0.14 and left_at + interval '20 days' < :now
                then left_at + interval '20 days' end,
            lead_state || jsonb_build_object('emails', jsonb_build_array(address), 'address', address,
                'company', 'Company ' || n, 'domain', domain, 'country', country, 'source', source),
            md5('state' || n), tier, 80 - 25 * urgency, case when enrolment_id is null then 'too_old' end,
            came, coalesce(left_at, enrolled_at)
        from people, lateral (select 'company' || n || '.example' as domain, 'anna@company' || n || '.example'
            as address, (array['US', 'DE', 'GB'])[1 + abs(n) % 3] as country) as who"""
    ),
    sql("insert into lead_keys (key, lead_id) select 'email:' || md5('key' || n), lead_id from people"),
    sql(
        """insert into lead_events (event_id, source, source_event_id, kind, occurred_at, received_at,
            lead_id)
        select 'evt_' || left(md5('event' || n), 24), 'web', n::text, 'demo_requested', came, came, lead_id
        from people
        union all
        select 'evt_' || left(md5('reply' || n), 24), 'mail', n::text, 'reply_received', left_at, left_at,
            lead_id
        from people where left_at is not null and luck >= 0.04"""
    ),
    sql(
        """insert into event_keys (event_id, key, identity, blocking)
        select event_id, k || md5('key' || source_event_id), k = 'email:',
            kind = 'reply_received' and k = 'email:'
        from lead_events, (values ('email:'), ('domain:')) as kinds(k)
        where lead_id in (select lead_id from people)"""
    ),
    sql(
        """insert into replies (event_id, lead_id, enrolment_id, class, matched_by, why, occurred_at,
            classified_at)
        select 'evt_' || left(md5('reply' || n), 24), lead_id, enrolment_id,
            case when luck >= 0.12 then 'positive' else 'human' end, 'token', 'bench', left_at, left_at
        from people where left_at is not null and luck >= 0.04"""
    ),
    sql(
        """insert into crm_writebacks (dedupe_key, kind, lead_id, payload, state, attempts, created_at,
            due_at, done_at)
        select 'score_' || lead_id, 'score', lead_id, '{}', 'done', 1, came, came, came from people"""
    ),
    sql(
        """insert into enrolments (enrolment_id, lead_id, state, exit_reason, source, tier_at_enrolment,
            variant, tier, sequence_version, mailbox, reply_token, lead_event_id, lead_event_at, enrolled_at,
            finish_at, ended_at)
        select enrolment_id, lead_id,
            case when left_at is not null then case when luck < 0.02 then 'opted_out'
                    when luck < 0.04 then 'bounced' when luck < 0.12 then 'finished_replied'
                    else 'handed_off' end
                when over_at <= :now then 'finished_no_reply' else 'active' end,
            case when left_at is not null then case when luck < 0.02 then 'opted_out'
                    when luck < 0.04 then 'bounced' when luck < 0.12 then 'replied'
                    else 'meeting_booked' end
                when over_at <= :now then 'completed' end,
            source, tier, variant, tier, '1', mailboxes[1 + n % cardinality(mailboxes)], md5('token' || n),
            'evt_' || left(md5('event' || n), 24), came, enrolled_at,
            case when left_at is null and over_at > :now and over_at - interval '1 hour' <= :now
                then over_at end,
            case when left_at is not null then left_at when over_at <= :now then over_at end
        from people, lateral (select enrolled_at + max(s.day) * interval '1 day' + interval '1 hour'
                as over_at
            from steps s where s.tier = people.tier) as ends
        where enrolment_id is not null"""
    ),
    sql(
        """insert into touches (touch_id, enrolment_id, lead_id, position, sequence, step, channel, template,
            state, reason, urgency, planned_at, first_due_at, due_at, why, attempts, mailbox, draft_id,
            message_id, provider, handed_over_at, settled_at)
        select touch_id, enrolment_id, lead_id, step, tier, step, 'email', template, state,
            case state when 'planned' then 'scheduled' when 'cancelled' then 'enrolment_ended'
                when 'failed' then 'rejected' end,
            urgency, enrolled_at, due_at, due_at, '{"window": "business", "zone": "America/New_York"}',
            called::int, mailboxes[1 + n % cardinality(mailboxes)],
            case when called then 'dra_' || substr(touch_id, 5) end,
            case when called then '<' || touch_id || '@mail.northwind.example>' end,
            case when called then 'outbox' end,
            case when called then due_at + interval '5 seconds' end,
            case when called then due_at + interval '7 seconds' when state = 'cancelled' then left_at end
        from people join steps using (tier),
        lateral (select 'tou_' || left(md5('touch' || n || '-' || step), 24) as touch_id,
            enrolled_at + day * interval '1 day' as due_at) as planned,
        lateral (select case when due_at > left_at then 'cancelled'
            when due_at > :now or (waiting and step > 1) then 'planned'
            when (n + step) % 100 = 0 then 'failed' else 'sent' end as state) as became,
        lateral (select state in ('sent', 'failed') as called) as calls
        where enrolment_id is not null"""
    ),
]
_DRAFTS = sql(
    """insert into message_drafts (draft_id, touch_id, template, template_version, writer, slot_evidence,
        neutral_slots, body_digest, drafted_at)
    select draft_id, touch_id, template, '1', 'template', '{"name": "contact.first_name"}', 0,
        md5(draft_id), handed_over_at
    from touches where draft_id is not null and handed_over_at <= :now"""
)
_COUNTS = sql(
    """select (select count(*) from leads) as leads, (select count(*) from enrolments) as enrolments,
    (select count(*) from touches) as touches"""
)
