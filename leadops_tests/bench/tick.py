"""The due-touch tick on a small and on a large ledger: with nothing due, and with 1,000 due.

An empty tick is what the schedule asks every minute, whether anything is due or owed, and what `send_due`
does where nothing is: its claim, and the count of what is left. With 1,000 due: claimed and screened, that is
up to the moment where words would be written. Both should cost the same however large the ledger is.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from leadops.runtime.wiring import House
from leadops.stages import outreach
from leadops.stages.outreach import Outreach, OutreachReport, send_due
from leadops.store import touches
from leadops.store.engine import transaction
from leadops.store.status import something_due, something_owed
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.filled import KEYRING, Filled, add_due, fill
from leadops_tests.bench.ground import NOW, Driver, ground, one_value, seconds
from leadops_tests.house import house_of

MILLION = 1_000_000
_LEASE = timedelta(minutes=5)
_BY_ID = """update touches set state = 'claimed', reason = 'leased', lease_token = 'floor',
    lease_until = %(until)s where touch_id = any(%(ids)s) returning *"""
_AROUND = """select t.*, e.*, l.state from touches t join enrolments e using (enrolment_id)
    join leads l on l.lead_id = t.lead_id where t.touch_id = any(%(ids)s)"""
_RESET = """update touches set state = 'planned', reason = 'scheduled', lease_token = null,
    lease_until = null where state = 'claimed'"""


def measure(
    server_url: str,
    say: Callable[[str], None],
    *,
    sizes: Sequence[int] = (10_000, 100_000),
    due: int = 1_000,
    ticks: int = 30,
    claims: int = 7,
) -> list[Figure]:
    """Two figures per size (touches in the ledger), in ms; with several sizes, the largest by the smallest.

    All ledgers stand side by side and take turns, so that a busy machine slows them alike.
    """
    with ExitStack() as stack:
        ledgers = [stack.enter_context(_ledger(server_url, size)) for size in sizes]
        say(f"ledgers of {', '.join(f'{ledger.filled.touches:,}' for ledger in ledgers)} touches")
        empty = _empty(ledgers, ticks)
        for ledger in ledgers:
            add_due(ledger.house.engine, ledger.filled, due)
        claimed = _claimed(ledgers, due, claims)
    for figure in (*empty, *claimed):
        say(f"{figure.name}: {figure.value} ms, {figure.ratio:.1f} times the floor")
    return [*empty, *claimed, *_flat(empty, "empty_tick"), *_flat(claimed, f"claim_of_{due}")]


def measure_million(server_url: str, say: Callable[[str], None]) -> list[Figure]:
    """A ledger of a million touches: some 2 GB, and minutes to fill."""
    return measure(server_url, say, sizes=(MILLION,))


@dataclass(frozen=True, slots=True)
class _Ledger:
    size: int  # as asked for
    filled: Filled
    house: House
    driver: Driver


@contextmanager
def _ledger(server_url: str, size: int) -> Iterator[_Ledger]:
    with (
        ground(server_url) as (_url, engine, driver),
        tempfile.TemporaryDirectory(prefix="leadops-bench-") as folder,
    ):
        filled = fill(engine, size)
        house = house_of(engine, Path(folder), loaded=filled.loaded, keyring=KEYRING)
        yield _Ledger(size, filled, house, driver)


def _flat(figures: Sequence[Figure], name: str) -> list[Figure]:
    if len(figures) < 2:
        return []
    small, large = figures[0], figures[-1]
    more = {
        "touches": [small.more["touches"], large.more["touches"]],
        "of_the_floors": round(large.floor / small.floor, 2) if large.floor and small.floor else None,
    }
    return [Figure(f"{name}_large_by_small", large.value, "ms", small.value, "the smallest ledger", more)]


# Nothing due --------------------------------------------------------------------------------------------


def _empty(ledgers: Sequence[_Ledger], ticks: int) -> list[Figure]:
    counts = [_statements(one.house.engine, partial(_tick, one.house.outreach)) for one in ledgers]
    ours: list[list[float]] = [[] for _ in ledgers]
    floors: list[list[float]] = [[] for _ in ledgers]
    for _ in range(ticks):
        for n, one in enumerate(ledgers):
            ours[n].append(seconds(partial(_tick, one.house.outreach)))
            floors[n].append(seconds(partial(_round_trips, one.driver, counts[n])))
    return [
        Figure(
            f"empty_tick_of_{one.size}",
            _ms(ours[n]),
            "ms",
            _ms(floors[n]),
            f"{counts[n]} round trips of `select 1`, as many as the tick has statements",
            {
                "touches": one.filled.touches,
                "planned": one_value(one.driver, "select count(*) from touches where state = 'planned'"),
                "ticks": ticks,
                "slowest": _ms([max(ours[n])]),
            },
        )
        for n, one in enumerate(ledgers)
    ]


def _round_trips(driver: Driver, count: int) -> None:
    for _ in range(count):
        driver.execute("select 1").fetchone()


def _tick(house: Outreach) -> None:
    with transaction(house.engine) as connection:
        assert not something_due(connection, NOW)
        assert not something_owed(connection, NOW)
    report = send_due(house, _now, limit=500).dispatches
    assert not report.did
    assert report.pending == 0


def _now() -> datetime:
    return NOW


def _statements(engine: Engine, work: Callable[[], None]) -> int:
    """How many statements ``work`` sends, transactions' own left out."""
    found: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    work()
    event.remove(engine, "before_cursor_execute", heard)
    return len(found)


# Something due ------------------------------------------------------------------------------------------


def _claimed(ledgers: Sequence[_Ledger], due: int, claims: int) -> list[Figure]:
    """Claim and screen, then the floor, each from the same start."""
    ours: list[list[float]] = [[] for _ in ledgers]
    of_claim: list[list[float]] = [[] for _ in ledgers]
    floors: list[list[float]] = [[] for _ in ledgers]
    for _ in range(claims):
        for n, one in enumerate(ledgers):
            claim_s, screen_s, ids = _claim_and_screen(one.house.outreach, due)
            of_claim[n].append(claim_s)
            ours[n].append(claim_s + screen_s)
            _reset(one.driver, due)
            floors[n].append(seconds(partial(_floor, one.driver, ids)))
            _reset(one.driver, due)
    return [
        Figure(
            f"claim_of_{due}_of_{one.size}",
            _ms(ours[n]),
            "ms",
            _ms(floors[n]),
            "one update of the same touches by id, and one read of them with their enrolments and leads",
            {
                "touches": one_value(one.driver, "select count(*) from touches"),
                "due": due,
                "claims": claims,
                "claim_alone": _ms(of_claim[n]),
            },
        )
        for n, one in enumerate(ledgers)
    ]


def _claim_and_screen(house: Outreach, due: int) -> tuple[float, float, list[str]]:
    """As `send_due` begins: (seconds of the claim, seconds of the screening, the touches)."""
    claimed: list[dict[str, Any]] = []
    passed: dict[str, Any] = {}

    def claim() -> None:
        with transaction(house.engine) as connection:
            claimed.extend(touches.claim_due(connection, now=NOW, limit=due, token="bench", lease=_LEASE))

    def screen() -> None:
        passed.update(outreach._screen(house, claimed, "bench", NOW, OutreachReport()))

    took = seconds(claim), seconds(screen)
    assert len(claimed) == len(passed) == due, (len(claimed), len(passed))
    return *took, [t["touch_id"] for t in claimed]


def _floor(driver: Driver, ids: Sequence[str]) -> None:
    with driver.transaction():
        updated = driver.execute(_BY_ID, {"ids": ids, "until": NOW + _LEASE}).fetchall()
    read = driver.execute(_AROUND, {"ids": ids}).fetchall()
    assert len(updated) == len(read) == len(ids)


def _reset(driver: Driver, due: int) -> None:
    """All planned again, and no dead row in the way of the next one."""
    assert driver.execute(_RESET).rowcount == due
    driver.execute("vacuum touches")


def _ms(found: Sequence[float]) -> float:
    return round(1000 * statistics.median(found), 3)
