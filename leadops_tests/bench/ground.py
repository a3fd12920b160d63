"""What the parts of the bench share: a database of their own, a plain connection to it, and a stopwatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from leadops.simulator.running import database
from leadops.store.engine import open_engine

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
"""A Tuesday, within business hours from New York to Berlin."""

Driver = psycopg.Connection[tuple[Any, ...]]
"""A connection without leadops and without SQLAlchemy: what the floors use."""


@contextmanager
def ground(server_url: str) -> Iterator[tuple[str, Engine, Driver]]:
    """A new migrated database: its URL, the engine leadops works with, and a connection for the floor."""
    with database(server_url) as url:
        engine = open_engine(url)
        try:
            with connected(url) as driver:
                yield url, engine, driver
        finally:
            engine.dispose()


@contextmanager
def connected(url: str) -> Iterator[Driver]:
    """A plain connection in autocommit mode. ``url`` is SQLAlchemy's."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as driver:
        yield driver


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_value(driver: Driver, statement: str, given: dict[str, Any] | None = None) -> Any:
    """The first column of the only row."""
    found = driver.execute(statement.encode(), given).fetchone()
    assert found is not None
    return found[0]
