"""``leadops explain LEAD``: why is this lead where it is? Words first, for a person in sales; ids dim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from leadops.errors import LeadopsError
from leadops.settings import settings

if TYPE_CHECKING:
    from leadops.runtime.wiring import House

AMBIGUOUS = 2


def explain(
    lead: Annotated[
        str,
        typer.Argument(help="E-mail address, CRM id, or the id of a lead, enrolment, touch or event."),
    ],
    at: Annotated[
        str | None,
        typer.Option(help="What the gates would say at this moment, ISO 8601; without offset: UTC."),
    ] = None,
    touch: Annotated[str | None, typer.Option(help="Only this touch of the plan.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
) -> None:
    """Why is this lead where it is? Who, score, plan, every gate of what is not sent, what happened.

    Exit code 1: not found. 2: several leads fit; they are listed.
    """
    from leadops.cli.shown import parse_moment, print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages import explain as stage

    now = parse_moment("--at", at)
    house = open_house(settings())
    lead_id = _the_one(house, lead, as_json)
    story = stage.explain(house.engine, house.playbook, house.keyring, lead_id, now, touch)
    if as_json:
        print_json(story)
        return
    from leadops.cli.explain_page import show

    show(story)


def _the_one(house: House, lead: str, as_json: bool) -> str:
    from leadops.stages.explain import find_lead
    from leadops.store.engine import transaction

    with transaction(house.engine) as connection:
        found = find_lead(connection, house.keyring, lead)
    if not found:
        raise LeadopsError(
            "no_such_lead",
            f"No lead fits {lead!r}: give an e-mail address, a CRM id, or the id of a lead, enrolment, touch "
            "or event (what came in a moment ago belongs to nobody yet).",
        )
    if len(found) > 1:
        _list(house, found, as_json)
        raise typer.Exit(AMBIGUOUS)
    return found[0]


def _list(house: House, lead_ids: list[str], as_json: bool) -> None:
    from leadops.cli.shown import print_json
    from leadops.stages.explain import heads_of

    heads = heads_of(house.engine, lead_ids)
    if as_json:
        print_json({"ambiguous": heads})
        return
    typer.echo("Several leads fit; give the id of the one you mean:", err=True)
    for head in heads:
        who = ", ".join(str(head[n]) for n in ("name", "company", "email") if head[n]) or "nothing known"
        typer.echo(f"  {head['lead_id']}  {who}", err=True)
