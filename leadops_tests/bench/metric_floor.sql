-- Conversion per tier and per source x tier x variant in one plain script: what one would write by hand
-- against the same tables. No documentation, no tests, no contracts, no intervals around the rates.
-- Parameter: the setting bench.as_of, the moment the metrics speak of.
begin;

drop schema if exists metrics_floor cascade;
create schema metrics_floor;

create temp table floor_people on commit drop as
with first_enrolment as (

    select distinct on (lead_id)
        lead_id, enrolment_id, source, tier_at_enrolment, variant, state, exit_reason, enrolled_at
    from enrolments
    order by lead_id, coalesce(exit_reason = 'merged', false), enrolled_at, enrolment_id

),

sent as (

    select
        lead_id,
        min(settled_at) filter (where channel = 'email') as first_attempt_at,
        array_agg(distinct enrolment_id) as enrolment_ids
    from touches
    where state = 'sent'
    group by lead_id

),

bounced as (

    select distinct lead_id from enrolments where state = 'bounced'

)

select
    coalesce(e.source, nullif(btrim(l.source), ''), '(blank)') as source,
    coalesce(e.tier_at_enrolment, l.tier, '(unscored)') as tier,
    coalesce(e.variant, '(none)') as variant,
    e.enrolment_id,
    e.state,
    e.exit_reason,
    l.became_lead_at + interval '30 days' <= current_setting('bench.as_of')::timestamptz as is_mature,
    e.enrolment_id = any(s.enrolment_ids)
        and e.enrolled_at + interval '30 days' <= current_setting('bench.as_of')::timestamptz as is_measured,
    s.first_attempt_at,
    s.first_attempt_at is not null and b.lead_id is null as is_reached,
    l.first_human_reply_at between l.became_lead_at and l.became_lead_at + interval '30 days' as is_contacted,
    l.meeting_booked_at between l.became_lead_at and l.became_lead_at + interval '30 days'
        as is_meeting_booked,
    l.won_at is not null as is_won,
    case
        when l.lead_day_precision then null
        when s.first_attempt_at is null then 'Infinity'::float8
        else greatest(0, extract(epoch from s.first_attempt_at - l.became_lead_at))::float8
    end as seconds_to_first_attempt
from leads as l
left join first_enrolment as e using (lead_id)
left join sent as s using (lead_id)
left join bounced as b using (lead_id)
where l.became_lead_at is not null and l.merged_into is null and not l.is_test;

create table metrics_floor.conversion as
select
    case when grouping(source) = 1 then '(all)' else source end as source,
    tier,
    case when grouping(variant) = 1 then '(all)' else variant end as variant,
    count(*) as leads,
    count(*) filter (where is_mature) as leads_mature,
    count(enrolment_id) as leads_enrolled,
    count(first_attempt_at) as leads_attempted,
    count(*) filter (where is_reached) as leads_reached,
    count(*) filter (where is_contacted) as contacted,
    count(*) filter (where is_meeting_booked) as meetings_booked,
    count(*) filter (where is_won) as won,
    count(*) filter (where is_measured) as sequences_started_mature,
    count(*) filter (where is_measured and state = 'finished_no_reply') as sequences_completed,
    count(*) filter (where is_contacted)::float8 / count(*) as contact_rate,
    count(*) filter (where is_meeting_booked)::float8 / count(*) as meeting_booked_rate,
    count(*) filter (where is_won)::float8 / count(*) as won_rate,
    percentile_disc(0.5) within group (order by seconds_to_first_attempt) as ttfa_p50_s,
    percentile_disc(0.95) within group (order by seconds_to_first_attempt) as ttfa_p95_s
from floor_people
group by grouping sets ((tier), (source, tier, variant));

commit;
