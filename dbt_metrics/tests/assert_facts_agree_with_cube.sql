-- Each count of the cube, summed, is the count in the facts.
{{ config(meta={'dagster': {'ref': {'name': 'fct_person_enrolments'}}}) }}
with facts as (

    select
        count(*) as leads,
        count(*) filter (where is_contacted) as contacted,
        count(*) filter (where is_meeting_booked) as meetings_booked,
        count(*) filter (where is_won_before_lead) as won_before_lead,
        count(*) filter (where lead_day_precision) as n_without_time,
        count(*) filter (where not lead_day_precision) as n_with_time
    from {{ ref('fct_person_enrolments') }}

),

cube as (

    select
        sum(leads) as leads,
        sum(contacted) as contacted,
        sum(meetings_booked) as meetings_booked,
        sum(won_before_lead) as won_before_lead,
        sum(n_without_time) as n_without_time,
        sum(n_with_time) as n_with_time
    from {{ ref('conversion_cube') }}

)

select *
from facts
inner join cube on true
where (facts.leads > 0 or cube.leads > 0)
    and (facts.*)::text is distinct from (cube.*)::text
