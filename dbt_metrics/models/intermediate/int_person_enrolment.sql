-- One row per person ever enrolled: the enrolment they are attributed to, which is the first one. One that
-- was cancelled because two records turned out to be one person gives way to the one that went on.
with ranked as (

    select
        *,
        row_number() over (
            partition by lead_id
            order by coalesce(exit_reason = 'merged', false), enrolled_at, enrolment_id
        ) as nth,
        count(*) over (partition by lead_id) as enrolments,
        bool_or(state = 'bounced') over (partition by lead_id) as is_bounced
    from {{ ref('stg_enrolments') }}

),

started as (

    select
        schedule.enrolment_id,
        bool_or(dispatches.state = 'sent') as is_started
    from {{ ref('stg_schedule') }} as schedule
    inner join {{ ref('stg_dispatches') }} as dispatches on schedule.touch_id = dispatches.touch_id
    group by schedule.enrolment_id

),

rep_first as (

    select
        enrolment_id,
        min(acted_at) as rep_first_at
    from {{ source('operations', 'handoffs') }}
    where reason = 'rep_first'
    group by enrolment_id

),

first_planned as (

    select distinct on (enrolment_id)
        enrolment_id,
        planned_at as first_planned_at,
        first_due_at
    from {{ ref('stg_schedule') }}
    order by enrolment_id, position

)

select
    ranked.*,
    coalesce(started.is_started, false) as is_started,
    first_planned.first_planned_at,
    first_planned.first_due_at,
    rep_first.rep_first_at
from ranked
left join started on ranked.enrolment_id = started.enrolment_id
left join rep_first on ranked.enrolment_id = rep_first.enrolment_id
left join first_planned on ranked.enrolment_id = first_planned.enrolment_id
where ranked.nth = 1
