"""The Postgres of a test run: one server for all workers, a migrated template, a fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url

from leadops.runtime.locks import file_lock
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.store import migrate

# Set by the controlling process, inherited by xdist workers: where this run's server stands.
HOME_VARIABLE = "LEADOPS_TEST_SERVER_HOME"
REAL_SERVER_VARIABLE = "LEADOPS_TEST_DATABASE_URL"
PREFIX = "leadops-tests-"
ROOM = 2 * 2**30


def open_run() -> None:
    """Choose this run's directory, and end the servers of runs that were killed. Starts nothing."""
    for ground in {_ground(), Path(tempfile.gettempdir())}:
        for left in ground.glob(f"{PREFIX}*"):
            # Another run may be sweeping at the same time.
            with suppress(FileNotFoundError):
                if left.stat().st_uid == os.geteuid() and not _alive(left):
                    _remove(left)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_ground()))
    # The server runs as somebody else when the tests run as root.
    home.chmod(0o711)
    _note_owner(home)
    os.environ[HOME_VARIABLE] = str(home)


def _ground() -> Path:
    """In memory where there is room: making a database took 20 ms there and 400 ms on a slow disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return memory if roomy else Path(tempfile.gettempdir())


def close_run() -> None:
    """Drop the template on a real server, stop ours, remove the directory."""
    if HOME_VARIABLE not in os.environ:
        return
    home = Path(os.environ.pop(HOME_VARIABLE))
    real = os.environ.get(REAL_SERVER_VARIABLE)
    if real and (home / "template").exists():
        with _maintenance(_psycopg_url(real)) as connection:
            _drop(connection, f"{home.name}_template")
        disconnect(_psycopg_url(real))
    _remove(home)


def server_url() -> str:
    """URL (any database name) of the run's server, started at the first call."""
    if real := os.environ.get(REAL_SERVER_VARIABLE):
        return _psycopg_url(real)
    server = _server(Path(os.environ[HOME_VARIABLE]))
    server.start()
    return server.url("postgres")


def disconnect(server: str) -> None:
    """Close this process's own connection to ``server``."""
    _engine(server).dispose()


@contextmanager
def fresh_database(server: str, migrated: bool = True) -> Iterator[str]:
    """URL of a new database on ``server``, dropped at the end; empty unless ``migrated``."""
    name = f"t_{uuid.uuid4().hex}"
    source = _template(server) if migrated else "template0"
    with _maintenance(server) as connection:
        _create(connection, name, source)
        try:
            yield named(server, name)
        finally:
            _drop(connection, name)


def named(url: str, database: str) -> str:
    """``url`` with another database."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _template(server: str) -> str:
    """Name of the run's migrated template, made by whoever needs it first."""
    home = Path(os.environ[HOME_VARIABLE])
    name = f"{home.name}_template"
    done = home / "template"
    if done.exists():
        return name
    with file_lock(home / "template.lock"):
        if not done.exists():
            with _maintenance(server) as connection:
                _drop(connection, name)
                _create(connection, name, "template0")
            migrate.upgrade(named(server, name))
            done.touch()
    return name


def _server(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, durable=False, elsewhere=home / "elsewhere")


@cache
def _engine(server: str) -> Engine:
    """One kept connection per worker: connecting costs as much as making a database."""
    return create_engine(named(server, "postgres"), pool_size=1, isolation_level="AUTOCOMMIT")


@contextmanager
def _maintenance(server: str) -> Iterator[Connection]:
    with _engine(server).connect() as connection:
        yield connection


def _create(connection: Connection, name: str, source: str) -> None:
    # Copying files is twice as fast where nothing waits for the disk, as on our own server.
    how = "" if os.environ.get(REAL_SERVER_VARIABLE) else "strategy file_copy"
    connection.exec_driver_sql(f'create database "{name}" template "{source}" {how}')


def _drop(connection: Connection, name: str) -> None:
    connection.exec_driver_sql(f'drop database if exists "{name}" with (force)')


def _psycopg_url(url: str) -> str:
    return (
        make_url(url.replace("postgres://", "postgresql://", 1))
        .set(drivername="postgresql+psycopg")
        .render_as_string(hide_password=False)
    )


def _note_owner(home: Path) -> None:
    me = psutil.Process()
    (home / "owner").write_text(f"{me.pid} {me.create_time()}")


def _alive(home: Path) -> bool:
    try:
        pid, created = (home / "owner").read_text().split()
        return abs(psutil.Process(int(pid)).create_time() - float(created)) < 1
    except FileNotFoundError:
        return True  # being made right now
    except psutil.NoSuchProcess:
        return False


def _remove(home: Path) -> None:
    _server(home).stop()
    shutil.rmtree(home, ignore_errors=True)
