-- Every metric per tier: hot, warm, cold, and '(unscored)' for leads without a score.
with counted as (

    select
        tier,
        max(as_of) as as_of,
        {{ cube_measures() }}
    from {{ ref('fct_person_enrolments') }}
    group by tier

)

select
    *,
    {{ cube_rates() }}
from counted
