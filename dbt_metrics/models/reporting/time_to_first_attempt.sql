-- Time to first attempt = first e-mail accepted by the provider - lead event, in seconds, over all leads of
-- the cohort whose event has a time. Never sent is infinite, and stays in; a date without a time is out and
-- counted in n_without_time. One row per slice (all, source, tier, variant, cohort_month).
select
    {{ slice_columns() }},
    max(as_of) as as_of,
    count(*) as leads,
    {{ attempt_measures() }}
from {{ ref('fct_person_enrolments') }}
{{ group_by_slices() }}
