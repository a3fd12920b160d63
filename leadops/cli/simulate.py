"""`leadops simulate`: the whole chain on a virtual clock, with faults, and every promise looked after."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leadops.cli.shown import console
from leadops.errors import UsageError
from leadops.settings import settings

if TYPE_CHECKING:
    from leadops.simulator.plan import Plan

Checks = Literal["step", "day", "none"]


def simulate(
    days: Annotated[float, typer.Option(min=0.1, help="Virtual days.")] = 30.0,
    leads: Annotated[int, typer.Option(min=1, help="Leads that arrive within them.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed is the same history, byte for byte.")] = 7,
    faults: Annotated[
        str,
        typer.Option(help="none, all, names with commas (--list), or drawn: half of them, by the seed."),
    ] = "none",
    until: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after so many days of them; for a replay.")
    ] = None,
    checks: Annotated[
        str, typer.Option(help="step: whom a step touched, after each; day: everything, daily; none.")
    ] = "step",
    campaign: Annotated[
        int | None, typer.Option(min=1, help="So many seeds, from --seed on, several at once.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="For a campaign; default: one per core.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Vendors behind real sockets; slower, for a smaller run.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="In the end build the metric tables, and count again.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="A person approves every message, most of them within hours.")
    ] = False,
    history: Annotated[
        Path | None, typer.Option(help="Write what happened, a line each, to this file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file; - is here.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show the invariants and the faults, and stop.")
    ] = False,
) -> None:
    """Live through weeks of leads in seconds: real stages, real Postgres, simulated people and vendors.

    Mails nobody and touches no data of yours: each run has a database of its own. Exit code 1: a promise was
    not kept; the command that plays it again is printed.
    """
    from leadops.simulator import faults as catalogue
    from leadops.simulator.plan import Plan

    if show:
        _list()
        return
    if checks not in ("step", "day", "none"):
        raise UsageError("bad_checks", f"--checks {checks}: step, day or none")

    def planned(seed: int) -> Plan:
        names = catalogue.drawn(seed) if faults == "drawn" else catalogue.named(faults)
        step_checks = checks == "step"
        return Plan(days, leads, seed, names, until, step_checks, metrics, review)

    plan = planned(seed)
    # As Ctrl-C: the database and its server go with the run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if campaign is None:
        found = [_one(plan, checks != "none", history, http)]
    elif history is not None or http or checks == "none":
        raise UsageError("bad_campaign", "--campaign goes with checks, and without --history and --http.")
    else:
        found = _many([planned(seed + n) for n in range(campaign)], processes)
    _write(json_file, found[0] if campaign is None else {"runs": found})
    if json_file is None or str(json_file) != "-":
        _say(found)
    if any(f["violations"] for f in found):
        raise typer.Exit(1)


def _server() -> str | None:
    url = settings().database_url
    return url.get_secret_value() if url else None


def _one(plan: Plan, checked: bool, history: Path | None, http: bool) -> dict[str, Any]:
    from leadops.simulator import running
    from leadops.simulator.plan import figures
    from leadops.simulator.registry import REGISTRY

    opened = nullcontext(None) if history is None else history.open("w", encoding="utf-8")
    with (
        running.server(_server()) as server,
        running.database(server) as url,
        opened as stream,
        _days(plan) as at,
    ):
        note: Callable[[str], Any] = (
            (lambda _line: None) if stream is None else (lambda line: stream.write(line + "\n"))
        )
        outcome = running.simulate(
            url,
            plan,
            playbook=settings().playbook,
            invariants=REGISTRY if checked else None,
            note=note,
            at=at,
            over_http=http,
        )
    return figures(outcome)


def _many(plans: Sequence[Plan], processes: int | None) -> list[dict[str, Any]]:
    from leadops.simulator import running

    with running.server(_server()) as server, _bar(f"{len(plans)} seeds", len(plans)) as advance:

        def each(figures: Mapping[str, Any]) -> None:
            for violation in figures["violations"]:
                console().print(f"seed {figures['seed']}: {violation['what']}\n  {violation['replay']}")
            advance(1)

        return running.campaign(
            server, plans, settings().playbook, processes=processes or os.cpu_count() or 1, each=each
        )


@contextmanager
def _days(plan: Plan) -> Iterator[Callable[[datetime], None]]:
    with _bar("virtual days", (plan.end - plan.start).total_seconds() / 86_400) as advance:
        last = [plan.start]

        def at(now: datetime) -> None:
            advance((now - last[0]).total_seconds() / 86_400)
            last[0] = now

        yield at


@contextmanager
def _bar(what: str, total: float) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.advance(task, more)


def _write(path: Path | None, found: Mapping[str, Any]) -> None:
    if path is None:
        return
    told = json.dumps(found, indent=2, ensure_ascii=False)
    if str(path) == "-":
        typer.echo(told)
    else:
        path.write_text(told + "\n", encoding="utf-8")


def _say(found: Sequence[Mapping[str, Any]]) -> None:
    out = console()
    total = {
        name: sum(f[name] for f in found) for name in ("arrivals", "messages", "events", "crashes", "wall_s")
    }
    first = found[0]
    runs = "1 run" if len(found) == 1 else f"{len(found)} runs"
    out.print(
        f"{runs} of {first['days']:g} days: {total['arrivals']:,} forms, {total['messages']:,} messages, "
        f"{total['events']:,} events from outside, {total['crashes']:,} crashes, in {total['wall_s']:.0f} s"
    )
    met: dict[str, int] = {}
    looks = 0
    for figures in found:
        looks += sum(figures["checked"].values())
        for name, n in figures["faults"].items():
            met[name] = met.get(name, 0) + n
    if met:
        out.print("went wrong: " + ", ".join(f"{name} {n:,}" for name, n in sorted(met.items())))
    passed = set().union(*(f["boundaries"] for f in found))
    killed = set().union(*(f["killed_at"] for f in found))
    if killed:
        out.print(f"boundaries passed: {len(passed)}, killed at: {len(killed)}")
    bad = [f for f in found if f["violations"]]
    if looks:
        violations = sum(len(f["violations"]) for f in found)
        out.print(f"invariants: {len(first['checked'])}, looks: {looks:,}, violations: {violations}")
    if len(found) == 1:
        out.print(f"history: {first['digest']}")
    for figures in bad:
        for violation in figures["violations"]:
            out.print(
                f"\nVIOLATED {violation['invariant']} ({' '.join(violation['holds'])})\n"
                f"  seed {figures['seed']}, {violation['at']}, {violation['lead']}: {violation['what']}\n"
                f"  {violation['replay']}"
            )


def _list() -> None:
    from leadops.simulator.faults import CATALOGUE
    from leadops.simulator.registry import REGISTRY

    out = console()
    out.print("Invariants:")
    for i in REGISTRY:
        out.print(f"  {i.name} ({' '.join(i.holds)}): {i.says}")
    out.print("Faults:")
    for name, what in CATALOGUE.items():
        out.print(f"  {name}: {what}")
