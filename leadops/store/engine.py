"""The business database: one engine per process, transactions that say what they are for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import RowFactory, dict_row, tuple_row
from sqlalchemy import Connection, Dialect, Engine, Table, bindparam, create_engine, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.types import BigInteger, Text

from leadops.errors import LeadopsError

IDLE_S = 1.0


def open_engine(url: str, *, pool_size: int = 10, idle_s: float | None = IDLE_S) -> Engine:
    """A pooled engine: a restarted database goes unnoticed, parameters stay out of errors.

    ``idle_s``: a connection that has idled for longer is asked whether it lives; None: none ever is.
    """
    engine = create_engine(url, pool_size=pool_size, max_overflow=10, pool_recycle=600, hide_parameters=True)
    if idle_s is not None:
        ping_after_idling(engine, idle_s)
    return engine


def ping_after_idling(engine: Engine, idle_s: float) -> None:
    """Ask whether a pooled connection still lives, but only where it has idled.

    ``pool_pre_ping`` asks before every transaction, which was 6 % of the time of a burst.
    """

    def given_back(_dbapi: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(dbapi: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < idle_s:
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
    """All rows as dicts, straight from the driver: SQLAlchemy's own results cost more than the statement did.

    Its events and its errors (also what it does with a connection that is lost) are as those of ``execute``.
    """
    return _fetched(connection, statement, parameters, dict_row)


def one_value(connection: Connection, statement: TextClause, **parameters: Any) -> Any:
    """The first column of the first row; None where there is no row."""
    found = _fetched(connection, statement, parameters, tuple_row)
    return found[0][0] if found else None


def _fetched(
    connection: Connection, statement: TextClause, parameters: dict[str, Any], shape: RowFactory[Any]
) -> list[Any]:
    text_of_it = _for_driver(statement, connection.dialect)
    if connection.get_transaction() is None:
        connection.begin()  # as ``execute`` does: what is written here is committed by whoever commits
    driver: Any = connection.connection.dbapi_connection
    cursor = driver.cursor(row_factory=shape)
    told = connection.dispatch
    told.before_cursor_execute(connection, cursor, text_of_it, parameters, None, False)
    try:
        cursor.execute(text_of_it, parameters)
        found: list[Any] = cursor.fetchall()
    except psycopg.Error as error:
        connection._handle_dbapi_exception(error, text_of_it, parameters, cursor, None)
    told.after_cursor_execute(connection, cursor, text_of_it, parameters, None, False)
    return found


def put(
    connection: Connection,
    table: Table,
    values: Sequence[Mapping[str, Any]],
    tail: str = "on conflict do nothing",
    returning: str | None = None,
) -> list[Any]:
    """Insert rows that all name the same columns, in the order given and in one statement.

    ``tail`` says what becomes of a row that is there already. Returns the ``returning`` column of what was
    written. (SQLAlchemy's own insert costs as much again as the statement, and more per row.)
    """
    if not values:
        return []
    statement = _insert(table, connection.dialect, tuple(values[0]), tail, returning or "1")
    given = json.dumps([dict(v) for v in values], default=_as_json)
    return [r[0] for r in _fetched(connection, statement, {"given": given}, tuple_row)]


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


@lru_cache(maxsize=256)
def _insert(
    table: Table, dialect: Dialect, columns: tuple[str, ...], tail: str, returning: str
) -> TextClause:
    names = ", ".join(columns)
    typed = ", ".join(f"{c} {table.c[c].type.compile(dialect)}" for c in columns)
    return text(
        f"""INSERT INTO {table.name} ({names}) select {names}
        from jsonb_to_recordset(cast(:given as jsonb)) as given({typed}) {tail} returning {returning}"""
    )


def on_conflict_update(key: str, *columns: str) -> str:
    """The ``tail`` of ``put`` where the new values of these columns replace the old ones."""
    changed = ", ".join(f"{c} = excluded.{c}" for c in columns)
    return f"on conflict ({key}) do update set {changed}"


@lru_cache(maxsize=1024)
def _for_driver(statement: TextClause, dialect: Dialect) -> str:
    """The statement as SQLAlchemy would hand it to psycopg: parameters by name, arrays with their types."""
    return str(statement.compile(dialect=dialect))


def stamp(value: datetime | None) -> str | None:
    """ISO 8601 for JSON columns."""
    return value.isoformat() if value else None
