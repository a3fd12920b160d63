"""A past made by several processes: people are dealt out, each process lives with its own, then all are one.

Leads do not touch each other (but for the mailboxes' daily caps, of which each process gets its part), so
each process has a database, a CRM account and a post office of its own; afterwards rows are copied and the
sandboxes' states joined. The same seed and the same number of processes give the same past.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from leadops.demo.past import Clock, PastReport, past_engine, past_house, run_past
from leadops.demo.scene import Keys, Scene, deal_out, join
from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.loader import LoadedPlaybook
from leadops.runtime.child import die_with
from leadops.store import migrate
from leadops.store.tables import metadata

_CURSORS = "crm_cursors"


class ShardError(LeadopsError):
    """A process that made its part of a past did not come to its end."""


@dataclass(frozen=True, slots=True)
class Job:
    """One process's part: ``number`` of ``of``, counted from 0. ``start`` and ``end``: aware UTC."""

    number: int
    of: int
    database_url: str
    loaded: LoadedPlaybook
    keyring: Keyring
    keys: Keys
    seed: int
    per_week: float
    start: datetime
    end: datetime
    public_url: str | None = None


def make_part(job: Job, say: Callable[[str], None] = lambda _line: None) -> tuple[Scene, PastReport]:
    """Live through this part. The database is migrated and empty."""
    engine = past_engine(job.database_url)
    try:
        clock = Clock(job.start)
        loaded = replace(job.loaded, playbook=_part_of_caps(job))
        reps = loaded.playbook.handoff.reps
        scene = Scene.new(clock, reps, seed=job.seed, keys=job.keys, per_week=job.per_week, part=job.number)
        deal_out(scene, job.number, job.of)
        house = past_house(engine, loaded, job.keyring, scene, clock, public_url=job.public_url)
        return scene, run_past(house, scene, clock, job.end, start=job.start, parts=job.of, say=say)
    finally:
        engine.dispose()


def _part_of_caps(job: Job) -> Any:
    playbook = job.loaded.playbook
    boxes = tuple(
        box.model_copy(update={"daily_cap": max(1, box.daily_cap // job.of)})
        for box in playbook.sender.mailboxes
    )
    cap = playbook.sender.domain_daily_cap
    part = {"mailboxes": boxes, "domain_daily_cap": None if cap is None else max(1, cap // job.of)}
    return playbook.model_copy(update={"sender": playbook.sender.model_copy(update=part)})


def make_all(job: Job, say: Callable[[str], None] = lambda _line: None) -> tuple[Scene, PastReport]:
    """Every part of ``job`` (``job.number`` is 0): the first in this process, the others in their own.

    Where the account may make no databases, everything is done here. ``say`` may raise, which ends all.
    Raises ShardError: a process ended without a result.
    """
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(url) for url in _databases(job)]
        job = replace(job, of=1 + len(urls))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadops-past-")))
        parts_elsewhere = [replace(job, number=n, database_url=url) for n, url in enumerate(urls, 1)]
        others = [(stack.enter_context(_process(part, folder)), part) for part in parts_elsewhere]
        scene, report = make_part(job, say)
        parts = [scene.dump()]
        for process, part in others:
            found = _result(process, part, folder)
            parts.append(found["scene"])
            report = _added(report, found["report"])
            _copy(part.database_url, job.database_url)
        if others:
            reps = job.loaded.playbook.handoff.reps
            scene = Scene.load(join(parts), Clock(job.end), reps, keys=job.keys)
        return scene, report


# Processes ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _process(job: Job, folder: Path) -> Iterator[BaseProcess]:
    # Spawned, not forked: this process has threads.
    made = multiprocessing.get_context("spawn").Process(
        target=_work, args=(job, folder, os.getpid()), name=f"past-{job.number}", daemon=True
    )
    made.start()
    try:
        yield made
    finally:
        made.kill()
        made.join()


def _work(job: Job, folder: Path, parent: int) -> None:
    """In the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's business
    die_with(parent)
    migrate.upgrade(job.database_url)
    scene, report = make_part(job)
    found = {"scene": scene.dump(), "report": _as_json(report)}
    draft = folder / f"{job.number}.new"
    draft.write_text(json.dumps(found, ensure_ascii=False), "utf-8")
    draft.replace(folder / f"{job.number}.json")


def _result(process: BaseProcess, job: Job, folder: Path) -> dict[str, Any]:
    process.join()
    path = folder / f"{job.number}.json"
    if not path.exists():
        raise ShardError(
            "past_part_failed",
            f"Process {job.number} of the simulated past ended with code {process.exitcode}; start again.",
        )
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _as_json(report: PastReport) -> dict[str, Any]:
    names = ("arrivals", "messages", "moments", "events", "wall_s", "stages")
    return {name: getattr(report, name) for name in names}


def _added(report: PastReport, other: Mapping[str, Any]) -> PastReport:
    """Both parts; the time is that of the slower one."""
    return replace(
        report,
        arrivals=report.arrivals + other["arrivals"],
        messages=report.messages + other["messages"],
        moments=report.moments + other["moments"],
        events=report.events + Counter(other["events"]),
        wall_s=max(report.wall_s, other["wall_s"]),
        stages={
            name: report.stages.get(name, 0.0) + other["stages"].get(name, 0.0)
            for name in {**report.stages, **other["stages"]}
        },
    )


# Databases ----------------------------------------------------------------------------------------------


def _databases(job: Job) -> Iterator[contextlib.AbstractContextManager[str]]:
    """A database for each other part, while it is needed; none where none may be made."""
    own = make_url(job.database_url)
    if job.of == 1 or not _may_create(job.database_url):
        return
    for number in range(1, job.of):
        yield _database(job.database_url, f"{own.database}_past_{number}")


@contextlib.contextmanager
def _database(url: str, name: str) -> Iterator[str]:
    _drop_and(url, name, create=True)
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _drop_and(url, name, create=False)


def _drop_and(url: str, name: str, *, create: bool) -> None:
    with _alone(url) as connection:
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        connection.exec_driver_sql(f"drop database if exists {quoted} with (force)")
        if create:
            connection.exec_driver_sql(f"create database {quoted} template template0")


def _may_create(url: str) -> bool:
    try:
        with _alone(url) as connection:
            found = connection.exec_driver_sql(
                "select rolcreatedb or rolsuper from pg_roles where rolname = current_user"
            ).scalar()
    except ProgrammingError:
        return False
    return bool(found)


@contextlib.contextmanager
def _alone(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        yield connection


def _copy(source: str, target: str) -> None:
    """Every row of one database into another, in one transaction. Cursors stay: each CRM has one place."""
    with _opened(source) as given, _opened(target) as taken, given.begin(), taken.begin():
        for table in metadata.sorted_tables:
            if table.name == _CURSORS:
                continue
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            _copy_table(given, taken, f'"{table.name}" ({columns})')


def _copy_table(given: Connection, taken: Connection, what: str) -> None:
    reader = given.connection.driver_connection
    writer = taken.connection.driver_connection
    assert reader is not None
    assert writer is not None
    with (
        reader.cursor() as source,
        writer.cursor() as target,
        source.copy(f"copy {what} to stdout (format binary)") as out,
        target.copy(f"copy {what} from stdin (format binary)") as into,
    ):
        for data in out:
            into.write(data)


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Connection]:
    engine: Engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        yield connection
