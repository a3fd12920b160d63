"""Bringing a business database to the version of this code, and telling which version it has.

Also ``python -m leadops.store.migrate revise URL MESSAGE`` for developers; see ``migrations/env.py``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadops.errors import UsageError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do as long as nobody else uses it in this database.
LOCK = 7_310_579_100_419
LOCK_SECONDS = 600


def head() -> str:
    """The version this code needs."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise UsageError(
            "no_migrations", f"{MIGRATIONS} holds no migrations: the installation is incomplete."
        )
    return found


def current(url: str) -> str | None:
    """The version of the database at ``url``; None for one without our tables."""
    with _engine(url) as engine, engine.connect() as connection:
        return _current(connection)


def upgrade(url: str) -> None:
    """Bring the database at ``url`` to ``head()``. Several processes may call it: one works, all wait.

    Raises UsageError where the database is of a newer version than this code.
    """
    with _engine(url) as engine:
        with engine.connect() as connection:
            if _checked(connection) == head():
                return
        with _alone(engine), engine.connect() as connection:
            if _checked(connection) == head():
                return
            from alembic import command

            command.upgrade(_config(connection), "head")
            connection.commit()


def revise(url: str, message: str) -> Path:
    """Write a new version file from the difference between ``tables.py`` and the database at ``url``.

    The database must be at ``head()`` (empty where there is no version yet). Review what was written.
    """
    from alembic import command

    number = 1 + len(list((MIGRATIONS / "versions").glob("[0-9]*.py")))
    with _engine(url) as engine, engine.connect() as connection:
        script = command.revision(_config(connection), message, autogenerate=True, rev_id=f"{number:04d}")
    if script is None or isinstance(script, list):
        raise UsageError("no_revision", "Nothing was written: more than one version would have been needed.")
    path = Path(script.path)
    # Alembic asks for a review in comments; the review is done before the file is committed.
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "###" not in line), encoding="utf-8")
    return path


def differences(url: str) -> list[Any]:
    """What Alembic finds different between ``tables.py`` and the database at ``url``."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from leadops.store.tables import metadata

    with _engine(url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=compare_options())
        return list(compare_metadata(context, metadata))


def compare_options() -> dict[str, Any]:
    """What counts as a difference: types and defaults too."""
    return {"compare_type": True, "compare_server_default": True}


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic reads options through a parser that takes '%' for a reference.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _current(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def _checked(connection: Connection) -> str | None:
    from alembic.script import ScriptDirectory

    found = _current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise UsageError(
            "database_newer",
            f"The database is at version {found}, which this leadops (version {head()}) does not know: "
            "install the newer leadops that wrote it, or restore a backup from before. (What was written "
            "before the first release is not carried over: begin with an empty database or LEADOPS_HOME.)",
        )
    return found


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    from sqlalchemy import NullPool, create_engine

    engine = create_engine(url, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the migration lock on a connection of its own.

    Asks again and again instead of waiting inside Postgres: a waiting statement holds a snapshot, and a
    CREATE INDEX CONCURRENTLY in a migration would wait for that one in turn.
    """
    from sqlalchemy import text

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        end = time.monotonic() + LOCK_SECONDS
        while not connection.execute(text("select pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar():
            if time.monotonic() > end:
                raise UsageError(
                    "upgrade_locked",
                    f"Another process has been upgrading this database for {LOCK_SECONDS} s: "
                    "end it, then try again.",
                )
            time.sleep(0.1)
        # Closing the connection gives the lock back.
        yield


def main(arguments: list[str]) -> int:
    """``revise URL MESSAGE``; 2 for anything else."""
    if len(arguments) != 3 or arguments[0] != "revise":
        sys.stderr.write("usage: python -m leadops.store.migrate revise URL MESSAGE\n")
        return 2
    sys.stdout.write(f"{revise(arguments[1], arguments[2])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
