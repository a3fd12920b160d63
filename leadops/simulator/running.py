"""Runs: one, or a campaign of many seeds on several processes, each over a database that is made for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url

from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.loader import LoadedPlaybook, load
from leadops.runtime.child import die_with
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.simulator.invariant import Invariant, Judge
from leadops.simulator.plan import Outcome, Plan, figures
from leadops.simulator.registry import REGISTRY
from leadops.simulator.simulation import WORKERS, Simulation
from leadops.store import migrate
from leadops.store.engine import open_engine, sql, transaction
from leadops.store.tables import metadata

KEYRING = Keyring(b"simulated")
_ROOM = 2**30


class SimulationError(LeadopsError):
    """A run did not come to its end."""


@contextlib.contextmanager
def server(given: str | None) -> Iterator[str]:
    """URL of a server to make databases on: ``given``, or one of our own that is gone afterwards.

    In memory where there is room; it may lose everything in a crash, for nothing of it is kept.
    """
    if given is not None:
        yield given
        return
    memory = Path("/dev/shm")  # noqa: S108 - a place in memory, made private below
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    home = Path(tempfile.mkdtemp(prefix="leadops-simulate-", dir=memory if roomy else None))
    home.chmod(0o711)  # the server runs as somebody else where this is root
    postgres = EmbeddedPostgres(home, durable=False, elsewhere=home / "elsewhere")
    try:
        postgres.start()
        yield postgres.url("postgres")
    finally:
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def database(server_url: str) -> Iterator[str]:
    """URL of a new, migrated database on this server, dropped at the end."""
    name = f"leadops_simulated_{uuid.uuid4().hex[:12]}"
    _alone(server_url, f'create database "{name}" template template0')
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    try:
        migrate.upgrade(url)
        yield url
    finally:
        _alone(server_url, f'drop database if exists "{name}" with (force)')


def _alone(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


_SETTINGS = (
    "synchronous_commit = off",  # nothing of it is kept
    "plan_cache_mode = force_generic_plan",  # a few statements run thousands of times
    "enable_seqscan = off",  # those plans are made while the tables are empty, and must do when they are not
    "jit = off",
)


def simulate(
    database_url: str,
    plan: Plan,
    *,
    loaded: LoadedPlaybook | None = None,
    playbook: Path | None = None,
    invariants: Sequence[Invariant] | None = REGISTRY,
    note: Callable[[str], None] = lambda _line: None,
    at: Callable[[datetime], None] = lambda _now: None,
    over_http: bool = False,
) -> Outcome:
    """One run over this database, which is emptied first. ``invariants`` None: nobody looks.

    ``note`` is told each line of the history, ``at`` each moment. ``over_http``: vendors behind sockets.
    """
    from leadops.simulator.over_http import OverHttp

    found = loaded or load(playbook or _default_playbook())
    with _engine(database_url, WORKERS) as workers, _engine(database_url, "simulator") as observer:
        _empty(observer)
        judge = None if invariants is None else Judge(invariants)
        kind = OverHttp if over_http else Simulation
        outcome = kind(workers, observer, found, KEYRING, plan, note=note, at=at).live(judge)
        if judge is not None:
            outcome.checked = dict(sorted(judge.looks.items()))
        return outcome


@contextlib.contextmanager
def _engine(url: str, name: str) -> Iterator[Engine]:
    """In a hurry, known to the database by this name, and never asked whether it lives: that is the run's."""
    engine = open_engine(url, pool_size=12, idle_s=None)

    @event.listens_for(engine, "connect")
    def _hurry(connection: Any, _record: object) -> None:
        for setting in (*_SETTINGS, f"application_name = '{name}'"):
            connection.execute(f"set {setting}")
        connection.commit()

    try:
        yield engine
    finally:
        engine.dispose()


def _default_playbook() -> Path:
    from leadops.settings import settings

    return settings().playbook


def _empty(engine: Any) -> None:
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with transaction(engine) as connection:
        connection.execute(sql(f"truncate {names}"))


# Campaigns ----------------------------------------------------------------------------------------------


def campaign(
    server_url: str,
    plans: Sequence[Plan],
    playbook: Path,
    *,
    processes: int,
    each: Callable[[dict[str, Any]], None] = lambda _figures: None,
) -> list[dict[str, Any]]:
    """Every plan, several at once; the figures of each, in the order they came in. ``each`` hears of them.

    Raises SimulationError: a process ended before its work was done.
    """
    context = multiprocessing.get_context("spawn")
    done: Any = context.SimpleQueue()
    count = min(processes, len(plans))
    # Each has its share from the start: a queue that fills up while nobody reads the other one stands still.
    workers = [
        context.Process(
            target=_work, args=(server_url, playbook, tuple(plans[n::count]), done, os.getpid()), daemon=True
        )
        for n in range(count)
    ]
    for worker in workers:
        worker.start()
    found: list[dict[str, Any]] = []
    try:
        while len(found) < len(plans):
            result = _next(done, workers)
            found.append(result)
            each(result)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    return found


def _next(done: Any, workers: Sequence[Any]) -> dict[str, Any]:
    while done.empty():
        if not any(w.is_alive() for w in workers) and done.empty():
            raise SimulationError(
                "campaign_ended", "A process of the campaign ended before its work was done."
            )
        time.sleep(0.05)
    found: dict[str, Any] = done.get()
    if "trouble" in found:
        raise SimulationError("simulation_broke", str(found["trouble"]))
    return found


def _work(server_url: str, playbook: Path, plans: Sequence[Plan], done: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's business
    die_with(parent)
    loaded = load(playbook)
    with database(server_url) as url:
        for plan in plans:
            try:
                done.put(figures(simulate(url, plan, loaded=loaded)))
            except Exception as error:  # noqa: BLE001 - said by the first process
                done.put({"trouble": f"seed {plan.seed}: {type(error).__name__}: {error}"})
