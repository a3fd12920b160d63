"""The business database: one engine per process, transactions that say what they are for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.types import BigInteger, Text

from leadops.errors import LeadopsError


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """A pooled engine: a restarted database goes unnoticed, parameters stay out of errors."""
    engine = create_engine(url, pool_size=pool_size, max_overflow=10, pool_recycle=600, hide_parameters=True)
    _ping_after_idling(engine)
    return engine


IDLE_S = 1.0


def _ping_after_idling(engine: Engine) -> None:
    """Ask whether a pooled connection still lives, but only where it has idled.

    ``pool_pre_ping`` asks before every transaction, which was 6 % of the time of a burst.
    """

    def given_back(_dbapi: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(dbapi: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < IDLE_S:
            return
        try:
            alive = engine.dialect.do_ping(dbapi)
        except Exception:  # noqa: BLE001 - whatever it says, this connection is of no use
            alive = False
        if not alive:
            raise DisconnectionError  # the pool opens another

    event.listen(engine, "checkin", given_back)
    event.listen(engine, "checkout", taken)


class StoreError(LeadopsError):
    """A statement failed. Carries the SQLSTATE only: Postgres prints values in its DETAIL."""


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One READ COMMITTED transaction.

    Raises:
        StoreError: code ``db_unreachable`` or ``db_<sqlstate>``; never the statement's values.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state is None or state.startswith(("08", "57P")):
            raise StoreError("db_unreachable", "The database does not answer; is it running?") from None
        raise StoreError(f"db_{state}", f"The database refused a statement (SQLSTATE {state}).") from None
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or "unknown"
        raise StoreError(f"db_{state}", f"The database refused a statement (SQLSTATE {state}).") from None


def sql(statement: str, **types: Any) -> TextClause:
    """A text statement; parameters named in ``types`` get that SQL type (arrays, jsonb)."""
    return text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))


TEXTS = ARRAY(Text)
BIGINTS = ARRAY(BigInteger)
JSON = JSONB


def rows(connection: Connection, statement: TextClause, **parameters: Any) -> list[dict[str, Any]]:
    """All rows as dicts."""
    return [dict(r) for r in connection.execute(statement, parameters).mappings()]


def stamp(value: datetime | None) -> str | None:
    """ISO 8601 for JSON columns."""
    return value.isoformat() if value else None
