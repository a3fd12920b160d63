-- One row per enrolment, hung on the person its lead turned out to be.
select
    enrolments.enrolment_id,
    leads.person_id as lead_id,
    enrolments.state,
    enrolments.exit_reason,
    coalesce(nullif(btrim(enrolments.source), ''), '(blank)') as source,
    enrolments.tier_at_enrolment,
    enrolments.variant,
    enrolments.sequence_version,
    enrolments.enrolled_at,
    enrolments.ended_at
from {{ source('operations', 'enrolments') }} as enrolments
inner join {{ ref('stg_leads') }} as leads on enrolments.lead_id = leads.lead_id
