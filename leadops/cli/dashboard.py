"""`leadops dashboard`: the page for analysts and reps alone, on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from leadops.cli.alone import exit_code_of
from leadops.settings import Settings, settings


def dashboard(
    port: Annotated[int | None, typer.Option(help="Instead of LEADOPS_DASHBOARD_PORT.")] = None,
) -> None:
    """Serve the page (read-only) until told to stop. It has no login: this machine only."""
    from leadops.dashboard.serve import ADDRESS, dashboard_command

    config = settings()
    chosen = port or config.dashboard_port
    environment = {**os.environ, **_environment(config)}
    typer.echo(f"The page: http://{ADDRESS}:{chosen}")
    command = dashboard_command(chosen)
    sys.stdout.flush()
    # In this process's place: what stops the command stops the page, and nothing is left behind.
    os.execve(command[0], command, environment)  # noqa: S606 - no shell, our own command line


def _environment(config: Settings) -> dict[str, str]:
    """What the page needs to read the same database; the embedded server is started where it is used."""
    from leadops.runtime.databases import child_environment, databases_of, open_databases

    # A real server may be away for a moment: the page starts all the same and says so.
    databases = open_databases(config) if config.database_url is None else databases_of(config)
    return child_environment(databases, config) | {"LEADOPS_PLAYBOOK": str(config.playbook)}


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: typer.run(dashboard)))
