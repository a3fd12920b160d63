{# Rates: a share with its Wilson 95% interval and a verdict on whether it can be read at all. #}

{# 97.5% point of the standard normal distribution. #}
{% macro z() %}1.959963984540054::float8{% endmacro %}

{% macro share(successes, n) -%}
({{ successes }})::float8 / nullif({{ n }}, 0)
{%- endmacro %}

{# sign is '-' for the lower and '+' for the upper end. #}
{% macro wilson(successes, n, sign) -%}
greatest(0::float8, least(1::float8,
    (
        {{ share(successes, n) }} + {{ z() }} ^ 2 / (2 * nullif({{ n }}, 0))
        {{ sign }} {{ z() }} * sqrt(
            ({{ share(successes, n) }}) * (1 - {{ share(successes, n) }}) / nullif({{ n }}, 0)
            + {{ z() }} ^ 2 / (4 * nullif({{ n }}, 0)::float8 ^ 2)
        )
    ) / (1 + {{ z() }} ^ 2 / nullif({{ n }}, 0))
))
{%- endmacro %}

{# greatest() and least() skip nulls, so an empty denominator needs its own branch to stay null. #}
{% macro rate_columns(name, successes, n) -%}
{{ share(successes, n) }} as {{ name }},
case when {{ n }} > 0 then {{ wilson(successes, n, '-') }} end as {{ name }}_low,
case when {{ n }} > 0 then {{ wilson(successes, n, '+') }} end as {{ name }}_high,
{{ verdict(successes, n) }} as {{ name }}_verdict
{%- endmacro %}

{% macro verdict(successes, n) -%}
case
    when {{ n }} < {{ var('min_n') }} or {{ successes }} < {{ var('min_successes') }} then 'insufficient'
    else 'enough'
end
{%- endmacro %}
