"""``leadops touches``: touches that were handed over and never answered for. A person looks, then says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from leadops.errors import UsageError
from leadops.settings import settings

app = typer.Typer(
    name="touches",
    help="Touches of unknown outcome: list, resolve.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def unknown(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """List touches nobody knows the outcome of, the longest unknown first. They are never sent again."""
    from leadops.cli.shown import moment, print_blocks, print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages.by_hand import unknown_touches

    found = unknown_touches(open_house(settings()).engine)
    if as_json:
        print_json(found)
        return
    print_blocks(
        [
            (
                f"{t.touch_id}  step {t.position}, unknown since {moment(t.since)} UTC",
                [f"lead {t.lead_id}", f"provider {t.provider or 'none'}: {t.detail or 'no detail'}"],
            )
            for t in found
        ]
    )
    if found:
        typer.echo("Look whether each arrived, then: leadops touches resolve ID --arrived --by NAME")
    else:
        typer.echo("No touch of unknown outcome.")


@app.command()
def resolve(
    touch_id: Annotated[str, typer.Argument(help="As `leadops touches unknown` lists it.")],
    by: Annotated[str, typer.Option(help="Who looked: a short name or rep id. Kept with the touch.")],
    arrived: Annotated[bool, typer.Option("--arrived", help="The lead has it: count it as sent.")] = False,
    not_arrived: Annotated[
        bool, typer.Option("--not-arrived", help="The lead certainly does not have it: send it again.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Nobody can tell: never send it, go on with the next step.")
    ] = False,
) -> None:
    """Settle a touch of unknown outcome. Give exactly one of --arrived, --not-arrived, --give-up."""
    from leadops.runtime.wiring import open_house
    from leadops.stages.by_hand import Resolution, resolve_touch

    given = {
        Resolution.ARRIVED: arrived,
        Resolution.NOT_ARRIVED: not_arrived,
        Resolution.GIVE_UP: give_up,
    }
    chosen = [resolution for resolution, wanted in given.items() if wanted]
    if len(chosen) != 1:
        raise UsageError("choose_one", "Give exactly one of --arrived, --not-arrived, --give-up.")
    house = open_house(settings())
    typer.echo(resolve_touch(house.engine, house.playbook, touch_id, chosen[0], by, now=datetime.now(UTC)))
