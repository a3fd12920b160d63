"""Asset checks: one property each, as one query that names the offenders. They observe and stop nobody.

Per-lead rules are gates in the stages; a check that fails here says that a gate has failed, or that
something waits for a person. They run on their own schedule, never in the path of a lead.
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from leadops.defs.outreach.schedules import default_status
from leadops.defs.shield import codes_only
from leadops.defs.show import now
from leadops.runtime.wiring import House
from leadops.store.engine import rows, sql, transaction

OFFENDERS_SHOWN = 20


@dataclass(frozen=True)
class Property:
    """``query`` selects the ids that break it; ``:now`` and ``:late`` (15 minutes ago) may be used."""

    asset: str
    name: str
    description: str
    query: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


_WARN = dg.AssetCheckSeverity.WARN

PROPERTIES = (
    Property(
        "lead_events",
        "taken_up_in_time",
        "No event waits longer than 15 minutes to be folded or classified.",
        """select event_id as id from lead_events
        where (pending_fold or pending_reply) and received_at < :late""",
    ),
    Property(
        "lead_events",
        "quarantine_is_empty",
        "No refused input waits to be mended and replayed (leadops events quarantined).",
        "select quarantine_id as id from quarantined_events where replayed_at is null",
        _WARN,
    ),
    Property(
        "leads",
        "no_lead_is_lost",
        "Every lead waits for a stage, is enrolled, says why not, or is on a person's list (P3).",
        """select l.lead_id as id from leads l
        where l.became_lead_at is not null and l.merged_into is null and l.updated_at < :late
        and not (l.pending_enrichment or l.pending_score or l.pending_enrolment)
        and l.not_enrolled_reason is null
        and not exists (select 1 from enrolments e where e.lead_id = l.lead_id)
        and not exists (select 1 from parked_items p where p.item_id = l.lead_id)""",
    ),
    Property(
        "leads",
        "nothing_is_parked",
        "No item was put aside by a stage that could not process it.",
        "select stage || ':' || item_id as id from parked_items",
        _WARN,
    ),
    Property(
        "lead_scores",
        "points_add_up",
        "A score is what its groups earned of what makes 100, and no group counts more than its signals.",
        """select score_id as id from (
            select s.score_id, coalesce(s.rules_total, s.total) as total, s.fit, s.engagement, s.attainable,
                coalesce(sum((p->>'points')::float) filter (where p->>'group' = 'fit'), 0) as of_fit,
                coalesce(sum((p->>'points')::float) filter (where p->>'group' = 'engagement'), 0) as of_acts
            from lead_scores s left join lateral jsonb_array_elements(s.signals) p on true
            group by s.score_id
        ) summed
        where abs(total - least(100, greatest(0, 100 * (fit + engagement) / attainable))) > 0.1
        or fit > of_fit + 0.001 or engagement > of_acts + 0.001""",
    ),
    Property(
        "lead_scores",
        "the_model_answers",
        "No lead of the past day was left to the scorecard because the model in use failed (exception:lead).",
        """select model_failed || ':' || lead_id as id from lead_scores
        where model_failed is not null and scored_at > cast(:now as timestamptz) - interval '1 day'
        and scored_at >= (select status_at from score_models where status = 'promoted')
        order by scored_at desc""",
        _WARN,
    ),
    Property(
        "enrolments",
        "live_ones_have_something_ahead",
        "A live enrolment has an open touch, a plan to come, or a time when it finishes.",
        """select e.enrolment_id as id from enrolments e
        where e.state in ('active', 'paused', 'paused_ooo') and not e.pending_plan and e.finish_at is null
        and not exists (select 1 from touches t where t.enrolment_id = e.enrolment_id
            and t.state in ('planned', 'claimed', 'in_review', 'handing_over', 'unknown'))""",
    ),
    Property(
        "send_schedule",
        "every_unsent_touch_says_why",
        "A touch that is not sent has exactly one reason (R34).",
        "select touch_id as id from touches where state <> 'sent' and reason is null",
    ),
    Property(
        "send_schedule",
        "due_touches_leave_in_time",
        "No touch is due for more than 15 minutes without being sent, deferred or cancelled.",
        "select touch_id as id from touches where state = 'planned' and due_at < :late",
        _WARN,
    ),
    Property(
        "send_schedule",
        "nobody_waits_long_for_review",
        "No message waits for a person for more than four hours (leadops review list).",
        """select touch_id as id from touches where state = 'in_review'
        and in_review_since < cast(:now as timestamptz) - interval '4 hours'""",
        _WARN,
    ),
    Property(
        "message_drafts",
        "sent_mail_has_frozen_bytes",
        "Every mail that was handed over keeps the bytes that left.",
        """select t.touch_id as id from touches t left join message_bodies b using (draft_id)
        where t.channel = 'email' and t.state in ('sent', 'unknown', 'handing_over') and b.wire is null""",
    ),
    Property(
        "dispatches",
        "nothing_after_a_stop",
        "No touch was handed over after the commit of an event that stopped its lead (P2).",
        """select distinct t.touch_id as id from touches t join leads l on l.lead_id = t.lead_id
        join lead_events e on e.lead_id = l.lead_id
        cross join lateral jsonb_array_elements(l.state -> 'stops') s
        where s ->> 'event_id' = e.event_id and t.handed_over_at > e.received_at
        -- before two leads turned out to be one, the stop of the one said nothing of the other
        and t.handed_over_at > coalesce(
            (select max(m.updated_at) from leads m where m.merged_into = l.lead_id), '-infinity')""",
    ),
    Property(
        "dispatches",
        "one_message_per_step",
        "At most one message per enrolment and step (P1).",
        """select enrolment_id || ':' || sequence || ':' || step as id from touches
        where state in ('sent', 'unknown', 'handing_over')
        group by enrolment_id, sequence, step having count(*) > 1""",
    ),
    Property(
        "dispatches",
        "no_unknown_outcome",
        "No message whose arrival is unknown waits for a person.",
        "select touch_id as id from touches where state = 'unknown'",
        _WARN,
    ),
    Property(
        "crm_writebacks",
        "crm_is_told_in_time",
        "No action waits longer than 15 minutes to be told to the CRM, and none was refused.",
        """select dedupe_key as id from crm_writebacks
        where state = 'failed' or (state = 'pending' and created_at < :late)""",
        _WARN,
    ),
    Property(
        "handoffs",
        "answered_within_sla",
        "No lead waits on a rep beyond the SLA.",
        "select handoff_id as id from handoffs where acted_at is null and sla_due_at < :now",
        _WARN,
    ),
)


def offenders(house: House, held: Property) -> list[str]:
    """Ids that break the property now."""
    moment = now()
    wanted = {"now": moment, "late": moment - timedelta(minutes=15)}
    statement = sql(held.query)
    given = {k: v for k, v in wanted.items() if k in statement.compile().params}
    with transaction(house.engine) as connection:
        return [str(r["id"]) for r in rows(connection, statement, **given)]


def _check(held: Property) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=held.asset, name=held.name, description=held.description)
    @codes_only
    def observed(house: dg.ResourceParam[House]) -> dg.AssetCheckResult:
        found = offenders(house, held)
        return dg.AssetCheckResult(
            passed=not found,
            severity=held.severity,
            metadata={
                "offenders": len(found),
                "ids": dg.MetadataValue.json(found[:OFFENDERS_SHOWN]),
            },
        )

    return observed


def every_check() -> list[dg.AssetChecksDefinition]:
    """One check per property."""
    make: Callable[[Property], dg.AssetChecksDefinition] = _check
    return [make(held) for held in PROPERTIES]


observe = dg.define_asset_job(
    "observe",
    selection=dg.AssetSelection.all_asset_checks(),
    description="Every check, over everything.",
    executor_def=dg.in_process_executor,
    tags={"leadops/lane": "observe"},
)


@dg.definitions
def checks() -> dg.Definitions:
    """Checks, their job and its rhythm."""
    rhythm = dg.ScheduleDefinition(
        name="observe_every_15_minutes",
        job=observe,
        cron_schedule="*/15 * * * *",
        default_status=default_status(),
    )
    return dg.Definitions(asset_checks=every_check(), jobs=[observe], schedules=[rhythm])
