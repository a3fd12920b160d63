"""`leadops`: every command in one place, and what a person reads when one fails.

Exit codes: 0 done, 1 it failed or found something wrong, 2 wrong use or configuration, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import ClassVar

import typer

from leadops.cli.lazy import LazyGroup
from leadops.errors import LeadopsError, UsageError

_START_IT = (
    "The database does not answer. Start it with `leadops db start` (or `leadops up`); "
    "where LEADOPS_DATABASE_URL names a server of yours, start that one."
)
_OLD_TABLES = "The tables are missing or of another version: run `leadops db upgrade`."
_NO_SUCH_TABLE = frozenset({"db_42P01", "db_42703"})


class _Commands(LazyGroup):
    LAZY: ClassVar[dict[str, tuple[str, str]]] = {
        "up": ("leadops.cli.up:up", "Start everything, watch it, and stop all of it on Ctrl-C."),
        "demo": ("leadops.cli.demo:demo", "The same with leads that appear by themselves; mails nobody."),
        "simulate": (
            "leadops.cli.simulate:simulate",
            "Prove it: weeks of leads in seconds, with everything going wrong.",
        ),
        "runner": (
            "leadops.cli.runner:runner",
            "Answer leads in seconds, from a process that is warm; `up` starts it.",
        ),
        "sandbox": (
            "leadops.cli.sandbox:sandbox",
            "HubSpot, SendGrid and OpenAI as strict as the real ones, on this machine.",
        ),
        "dashboard": ("leadops.cli.dashboard:dashboard", "The page for analysts and reps alone."),
        "crm": ("leadops.cli.crm:crm_app", "The CRM: set up what the write-backs need, check."),
        "ingest": ("leadops.cli.ingest:ingest", "Serve events, webhooks and unsubscribe links alone."),
        "import": ("leadops.cli.import_:import_file", "Import a csv or jsonl file of leads or events."),
        "score": ("leadops.cli.score:score", "Score a csv or jsonl file where it lies; nothing is stored."),
        "explain": (
            "leadops.cli.explain:explain",
            "Why is this lead where it is? All that is known, in words.",
        ),
        "metrics": ("leadops.cli.metrics:app", "The metric tables: build, show."),
        "model": ("leadops.cli.model:app", "The learned score: show, train, list."),
        "playbook": ("leadops.cli.playbook:app", "Check, preview and compare the playbook."),
        "db": ("leadops.cli.db:app", "The database: start, stop, upgrade, url."),
        "events": ("leadops.cli.events:app", "Refused input and parked items: list, mend, put back."),
        "touches": ("leadops.cli.touches:app", "Touches of unknown outcome: list, resolve."),
        "review": ("leadops.cli.review:app", "Messages that wait for a person: list, show, approve, reject."),
        "status": ("leadops.cli.standing:status", "How things stand: the mode and why, what waits."),
        "handoffs": ("leadops.cli.handoffs:app", "Leads that wait for a person: list, show."),
    }


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def leadops() -> None:
    """Follow up on leads: ingest, score, enrol, send exactly once, stop when a person answers, measure."""


@app.command()
def version() -> None:
    """Print the version of leadops."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        typer.echo(f"leadops {installed('leadops')}")
    except PackageNotFoundError:
        typer.echo("leadops (run from its source, not installed)")


def main() -> None:
    """The console script. Never shows a traceback: see ``LEADOPS_HOME/logs`` for those."""
    try:
        app()
    except LeadopsError as error:
        sys.exit(_said(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last place that can say anything
        sys.exit(_crashed(error))


def _said(error: LeadopsError) -> int:
    message, code = str(error), 2 if isinstance(error, UsageError) else 1
    if error.code == "db_unreachable":
        message, code = _START_IT, 2
    elif error.code in _NO_SUCH_TABLE:
        message, code = _OLD_TABLES, 2
    typer.echo(message, err=True)
    return code


def _crashed(error: Exception) -> int:
    """Keep the traceback in a file; say what kind of error it was and where the file is."""
    import traceback
    from datetime import UTC, datetime
    from pathlib import Path

    folder = Path(os.environ.get("LEADOPS_HOME", ".leadops")).expanduser() / "logs"
    path = folder / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    where = f"the traceback is in {path}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write("".join(traceback.format_exception(error)))
    except OSError:
        where = f"its traceback could not be written to {folder}"
    typer.echo(f"leadops failed unexpectedly ({type(error).__name__}); {where}.", err=True)
    return 1


if __name__ == "__main__":
    main()
