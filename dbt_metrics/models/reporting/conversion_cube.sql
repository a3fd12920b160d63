-- Every metric per source x tier x variant. Counts add up over rows; rates and percentiles do not.
with counted as (

    select
        source,
        tier,
        variant,
        max(as_of) as as_of,
        {{ cube_measures() }}
    from {{ ref('fct_person_enrolments') }}
    group by source, tier, variant

)

select
    *,
    {{ cube_rates() }}
from counted
