"""`leadops up`: everything on this machine, started together, watched, and stopped together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from leadops.cli.status import StatusDisplay, status_line
from leadops.errors import LeadopsError
from leadops.runtime import dagster_storage, stack
from leadops.runtime.databases import Databases, databases_of, open_databases
from leadops.runtime.ports import PortUse, require_free
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.runtime.processes import end_leftovers
from leadops.runtime.service import Service
from leadops.runtime.single import only_one
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.runtime.supervisor import Supervisor
from leadops.settings import Settings, settings

POSTGRES_EVERY_S = 5.0


def up() -> None:
    """Start everything, keep it running, and stop all of it on Ctrl-C. Twice Ctrl-C stops at once."""
    stop = StopRequest()
    with stop_on_signals(stop):
        run(settings(), stop, StatusDisplay(Console(), time.monotonic), open_counts)


@dataclass(frozen=True)
class Extras:
    """What `leadops demo` adds: services and ports of its own, and work around the start.

    ``before`` runs when the tables are there and no service yet; ``on_ready`` when all are ready, before
    the greeting; ``urls`` are shown with the others.
    """

    services: Sequence[Service] = ()
    ports: Sequence[PortUse] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[Databases, Mapping[str, str]], None] = lambda *_: None
    on_ready: Callable[[], None] = lambda: None


def run(
    config: Settings,
    stop: StopRequest,
    display: StatusDisplay,
    counts_of: Callable[[str], Callable[[], Mapping[str, int]]],
    on_tick: Callable[[], None] = lambda: None,
    services: Callable[[Settings, Databases, Mapping[str, str]], list[Service]] = stack.services,
    extras: Extras | None = None,
) -> None:
    """The whole of `leadops up`: returns after a stop was asked for and nothing runs any more.

    `counts_of(business URL)` gives the callable behind the status line. Raises UsageError for another
    instance on the same home, a taken port, a wrong playbook or an unreachable database, before a service
    has started; ServiceFailed when one does not become ready, after all have been stopped.
    """
    began = time.monotonic()
    extras = extras or Extras()
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(config.home), display:
        ended = end_leftovers(config.home)
        if ended:
            display.say(f"Ended {ended} processes that an earlier leadops had left running.")
        require_free([*stack.port_uses(config), *extras.ports])
        _check_playbook(config)
        display.say(f"Starting in {config.home} (logs of the services in {config.home / 'logs'}).")
        with _databases(config, display) as databases:
            environment = stack.child_environment(config, databases, os.environ)
            _prepare(config, databases, environment, stop)
            if not stop.requested:
                extras.before(databases, environment)
            if stop.requested:
                return
            started = [*extras.services, *services(config, databases, os.environ)]
            supervisor = Supervisor(started, config.home, stop, display.say)
            try:
                supervisor.start()
                if not stop.requested:
                    extras.on_ready()
                    _greet(config, display, time.monotonic() - began, extras.urls)
                _watch(supervisor, databases, display, counts_of(databases.business), on_tick)
                display.say("Stopping; Ctrl-C again stops at once.")
            finally:
                supervisor.stop()
    display.say("Stopped.")


def _check_playbook(config: Settings) -> None:
    from leadops.playbook.loader import load

    load(config.playbook)


def _prepare(
    config: Settings, databases: Databases, environment: Mapping[str, str], stop: StopRequest
) -> None:
    """Dagster's tables and ours, side by side."""
    from leadops.store import migrate

    stack.link_dagster_yaml(config.home)
    preparation = dagster_storage.prepare(config.home, databases.dagster, environment)
    try:
        migrate.upgrade(databases.business)
        preparation.wait(lambda: stop.requested)
    finally:
        preparation.cancel()


def _greet(config: Settings, display: StatusDisplay, seconds: float, more: Mapping[str, str]) -> None:
    display.say(f"Ready after {seconds:.1f} s. Ctrl-C stops everything.")
    for what, url in {**stack.urls(config), **more}.items():
        display.say(f"  {what:<12}{url}")
    if config.ingest_key is None:
        display.say(f"  {'Key':<12}in {config.home / 'ingest_key'} (Authorization: Bearer ...)")


def _watch(
    supervisor: Supervisor,
    databases: Databases,
    display: StatusDisplay,
    counts: Callable[[], Mapping[str, int]],
    on_tick: Callable[[], None],
) -> None:
    def line() -> str:
        found: Mapping[str, int] | None = None
        with suppress(LeadopsError):
            found = counts()
        return status_line(found, supervisor.health())

    keep_postgres = _postgres_keeper(databases, display)

    def tick() -> None:
        keep_postgres()
        on_tick()
        display.tick(line)

    supervisor.watch(tick)


def _postgres_keeper(databases: Databases, display: StatusDisplay) -> Callable[[], None]:
    """A callable that starts the embedded server again when it is gone; it looks every 5 s."""
    server = databases.embedded
    looked_at = time.monotonic()

    def keep() -> None:
        nonlocal looked_at
        if server is None or time.monotonic() - looked_at < POSTGRES_EVERY_S:
            return
        looked_at = time.monotonic()
        if not server.is_running():
            display.say("Postgres is gone; starting it again.")
            try:
                server.start()
            except LeadopsError as error:
                display.say(str(error))

    return keep


@contextmanager
def _databases(config: Settings, display: StatusDisplay) -> Iterator[Databases]:
    """The databases, open. An embedded server that `up` started is stopped at the end, whoever else uses it
    then must start it; one that ran before is left running."""
    note = config.home / "run" / "postgres-of-up"
    server = databases_of(config).embedded
    ours = server is not None and (not server.is_running() or _noted_pid(note) == server.pid())
    try:
        databases = open_databases(config)
        if ours and databases.embedded is not None:
            note.write_text(f"{databases.embedded.pid()}\n", encoding="ascii")
        yield databases
    finally:
        if ours and server is not None:
            _stop_postgres(server, note, display)


def _stop_postgres(server: EmbeddedPostgres, note: Path, display: StatusDisplay) -> None:
    try:
        server.stop()
        note.unlink(missing_ok=True)
    except LeadopsError as error:
        display.say(str(error))


def _noted_pid(note: Path) -> int:
    """Pid of the server an `up` that was killed had started; 0 when there is none."""
    try:
        return int(note.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def open_counts(url: str) -> Callable[[], Mapping[str, int]]:
    """The callable behind the status line."""
    from sqlalchemy import NullPool, create_engine

    from leadops.store import status

    # Short limits: this is asked in the loop that also watches the services.
    limits = {"connect_timeout": 2, "options": "-c statement_timeout=2000"}
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=limits)
    return lambda: status.counts(engine)
