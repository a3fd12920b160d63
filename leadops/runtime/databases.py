"""Which databases this installation uses: a real server by LEADOPS_DATABASE_URL, else the embedded one.

The only place that turns settings into database URLs. URLs carry passwords: they stay in memory and in the
environment of children, and no error or repr shows them.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leadops.errors import UsageError
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

BUSINESS = "leadops"
CONNECT_SECONDS = 10
# URL options that dbt's profile does not read; libpq takes them from the environment.
LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
}


@dataclass(frozen=True)
class Databases:
    """URLs for SQLAlchemy: ``business`` for psycopg 3, ``dagster`` for psycopg2; the variables dbt reads.

    ``embedded`` is the server leadops runs itself, None for a real one.
    """

    business: str = field(repr=False)
    dagster: str = field(repr=False)
    metrics_env: dict[str, str] = field(repr=False)
    embedded: EmbeddedPostgres | None = None


def open_databases(settings: Settings) -> Databases:
    """Both databases, reachable and existing: starts the embedded server, creates what is missing.

    Does not migrate (``store.migrate.upgrade``). Raises UsageError, one sentence without a password.
    """
    if settings.database_url is None:
        server = EmbeddedPostgres(settings.home)
        server.start()
        server.ensure_database(BUSINESS)
        found = databases_of(settings, server)
    else:
        found = databases_of(settings)
        _ensure(_parsed(found.business, "LEADOPS_DATABASE_URL"), "LEADOPS_DATABASE_URL")
    dagster = _parsed(found.dagster, "LEADOPS_DAGSTER_URL")
    _ensure(dagster, "LEADOPS_DAGSTER_URL")
    if settings.dagster_url is None:
        _relax(dagster)
    return found


def databases_of(settings: Settings, server: EmbeddedPostgres | None = None) -> Databases:
    """The same without touching any server: nothing is started, created or asked."""
    if settings.database_url is None:
        server = server or EmbeddedPostgres(settings.home)
        business = _parsed(server.url(BUSINESS), "LEADOPS_HOME")
    else:
        server = None
        business = _parsed(settings.database_url.get_secret_value(), "LEADOPS_DATABASE_URL")
    if settings.dagster_url is None:
        dagster = business.set(database=f"{business.database}_dagster")
    else:
        dagster = _parsed(settings.dagster_url.get_secret_value(), "LEADOPS_DAGSTER_URL")
    return Databases(
        _rendered(business, "psycopg"), _rendered(dagster, "psycopg2"), _metrics_env(business), server
    )


def child_environment(databases: Databases, settings: Settings) -> dict[str, str]:
    """What a child process needs to use the same databases and folders; add it to ``os.environ``."""
    home = str(settings.home.expanduser().resolve())
    return {
        "LEADOPS_DATABASE_URL": databases.business,
        "LEADOPS_DAGSTER_URL": databases.dagster,
        "LEADOPS_HOME": home,
        "DAGSTER_HOME": home,
        **databases.metrics_env,
    }


def shown_url(url: str, password: bool = False) -> str:
    """``url`` for people and psql: no driver, and no password unless asked for."""
    parsed = _parsed(url, "the database URL").set(drivername="postgresql")
    if not password:
        parsed = parsed._replace(password=None)
    return _with_spaces(parsed.render_as_string(hide_password=False))


# --- URLs ---------------------------------------------------------------------------------------------


def _parsed(given: str, variable: str) -> URL:
    """Any spelling of a Postgres URL; the driver it names does not matter."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given.strip())
    except (ArgumentError, ValueError):
        raise _not_a_url(variable) from None
    if url.drivername.partition("+")[0] not in {"postgres", "postgresql"} or not url.database:
        raise _not_a_url(variable)
    return url.set(drivername="postgresql+psycopg")


def _not_a_url(variable: str) -> UsageError:
    return UsageError(
        "bad_database_url",
        f"{variable} is not the URL of a Postgres database: write postgresql://user:password@host:5432/name.",
    )


def _rendered(url: URL, driver: str) -> str:
    return _with_spaces(url.set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False))


def _with_spaces(rendered: str) -> str:
    """libpq takes '+' in a query for a plus; a real plus is %2B already."""
    start, mark, query = rendered.partition("?")
    return start + mark + query.replace("+", "%20")


def _first(value: str | tuple[str, ...] | None) -> str:
    return value if isinstance(value, str) else value[0] if value else ""


def _metrics_env(url: URL) -> dict[str, str]:
    host, _, port_of_host = _first(url.query.get("host")).partition(":")
    libpq = {env: _first(url.query[name]) for name, env in LIBPQ_VARIABLES.items() if name in url.query}
    return {
        "LEADOPS_PG_HOST": url.host or host or "localhost",
        "LEADOPS_PG_PORT": str(url.port or port_of_host or _first(url.query.get("port")) or 5432),
        "LEADOPS_PG_USER": url.username or getpass.getuser(),
        "LEADOPS_PG_PASSWORD": url.password or os.environ.get("PGPASSWORD", ""),
        "LEADOPS_PG_DATABASE": url.database or BUSINESS,
        **libpq,
    }


# --- servers ------------------------------------------------------------------------------------------


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    from sqlalchemy import NullPool, create_engine

    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )
    with engine.connect() as connection:
        yield connection


def _ensure(url: URL, variable: str) -> None:
    """The database answers; made if it is missing. Raises UsageError saying what the server said."""
    from sqlalchemy.exc import DBAPIError, OperationalError

    try:
        with _connected(url):
            return
    except OperationalError as refused:
        said = _said(refused, url)
    try:
        with _connected(url.set(database="postgres")) as connection:
            created = _created(connection, str(url.database))
    except OperationalError:
        created = False
    except DBAPIError as refused:
        raise UsageError(
            "database_missing",
            f"Database '{url.database}' does not exist and could not be created ({_said(refused, url)}): "
            f"create it, or give {variable} an account that may.",
        ) from None
    if not created:
        raise UsageError(
            "database_unreachable",
            f"The database of {variable} cannot be used: {said}. Check the URL and the server.",
        )


def _created(connection: Connection, name: str) -> bool:
    """False: it exists already, so something else is wrong with it."""
    from sqlalchemy import text
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    if connection.execute(text("select 1 from pg_database where datname = :name"), {"name": name}).first():
        return False
    try:
        connection.exec_driver_sql(f"create database {_identifier(connection, name)}")
    except (IntegrityError, ProgrammingError) as refused:
        # 42P04, 23505: another process created it in the meantime.
        if getattr(refused.orig, "sqlstate", None) not in {"42P04", "23505"}:
            raise
    return True


def _relax(url: URL) -> None:
    """Dagster's database does not wait for the disk: a crash costs its last moments, no business data."""
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    with _connected(url) as connection:
        if connection.execute(text("show synchronous_commit")).scalar() == "off":
            return
        try:
            connection.exec_driver_sql(
                f"alter database {_identifier(connection, str(url.database))} set synchronous_commit = off"
            )
        except ProgrammingError:
            return  # a server of somebody else's, where we do not own the database: it is only slower


def _identifier(connection: Connection, name: str) -> str:
    """Quoted; with the driver's placeholder sign escaped."""
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _said(refused: Exception, url: URL) -> str:
    """What the server or libpq said, on one line, without the password."""
    said = " ".join(str(getattr(refused, "orig", None) or refused).split())[:400].rstrip(".")
    return said.replace(url.password, "***") if url.password else said
