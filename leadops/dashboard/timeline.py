"""One lead's life as entries in time: what they did, what was sent, what a person must do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadops.dashboard.operations import LeadPage
from leadops.stages.story import EventStory, HandoffStory, ReplyStory, TouchStory, WritebackStory
from leadops.terms import Draft, EventKind, Gate, TouchState

ACTORS: Mapping[str, str] = {"human": "by a human", "bot": "by a bot"}
_CLICKS = frozenset({EventKind.EMAIL_CLICKED, EventKind.EMAIL_OPENED})
# What the provider tells us of our own messages is told in small.
_QUIET = frozenset(
    {EventKind.EMAIL_PROCESSED, EventKind.EMAIL_DELIVERED, EventKind.LEAD_UPDATED, EventKind.PAGE_VIEWED}
)
_OVER = frozenset({TouchState.CANCELLED, TouchState.FAILED})
_AHEAD = frozenset({TouchState.PLANNED, TouchState.CLAIMED, TouchState.IN_REVIEW})


@dataclass(frozen=True, slots=True)
class Entry:
    """``who``: theirs, ours, person, stop or quietly. ``words``: what was written, as it was written."""

    at: datetime
    who: str
    what: str
    said: str | None = None
    chips: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    words: str | None = None
    words_are: str = "what they wrote"
    gates: tuple[Gate, ...] = ()
    decided_by: str | None = None
    ids: tuple[str, ...] = ()
    is_day: bool = False
    is_future: bool = False
    kind: str = ""
    order: int = 0  # among those of one moment


def timeline(page: LeadPage, *, newest_first: bool) -> list[Entry]:
    """Every entry of the lead, by time. What is planned stands in the future."""
    now = page.story.at
    entries = [*_events(page), *_touches(page), *_decisions(page), *_handoffs(page), *_crm(page)]
    marked = [e if e.at <= now or e.is_future else replace(e, is_future=True) for e in entries]
    oldest_first = sorted(marked, key=lambda e: (e.at, e.order))
    return oldest_first[::-1] if newest_first else oldest_first


# --- what they did


def _events(page: LeadPage) -> Iterator[Entry]:
    replies = {r.event_id: r for r in page.story.replies}
    for event in page.story.events:
        yield _event(event, replies.get(event.event_id), page.said.get(event.event_id, {}))


def _event(event: EventStory, reply: ReplyStory | None, said: Mapping[str, Any]) -> Entry:
    words = said.get("text") or said.get("message")
    return Entry(
        at=event.occurred_at,
        who="stop" if event.stops else "quietly" if event.kind in _QUIET else "theirs",
        what=event.kind.replace("_", " "),
        said=_note(event, reply, said, bool(words)),
        chips=tuple(_marks(event, reply, said)),
        words=words,
        ids=tuple(i for i in (event.event_id, reply.touch_id if reply else None) if i),
        is_day=event.day_precision,
        kind=event.kind,
    )


def _note(event: EventStory, reply: ReplyStory | None, said: Mapping[str, Any], has_words: bool) -> str:
    parts = [f"from {event.source}"]
    if reply is not None:
        parts.append(f"{reply.why}; matched by {reply.matched_by}")
    elif event.note and not has_words:
        parts.append(event.note)
    if event.kind in _CLICKS and said.get("url") and said["url"] != event.note:
        parts.append(said["url"])
    if event.kind == EventKind.EMAIL_BOUNCED and said.get("status"):
        parts.append(said["status"])
    return ": ".join(parts)


def _marks(event: EventStory, reply: ReplyStory | None, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if reply is not None:
        yield reply.reply_class.replace("_", " "), "good"
    if event.kind in _CLICKS:
        actor = said.get("actor") or ""
        yield ACTORS.get(actor, "unknown whether human or bot"), "good" if actor == "human" else "plain"
    if event.stops:
        yield "stops automation", "bad"
    if event.pending:
        yield "not processed yet", "warn"
    if event.erased:
        yield "personal data erased", "plain"


# --- what was sent


_STATES: Mapping[str, tuple[str, str]] = {
    TouchState.SENT: ("sent", "good"),
    TouchState.IN_REVIEW: ("in review", "warn"),
    TouchState.UNKNOWN: ("outcome unknown", "warn"),
    TouchState.FAILED: ("failed", "bad"),
    TouchState.CANCELLED: ("not sent", "plain"),
}


def _touches(page: LeadPage) -> Iterator[Entry]:
    for touch in page.story.touches:
        yield _touch(touch, page.sent.get(touch.touch_id))


def _touch(touch: TouchStory, draft: Draft | None) -> Entry:
    state, kind = _STATES.get(touch.state, (touch.state.replace("_", " "), "plain"))
    what = "E-mail" if touch.channel == "email" else "Task for a rep"
    is_over = touch.state in _OVER
    return Entry(
        at=_moment(touch),
        who="quietly" if is_over else "ours",
        what=f"{what} {touch.position}, {touch.sequence} step {touch.step}",
        said=touch.verdict,
        chips=((state, kind),),
        subject=draft.subject if draft else touch.subject,
        words=draft.body if draft else None,
        words_are="the words sent" if touch.state == TouchState.SENT else "the words as drafted",
        gates=() if is_over else touch.gates,
        decided_by=touch.decided_by,
        ids=(touch.touch_id, f"template {touch.template}", f"from {touch.mailbox}", *_sent_ids(touch)),
        is_future=touch.state in _AHEAD,
        kind=f"touch-{touch.state}",
        order=3,
    )


def _moment(touch: TouchStory) -> datetime:
    if touch.state in _AHEAD:
        return touch.due_at
    return touch.handed_over_at or touch.settled_at or touch.due_at


def _sent_ids(touch: TouchStory) -> Iterator[str]:
    if touch.message_id:
        yield touch.message_id
    if touch.provider:
        yield f"{touch.provider} {touch.provider_ref or ''}".strip()
    if touch.detail:
        yield touch.detail
    if touch.approved_digest:
        yield f"approved by {touch.reviewed_by}, digest {touch.approved_digest}"


# --- what was decided


def _decisions(page: LeadPage) -> Iterator[Entry]:
    story = page.story
    for score in story.score_history:
        what = f"Scored {score.total:g}, {score.tier}"
        yield Entry(score.scored_at, "quietly", what, score.reason, kind="score", order=1)
    for e in story.enrolments:
        ids, what = (e.enrolment_id,), f"Enrolled: {e.tier_at_enrolment}, variant {e.variant}"
        said = f"attributed to {e.source}"
        yield Entry(e.enrolled_at, "quietly", what, said, ids=ids, kind="enrolled", order=2)
        if e.ended_at:
            yield Entry(e.ended_at, "quietly", "Sequence over", e.words, ids=ids, kind="ended", order=5)
    for p in story.parked:
        said = f"{p.reason}; see leadops events parked"
        yield Entry(p.parked_at, "person", f"Put aside: {p.stage}", said, ids=(p.item_id,), kind="parked")


def _handoffs(page: LeadPage) -> Iterator[Entry]:
    for h in page.story.handoffs:
        yield Entry(
            h.created_at,
            "person",
            f"Given to {h.owner}",
            h.words,
            chips=_sla(h),
            ids=(h.handoff_id,),
            kind="handoff",
            order=6,
        )
        if h.escalated_at:
            yield Entry(h.escalated_at, "person", f"{h.owner} had not acted: another rep was told", order=7)
        if h.acted_at:
            yield Entry(h.acted_at, "person", f"{h.owner} acted", kind="handoff-acted", order=7)


def _sla(handoff: HandoffStory) -> tuple[tuple[str, str], ...]:
    if handoff.acted_at:
        return (("done", "good"),)
    return (("overdue", "bad"),) if handoff.overdue else (("waits", "warn"),)


def _crm(page: LeadPage) -> Iterator[Entry]:
    """What the CRM was told at one moment is one entry; what it was not told yet, each its own."""
    told: dict[datetime, list[WritebackStory]] = {}
    for w in page.story.writebacks:
        if w.state == "done" and w.done_at:
            told.setdefault(w.done_at, []).append(w)
    for at, together in told.items():
        kinds = ", ".join(sorted({w.kind for w in together}))
        ids = tuple(w.dedupe_key for w in together)
        yield Entry(at, "quietly", f"CRM told: {kinds}", ids=ids, kind="writeback", order=8)
    yield from (_owed(w) for w in page.story.writebacks if w.state != "done")


def _owed(w: WritebackStory) -> Entry:
    said = "; ".join(p for p in (w.detail, f"tried {w.attempts} times" if w.attempts > 1 else None) if p)
    return Entry(
        w.created_at,
        "quietly",
        f"CRM not told yet: {w.kind}",
        said or None,
        chips=((w.state, "bad" if w.state == "failed" else "warn"),),
        ids=(w.dedupe_key,),
        kind="writeback-owed",
        order=8,
    )
