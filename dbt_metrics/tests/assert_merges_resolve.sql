-- A merged lead leads to a person who is not merged themselves. One that does not (a ring, a missing row)
-- takes its enrolments and touches out of every metric.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_leads'}}}) }}
select merged.lead_id, merged.person_id
from {{ ref('stg_leads') }} as merged
left join {{ ref('stg_leads') }} as person on merged.person_id = person.lead_id
where person.lead_id is null or person.merged_into is not null
