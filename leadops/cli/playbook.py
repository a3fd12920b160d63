"""``leadops playbook``: check, schema, preview. What sales ops run after every change to the playbook.

Exit codes: 0 done, 1 the playbook has problems, 2 wrong use or no such file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

from leadops.cli.playbook_diff import diff
from leadops.domain import mail, sequencing, slots, slots_judged, timing
from leadops.errors import LeadopsError
from leadops.playbook import loader
from leadops.playbook.loader import LoadedPlaybook, PlaybookError
from leadops.playbook.problems import Problem, dotted
from leadops.settings import settings
from leadops.terms import Channel, Draft, PlannedTouch, Tier

app = typer.Typer(no_args_is_help=True, help="Check, preview and compare the playbook.")
app.command()(diff)

_DONE, _FAILED, _WRONG_USE = 0, 1, 2

PathArgument = Annotated[
    Path | None, typer.Argument(metavar="[PATH]", help="playbook.yaml; default: LEADOPS_PLAYBOOK.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def check(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Read the playbook and its templates; list every problem with file and line."""
    loaded = _load(path, as_json)
    if as_json:
        typer.echo(json.dumps({"ok": True, "problems": [], **_summary(loaded)}, indent=2))
    else:
        _print_summary(loaded)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of the terminal.")] = None,
) -> None:
    """The JSON schema of playbook.yaml, for editors."""
    text = json.dumps(loader.schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        _stop(f"{out}: cannot be written: {error.strerror} (check the folder)", _WRONG_USE)
    typer.echo(f"wrote {out}")


@app.command()
def preview(
    path: PathArgument = None,
    tier: Annotated[Tier, typer.Option(help="Whose sequence.")] = Tier.HOT,
    variant: Annotated[str | None, typer.Option(help="One variant; default: every one.")] = None,
    email: Annotated[str, typer.Option(help="Recipient's address.")] = "lead@example.com",
    first_name: Annotated[str | None, typer.Option()] = None,
    last_name: Annotated[str | None, typer.Option()] = None,
    title: Annotated[str | None, typer.Option()] = None,
    company: Annotated[str | None, typer.Option()] = None,
    industry: Annotated[str | None, typer.Option()] = None,
    interest: Annotated[str | None, typer.Option(help="What they asked for.")] = None,
    source: Annotated[str | None, typer.Option(help="Marketing source.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When the lead arrives, ISO 8601, local to the lead; default: now.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="The lead's time zone, IANA name.")] = None,
    country: Annotated[str | None, typer.Option(help="The lead's country, two letters.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every message of a tier as a lead would get it, the same with neutral phrases, and when each is due."""
    loaded = _load(path, as_json)
    given = {
        "contact.first_name": first_name,
        "contact.last_name": last_name,
        "contact.title": title,
        "contact.company": company,
        "company.name": company,
        "company.industry": industry,
        "lead.interest": interest,
        "lead.source": source,
    }
    evidence = {name: value for name, value in given.items() if value}
    try:
        zone = _zone(timezone, country, loaded)
        start = _start(at, zone)
        found = [
            _preview_variant(loaded, tier, name, evidence, email, start, zone, country)
            for name in _variants(loaded, tier, variant)
        ]
    except LeadopsError as error:
        _stop(str(error), _WRONG_USE)
    arrival = {"at": start.isoformat(), "zone": zone.name, "zone_basis": zone.basis}
    if as_json:
        typer.echo(json.dumps({"tier": tier.value, "arrives": arrival, "variants": found}, indent=2))
        return
    typer.echo(f"{tier.value}: a lead that arrives {_local(start, zone)} ({zone.name}, {zone.basis})")
    for one in found:
        _print_variant(one, zone)


def _load(path: Path | None, as_json: bool) -> LoadedPlaybook:
    wanted = path if path is not None else settings().playbook
    try:
        return loader.load(wanted)
    except PlaybookError as error:
        code = _WRONG_USE if error.code == "playbook_not_found" else _FAILED
        if as_json:
            problems = [_problem(p) for p in error.problems]
            typer.echo(json.dumps({"ok": False, "code": error.code, "problems": problems}, indent=2))
            raise typer.Exit(code) from None
        count = len(error.problems)
        tail = f"\n{count} problem{'s' if count > 1 else ''}" if code == _FAILED else ""
        _stop(f"{error}{tail}", code)


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code) from None


def _problem(problem: Problem) -> dict[str, Any]:
    where = problem.where if isinstance(problem.where, str) else dotted(problem.where)
    return {**asdict(problem), "where": where}


def _summary(loaded: LoadedPlaybook) -> dict[str, Any]:
    playbook = loaded.playbook
    return {
        "path": str(loaded.path),
        "digest": loaded.digest,
        "company": playbook.company,
        "scorecard": {
            "version": playbook.scorecard.version,
            "signals": len(playbook.scorecard.signals),
            "points": sum(s.max_points for s in playbook.scorecard.signals),
            "hot": playbook.scorecard.hot,
            "warm": playbook.scorecard.warm,
        },
        "sequences": {
            tier.value: {
                "version": playbook.sequences[tier].version,
                "days": [step.day for step in playbook.sequences[tier].steps],
                "window": playbook.sequences[tier].window,
                "first_touch_window": playbook.sequences[tier].first_touch_window,
                "variants": playbook.sequences[tier].variants,
            }
            for tier in Tier
        },
        "templates": len(loaded.templates),
        "unused_templates": list(loaded.unused_templates),
        "mailboxes": {m.address: m.daily_cap for m in playbook.sender.mailboxes},
        "reps": len(playbook.handoff.reps),
    }


def _print_summary(loaded: LoadedPlaybook) -> None:
    from rich.console import Console
    from rich.table import Table

    playbook = loaded.playbook
    table = Table("tier", "from", "touches", "on day", "first in", "then in", "variants", box=None)
    score = playbook.scorecard
    threshold = {Tier.HOT: f"{score.hot:g}", Tier.WARM: f"{score.warm:g}", Tier.COLD: "0"}
    for tier in Tier:
        sequence = playbook.sequences[tier]
        table.add_row(
            tier.value,
            threshold[tier],
            str(len(sequence.steps)),
            ", ".join(f"{step.day:g}" for step in sequence.steps),
            sequence.first_touch_window or sequence.window,
            sequence.window,
            ", ".join(f"{name} {weight}" for name, weight in sequence.variants.items()),
        )
    points = sum(s.max_points for s in score.signals)
    console = Console(width=120, highlight=False)
    console.print(f"{loaded.path}: good", soft_wrap=True, markup=False)
    console.print(table)
    console.print(
        f"scorecard {score.version}: {len(score.signals)} signals, {points:g} points; "
        f"{len(loaded.templates)} templates, {len(playbook.sender.mailboxes)} mailboxes, "
        f"{len(playbook.handoff.reps)} reps; digest {loaded.digest[:12]}",
        soft_wrap=True,
        markup=False,
    )
    if loaded.unused_templates:
        console.print(f"not used by any step: {', '.join(loaded.unused_templates)}", markup=False)


def _zone(timezone: str | None, country: str | None, loaded: LoadedPlaybook) -> timing.Zone:
    zone = timing.resolve_zone(timezone, country, loaded.playbook.fallback_timezone)
    if timezone and zone.basis != "given":
        raise LeadopsError(
            "bad_timezone", f"--timezone {timezone}: unknown; use a name such as Europe/Berlin"
        )
    return zone


def _start(at: str | None, zone: timing.Zone) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        raise LeadopsError("bad_time", f"--at {at}: not a time; write it as 2026-03-02T18:30") from None
    local = when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone.name))
    return local.astimezone(UTC)


def _variants(loaded: LoadedPlaybook, tier: Tier, wanted: str | None) -> list[str]:
    names = list(loaded.playbook.sequences[tier].variants)
    if wanted is None:
        return names
    if wanted not in names:
        raise LeadopsError(
            "bad_variant",
            f"--variant {wanted}: tier {tier.value} has no such variant; use {', '.join(names)}",
        )
    return [wanted]


@dataclass
class _Thread:
    """What a follow-up takes from the messages before it."""

    subject: str | None = None
    message_ids: tuple[str, ...] = ()


def _preview_variant(
    loaded: LoadedPlaybook,
    tier: Tier,
    variant: str,
    evidence: dict[str, str],
    email: str,
    start: datetime,
    zone: timing.Zone,
    country: str | None,
) -> dict[str, Any]:
    touches = sequencing.plan("preview", tier, variant, start, 1, zone, country, loaded.playbook)
    known, neutral = _Thread(), _Thread()
    return {
        "variant": variant,
        "steps": [
            {
                "step": touch.step,
                "channel": touch.channel.value,
                "template": touch.template,
                "due_at": touch.due_at.isoformat(),
                "due_local": touch.due_at.astimezone(ZoneInfo(zone.name)).isoformat(),
                "why": dict(touch.why),
                "message": _message(loaded, touch, evidence, email, known),
                "neutral": _message(loaded, touch, {}, email, neutral),
                "choices": _choices(loaded, touch),
            }
            for touch in touches
        ],
    }


def _choices(loaded: LoadedPlaybook, touch: PlannedTouch) -> dict[str, list[str]]:
    """Slot that a language model chooses: the line it stands in, once per entry of its list."""
    playbook = loaded.playbook
    lists = {"pain_points": playbook.pain_points, "case_studies": playbook.case_studies}
    found = slots_judged.alternatives(loaded.templates[touch.template], lists)
    return {slot: list(lines) for slot, lines in found.items()}


def _message(
    loaded: LoadedPlaybook, touch: PlannedTouch, evidence: dict[str, str], email: str, thread: _Thread
) -> dict[str, Any]:
    template = loaded.templates[touch.template]
    is_task = touch.channel is Channel.REP_TASK
    draft = slots.draft(template, slots.fill(template, evidence), None if is_task else thread.subject)
    filled = {value.slot: {"value": value.value, "evidence": value.evidence} for value in draft.slots}
    if is_task:
        return {"to": "the lead's rep", "subject": draft.subject, "body": draft.body, "slots": filled}
    mailbox = loaded.playbook.sender.mailboxes[0]
    _compose(loaded, touch, draft, email, evidence.get("contact.first_name"), thread)
    return {
        "from": f"{mailbox.name} <{mailbox.address}>",
        "to": email,
        "subject": draft.subject,
        "body": mail.body_text(draft, mailbox, loaded.playbook.sender),
        "slots": filled,
    }


def _compose(
    loaded: LoadedPlaybook, touch: PlannedTouch, draft: Draft, email: str, name: str | None, thread: _Thread
) -> None:
    """Make the bytes too and drop them, so that a preview fails where a send would; go on in the thread."""
    sender = loaded.playbook.sender
    mailbox = sender.mailboxes[0]
    message_id = mail.message_id_for(touch.touch_id, mailbox.address.rpartition("@")[2])
    mail.compose(
        touch_id=touch.touch_id,
        draft=draft,
        to_address=email,
        to_name=name,
        mailbox=mailbox,
        sender=sender,
        reply_token="preview",  # noqa: S106 - no secret: stands where a reply token would
        message_id=message_id,
        thread=thread.message_ids,
        date=touch.due_at,
    )
    thread.subject = thread.subject or draft.subject
    thread.message_ids += (message_id,)


def _local(at: datetime, zone: timing.Zone) -> str:
    return f"{at.astimezone(ZoneInfo(zone.name)):%a %Y-%m-%d %H:%M}"


def _print_variant(found: dict[str, Any], zone: timing.Zone) -> None:
    for step in found["steps"]:
        due = _local(datetime.fromisoformat(step["due_at"]), zone)
        moved = ", ".join(step["why"].get("moved_by", []))
        typer.echo("")
        typer.echo(
            f"=== variant {found['variant']}, step {step['step']} ({step['template']}, {step['channel']}): "
            f"due {due}{f' (moved by {moved})' if moved else ''}"
        )
        _print_message(step["message"])
        if step["neutral"]["body"] != step["message"]["body"]:
            typer.echo("--- with nothing known about the lead")
            _print_message(step["neutral"])
        for slot, lines in step["choices"].items():
            typer.echo(f"--- {slot}, where a language model chooses (LEADOPS_WRITER=openai)")
            for line in lines:
                typer.echo(line)


def _print_message(message: dict[str, Any]) -> None:
    for header in ("from", "to", "subject"):
        if header in message:
            typer.echo(f"{header.capitalize()}: {message[header]}")
    typer.echo("")
    typer.echo(message["body"])
