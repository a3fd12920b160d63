"""The past is made once per LEADOPS_HOME; a file there says so. Cut short, it is made anew from nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from leadops.demo.past import WEEKS, PastReport, past_engine
from leadops.demo.scene import Keys
from leadops.demo.shards import Job, make_all
from leadops.domain.keys import Keyring
from leadops.errors import UsageError
from leadops.playbook.loader import LoadedPlaybook
from leadops.sandbox.world.world import PER_WEEK
from leadops.store.engine import rows, sql, transaction
from leadops.store.tables import metadata

MARKER = "past.json"
SCENE = "sandbox.json.gz"
_ANYTHING = sql("select exists (select 1 from lead_events) or exists (select 1 from leads) as found")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which past. ``now``: aware UTC, where it ends; ``per_week``: leads.

    ``processes`` share the work; another number is another past, so it does not depend on the machine.
    """

    now: datetime
    weeks: float = WEEKS
    seed: int = 7
    per_week: float = PER_WEEK
    processes: int = 2


def make_past(
    home: Path,
    database_url: str,
    loaded: LoadedPlaybook,
    keyring: Keyring,
    wanted: Wanted,
    *,
    keys: Keys | None = None,
    public_url: str | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> PastReport | None:
    """Make the past, put the sandbox as it is then into ``home/sandbox.json.gz``; None: it was made before.

    Nothing else may work on the database meanwhile. A try that was cut short is wiped away, which is safe:
    its database was empty when it began, and the marker is taken down before anything else may start.

    Raises:
        ShardError: a process did not come to its end.
        UsageError: the database holds leads that no simulated past has made; or marker and sandbox do not
            go together.
    """
    marker = home / MARKER
    state = _read(marker)
    if state.get("state") == "done" and (home / SCENE).exists():
        return None
    if state.get("state") not in (None, "under way"):
        raise UsageError(
            "past_half_there",
            f"{marker} says that a past was made here, but {SCENE} beside it is missing or unreadable. "
            f"Remove {home} and start again.",
        )
    engine = past_engine(database_url)
    try:
        if state:
            say("A simulated past was cut short here; it is made again from the beginning.")
            _wipe(engine)
        _require_empty(engine, home)
        _write(marker, {"state": "under way", "seed": wanted.seed, "end": wanted.now.isoformat()})
        job = Job(
            number=0,
            of=wanted.processes,
            database_url=database_url,
            loaded=loaded,
            keyring=keyring,
            keys=keys or Keys(),
            seed=wanted.seed,
            per_week=wanted.per_week,
            start=wanted.now - timedelta(weeks=wanted.weeks),
            end=wanted.now,
            public_url=public_url,
        )
        scene, report = make_all(job, say)
        _keep(engine)
        scene.save(home / SCENE)
        _write(marker, {"state": "done", "seed": wanted.seed, **_figures(report)})
        return report
    finally:
        engine.dispose()


def _figures(report: PastReport) -> dict[str, Any]:
    return {
        "start": report.start.isoformat(),
        "end": report.end.isoformat(),
        "arrivals": report.arrivals,
        "messages": report.messages,
        "wall_s": round(report.wall_s, 1),
    }


def _read(marker: Path) -> dict[str, Any]:
    try:
        found = json.loads(marker.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"state": "unreadable"}
    return found if isinstance(found, dict) else {"state": "unreadable"}


def _write(marker: Path, state: dict[str, Any]) -> None:
    beside = marker.with_name(marker.name + ".new")
    beside.write_text(json.dumps(state), "utf-8")
    beside.replace(marker)


def _require_empty(engine: Engine, home: Path) -> None:
    with transaction(engine) as connection:
        if rows(connection, _ANYTHING)[0]["found"]:
            raise UsageError(
                "past_not_empty",
                f"The database of {home} holds leads already: a simulated past is made in an empty one only. "
                "Give the demo a LEADOPS_HOME of its own.",
            )


def _wipe(engine: Engine) -> None:
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with transaction(engine) as connection:
        connection.execute(sql(f"truncate {names}"))


def _keep(engine: Engine) -> None:
    """On disk before the marker says so; statistics, because what works here next plans with them."""
    with transaction(engine) as connection:
        connection.execute(sql("analyze"))
        # This commit waits for the disk, and so for every commit before it.
        connection.execute(sql("set local synchronous_commit = on"))
