-- One row per lead row, with the person it turned out to be. Merged rows are kept (is_cohort false), so
-- that what hangs on them can be followed to the person they were merged into. Nothing personal is read.
with recursive survivors as (

    select lead_id, lead_id as person_id, merged_into
    from {{ source('operations', 'leads') }}

    -- `union`, not `union all`: a ring of merges ends instead of running for ever.
    union

    select survivors.lead_id, next_lead.lead_id, next_lead.merged_into
    from survivors
    inner join {{ source('operations', 'leads') }} as next_lead on survivors.merged_into = next_lead.lead_id

)

select
    leads.lead_id,
    coalesce(survivors.person_id, leads.lead_id) as person_id,
    leads.became_lead_at is not null and leads.merged_into is null and not leads.is_test as is_cohort,
    coalesce(nullif(btrim(leads.source), ''), '(blank)') as source,
    leads.tier,
    leads.became_lead_at,
    leads.lead_day_precision,
    leads.is_test,
    leads.merged_into,
    leads.not_enrolled_reason,
    leads.first_human_reply_at,
    leads.meeting_booked_at,
    leads.meeting_held_at,
    leads.won_at,
    leads.lost_at,
    -- A date without a time is kept as midnight in the zone of its source. The calendar day as given comes
    -- back by adding 13 h before cutting: right for every offset from -10 to +13 (UTC itself included).
    case
        when leads.lead_day_precision
            then ((leads.became_lead_at + interval '13 hours') at time zone 'UTC')::date
        else (leads.became_lead_at at time zone 'UTC')::date
    end as cohort_day
from {{ source('operations', 'leads') }} as leads
left join survivors on leads.lead_id = survivors.lead_id and survivors.merged_into is null
