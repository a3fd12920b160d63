"""``leadops handoffs``: leads that wait for a person, and what that person should know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from leadops.settings import settings

app = typer.Typer(
    name="handoffs",
    help="Leads that wait for a person: list, show.",
    no_args_is_help=True,
    add_completion=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all/--open", help="Also those a rep has acted on.")] = False,
    owner: Annotated[str | None, typer.Option(help="Of this rep (id) only.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List handoffs, the most urgent first."""
    from leadops.cli.shown import print_blocks, print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages.by_hand import handoffs

    found = handoffs(open_house(settings()).engine, every=every, owner=owner, now=datetime.now(UTC))
    if as_json:
        print_json(found)
        return
    print_blocks([(_head(h), [_state(h), f"{h['handoff_id']}  lead {h['lead_id']}"]) for h in found])
    if not found:
        typer.echo("No handoffs." if every else "Nobody waits for a person.")


@app.command()
def show(handoff_id: Annotated[str, typer.Argument(help="As listed.")], as_json: JsonOption = False) -> None:
    """One handoff with everything its rep was given: who, score, what they wrote, what they received."""
    from leadops.cli.shown import print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages.by_hand import handoff

    found = handoff(open_house(settings()).engine, handoff_id, now=datetime.now(UTC))
    if as_json:
        print_json(found)
        return
    typer.echo("\n".join(_told(found)))


def _head(handoff: Mapping[str, Any]) -> str:
    from leadops.stages.explain_words import say_handoff

    who = ", ".join(part for part in (handoff["name"], handoff["company"]) if part) or handoff["lead_id"]
    return f"{who}: {say_handoff(handoff['reason'])}"


def _state(handoff: Mapping[str, Any]) -> str:
    from leadops.cli.shown import moment

    owner = handoff["owner"]
    if handoff["acted_at"]:
        return f"{owner} acted {moment(handoff['acted_at'])} UTC"
    late = ", OVERDUE" if handoff["overdue"] else ""
    told = f", another rep was told {moment(handoff['escalated_at'])}" if handoff["escalated_at"] else ""
    return f"{owner} acts by {moment(handoff['sla_due_at'])} UTC{late}{told}"


def _told(handoff: Mapping[str, Any]) -> Iterator[str]:
    yield _head(handoff)
    yield _state(handoff)
    yield f"lead {handoff['lead_id']}, caused by {handoff['event_id']}"
    task = handoff["task"]
    if not task:
        yield "The context its rep was given is no longer kept."
        return
    yield from _context(task)
    if handoff["task_state"] != "done":
        yield ""
        yield f"The CRM does not have this task yet ({handoff['task_state']})."


def _context(task: Mapping[str, Any]) -> Iterator[str]:
    lead, score = task.get("lead") or {}, task.get("score") or {}
    yield ""
    for name in ("name", "title", "company", "email", "country", "source"):
        if lead.get(name):
            yield f"{name}: {lead[name]}"
    if score.get("total") is not None:
        yield f"score: {score['total']:g} ({score.get('tier')}). {score.get('why') or ''}".rstrip()
    if task.get("they_wrote"):
        yield ""
        yield "They wrote:"
        yield from (f"  {line}" for line in str(task["they_wrote"]).splitlines())
    for message in task.get("received") or ():
        yield ""
        at = str(message.get("at") or "")[:16].replace("T", " ")
        yield f"They received {at} UTC ({message.get('channel')}, {message.get('outcome')}):"
        yield f"  {message.get('subject') or '(no subject)'}"
        yield from (f"  {line}" for line in str(message.get("body") or "").splitlines())
