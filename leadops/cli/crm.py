"""``leadops crm``: is the CRM usable, and does it have what the write-backs need?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadops.settings import settings

if TYPE_CHECKING:
    from leadops.providers.crm.port import CrmPort

crm_app = typer.Typer(
    name="crm",
    help="The CRM: check that it can be used, make in it what leadops needs.",
    no_args_is_help=True,
    add_completion=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@crm_app.command()
def check(as_json: JsonOption = False) -> None:
    """Ask the CRM something cheap, and whether it has what the write-backs need.

    Exit code 1: `leadops crm setup` has something to make. 2: it cannot be used, and what to do.
    """
    crm = _crm()
    crm.check()
    lacks = crm.lacks()
    last = "Run `leadops crm setup`." if lacks else f"The CRM ({crm.name}) can be used."
    _say({"crm": crm.name, "ok": not lacks, "lacks": lacks}, [*lacks, last], as_json=as_json)
    if lacks:
        raise typer.Exit(1)


@crm_app.command()
def setup(as_json: JsonOption = False) -> None:
    """Make in the CRM what the write-backs need (properties, for HubSpot). It can be repeated."""
    crm = _crm()
    crm.check()
    done = crm.setup()
    lines = [*done, f"The CRM ({crm.name}) is ready."]
    _say({"crm": crm.name, "ok": True, "done": done}, lines, as_json=as_json)


def _crm() -> CrmPort:
    from leadops.playbook.loader import load
    from leadops.runtime.wiring import crm_of

    found = settings()
    return crm_of(found, load(found.playbook).playbook)


def _say(found: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        from leadops.cli.shown import print_json

        print_json(found)
        return
    typer.echo("\n".join(lines))
