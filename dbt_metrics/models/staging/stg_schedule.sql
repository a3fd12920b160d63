-- The plan of every touch: columns that planning writes once and sending never changes.
select
    touch_id,
    enrolment_id,
    position,
    sequence,
    step,
    channel,
    template,
    planned_at,
    first_due_at
from {{ source('operations', 'send_schedule') }}
