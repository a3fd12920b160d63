"""``leadops status``: how things stand, once: the mode and why, what waits for whom, since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from leadops.settings import settings


def status(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """How things stand now: the mode and its reason, what is pending, due, unknown, in review."""
    from leadops.cli.shown import moment, print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages.modes import mode_now
    from leadops.store import models, reviews
    from leadops.store.engine import transaction
    from leadops.store.status import counts

    house, now = open_house(settings()), datetime.now(UTC)
    found = counts(house.engine, now)
    with transaction(house.engine) as connection:
        mode = mode_now(connection, house.playbook, now=now)
        backlog = reviews.backlog(connection)
        failed = models.failures(connection, since=now - timedelta(days=1))
    if as_json:
        print_json({"at": now, "mode": mode, "review": backlog, "model_failed": failed, "counts": found})
        return
    typer.echo(f"{mode.reason}.")
    if backlog.waiting:
        still = "" if mode.review else "; they wait for a person all the same"
        typer.echo(f"{backlog.waiting:,} in review, the oldest since {moment(backlog.since)} UTC{still}.")
    for f in failed:
        leads = "1 lead" if f.leads == 1 else f"{f.leads:,} leads"
        typer.echo(
            f"The model failed ({f.failure}) on {leads} of the last 24 h, last {moment(f.last_at)} UTC: the "
            "scorecard scored them. `leadops model train` makes another."
        )
    for name, number in found.items():
        typer.echo(f"{name.replace('_', ' '):<16}{number:>8,}")
