"""The locks of the stop gate: ingestion takes them exclusive, the step into handing_over shared.

Reading the log inside the claiming transaction is not enough: at READ COMMITTED the gate would say
clear, the reply commit, then the claim commit, and the mail go out. With the locks one of the two
waits for the other's commit, and the gate's own statement, run after the locks, sees it.
They live in Postgres's shared lock table (about 6,400 entries by default), hence bounded batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from leadops.domain.keys import lock_number
from leadops.store.engine import BIGINTS, TEXTS, rows, sql
from leadops.terms import EventKind

MAX_LOCKS_PER_TRANSACTION = 256

_EXCLUSIVE = sql("select pg_advisory_xact_lock(k) from unnest(:numbers) as k", numbers=BIGINTS)
_SHARED = sql("select pg_advisory_xact_lock_shared(k) from unnest(:numbers) as k", numbers=BIGINTS)
_BLOCKING = sql(
    """
    select distinct k.key, e.event_id, e.kind, e.occurred_at, e.pending_reply or e.pending_fold as pending
    from event_keys k join lead_events e using (event_id)
    where k.blocking and k.key = any(:keys)
    """,
    keys=TEXTS,
)


@dataclass(frozen=True, slots=True)
class BlockingEvent:
    """A stop event, or (``pending``) one not yet processed, that may turn out to be one."""

    key: str
    event_id: str
    kind: EventKind
    occurred_at: datetime
    pending: bool


def _numbers(keys: Iterable[str]) -> list[int]:
    """Sorted, so that two transactions never wait for each other in a ring."""
    return sorted({lock_number(k) for k in keys})


def lock_exclusive(connection: Connection, keys: Iterable[str]) -> None:
    """Held until the transaction ends. Taken by the one that inserts stop events; the fold and the caps lock
    with it too, under names of their own."""
    if numbers := _numbers(keys):
        rows(connection, _EXCLUSIVE, numbers=numbers)


def lock_shared(connection: Connection, keys: Iterable[str]) -> None:
    """Taken by the step into handing_over, before it looks at anything."""
    if numbers := _numbers(keys):
        rows(connection, _SHARED, numbers=numbers)


def blocking(connection: Connection, keys: Iterable[str]) -> list[BlockingEvent]:
    """Every event that blocks a touch with one of these keys, once per key.

    For a hand-over: in a statement of its own, after the locks.
    """
    found = rows(connection, _BLOCKING, keys=sorted(keys))
    return [
        BlockingEvent(r["key"], r["event_id"], EventKind(r["kind"]), r["occurred_at"], r["pending"])
        for r in found
    ]
