"""The page's way to the database: it can read, it cannot write, and no question may take long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, make_url

from leadops.errors import UsageError
from leadops.store.engine import StoreError, open_engine, transaction

STATEMENT_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_S = 5
_CONNECTIONS = 4
# Set by the server before the first statement, so that no connection of the pool is ever without them.
_OPTIONS = (
    "-c default_transaction_read_only=on"
    f" -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    " -c lock_timeout=2000"
    " -c idle_in_transaction_session_timeout=15000"
)
_NOT_THERE = frozenset({"db_42P01", "db_3F000", "db_42703"})


class NotBuilt(UsageError):  # noqa: N818 - what it is, as the page says it
    """The metric tables are not there yet, or are of another version."""


def open_reader(url: str) -> Engine:
    """A pooled engine whose every transaction is read-only (Postgres refuses a write: SQLSTATE 25006).

    ``url`` is the business database's SQLAlchemy URL; options it has already stay. Opens no connection.
    """
    parsed = make_url(url)
    given = parsed.query.get("options", ())
    kept = given if isinstance(given, str) else " ".join(given)
    reader = parsed.update_query_dict(
        {
            "options": f"{kept} {_OPTIONS}".strip(),
            "connect_timeout": str(CONNECT_TIMEOUT_S),
            "application_name": "leadops-dashboard",
        }
    )
    return open_engine(reader.render_as_string(hide_password=False), pool_size=_CONNECTIONS)


@contextmanager
def metric_tables(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads the schema ``metrics``.

    Raises:
        NotBuilt: it has no such table or column yet.
        StoreError: as ``leadops.store.engine.transaction``.
    """
    try:
        with transaction(engine) as connection:
            yield connection
    except StoreError as error:
        if error.code not in _NOT_THERE:
            raise
        raise NotBuilt(
            "metrics_not_built",
            "The metric tables are not built yet. Dagster builds them every hour (job “metrics”); "
            "to have them now, run: leadops metrics build",
        ) from None
