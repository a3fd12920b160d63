-- One row per lead of the cohort; the unit is the person.
--
-- Cohort: became_lead_at known, not merged into another, not a test; leads never enrolled or never sent to
-- are in. Attribution: source, tier and variant of the first enrolment, at enrolment; a lead never enrolled
-- has its own source, its current tier or '(unscored)', and variant '(none)'.
-- W is 30 days from became_lead_at; mature means W is over at as_of.
with replies as (

    select
        lead_id,
        count(*) as human_replies,
        count(*) filter (where reply_class = 'positive') as positive_replies
    from {{ ref('stg_replies') }}
    group by lead_id

),

people as (

    select
        leads.lead_id,
        leads.source as lead_source,
        coalesce(enrolment.source, leads.source) as source,
        coalesce(enrolment.tier_at_enrolment, leads.tier, '(unscored)') as tier,
        coalesce(enrolment.variant, '(none)') as variant,
        leads.cohort_day,
        date_trunc('month', leads.cohort_day)::date as cohort_month,
        leads.became_lead_at,
        leads.lead_day_precision,
        moment.as_of,
        coalesce(leads.became_lead_at + {{ window() }} <= moment.as_of, false) as is_mature,
        enrolment.enrolment_id,
        coalesce(enrolment.enrolments, 0) as enrolments,
        enrolment.enrolled_at,
        enrolment.state as enrolment_state,
        enrolment.exit_reason,
        enrolment.ended_at,
        enrolment.sequence_version,
        case when enrolment.enrolment_id is null then leads.not_enrolled_reason end as not_enrolled_reason,
        coalesce(enrolment.is_started, false) as is_sequence_started,
        coalesce(enrolment.is_started and enrolment.enrolled_at + {{ window() }} <= moment.as_of, false)
            as is_sequence_measured,
        coalesce(
            enrolment.state in ('finished_replied', 'handed_off')
            or (
                enrolment.state <> 'finished_no_reply'
                and enrolment.exit_reason in ('replied', 'meeting_booked', 'deal_won')
            ),
            false
        ) as is_good_exit,
        coalesce(touches.touches_sent, 0) as touches_sent,
        -- Of a lead given to a person from the first touch, what that person did first is the attempt.
        least(touches.first_attempt_at, enrolment.rep_first_at) as first_attempt_at,
        enrolment.rep_first_at is not null
            or (touches.first_attempt_at is not null and not coalesce(enrolment.is_bounced, false)) as is_reached,
        -- Measured from the plan, not from the lead event alone: a late import is our delay, not policy.
        coalesce(
            enrolment.first_due_at
            > greatest(leads.became_lead_at, enrolment.first_planned_at) + interval '60 seconds',
            false
        ) as is_held_by_policy,
        leads.first_human_reply_at,
        coalesce(replies.human_replies, 0) as human_replies,
        coalesce(replies.positive_replies, 0) as positive_replies,
        leads.meeting_booked_at,
        leads.meeting_held_at,
        leads.won_at,
        leads.lost_at
    from {{ ref('stg_leads') }} as leads
    cross join {{ ref('int_as_of') }} as moment
    left join {{ ref('int_person_enrolment') }} as enrolment on leads.lead_id = enrolment.lead_id
    left join {{ ref('int_person_touches') }} as touches on leads.lead_id = touches.lead_id
    left join replies on leads.lead_id = replies.lead_id
    where leads.is_cohort

)

select
    *,
    case
        when lead_day_precision then null
        when first_attempt_at is null then 'Infinity'::float8
        else greatest(0, extract(epoch from first_attempt_at - became_lead_at))::float8
    end as seconds_to_first_attempt,
    coalesce(not lead_day_precision and first_attempt_at < became_lead_at, false) as is_clock_ahead,
    {{ within_window('first_human_reply_at', 'became_lead_at') }} as is_contacted,
    coalesce(first_human_reply_at < became_lead_at, false) as is_contacted_before_lead,
    {{ within_window('meeting_booked_at', 'became_lead_at') }} as is_meeting_booked,
    coalesce(meeting_booked_at < became_lead_at, false) as is_meeting_before_lead,
    won_at is not null as is_won,
    coalesce(won_at < became_lead_at, false) as is_won_before_lead
from people
