-- Won rate = won leads of the cohort / all leads of the cohort; no window, a deal may take its time.
-- One row per slice (all, source, tier, variant, cohort_month).
with counted as (

    select
        {{ slice_columns() }},
        max(as_of) as as_of,
        count(*) as leads,
        {{ won_counts() }}
    from {{ ref('fct_person_enrolments') }}
    {{ group_by_slices() }}

)

select
    *,
    {{ won_rates() }}
from counted
