{# P50 <= P95, neither negative, and both null together. #}
{% test percentiles_ordered(model) %}
select *
from {{ model }}
where ttfa_p50_s > ttfa_p95_s
    or ttfa_p50_not_held_s > ttfa_p95_not_held_s
    or least(ttfa_p50_s, ttfa_p50_not_held_s) < 0
    or (ttfa_p50_s is null) <> (n_with_time = 0)
{% endtest %}
