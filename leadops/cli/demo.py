"""`leadops demo`: everything that `up` starts, in a home of its own, with leads that appear by themselves."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leadops.cli.status import StatusDisplay
from leadops.errors import LeadopsError
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.sandbox import people
from leadops.sandbox.crm_folder import CrmFolder
from leadops.settings import PROJECT_ROOT, settings

SAMPLE = 12
REPLY_AFTER_S = 15.0


class NotAnswered(LeadopsError):  # noqa: N818 - what happened, as the CLI prints it
    """The lead that appeared got nothing in time."""


class Visitors:
    """Somebody new every few seconds; some of them answer. Called in the loop that watches the services."""

    def __init__(self, folder: CrmFolder, known: int, every_s: float) -> None:
        self._folder, self._next, self._every_s = folder, known + 1, every_s
        self._due = time.monotonic() + every_s
        self._replies_due = time.monotonic() + REPLY_AFTER_S

    def tick(self) -> None:
        """Append what is due."""
        moment = time.monotonic()
        if moment >= self._due:
            self._folder.add(people.somebody(self._next, datetime.now(UTC)))
            self._next += 1
            self._due = moment + self._every_s
        if moment >= self._replies_due:
            self._folder.answer_some(datetime.now(UTC))
            self._replies_due = moment + REPLY_AFTER_S


class OneLead:
    """A hot lead appears; how long until its message's file is there?"""

    def __init__(self, folder: CrmFolder, known: int, stop: StopRequest, give_up_s: float) -> None:
        self._folder, self._stop, self._give_up_s = folder, stop, give_up_s
        self._row = people.a_hot_one(known + 1, datetime.now(UTC))
        self._appeared: float | None = None
        self.seconds: float | None = None
        self.message: Path | None = None

    def tick(self) -> None:
        """Append the lead at the first call, look for its message at the others."""
        if self._appeared is None:
            self._row["created_at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._folder.add(self._row)
            self._appeared = time.time()
            return
        self.message = self._folder.message_to(self._row["email"])
        if self.message is not None:
            self.seconds = self.message.stat().st_mtime - self._appeared
            self._stop.ask()
        elif time.time() - self._appeared > self._give_up_s:
            self._stop.ask()


def demo(
    until_answered: Annotated[
        bool,
        typer.Option(
            "--until-answered", help="One lead appears, is answered, is timed; then stop everything."
        ),
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two new leads.")] = 8.0,
    give_up: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 180.0,
) -> None:
    """Sample leads are answered, more trickle in, some reply; look at the Dagster UI and the outbox."""
    from leadops.cli.up import open_counts, run

    os.environ.setdefault("LEADOPS_HOME", str(PROJECT_ROOT / ".leadops-demo"))
    os.environ.setdefault("LEADOPS_METRICS_CRON", "*/5 * * * *")  # nobody watches a demo for an hour
    settings.cache_clear()
    config = settings()
    folder = CrmFolder(config.crm_path, config.outbox_path)
    known = folder.open(SAMPLE, datetime.now(UTC))
    stop = StopRequest()
    display = StatusDisplay(Console(), time.monotonic)
    one = OneLead(folder, known, stop, give_up)
    tick = one.tick if until_answered else Visitors(folder, known, every).tick
    display.say(f"The CRM is the folder {config.crm_path}; messages are files in {config.outbox_path}.")
    with stop_on_signals(stop):
        run(config, stop, display, open_counts, on_tick=tick)
    if until_answered:
        if one.seconds is None:
            raise NotAnswered(
                "not_answered", f"The lead got no message within {give_up:.0f} s; see the logs."
            )
        typer.echo(f"Answered {one.seconds:.1f} s after the row appeared: {one.message}")
