-- Sequence completion = enrolments that reached the last step without a reply / enrolments started
-- (something was sent) and mature (enrolled at least W ago). A reply is a success and lowers it: the exit
-- mix stands beside it. One row per slice (all, source, tier, variant, cohort_month).
with counted as (

    select
        {{ slice_columns() }},
        max(as_of) as as_of,
        count(*) as leads,
        count(*) filter (where enrolment_id is not null) as leads_enrolled,
        {{ sequence_counts() }}
    from {{ ref('fct_person_enrolments') }}
    {{ group_by_slices() }}

)

select
    *,
    {{ sequence_rates() }}
from counted
