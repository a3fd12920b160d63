"""``leadops crm``: is the CRM usable, and does it have what the write-backs need?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    """Ask the CRM something cheap. Exit code 2, and what to do, where it cannot be used."""
    crm = _crm()
    crm.check()
    _say(crm.name, [], f"The CRM ({crm.name}) can be used.", as_json=as_json)


@crm_app.command()
def setup(as_json: JsonOption = False) -> None:
    """Make in the CRM what the write-backs need (properties, for HubSpot). It can be repeated."""
    crm = _crm()
    crm.check()
    done = crm.setup()
    _say(crm.name, done, f"The CRM ({crm.name}) is ready.", as_json=as_json)


def _crm() -> CrmPort:
    from leadops.playbook.loader import load
    from leadops.runtime.wiring import crm_of

    found = settings()
    return crm_of(found, load(found.playbook).playbook)


def _say(name: str, done: list[str], last: str, *, as_json: bool) -> None:
    if as_json:
        from leadops.cli.shown import print_json

        print_json({"crm": name, "ok": True, "done": done})
        return
    typer.echo("\n".join([*done, last]))
