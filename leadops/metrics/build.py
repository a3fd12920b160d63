"""Rebuild the metric tables with dbt, without Dagster; and the lock every rebuild holds.

What the tables mean stands in ``dbt_metrics/``; how Dagster sees them, in ``definitions.py``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from leadops.errors import LeadopsError, UsageError
from leadops.metrics import project
from leadops.runtime.locks import file_lock

# Any number that nothing else in this database locks on: "metrics" in letters of a phone.
_LOCK = 6387427
_LOCK_TIMEOUT = "10min"


class BuildError(LeadopsError):
    """dbt ran and a model or a test failed; what was there before still stands for the models after it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a rebuild did: nodes of dbt by outcome, and how long it took."""

    models: int
    tests: int
    warnings: int
    seconds: float


@contextmanager
def rebuild_lock(url: str) -> Iterator[None]:
    """Only one rebuild of a database at a time: dbt's scratch tables have fixed names.

    Raises:
        UsageError: the database does not answer, or does not hold our tables.
        BuildError: another rebuild held the lock for ten minutes.
    """
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    try:
        connection = engine.connect()
    except OperationalError:
        raise UsageError("db_unreachable", "The database does not answer; is it running?") from None
    with connection:
        connection.execute(
            text("select set_config('lock_timeout', :timeout, false)"), {"timeout": _LOCK_TIMEOUT}
        )
        try:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        except OperationalError:
            raise BuildError(
                "metrics_busy",
                f"Another rebuild has been running for {_LOCK_TIMEOUT}; try again when it is over.",
            ) from None
        _require_tables(connection)
        # Closing the connection ends the session and with it the lock, whatever happens inside.
        yield


def _require_tables(connection: Connection) -> None:
    if connection.execute(text("select to_regclass('public.leads')")).scalar() is None:
        raise UsageError(
            "db_not_upgraded",
            "The database does not hold our tables yet: run `leadops db upgrade` first.",
        )


def build(url: str, connection: Mapping[str, str], folder: Path, as_of: datetime | None = None) -> Report:
    """Rebuild every metric table and run every dbt test.

    ``url`` is the database's SQLAlchemy URL and ``connection`` the same as LEADOPS_PG_... variables;
    ``folder`` takes dbt's artefacts and logs, and is reused; ``as_of`` (aware) is the moment the metrics
    speak of, by default the newest stamp in the data.

    Raises:
        UsageError: dbt is missing, the database does not answer, or ``as_of`` has no zone.
        BuildError: a model or a test failed; the message names them and where the log is.
    """
    arguments = [
        str(project.dbt_executable()),
        "--no-version-check",
        "build",
        "--quiet",
        *as_of_arguments(as_of),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "build.lock"), rebuild_lock(url):
        (folder / "run_results.json").unlink(missing_ok=True)
        finished = subprocess.run(
            arguments,
            cwd=project.PROJECT_DIR,
            env=project.dbt_environment(folder, connection),
            capture_output=True,
            text=True,
            check=False,
        )
        results = _results(folder)
    if finished.returncode != 0:
        raise _failure(results, finished.stdout + finished.stderr, folder)
    return _report(results)


def as_of_arguments(as_of: datetime | None) -> list[str]:
    """dbt arguments that set the moment the metrics speak of; none for the newest stamp in the data.

    Raises:
        UsageError: ``as_of`` has no zone.
    """
    if as_of is None:
        return []
    if as_of.tzinfo is None:
        raise UsageError("as_of_without_zone", "as_of needs a zone, e.g. 2026-03-01T00:00:00+00:00.")
    return ["--vars", json.dumps({"as_of": as_of.isoformat()})]


def parse_as_of(value: str | None) -> datetime | None:
    """An ISO 8601 stamp with offset as an aware datetime; None stays None.

    Raises:
        UsageError: not such a stamp.
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            "as_of_not_a_stamp",
            f"as_of {value!r} is not an ISO 8601 stamp such as 2026-03-01T00:00:00+00:00.",
        ) from None
    as_of_arguments(found)
    return found


def _results(folder: Path) -> dict[str, object]:
    written = folder / "run_results.json"
    found: dict[str, object] = json.loads(written.read_text("utf-8")) if written.exists() else {}
    return found


def _nodes(results: Mapping[str, object]) -> list[dict[str, str]]:
    found = results.get("results", [])
    return found if isinstance(found, list) else []


def _report(results: Mapping[str, object]) -> Report:
    nodes = _nodes(results)
    models = sum(node["unique_id"].startswith("model.") for node in nodes)
    elapsed = results.get("elapsed_time", 0.0)
    return Report(
        models=models,
        tests=len(nodes) - models,
        warnings=sum(node["status"] == "warn" for node in nodes),
        seconds=float(elapsed) if isinstance(elapsed, int | float) else 0.0,
    )


def _failure(results: Mapping[str, object], said: str, folder: Path) -> BuildError:
    failed = [_told(node) for node in _nodes(results) if node["status"] in ("error", "fail")]
    what = "\n".join(failed) if failed else f"dbt said:\n{said.strip()[-2000:]}"
    return BuildError(
        "metrics_build_failed", f"The metric tables were not all rebuilt.\n{what}\nLog: {folder / 'dbt.log'}"
    )


def _told(node: Mapping[str, str]) -> str:
    """Which node failed and what was said of it, on one line. Metric tables hold no personal data."""
    message = " ".join(str(node.get("message") or "").split())[:300]
    return f"- {node['unique_id'].split('.', 2)[-1]}: {message}"
