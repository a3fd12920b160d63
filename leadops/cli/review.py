"""``leadops review``: messages that wait for a person. What is approved here is what leaves, to the byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from leadops.errors import UsageError
from leadops.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from leadops.stages.review import Proof, Said, Waiting

app = typer.Typer(
    name="review",
    help="Messages that wait for a person: list, show, approve, reject.",
    no_args_is_help=True,
    add_completion=False,
)
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
TierOption = Annotated[str | None, typer.Option(help="Of this sequence only: hot, warm, cold.")]
TemplateOption = Annotated[str | None, typer.Option(help="Of this template only.")]
TouchesArgument = Annotated[list[str] | None, typer.Argument(help="Touch ids, as listed.")]
AllOption = Annotated[bool, typer.Option("--all", help="All that wait now (--tier, --template: of these).")]
ByOption = Annotated[str, typer.Option(help="Who decides: a short name or rep id. Kept for good.")]


@app.command("list")
def list_(tier: TierOption = None, template: TemplateOption = None, as_json: JsonOption = False) -> None:
    """List what waits: hot leads first, of each tier the oldest first."""
    from leadops.cli.shown import print_blocks, print_json
    from leadops.stages.review import waiting

    found = waiting(_engine(), tier=_tier(tier), template=template)
    if as_json:
        print_json(found)
        return
    print_blocks([(_head(w), _lines(w)) for w in found])
    if found:
        typer.echo("Read one: leadops review show ID; then leadops review approve ID --by NAME")
    else:
        typer.echo("Nothing waits for review.")


@app.command()
def show(touch_id: Annotated[str, typer.Argument(help="As listed.")], as_json: JsonOption = False) -> None:
    """One message exactly as it will leave, where its words come from, and what the lead wrote."""
    from leadops.cli.shown import print_json
    from leadops.stages.review import show as shown

    found = shown(_engine(), touch_id)
    if as_json:
        print_json(found)
        return
    typer.echo("\n".join(_told(found)))


@app.command()
def approve(
    touch_ids: TouchesArgument = None,
    *,
    by: ByOption,
    every: AllOption = False,
    tier: TierOption = None,
    template: TemplateOption = None,
    digest: Annotated[
        str | None,
        typer.Option(help="Of the message you were shown (8 characters do): nothing else is approved."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let messages leave as they are shown; the gates decide when. Exits 1 where one was not approved."""
    from leadops.stages.review import approve as approved

    engine = _engine()
    ids = _chosen(engine, touch_ids or [], every, _tier(tier), template)
    if digest is not None and (every or len(ids) != 1 or len(digest) < 8):
        raise UsageError("digest_of_one", "--digest: at least 8 characters, and exactly one touch.")
    _finish(approved(engine, ids, by, now=datetime.now(UTC), digest=digest), as_json)


@app.command()
def reject(
    touch_ids: TouchesArgument = None,
    *,
    by: ByOption,
    why: Annotated[str, typer.Option(help="In a few words. Kept with the touch.")],
    every: AllOption = False,
    tier: TierOption = None,
    template: TemplateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Never send these. A follow-up is skipped; a first message rejected gives the lead to a rep."""
    from leadops.stages.review import reject as rejected

    engine = _engine()
    ids = _chosen(engine, touch_ids or [], every, _tier(tier), template)
    _finish(rejected(engine, ids, by, why, now=datetime.now(UTC)), as_json)


def _engine() -> Engine:
    from leadops.runtime.wiring import open_house

    return open_house(settings()).engine


def _tier(given: str | None) -> str | None:
    from leadops.terms import Tier

    if given is not None and given not in set(Tier):
        raise UsageError("no_such_tier", f"--tier {given}: use one of {', '.join(Tier)}.")
    return given


def _chosen(
    engine: Engine, touch_ids: Sequence[str], every: bool, tier: str | None, template: str | None
) -> list[str]:
    from leadops.stages.review import waiting

    if every == bool(touch_ids):
        raise UsageError("choose_touches", "Name touches, or give --all (--tier, --template narrow it).")
    if not every and (tier or template):
        raise UsageError("choose_touches", "--tier and --template go with --all.")
    return [w.touch_id for w in waiting(engine, tier=tier, template=template)] if every else [*touch_ids]


def _finish(said: Sequence[Said], as_json: bool) -> None:
    from leadops.cli.shown import print_json

    if as_json:
        print_json(said)
    for one in () if as_json else said:
        typer.echo(f"{one.touch_id}: {one.words}", err=not one.done)
    if not said and not as_json:
        typer.echo("Nothing waits for review.")
    if not all(one.done for one in said):
        raise typer.Exit(1)


def _who(name: str | None, company: str | None, lead_id: str) -> str:
    return ", ".join(part for part in (name, company) if part) or lead_id


def _head(found: Waiting) -> str:
    points = "" if found.score is None else f" {found.score:g}"
    return f"{_who(found.name, found.company, found.lead_id)} ({found.tier}{points}): {found.subject}"


def _lines(found: Waiting) -> list[str]:
    from leadops.cli.shown import moment
    from leadops.stages.explain_words import say_reason

    return [
        f"{found.touch_id}  lead {found.lead_id}",
        f"digest {found.digest}" if found.digest else "its bytes are gone: reject it",
        f"{found.sequence} step {found.step}, template {found.template}, since {moment(found.since)} UTC: "
        f"{say_reason(found.reason)}",
    ]


def _told(found: Proof) -> Iterator[str]:
    from leadops.cli.shown import moment

    yield _who(found.name, found.company, found.lead_id)
    yield f"{found.touch_id}  lead {found.lead_id}  {found.state.replace('_', ' ')}"
    if found.score is not None:
        yield f"score: {found.score:g} ({found.tier}). {found.score_reason or ''}".rstrip()
    if found.they_wrote:
        yield ""
        yield "They wrote:"
        yield from (f"  {line}" for line in found.they_wrote.splitlines())
    yield ""
    yield from (f"{name}: {value}" for name, value in found.headers)
    yield ""
    yield from found.body.rstrip("\n").splitlines()
    yield ""
    yield f"Template {found.template} ({found.template_version}), written by {found.writer}:"
    yield from (f"  {s.slot} = {s.value!r} from {s.evidence}" for s in found.slots)
    yield f"Digest {found.digest}"
    for word in found.said:
        why = f": {word['why']}" if word["why"] else ""
        yield f"{word['verdict']} by {word['reviewer']}, {moment(word['reviewed_at'])} UTC{why}"
