"""What commands share that look at the past: as of which moment, and that the log is folded first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from leadops.runtime.wiring import House

AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
        help="As on this day (UTC): for a history that ended some time ago.",
    ),
]
_AT_ONCE = 1_000


def moment_of(as_of: datetime | None) -> datetime:
    """What ``--as-of`` says; the present where it is not given."""
    return as_of.replace(tzinfo=UTC) if as_of else datetime.now(UTC)


def folded(house: House) -> House:
    """The same house, once every event that waits is folded: what was imported a minute ago counts too.

    What runs do all the time; here for whoever imports a history and starts nothing.
    """
    from leadops.stages.fold import fold_pending

    told = False
    while True:
        report = fold_pending(
            house.engine, house.playbook, house.keyring, now=datetime.now(UTC), limit=_AT_ONCE
        )
        if not report.did:
            return house
        if report.pending and not told:
            told = True
            typer.echo(f"Folding {report.pending:,} more events that wait ...", err=True)
