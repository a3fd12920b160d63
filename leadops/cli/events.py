"""``leadops events``: what was refused at the door and what a stage put aside; list it, put it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadops.errors import UsageError
from leadops.settings import settings

if TYPE_CHECKING:
    from leadops.providers.crm.mapping_model import Mapping as CrmMapping
    from leadops.providers.crm.port import RawRow

app = typer.Typer(
    name="events",
    help="Refused input and parked items: list, mend, put back.",
    no_args_is_help=True,
    add_completion=False,
)
# How a line that is no row at all was kept (providers/crm/records.py).
_BROKEN = ({"text"}, {"fields"})
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def quarantined(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = 50,
    raw: Annotated[bool, typer.Option("--raw", help="Also the input as it came (personal data).")] = False,
    as_json: JsonOption = False,
) -> None:
    """List input that was refused, with the reason. Mend its cause, then: leadops events replay."""
    import json

    from leadops.cli.shown import moment, print_blocks, print_json
    from leadops.runtime.wiring import open_house
    from leadops.store.engine import transaction
    from leadops.store.events import open_quarantine

    with transaction(open_house(settings()).engine) as connection:
        waiting = open_quarantine(connection, limit + 1)
    found, more = waiting[:limit], len(waiting) > limit
    fields = ["quarantine_id", "where_from", "source", "reason", "received_at", *(["raw"] if raw else [])]
    if as_json:
        print_json([{name: q[name] for name in fields} for q in found])
        return
    print_blocks(
        [
            (
                f"{q['where_from'] or 'unknown place'}: {q['reason']}",
                [
                    f"{q['quarantine_id']}  first seen {moment(q['received_at'])} UTC",
                    *([json.dumps(q["raw"], ensure_ascii=False)] if raw else []),
                ],
            )
            for q in found
        ]
    )
    typer.echo(f"And more (--limit {limit * 10})." if more else f"{len(found)} refused.")


@app.command()
def replay(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = 500,
    as_json: JsonOption = False,
) -> None:
    """Put refused input through again, rows of files with the mapping as it is now.

    Exit code 1: some is still refused.
    """
    from leadops.cli.shown import print_json
    from leadops.providers.crm.files import FilesCrm
    from leadops.runtime.wiring import open_house
    from leadops.stages.ingest import replay_quarantined

    config = settings()
    again = remapped(FilesCrm(config.crm_path).mapping())
    house = open_house(config)
    report = replay_quarantined(
        house.engine, now=datetime.now(UTC), keyring=house.keyring, limit=limit, again=again
    )
    if as_json:
        print_json(
            {
                "accepted": report.accepted,
                "duplicates": report.duplicates,
                "still_refused": report.quarantined,
                "reasons": sorted({i.reason for i in report.items if i.reason}),
            }
        )
    else:
        typer.echo(
            f"accepted: {report.accepted}, already known: {report.duplicates}, "
            f"still refused: {report.quarantined}"
        )
        for reason in sorted({i.reason for i in report.items if i.reason}):
            typer.echo(f"  {reason}")
    if report.quarantined:
        raise typer.Exit(1)


def remapped(mapping: CrmMapping) -> Callable[[Mapping[str, Any], str], RawRow]:
    """How a kept input becomes a row again: a file's row (``leads.csv:41``) by ``mapping``, else as it is."""
    from leadops.providers.crm.mapping import spec_for, to_event, wire_row
    from leadops.providers.crm.port import RawRow
    from leadops.providers.crm.records import flat_row

    def again(raw: Mapping[str, Any], where: str) -> RawRow:
        name, _, line = where.rpartition(":")
        if not name or not line.isdigit():
            return RawRow(event=dict(raw), error=None, raw=dict(raw), where=where)
        spec = spec_for(mapping, name)
        if spec is None:
            what = f"No entry of mapping.yaml in the CRM folder fits the file {name}: add one, then replay."
            return RawRow(event=None, error=what, raw=dict(raw), where=where)
        if set(raw) in _BROKEN:
            what = "The line itself could not be read: correct it in the file and import the file again."
            return RawRow(event=None, error=what, raw=dict(raw), where=where)
        if spec.format == "events":
            return wire_row(dict(raw), spec, where)
        mapped = to_event(flat_row(dict(raw)), spec, where)
        skipped = "The mapping skips such rows now." if mapped.event is None else None
        return RawRow(mapped.event, mapped.error or skipped, dict(raw), where)

    return again


@app.command()
def parked(as_json: JsonOption = False) -> None:
    """List items a stage could not process and put aside, with the error's code."""
    from leadops.cli.shown import moment, print_blocks, print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages import by_hand

    found = by_hand.parked(open_house(settings()).engine)
    if as_json:
        print_json(found)
        return
    print_blocks(
        [(f"{p.stage} {p.item_id}", [f"{p.reason}, put aside {moment(p.parked_at)} UTC"]) for p in found]
    )
    typer.echo(
        "Nothing is parked." if not found else "Mend the cause, then: leadops events unpark STAGE ITEM"
    )


@app.command()
def unpark(
    stage: Annotated[str | None, typer.Argument(help="As listed by `parked`.", show_default=False)] = None,
    item: Annotated[str | None, typer.Argument(help="As listed by `parked`.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything, or everything of STAGE.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put parked items back: their stage takes them up again at its next pass."""
    from leadops.cli.shown import print_json
    from leadops.runtime.wiring import open_house
    from leadops.stages import by_hand

    if every == (item is not None) or (stage is None and not every):
        raise UsageError("what_to_unpark", "Give STAGE and ITEM, or --all, or STAGE --all.")
    engine = open_house(settings()).engine
    wanted = [(stage, item)] if stage and item else []
    if every:
        wanted = [(p.stage, p.item_id) for p in by_hand.parked(engine) if stage in (None, p.stage)]
    done = by_hand.unpark(engine, wanted)
    if as_json:
        print_json(done)
        return
    gone = f"; {len(done.gone)} had nothing left to do" if done.gone else ""
    typer.echo(f"Put back: {len(done.put_back)}{gone}.")
