-- One row: the moment the metrics speak of. Given (dbt var as_of), or the newest stamp in the data; never
-- the clock, so that the same data give the same tables.
{% if var('as_of') is not none %}
select '{{ var("as_of") }}'::timestamptz as as_of
{% else %}
select
    greatest(
        (select max(received_at) from {{ source('operations', 'lead_events') }}),
        (select max(updated_at) from {{ source('operations', 'leads') }}),
        (select max(enrolled_at) from {{ ref('stg_enrolments') }}),
        (select max(settled_at) from {{ ref('stg_dispatches') }})
    ) as as_of
{% endif %}
