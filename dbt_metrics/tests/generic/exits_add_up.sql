{# Every started and mature enrolment ended in exactly one way, or runs on. #}
{% test exits_add_up(model) %}
select *
from {{ model }}
where sequences_completed + exited_replied + exited_handed_off + exited_opted_out + exited_bounced
        + exited_cancelled + exited_failed + still_running <> sequences_started_mature
    or sequences_started_mature > sequences_started
{% endtest %}
