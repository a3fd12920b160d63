-- Inbound messages that are a person's own words, hung on the person they came from.
select
    replies.event_id,
    leads.person_id as lead_id,
    replies.class as reply_class,
    replies.occurred_at
from {{ source('operations', 'replies') }} as replies
inner join {{ ref('stg_leads') }} as leads on replies.lead_id = leads.lead_id
where replies.class in ('human', 'positive', 'negative', 'opt_out')
