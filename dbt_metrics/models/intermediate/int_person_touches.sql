-- One row per person with a touch on any enrolment: what left, and when it first did.
-- A rep task is work for a colleague, not an attempt to reach the lead, so only e-mail counts as one.
-- `settled_at` of a sent touch is when its acceptance by the provider was recorded.
select
    enrolments.lead_id,
    count(*) filter (where dispatches.state = 'sent') as touches_sent,
    min(dispatches.settled_at) filter (
        where dispatches.state = 'sent' and schedule.channel = 'email'
    ) as first_attempt_at
from {{ ref('stg_dispatches') }} as dispatches
inner join {{ ref('stg_schedule') }} as schedule on dispatches.touch_id = schedule.touch_id
inner join {{ ref('stg_enrolments') }} as enrolments on schedule.enrolment_id = enrolments.enrolment_id
group by enrolments.lead_id
