"""``leadops playbook diff``: what another scorecard would have made of the leads there were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadops.cli.past import AsOfOption, folded, moment_of

if TYPE_CHECKING:
    from leadops.stages.shadow import Shadow


def diff(
    other: Annotated[Path, typer.Argument(help="The candidate playbook.yaml.", show_default=False)],
    path: Annotated[
        Path | None, typer.Option("--from", help="The current one; unset: LEADOPS_PLAYBOOK.")
    ] = None,
    days: Annotated[float, typer.Option(min=1, help="Leads of how many days back.")] = 365,
    as_of: AsOfOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Score past leads under another scorecard: who changes tier, how many, and how they converted.

    Each lead as it was known when it came in. No score is stored; nobody's tier changes.
    """
    from leadops.playbook import loader
    from leadops.runtime.wiring import open_house
    from leadops.settings import settings
    from leadops.stages.shadow import shadow

    config = settings()
    current = loader.load(path or config.playbook).playbook.scorecard
    candidate = loader.load(other).playbook.scorecard
    house = folded(open_house(config))
    found = shadow(house.engine, current, candidate, now=moment_of(as_of), days=days)
    typer.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(lines(found)))


def lines(found: Shadow) -> list[str]:
    """The same for a person."""
    said = [
        f"{found.leads} leads of {found.days:g} days, {found.mature} of them old enough to have converted "
        "(30 days).",
        f"{found.changed} change tier under {found.candidate_version} (now {found.current_version}).",
        *(f"  {pair}: {n}" for pair, n in found.moved.items()),
        "",
        f"{'tier':<6}{'':2}{'leads / 30 days':>24}  converted of mature (95 %)",
    ]
    for now, then in zip(found.current, found.candidate, strict=True):
        said.append(
            f"{now.tier:<6}  {now.per_30_days:>10g} -> {then.per_30_days:<10g}  {now.said()} -> {then.said()}"
        )
    if found.auc:
        said.append(
            f"Of two leads of whom one converted, it stands above: {found.auc[0]:.1%} -> {found.auc[1]:.1%}."
        )
    if found.movers:
        said += ["", "Most changed:"]
        said += [
            f"  {m.lead_id}  {m.tier} {m.total:g} -> {m.candidate_tier} {m.candidate_total:g}"
            for m in found.movers
        ]
    return said
