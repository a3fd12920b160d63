"""Dagster's own tables: created or brought up to date by one process before several would do it at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from leadops.errors import LeadopsError
from leadops.runtime import child_logs

TIMEOUT_S = 300


class Preparation:
    """A started migration; `wait()` for it. None was needed when `process` is None."""

    def __init__(self, process: subprocess.Popen[bytes] | None, log: Path, home: Path, url: str) -> None:
        self._process = process
        self._log = log
        self._home = home
        self._url = url

    def wait(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Return when the tables are ready, or when `give_up()`; then call `cancel`.

        Raises LeadopsError with the end of the log when the tables cannot be prepared.
        """
        if self._process is None:
            return
        deadline = time.monotonic() + TIMEOUT_S
        while (code := self._process.poll()) is None and time.monotonic() < deadline:
            if give_up():
                return
            time.sleep(0.05)
        if code != 0:
            raise LeadopsError(
                "dagster_storage",
                "Dagster's tables could not be prepared. "
                f"The end of {self._log}:\n{child_logs.tail(self._log)}",
            )
        _note_path(self._home).write_text(json.dumps(_state(self._url)), encoding="utf-8")

    def cancel(self) -> None:
        """End it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def prepare(home: Path, url: str, env: Mapping[str, str]) -> Preparation:
    """Start to create or migrate the tables in the database at `url`, unless they are known to be current.

    `env` is the whole environment of the children (DAGSTER_HOME among it).
    """
    log = home / "logs" / "dagster-storage.log"
    if _is_current(home, url):
        return Preparation(None, log, home, url)
    fd = child_logs.open_log(log)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
        )
    finally:
        os.close(fd)
    return Preparation(process, log, home, url)


def _is_current(home: Path, url: str) -> bool:
    """The note of the last preparation fits the installed Dagster and the database: saves its 3 seconds."""
    try:
        noted = json.loads(_note_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted["revision"]) and noted == _state(url) if isinstance(noted, dict) else False


def _state(url: str) -> dict[str, str | None]:
    return {
        "dagster": version("dagster"),
        "postgres": version("dagster-postgres"),
        "revision": _revision(url),
    }


def _revision(url: str) -> str | None:
    """The migration the database stands at; None when it has no tables or cannot be asked."""
    import sqlalchemy as sa

    revisions = sa.select(sa.column("version_num", sa.String)).select_from(sa.table("alembic_version"))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            found = connection.execute(revisions).scalars().all()
        return ",".join(sorted(str(revision) for revision in found)) or None
    except sa.exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _note_path(home: Path) -> Path:
    return home / "run" / "dagster-storage.json"
