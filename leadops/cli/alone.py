"""A command as a process of its own (`python -m leadops.cli.NAME`): up sooner, without the others."""

from __future__ import annotations

from collections.abc import Callable

import typer

from leadops.errors import LeadopsError, UsageError


def exit_code_of(command: Callable[[], object]) -> int:
    """Run it; an error of ours is said in one sentence. 0 done, 1 it failed, 2 wrong use or configuration."""
    try:
        command()
    except LeadopsError as error:
        typer.echo(str(error), err=True)
        return 2 if isinstance(error, UsageError) else 1
    return 0
