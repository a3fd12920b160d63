-- What became of every touch.
select
    touch_id,
    state,
    reason,
    due_at,
    attempts,
    provider,
    handed_over_at,
    settled_at
from {{ source('operations', 'dispatches') }}
