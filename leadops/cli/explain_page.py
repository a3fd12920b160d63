"""One lead's story as a page: words first, ids dim, nothing cut at 80 columns or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from leadops.cli.shown import console, moment
from leadops.domain.score_words import tenths
from leadops.stages.story import EnrolmentStory, EventStory, KnownField, LeadStory, TouchStory
from leadops.terms import Gate, ScoreLine, TouchState

MAX_EVENTS = 30
_OVER = frozenset({TouchState.CANCELLED, TouchState.FAILED})


def show(story: LeadStory) -> None:
    """Print the whole page."""
    page = Page(console())
    _who(page, story)
    _score(page, story)
    _sequences(page, story)
    _plan(page, story)
    _people(page, story)
    _events(page, story)
    _rest(page, story)


class Page:
    """Lines under headings, indented, wrapped at the console's width."""

    def __init__(self, out: Console) -> None:
        self.out = out

    def heading(self, words: str) -> None:
        self.out.print()
        self.out.print(Text(words, style="bold underline"))

    def line(self, words: str, *, ids: str | None = None, indent: int = 2, style: str = "") -> None:
        """``ids`` follow dim on a line of their own."""
        self.out.print(Padding(Text(words, style=style), (0, 0, 0, indent), expand=False))
        if ids:
            self.out.print(Padding(Text(ids, style="dim"), (0, 0, 0, indent), expand=False))

    def table(self, rows: Iterable[tuple[str, ...]], *, indent: int = 2, right: tuple[int, ...] = ()) -> None:
        """Columns of text; the last one takes what is left and wraps."""
        listed = list(rows)
        if not listed:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        last = len(listed[0]) - 1
        for place in range(last + 1):
            side = "right" if place in right else "left"
            grid.add_column(justify=side, ratio=1 if place == last else None, no_wrap=place == 0)  # type: ignore[arg-type]
        for row in listed:
            grid.add_row(*(Text(cell) for cell in row))
        self.out.print(Padding(grid, (0, 0, 0, indent), expand=False))


def _who(page: Page, story: LeadStory) -> None:
    who = story.who
    page.out.print(Text(who.name or who.email or who.lead_id, style="bold"))
    if who.asked_for != who.lead_id:
        page.line(f"{who.asked_for} turned out to be this person and was merged into it.")
    works = [p for p in (who.title, who.company, who.country) if p]
    page.line(", ".join(works) or "Nothing known of the company.")
    page.line(", ".join(p for p in (who.email, who.phone) if p) or "No address, no phone.")
    source = "left blank" if who.source == "(blank)" else who.source
    if who.became_lead_at:
        day = " (the source gave the day only)" if who.lead_day_precision else ""
        page.line(f"A lead since {moment(who.became_lead_at)} UTC{day}; source: {source}.")
    else:
        page.line("Not a lead yet: nothing was asked for.")
    score = "not scored" if who.score is None else f"{who.tier}, {tenths(who.score):g} points"
    page.line(f"{score}; owner: {who.owner or 'nobody'}{'; a test record' if who.is_test else ''}")
    for stop in who.stops:
        page.line(f"Automation is over: {stop}", style="bold")
    if who.waits_for:
        page.line(f"Waits for {' and '.join(who.waits_for)}.")
    if who.note:
        page.line(who.note)
    keys = ", ".join(f"{n} {kind}" for kind, n in story.identity.keys.items()) or "no keys"
    page.line(f"Known by {keys}.", ids=_ids(who.lead_id, *(f"{s} {i}" for s, i in who.crm_ids)))
    if story.identity.merged:
        page.line("Merged into this lead:", ids=_ids(*story.identity.merged))


def _ids(*ids: str | None) -> str:
    return ", ".join(i for i in ids if i)


def _score(page: Page, story: LeadStory) -> None:
    page.heading("Score")
    score = story.score
    if score is None:
        page.line("None yet.")
        return
    page.line(f"{score.shown:g}, {score.tier}: {score.reason}")
    if score.disqualified:
        page.line(f"In no sequence, whatever the points: {score.disqualified}.", style="bold")
    if (learned := score.learned) is not None:
        page.line(f"Learned from earlier leads, {learned.probability:.1%} likely to convert:")
        _lines(page, score.learned_lines, score.shown)
        page.line("By the scorecard alone it would be:")
    if score.attainable != 100:
        page.line(f"{score.attainable:g} of the scorecard's points make 100.")
    _lines(page, score.lines, tenths(score.total if learned is None else learned.rules_total))
    page.line(f"Who they are counts {score.fit:.3g} points, what they did {score.engagement:.3g}.")
    if score.model_failed:
        page.line(f"By the scorecard, because the model in use failed ({score.model_failed}).")
    model = f"model {learned.model_version}, " if learned else ""
    page.line(f"{model}scorecard {score.scorecard_version}, {moment(score.scored_at)} UTC", style="dim")
    for before in reversed(story.score_history[:-1]):
        page.line(f"before: {before.shown:g}, {before.tier}, {moment(before.scored_at)} UTC")
    if story.enrichment or story.not_asked:
        page.heading("Known beyond their own words")
        page.table((f.field, str(f.value), _told(f, story.at)) for f in story.enrichment)
    if story.not_asked:
        page.line(f"{_sentence(story.not_asked)}.")


def _lines(page: Page, lines: Iterable[ScoreLine], total: float) -> None:
    rows = [(f"{line.points:+g}" if line.points else "0", line.words) for line in lines]
    page.table([*rows, (f"{total:g}", "together")], right=(0,), indent=4)


def _told(f: KnownField, at: datetime) -> str:
    """By whom, how long ago, for how much."""
    days = max(0, (at - f.said_at).days)
    age = "today" if days == 0 else f"{days} day{'s' if days > 1 else ''} ago"
    parts = [f"from {f.provider}", age]
    if f.cost_usd:
        parts.append(f"{f.cost_usd:g} USD with the rest of its answer")
    if not f.is_used:
        parts.append("not used: another one's word counts")
    return ", ".join(parts)


def _sequences(page: Page, story: LeadStory) -> None:
    page.heading("Sequences")
    for enrolment in story.enrolments:
        _sequence(page, enrolment)
    if story.not_enrolled:
        page.line(f"{_sentence(story.not_enrolled)}.")


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _sequence(page: Page, e: EnrolmentStory) -> None:
    raised = f" ({e.raised})" if e.raised else ""
    page.line(f"{e.tier}{raised}, variant {e.variant}, since {moment(e.enrolled_at)} UTC: {e.words}")
    page.line(f"source {e.source}, from {e.mailbox}", indent=4)
    page.line(
        f"{e.enrolment_id}, version {e.sequence_version}, event {e.lead_event_id}", indent=4, style="dim"
    )


def _plan(page: Page, story: LeadStory) -> None:
    page.heading(f"Plan, as of {moment(story.at)} UTC")
    if not story.touches:
        page.line("No touches.")
    for touch in story.touches:
        _touch(page, touch)


def _touch(page: Page, t: TouchStory) -> None:
    what = "e-mail" if t.channel == "email" else "task for a rep"
    page.line(f"{t.position}. {what}, {t.sequence} step {t.step}: {t.verdict}", style="bold")
    if t.subject:
        page.line(f"subject: {t.subject}", indent=5)
    if t.gates or t.error:
        first = f" (first {moment(t.first_due_at)})" if t.first_due_at != t.due_at else ""
        page.line(f"due {moment(t.due_at)} UTC{first}{_why(t.why)}", indent=5)
    if t.error:
        page.line(f"The gates could not be looked at: {t.error}", indent=5)
    if t.state not in _OVER:  # what would hold it now says nothing of why it ended
        page.table((_gate(g, t.decided_by) for g in t.gates), indent=5)
    if t.draft:
        page.table(((s.slot, s.value, f"from {s.evidence}") for s in t.draft.slots), indent=5)
    sent = _ids(t.message_id, f"{t.provider} {t.provider_ref or ''}".strip() if t.provider else None)
    if t.approved_digest:
        by = f"approved by {t.reviewed_by} {moment(t.reviewed_at)} UTC"
        page.line(f"{by}, digest {t.approved_digest}", indent=5)
    page.line(f"{t.touch_id}, template {t.template}, attempts {t.attempts}", indent=5, style="dim")
    page.line(_ids(f"state {t.state}", t.reason, t.detail, sent), indent=5, style="dim")


def _why(why: Mapping[str, Any]) -> str:
    said = [f"day {why['day']:g}"] if "day" in why else []
    if why.get("zone"):
        said.append(f"window {why.get('window')} in {why['zone']} ({why.get('zone_basis')})")
    if why.get("moved_by"):
        moved = ", ".join(str(rule).replace("_", " ") for rule in why["moved_by"])
        said.append(f"moved by {moved}")
    return f": {', '.join(said)}" if said else ""


def _gate(gate: Gate, decided_by: str | None) -> tuple[str, str, str]:
    mark = "ok" if gate.passed else ("NO <-" if gate.name == decided_by else "NO")
    retry = f"; again {moment(gate.retry_at)} UTC" if gate.retry_at else ""
    return gate.name.replace("_", " "), mark, f"{gate.value}{retry}"


def _people(page: Page, story: LeadStory) -> None:
    if story.replies:
        page.heading("What they answered")
    for reply in story.replies:
        said = reply.reply_class.replace("_", " ")
        page.line(
            f"{moment(reply.occurred_at)} UTC  {said}: {reply.why} (matched by {reply.matched_by})",
            ids=_ids(reply.event_id, reply.touch_id),
        )
    if story.handoffs:
        page.heading("Given to a person")
    for h in story.handoffs:
        if h.acted_at:
            state = f"acted {moment(h.acted_at)} UTC"
        else:
            state = f"acts by {moment(h.sla_due_at)} UTC{', OVERDUE' if h.overdue else ''}"
        page.line(f"{moment(h.created_at)} UTC  {h.words}; {h.owner} {state}", ids=h.handoff_id)


def _events(page: Page, story: LeadStory) -> None:
    page.heading("What happened")
    left_out = len(story.events) - MAX_EVENTS
    if left_out > 0:
        page.line(f"({left_out} earlier ones: --json)")
    for event in story.events[-MAX_EVENTS:]:
        page.line(_event(event), ids=event.event_id)


def _event(event: EventStory) -> str:
    at = f"{event.occurred_at:%Y-%m-%d}      " if event.day_precision else moment(event.occurred_at)
    note = f": {event.note}" if event.note else ""
    marks = [
        word
        for word, holds in (
            ("stops automation", event.stops),
            ("not processed yet", event.pending),
            ("personal data erased", event.erased),
        )
        if holds
    ]
    return f"{at}  {event.kind.replace('_', ' ')} ({event.source}){note}" + (
        f" [{', '.join(marks)}]" if marks else ""
    )


def _rest(page: Page, story: LeadStory) -> None:
    page.heading("The CRM")
    states = [w.state for w in story.writebacks]
    page.line(", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))) or "Owed nothing.")
    for w in story.writebacks:
        if w.state != "done":
            detail = f", {w.detail}" if w.detail else ""
            page.line(f"{w.kind}: {w.state}, tried {w.attempts} times{detail}, due {moment(w.due_at)} UTC")
    if story.parked:
        page.heading("Put aside for a person (leadops events parked)")
    for p in story.parked:
        page.line(f"{p.stage}: {p.reason}, {moment(p.parked_at)} UTC", ids=p.item_id)
