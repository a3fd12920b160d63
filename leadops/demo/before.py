"""The work before a demo begins: the simulated past, once per home, and the metric tables built from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from leadops.demo.making import Wanted, make_past
from leadops.demo.pointers import KEYS, service_url
from leadops.errors import LeadopsError
from leadops.playbook.loader import load
from leadops.runtime.databases import Databases
from leadops.runtime.stopping import StopRequest
from leadops.runtime.wiring import keyring_of
from leadops.settings import Settings

PER_WEEK = 165.0
"""A good thousand leads in six weeks."""


class _Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """Ctrl-C in the middle of the past."""


class Before:
    """``run`` before the services start, ``wait`` when they are ready."""

    def __init__(self, config: Settings, stop: StopRequest, say: Callable[[str], None]) -> None:
        self._config, self._stop, self._say = config, stop, say
        self._tables: threading.Thread | None = None

    def run(self, databases: Databases, environment: Mapping[str, str]) -> None:
        """Simulate the past unless this home has one; the metric tables are begun beside what follows.

        Raises:
            UsageError: the database holds leads that no simulated past has made.
        """
        del environment
        config = self._config
        self._say("Simulating six weeks of leads (only once) ...")
        try:
            report = make_past(
                config.home,
                databases.business,
                load(config.playbook),
                keyring_of(config),
                Wanted(datetime.now(UTC), per_week=PER_WEEK),
                keys=KEYS,
                public_url=service_url(config),
                say=self._progress,
            )
        except _Stopped:
            return
        if report is None:
            self._say("  They are there already.")
            return
        self._say(f"  {report.told()}.")
        self._tables = threading.Thread(target=self._build, args=(databases,), daemon=True)
        self._tables.start()

    def wait(self) -> None:
        """Until the metric tables are there."""
        while self._tables is not None and self._tables.is_alive() and not self._stop.requested:
            self._tables.join(0.2)

    def _progress(self, line: str) -> None:
        if self._stop.requested:
            raise _Stopped
        self._say(f"  {line}")

    def _build(self, databases: Databases) -> None:
        from leadops.metrics import build

        try:
            done = build.build(databases.business, databases.metrics_env, self._config.home / "dbt" / "cli")
            self._say(f"  {done.models} metric tables built in {done.seconds:.0f} s.")
        except LeadopsError as error:
            self._say(f"The metric tables could not be built: {error}")
