-- Meeting-booked rate = leads with their first meeting booked within W / all leads of the cohort.
-- One row per slice (all, source, tier, variant, cohort_month).
with counted as (

    select
        {{ slice_columns() }},
        max(as_of) as as_of,
        {{ lead_counts() }},
        {{ meeting_counts() }}
    from {{ ref('fct_person_enrolments') }}
    {{ group_by_slices() }}

)

select
    *,
    {{ meeting_rates() }}
from counted
