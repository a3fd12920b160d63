-- Contact rate = leads with a human reply within W / all leads of the cohort, those never sent to included.
-- One row per slice (all, source, tier, variant, cohort_month).
with counted as (

    select
        {{ slice_columns() }},
        max(as_of) as as_of,
        {{ lead_counts() }},
        {{ contact_counts() }}
    from {{ ref('fct_person_enrolments') }}
    {{ group_by_slices() }}

)

select
    *,
    {{ contact_rates() }}
from counted
