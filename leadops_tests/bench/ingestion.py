"""Taking events in: requests for a demo, 500 at a time and one at a time, against COPY of the same rows."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine

from leadops.providers.crm.port import RawRow
from leadops.stages.ingest import ingest
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.filled import KEYRING
from leadops_tests.bench.ground import NOW, Driver, ground, one_value, seconds
from leadops_tests.house import DEMO, wire

BATCH = 500
_COLUMNS = {
    "lead_events": "event_id, source, source_event_id, kind, occurred_at, received_at, day_precision, "
    "pending_fold, pending_reply",
    "event_payloads": "event_id, payload",
    "event_keys": "event_id, key, identity, blocking",
}
Rows = dict[str, list[tuple[Any, ...]]]
"""Table -> its rows, in the order of _COLUMNS."""


def measure(
    server_url: str, say: Callable[[str], None], *, events: int = 5_000, single: int = 200
) -> list[Figure]:
    """Events per second, by the median batch and by the median single event."""
    found = []
    for name, count, size in (("ingest_batches", events, BATCH), ("ingest_single", single, 1)):
        with ground(server_url) as (_url, engine, driver):
            found.append(_measured(engine, driver, name, count, size))
            say(f"{name}: {found[-1].value:,.0f} events/s, COPY {found[-1].floor:,.0f}")
    return found


def _measured(engine: Engine, driver: Driver, name: str, count: int, size: int) -> Figure:
    batches = list(_batches([_event(n) for n in range(count)], size))
    ours = [seconds(partial(_taken_in, engine, batch)) for batch in batches]
    floors = _floor(driver, size)
    more = {"events": count, "at_a_time": size, "batches": len(batches), "seconds": round(sum(ours), 3)}
    return Figure(
        name,
        _per_second(size, ours),
        "events/s",
        _per_second(size, floors),
        "COPY of the same events, payloads and keys into tables with the same indexes, a commit per "
        + (f"{size} events" if size > 1 else "event"),
        more,
    )


def _event(n: int) -> RawRow:
    """Somebody at a company of their own, as a web form posts it."""
    who = {**DEMO, "name": f"Anna {n}", "company": f"Company {n}", "phone": f"+1 212 {2000000 + n}"}
    event = wire(
        "demo_requested",
        f"anna{n}@company{n}.example",
        at=NOW - timedelta(seconds=n),
        id=f"form-{n}",
        properties={"page": "/demo", "utm_source": "web", "message": "Could we see it next week?"},
        **who,
    )
    return RawRow(event=event, error=None, raw=event, where="bench")


def _batches(rows: Sequence[RawRow], size: int) -> Iterator[Sequence[RawRow]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _taken_in(engine: Engine, batch: Sequence[RawRow]) -> None:
    assert ingest(engine, batch, now=NOW, keyring=KEYRING).accepted == len(batch)


def _floor(driver: Driver, size: int) -> list[float]:
    """Seconds for each of as many batches, of the rows that leadops has written."""
    for table in _COLUMNS:
        driver.execute(f"create table floor_{table} (like {table} including all)".encode())
    everything: Rows = {table: _read(driver, table, columns) for table, columns in _COLUMNS.items()}
    found = [seconds(partial(_copied, driver, part)) for part in _parts(everything, size)]
    for table, columns in _COLUMNS.items():
        same = f"""select (select count(*) from {table}) = (select count(*) from floor_{table}) and not exists
            (select {columns} from {table} except select {columns} from floor_{table})"""
        assert one_value(driver, same), table
    return found


def _read(driver: Driver, table: str, columns: str) -> list[tuple[Any, ...]]:
    return driver.execute(
        f"select {columns.replace('payload', 'payload::text')} from {table} order by event_id".encode()
    ).fetchall()


def _parts(everything: Rows, size: int) -> Iterator[Rows]:
    """The rows of ``size`` events at a time."""
    ids = [event[0] for event in everything["lead_events"]]
    by_event: dict[str, Rows] = {i: {table: [] for table in everything} for i in ids}
    for table, rows in everything.items():
        for row in rows:
            by_event[row[0]][table].append(row)
    for start in range(0, len(ids), size):
        part = [by_event[i] for i in ids[start : start + size]]
        yield {table: [row for event in part for row in event[table]] for table in everything}


def _copied(driver: Driver, part: Rows) -> None:
    with driver.transaction(), driver.cursor() as cursor:
        for table, rows in part.items():
            with cursor.copy(f"copy floor_{table} ({_COLUMNS[table]}) from stdin".encode()) as copy:
                for row in rows:
                    copy.write_row(row)


def _per_second(size: int, found: Sequence[float]) -> float:
    return round(size / statistics.median(found), 1)
