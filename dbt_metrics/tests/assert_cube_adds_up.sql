-- Every lead of the cohort and every deal of theirs is in the cube once, in the tiers once, in the months
-- once: held against the lead rows themselves, not against the fact the tables were made from.
{{ config(meta={'dagster': {'ref': {'name': 'conversion_cube'}}}) }}
with truth as (

    select
        count(*) as leads,
        count(won_at) as won
    from {{ ref('stg_leads') }}
    where is_cohort

),

found as (
    {% for model in [ref('conversion_cube'), ref('conversion_by_tier'), ref('leads_by_month')] %}
    select
        '{{ model.identifier }}' as table_name,
        coalesce(sum(leads), 0) as leads,
        coalesce(sum(won), 0) as won
    from {{ model }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
    {% for model in [ref('contact_rate'), ref('won_rate')] %}
    union all
    select '{{ model.identifier }}', coalesce(sum(leads), 0), {{ 'sum(won)' if 'won' in model.identifier else '(select won from truth)' }}
    from {{ model }}
    where slice = 'all'
    having count(*) > 0
    {% endfor %}
)

select found.*, truth.leads as leads_expected, truth.won as won_expected
from found
cross join truth
where found.leads <> truth.leads or found.won <> truth.won
