-- One row per touch of the send ledger, hung on the person it is for and on its enrolment's attribution.
select
    schedule.touch_id,
    schedule.enrolment_id,
    enrolments.lead_id,
    coalesce(leads.is_cohort, false) as is_cohort,
    enrolments.source,
    enrolments.tier_at_enrolment as tier,
    enrolments.variant,
    schedule.position,
    schedule.sequence,
    schedule.step,
    schedule.channel,
    schedule.template,
    dispatches.state,
    dispatches.reason,
    dispatches.attempts,
    dispatches.provider,
    schedule.planned_at,
    schedule.first_due_at,
    dispatches.due_at,
    dispatches.handed_over_at,
    dispatches.settled_at,
    case
        when dispatches.state = 'sent'
            then extract(epoch from dispatches.settled_at - schedule.first_due_at)::float8
    end as seconds_after_first_due,
    drafts.writer,
    drafts.tokens,
    drafts.cost_usd
from {{ ref('stg_schedule') }} as schedule
inner join {{ ref('stg_dispatches') }} as dispatches on schedule.touch_id = dispatches.touch_id
inner join {{ ref('stg_enrolments') }} as enrolments on schedule.enrolment_id = enrolments.enrolment_id
left join {{ ref('stg_leads') }} as leads on enrolments.lead_id = leads.lead_id
left join {{ source('operations', 'message_drafts') }} as drafts on schedule.touch_id = drafts.touch_id
