{# The measures of the reporting models, each written once. Input: rows of fct_person_enrolments. #}

{% macro lead_counts() -%}
count(*) as leads,
count(*) filter (where is_mature) as leads_mature,
count(*) filter (where enrolment_id is not null) as leads_enrolled,
count(*) filter (where first_attempt_at is not null) as leads_attempted,
count(*) filter (where is_reached) as leads_reached
{%- endmacro %}

{% macro contact_counts() -%}
count(*) filter (where is_contacted) as contacted,
count(*) filter (where is_contacted and is_mature) as contacted_mature,
count(*) filter (where is_contacted and is_reached) as contacted_reached,
count(*) filter (where is_contacted_before_lead) as contacted_before_lead
{%- endmacro %}

{% macro contact_rates() -%}
{{ rate_columns('contact_rate', 'contacted', 'leads') }},
{{ rate_columns('contact_rate_mature', 'contacted_mature', 'leads_mature') }},
{{ share('contacted_reached', 'leads_reached') }} as contact_rate_of_reached
{%- endmacro %}

{% macro meeting_counts() -%}
count(*) filter (where is_meeting_booked) as meetings_booked,
count(*) filter (where is_meeting_booked and is_mature) as meetings_booked_mature,
count(*) filter (where is_meeting_booked and enrolment_id is not null) as meetings_booked_enrolled,
count(*) filter (where is_meeting_booked and is_reached) as meetings_booked_reached,
count(*) filter (where is_meeting_before_lead) as meetings_before_lead
{%- endmacro %}

{% macro meeting_rates() -%}
{{ rate_columns('meeting_booked_rate', 'meetings_booked', 'leads') }},
{{ rate_columns('meeting_booked_rate_mature', 'meetings_booked_mature', 'leads_mature') }},
{{ share('meetings_booked_enrolled', 'leads_enrolled') }} as meeting_booked_rate_of_enrolled,
{{ share('meetings_booked_reached', 'leads_reached') }} as meeting_booked_rate_of_reached
{%- endmacro %}

{% macro won_counts() -%}
count(*) filter (where is_won) as won,
count(*) filter (where is_won_before_lead) as won_before_lead
{%- endmacro %}

{% macro won_rates() -%}
{{ rate_columns('won_rate', 'won', 'leads') }}
{%- endmacro %}

{# Over the attributed enrolment of each lead; the exits add up to sequences_started_mature. #}
{% macro sequence_counts() -%}
count(*) filter (where is_sequence_started) as sequences_started,
count(*) filter (where is_sequence_measured) as sequences_started_mature,
count(*) filter (where is_sequence_measured and enrolment_state = 'finished_no_reply') as sequences_completed,
count(*) filter (where is_sequence_measured and is_good_exit) as sequences_good_exit,
count(*) filter (where is_sequence_measured and enrolment_state = 'finished_replied') as exited_replied,
count(*) filter (where is_sequence_measured and enrolment_state = 'handed_off') as exited_handed_off,
count(*) filter (where is_sequence_measured and enrolment_state = 'opted_out') as exited_opted_out,
count(*) filter (where is_sequence_measured and enrolment_state = 'bounced') as exited_bounced,
count(*) filter (where is_sequence_measured and enrolment_state = 'cancelled') as exited_cancelled,
count(*) filter (where is_sequence_measured and enrolment_state = 'failed') as exited_failed,
count(*) filter (
    where is_sequence_measured and enrolment_state in ('active', 'paused', 'paused_ooo')
) as still_running
{%- endmacro %}

{% macro sequence_rates() -%}
{{ rate_columns('sequence_completion_rate', 'sequences_completed', 'sequences_started_mature') }},
{{ share('sequences_completed + sequences_good_exit', 'sequences_started_mature') }}
    as completed_or_good_exit_rate
{%- endmacro %}

{# seconds_to_first_attempt is null without an event time and infinite for a lead never sent to, so that
   percentiles and shares are those of everybody with a time: the unsent stay in as the slowest. #}
{% macro attempt_measures() -%}
count(seconds_to_first_attempt) as n_with_time,
count(*) filter (where lead_day_precision) as n_without_time,
count(*) filter (where seconds_to_first_attempt = 'Infinity') as n_never_sent,
count(*) filter (where is_held_by_policy and seconds_to_first_attempt is not null) as n_held_by_policy,
count(*) filter (where is_clock_ahead) as n_clock_ahead,
percentile_disc(0.5) within group (order by seconds_to_first_attempt) as ttfa_p50_s,
percentile_disc(0.95) within group (order by seconds_to_first_attempt) as ttfa_p95_s,
percentile_disc(0.5) within group (order by seconds_to_first_attempt)
    filter (where not is_held_by_policy) as ttfa_p50_not_held_s,
percentile_disc(0.95) within group (order by seconds_to_first_attempt)
    filter (where not is_held_by_policy) as ttfa_p95_not_held_s,
{% for label, seconds in [('90s', 90), ('5min', 300), ('15min', 900), ('60min', 3600)] -%}
{{ share(
    'count(*) filter (where seconds_to_first_attempt <= ' ~ seconds ~ ')',
    'count(seconds_to_first_attempt)'
) }} as ttfa_within_{{ label }}{{ ',' if not loop.last }}
{% endfor %}
{%- endmacro %}

{# One row per value of one dimension at a time: enough to read a metric along it, few enough to be read. #}
{% macro slice_columns() -%}
case
    when grouping(source) = 0 then 'source'
    when grouping(tier) = 0 then 'tier'
    when grouping(variant) = 0 then 'variant'
    when grouping(cohort_month) = 0 then 'cohort_month'
    else 'all'
end as slice,
coalesce(source, tier, variant, to_char(cohort_month, 'YYYY-MM'), 'all') as slice_value
{%- endmacro %}

{% macro group_by_slices() -%}
group by grouping sets ((), (source), (tier), (variant), (cohort_month))
{# The grand total of no leads is a row of zeros that answers nothing. #}
having count(*) > 0
{%- endmacro %}

{% macro cube_measures() -%}
{{ lead_counts() }},
{{ contact_counts() }},
{{ meeting_counts() }},
{{ won_counts() }},
{{ sequence_counts() }},
{{ attempt_measures() }}
{%- endmacro %}

{% macro cube_rates() -%}
{{ contact_rates() }},
{{ meeting_rates() }},
{{ won_rates() }},
{{ sequence_rates() }},
{{ row_verdict() }} as verdict
{%- endmacro %}

{# What a whole row can tell: the three headline rates share one n and differ in their successes. #}
{% macro row_verdict() -%}
case
    when leads >= {{ var('min_n') }}
        and least(contacted, meetings_booked, won) >= {{ var('min_successes') }} then 'enough'
    when leads >= {{ var('min_n') }}
        and greatest(contacted, meetings_booked, won) >= {{ var('min_successes') }} then 'partly'
    else 'insufficient'
end
{%- endmacro %}
