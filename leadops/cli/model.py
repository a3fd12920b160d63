"""``leadops model``: why the learned score is used or is not, train it by hand, its card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from leadops.cli.past import AsOfOption, folded, moment_of
from leadops.settings import settings

app = typer.Typer(
    name="model",
    help="The learned score: show, train, list, export.",
    no_args_is_help=True,
    add_completion=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def show(
    version: Annotated[
        str | None, typer.Argument(help="As listed; unset: the one in use, else the newest.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Why the model or the scorecard scores, and the card of a model."""
    from leadops.cli.shown import print_json
    from leadops.runtime.wiring import open_house
    from leadops.store import models
    from leadops.store.engine import transaction

    with transaction(open_house(settings()).engine) as connection:
        verdicts = models.verdicts(connection, 1)
        in_use = models.promoted(connection)
        newest = models.models(connection, 1)
        wanted = version or (in_use[0] if in_use else newest[0]["version"] if newest else None)
        found = models.model(connection, wanted) if wanted else None
    if version and found is None:
        _no_such(version)
    if as_json:
        print_json(
            {"in_use": in_use[0] if in_use else None, "verdict": next(iter(verdicts), None), "model": found}
        )
        return
    typer.echo("\n".join(_told(in_use, verdicts, found)))


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Every model trained, newest first, and each decision."""
    from leadops.cli.shown import moment, print_blocks, print_json
    from leadops.runtime.wiring import open_house
    from leadops.store import models
    from leadops.store.engine import transaction

    with transaction(open_house(settings()).engine) as connection:
        found, verdicts = models.models(connection), models.verdicts(connection)
    for row in found:
        row.pop("card")
    if as_json:
        print_json({"models": found, "verdicts": verdicts})
        return
    print_blocks(
        [
            (
                f"{m['version']}  {m['status']}",
                [f"trained {moment(m['trained_at'])} UTC on {m['leads']} leads", m["reason"]],
            )
            for m in found
        ]
    )
    print_blocks([(f"{moment(v['decided_at'])} UTC  {v['decision']}", [v["reason"]]) for v in verdicts])
    if not verdicts:
        typer.echo("Never trained: `leadops model train`, or wait for the weekly run.")


@app.command()
def export(
    version: Annotated[str | None, typer.Argument(help="As listed; unset: the one in use.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it here; unset: to the terminal.")] = None,
) -> None:
    """A model as JSON, for `leadops score FILE --by`: no lead is in it, many-valued columns are digests."""
    from leadops.runtime.wiring import open_house
    from leadops.store import models
    from leadops.store.engine import transaction

    with transaction(open_house(settings()).engine) as connection:
        in_use = models.promoted(connection)
        wanted = version or (in_use[0] if in_use else None)
        found = models.artifact(connection, wanted) if wanted else None
    if found is None:
        _no_such(version)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", "utf-8")


@app.command()
def train(
    as_of: AsOfOption = None,
    any_volume: Annotated[
        bool, typer.Option("--any-volume", help="Also with fewer leads a month than the playbook asks for.")
    ] = False,
    plots: Annotated[Path | None, typer.Option(help="Write the card and its plots into this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, judge, and promote, keep or retire, as the weekly run does; what waits is folded first."""
    from leadops.cli.shown import print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages.train import train as stage

    house = folded(open_house(settings()))
    report = stage(house.engine, house.playbook, now=moment_of(as_of), any_volume=any_volume)
    if plots is not None and report.card:
        plots.mkdir(parents=True, exist_ok=True)
        (plots / "card.md").write_text(report.card + "\n", "utf-8")
        for name, png in report.plots.items():
            (plots / f"{name}.png").write_bytes(png)
    if as_json:
        print_json(
            {
                "decision": report.decision,
                "reason": report.reason,
                "version": report.version,
                "in_use": report.in_use,
                "figures": report.figures,
            }
        )
        return
    typer.echo(f"{report.decision}: {report.reason}")
    typer.echo(f"Scores from now on: {report.in_use or 'the scorecard'}")


def _told(
    in_use: tuple[str, str] | None, verdicts: list[dict[str, Any]], found: Mapping[str, Any] | None
) -> Iterator[str]:
    from leadops.cli.shown import moment

    yield f"In use: {in_use[0] if in_use else 'the scorecard'}"
    for v in verdicts:
        yield f"{moment(v['decided_at'])} UTC  {v['decision']}: {v['reason']}"
    if not verdicts:
        yield "Never trained: `leadops model train`, or wait for the weekly run."
    if found is not None:
        yield ""
        yield f"{found['version']} ({found['status']}: {found['reason']})"
        yield ""
        yield str(found["card"])


def _no_such(version: str | None) -> NoReturn:
    from leadops.errors import UsageError

    which = f"There is no model {version}" if version else "No model is in use"
    raise UsageError("no_such_model", f"{which}; see `leadops model list`.")
