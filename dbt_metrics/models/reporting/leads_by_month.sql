-- Leads and deals per cohort month and source of the lead itself: the table to hold against input files.
select
    cohort_month,
    lead_source as source,
    max(as_of) as as_of,
    count(*) as leads,
    count(*) filter (where lead_day_precision) as leads_date_only,
    {{ won_counts() }}
from {{ ref('fct_person_enrolments') }}
group by cohort_month, lead_source
