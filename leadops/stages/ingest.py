"""Take events in: parse, key, append. What cannot be parsed is quarantined; neighbours go on.

Nothing is processed here. The one thing decided is which keys an event blocks, because that must
stand from the event's commit on (the stop gate, ``store/gate.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from leadops.domain.intake import parse_event, storable
from leadops.domain.keys import EventKey, Keyring, event_keys
from leadops.errors import BadInput
from leadops.providers.crm.port import CrmPort, RawRow
from leadops.store import events as log
from leadops.store.engine import transaction
from leadops.store.gate import MAX_LOCKS_PER_TRANSACTION, lock_exclusive
from leadops.terms import STOP_KINDS, LeadEvent

MAX_EVENTS_PER_TRANSACTION = 500


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one input, by its place in the request. ``reason`` is set when quarantined."""

    index: int
    event_id: str | None
    source_event_id: str | None
    duplicate: bool = False
    reason: str | None = None


@dataclass(slots=True)
class IngestReport:
    """One answer per input, in order."""

    items: list[ItemResult] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return sum(i.reason is None and not i.duplicate for i in self.items)

    @property
    def duplicates(self) -> int:
        return sum(i.duplicate for i in self.items)

    @property
    def quarantined(self) -> int:
        return sum(i.reason is not None for i in self.items)


@dataclass(frozen=True, slots=True)
class _Parsed:
    index: int
    event: LeadEvent
    keys: tuple[EventKey, ...]


def ingest(
    engine: Engine,
    inputs: Sequence[RawRow],
    *,
    now: datetime,
    keyring: Keyring,
    cursor: tuple[str, str] | None = None,
) -> IngestReport:
    """Append what is acceptable, quarantine what is not, and say so for each input.

    ``cursor`` (name, value) is committed in the transaction of the last events, so that a crash
    reads the tail again (events are deduplicated) and never skips it.
    """
    parsed: list[_Parsed] = []
    refused: list[tuple[int, log.Rejected]] = []
    for index, row in enumerate(inputs):
        try:
            event = _parse(row, now, keyring)
            parsed.append(_Parsed(index, event, tuple(event_keys(event, keyring))))
        except BadInput as error:
            refused.append((index, _rejected(row, str(error))))
    stored: set[str] = set()
    chunks = list(_chunks(parsed)) or [[]]
    for i, chunk in enumerate(chunks):
        last = i == len(chunks) - 1
        with transaction(engine) as connection:
            lock_exclusive(connection, _locks(chunk))
            stored |= log.insert_events(connection, [(p.event, p.keys) for p in chunk])
            if last:
                log.quarantine(connection, [r for _, r in refused], now=now)
                if cursor is not None:
                    log.save_cursor(connection, *cursor, now=now)
    return _answer(parsed, refused, stored)


def _parse(row: RawRow, now: datetime, keyring: Keyring) -> LeadEvent:
    if row.event is None:
        raise BadInput("invalid_row", row.error or "The row could not be read.")
    return parse_event(row.event, now=now, keyring=keyring)


def _rejected(row: RawRow, reason: str) -> log.Rejected:
    """The input as Postgres can hold it, with why it was refused."""
    kept = storable(row.raw or row.event or {})
    given = kept if isinstance(kept, dict) else {"input": kept}
    named = row.event if isinstance(row.event, Mapping) else given
    source = str(storable(named.get("source")) or "unknown")[:100]
    return log.Rejected(source, str(storable(reason)), given, str(storable(row.where)))


def _locks(chunk: Iterable[_Parsed]) -> set[str]:
    return {k.key for p in chunk if p.event.kind in STOP_KINDS for k in p.keys}


def _chunks(parsed: Sequence[_Parsed]) -> Iterator[list[_Parsed]]:
    """Bounded batches: few enough events, few enough locks."""
    chunk: list[_Parsed] = []
    locks: set[str] = set()
    for item in parsed:
        own = _locks([item])
        full = len(chunk) >= MAX_EVENTS_PER_TRANSACTION or len(locks | own) > MAX_LOCKS_PER_TRANSACTION
        if chunk and full:
            yield chunk
            chunk, locks = [], set()
        chunk.append(item)
        locks |= own
    if chunk:
        yield chunk


def _answer(
    parsed: Sequence[_Parsed], refused: Sequence[tuple[int, log.Rejected]], stored: set[str]
) -> IngestReport:
    seen: set[str] = set()
    items = [ItemResult(i, None, None, reason=r.reason) for i, r in refused]
    for p in parsed:
        new = p.event.event_id in stored and p.event.event_id not in seen
        seen.add(p.event.event_id)
        items.append(ItemResult(p.index, p.event.event_id, p.event.source_event_id, duplicate=not new))
    return IngestReport(sorted(items, key=lambda item: item.index))


@dataclass(frozen=True, slots=True)
class PollReport:
    """One tick of a CRM: what came in, of which kinds, and whether more is waiting."""

    ingested: IngestReport
    sources: tuple[str, ...]
    kinds: frozenset[str]
    more: bool


def poll_crm(
    engine: Engine,
    crm: CrmPort,
    *,
    now: datetime,
    keyring: Keyring,
    limit: int = 1000,
    should_stop: Callable[[], bool] = lambda: False,
) -> PollReport:
    """Read what is new in a CRM and append it, cursor and events in one commit."""
    with transaction(engine) as connection:
        before = log.cursor_of(connection, crm.name)
    poll = crm.poll(before, limit, should_stop)
    if not poll.rows and poll.cursor == before:
        return PollReport(IngestReport(), (), frozenset(), poll.more)
    report = ingest(engine, poll.rows, now=now, keyring=keyring, cursor=(crm.name, poll.cursor))
    sources = sorted({str(r.event["source"]) for r in poll.rows if r.event and r.event.get("source")})
    kinds = frozenset(str(r.event["kind"]) for r in poll.rows if r.event and r.event.get("kind"))
    return PollReport(report, tuple(sources), kinds, poll.more)


def replay_quarantined(
    engine: Engine,
    *,
    now: datetime,
    keyring: Keyring,
    limit: int = 500,
    again: Callable[[Mapping[str, Any], str], RawRow] | None = None,
) -> IngestReport:
    """Put quarantined inputs through again; the accepted ones are marked, the others stay as they are.

    ``again`` maps a kept input (and where it came from) to a row once more, so that a mended mapping
    is used; a row that it now skips is done with. By default the input is taken as an event on the wire.
    ``limit`` is the size of a page; all pages are read.
    """
    again = again or _as_wire
    report = IngestReport()
    after: tuple[datetime, str] | None = None
    while True:
        with transaction(engine) as connection:
            waiting = log.open_quarantine(connection, limit, after)
        if not waiting:
            return report
        after = (waiting[-1]["received_at"], waiting[-1]["quarantine_id"])
        mapped = [(w["quarantine_id"], again(w["raw"], w["where_from"] or "")) for w in waiting]
        rows = [(i, row) for i, row in mapped if row.event is not None or row.error is not None]
        done = [i for i, row in mapped if row.event is None and row.error is None]
        page = ingest(engine, [row for _, row in rows], now=now, keyring=keyring)
        done += [i for (i, _), item in zip(rows, page.items, strict=True) if not item.reason]
        with transaction(engine) as connection:
            log.mark_replayed(connection, done, now=now)
        report.items += page.items


def _as_wire(raw: Mapping[str, Any], where: str) -> RawRow:
    return RawRow(event=dict(raw), error=None, raw=dict(raw), where=where)
