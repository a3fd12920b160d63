"""The locks of the stop gate: ingestion takes them exclusive, the step into handing_over shared.

Reading the log inside the claiming transaction is not enough: at READ COMMITTED the gate would say
clear, the reply commit, then the claim commit, and the mail go out. With the locks one of the two
waits for the other's commit, and the gate's own statement, run after the locks, sees it.
They live in Postgres's shared lock table (about 6,400 entries by default), hence bounded batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from leadops.domain.keys import lock_number
from leadops.store.engine import BIGINTS, TEXTS, rows, sql
from leadops.terms import EventKind

MAX_LOCKS_PER_TRANSACTION = 256

_EXCLUSIVE = sql("select pg_advisory_xact_lock(k) from unnest(:numbers) as k", numbers=BIGINTS)
_SHARED = sql("select pg_advisory_xact_lock_shared(k) from unnest(:numbers) as k", numbers=BIGINTS)
# One statement, so that a hand-over looks once; each part is one look at an index.
_STANDING = sql(
    """
    select 'blocking' as what, k.key, e.event_id, e.kind, e.occurred_at as at,
        e.pending_reply or e.pending_fold as pending, null::bigint as n
    from event_keys k join lead_events e using (event_id) where k.blocking and k.key = any(:keys)
    union all
    select 'suppressed', s.key, null, s.reason, null, null, null
    from suppressions s where s.key = any(:people)
    union all
    select 'sent', t.mailbox, null, null, min(t.handed_over_at), null, count(*) from touches t
    where t.mailbox = any(:mailboxes) and t.state in ('handing_over', 'sent', 'unknown')
    and t.channel = 'email' and t.handed_over_at > :since group by t.mailbox
    """,
    keys=TEXTS,
    people=TEXTS,
    mailboxes=TEXTS,
)


@dataclass(frozen=True, slots=True)
class BlockingEvent:
    """A stop event, or (``pending``) one not yet processed, that may turn out to be one."""

    key: str
    event_id: str
    kind: EventKind
    occurred_at: datetime
    pending: bool


def lock_numbers(keys: Iterable[str]) -> list[int]:
    """Sorted, so that two transactions never wait for each other in a ring."""
    return sorted({lock_number(k) for k in keys})


def lock_exclusive(connection: Connection, keys: Iterable[str]) -> None:
    """Held until the transaction ends. Taken by the one that inserts stop events; the fold and the caps lock
    with it too, under names of their own."""
    if numbers := lock_numbers(keys):
        rows(connection, _EXCLUSIVE, numbers=numbers)


def lock_shared(connection: Connection, keys: Iterable[str]) -> None:
    """Taken by the step into handing_over, before it looks at anything."""
    if numbers := lock_numbers(keys):
        rows(connection, _SHARED, numbers=numbers)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the way of some touches."""

    blockers: Mapping[str, Sequence[BlockingEvent]]  # by key
    suppressed: Mapping[str, str]  # key -> reason
    sent_24h: Mapping[str, tuple[int, datetime]]  # mailbox -> (accepted or in flight, the oldest of them)

    def after(self, mailbox: str, at: datetime) -> Standing:
        """The same with one more from ``mailbox``."""
        n, oldest = self.sent_24h.get(mailbox, (0, at))
        return replace(self, sent_24h={**self.sent_24h, mailbox: (n + 1, oldest)})


def standing(
    connection: Connection,
    keys: Iterable[str],
    people: Iterable[str],
    mailboxes: Iterable[str],
    *,
    now: datetime,
) -> Standing:
    """Every event that blocks a touch with one of ``keys``, whoever of ``people`` (keys too) is suppressed,
    and what ``mailboxes`` have sent in the 24 hours before ``now`` (R22).

    For a hand-over: in a statement of its own, after the locks.
    """
    given = {"keys": sorted(keys), "people": sorted(people), "mailboxes": sorted(mailboxes)}
    blockers: dict[str, list[BlockingEvent]] = {}
    suppressed: dict[str, str] = {}
    sent: dict[str, tuple[int, datetime]] = {}
    for r in rows(connection, _STANDING, since=now - timedelta(hours=24), **given):
        if r["what"] == "suppressed":
            suppressed[r["key"]] = r["kind"]
        elif r["what"] == "sent":
            sent[r["key"]] = (int(r["n"]), r["at"])
        else:
            event = BlockingEvent(r["key"], r["event_id"], EventKind(r["kind"]), r["at"], r["pending"])
            blockers.setdefault(event.key, []).append(event)
    return Standing(blockers, suppressed, sent)
