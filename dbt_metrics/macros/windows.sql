{# W of the metric definitions, as an interval. #}
{% macro window() %}make_interval(days => {{ var('window_days') }}){% endmacro %}

{# Is a stamp inside [start, start + W]? An unknown stamp is not. #}
{% macro within_window(stamp, start) -%}
coalesce({{ stamp }} between {{ start }} and {{ start }} + {{ window() }}, false)
{%- endmacro %}
