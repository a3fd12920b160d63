"""Messages that wait for a person: list, show, approve, reject. What is approved is what leaves, to the byte.

The reviewer is shown the message as it will be handed over, all but its Date. An approval binds those bytes:
whatever becomes known of the lead afterwards changes none of them, though it may stop them. After it the
gates decide as ever when they leave, or whether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.headers import READING
from leadops.domain.mail import digest_of
from leadops.errors import LeadopsError
from leadops.stages.by_hand import short_name
from leadops.stages.explain_words import say_reason, utc
from leadops.store import drafts, reviews, runners, touches
from leadops.store.engine import rows, sql, transaction
from leadops.terms import SlotValue, TouchReason, TouchState

AT_ONCE = 50
"""Touches approved in one commit: it holds their enrolments until then."""
SHORTEST_DIGEST = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits. ``digest``: of its bytes; None where they are gone. ``since``: aware UTC."""

    touch_id: str
    lead_id: str
    name: str | None
    company: str | None
    tier: str
    score: float | None
    position: int
    sequence: str
    step: int
    template: str
    reason: str
    since: datetime
    subject: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """One message as it will leave, and what it was made from. ``headers`` in their order on the wire."""

    touch_id: str
    lead_id: str
    state: str
    reason: str | None
    since: datetime | None
    name: str | None
    company: str | None
    headers: tuple[tuple[str, str], ...]
    body: str
    digest: str
    template: str
    template_version: str
    writer: str
    slots: tuple[SlotValue, ...]
    score: float | None
    tier: str | None
    score_reason: str | None
    they_wrote: str | None
    said: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one verdict: ``done``, or why it was not, in words."""

    touch_id: str
    done: bool
    words: str
    digest: str | None = None


def waiting(engine: Engine, *, tier: str | None = None, template: str | None = None) -> list[Waiting]:
    """What waits, hot leads first and the oldest of each tier first; at most 1,000."""
    with transaction(engine) as connection:
        return [_waiting(r) for r in reviews.waiting(connection, tier=tier, template=template)]


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(
        touch_id=row["touch_id"],
        lead_id=row["lead_id"],
        name=row["name"],
        company=row["company"],
        tier=row["tier"] or row["sequence"],
        score=row["score"],
        position=row["position"],
        sequence=row["sequence"],
        step=row["step"],
        template=row["template"],
        reason=row["reason"],
        since=row["in_review_since"],
        subject=row["subject"],
        digest=digest_of(row["proof"]) if row["proof"] else None,
    )


_TOUCH = sql(
    """select t.touch_id, t.lead_id, t.state, t.reason, t.in_review_since, t.template, l.name, l.company,
        l.tier, l.score, l.state ->> 'message' as they_wrote,
        (select s.reason from lead_scores s where s.lead_id = t.lead_id
            order by s.scored_at desc limit 1) as score_reason
    from touches t left join leads l on l.lead_id = t.lead_id where t.touch_id = :id"""
)


def show(engine: Engine, touch_id: str) -> Proof:
    """The message of a touch that waits, or has left.

    Raises:
        LeadopsError: ``no_such_touch``; ``nothing_to_show``: no message was made for it, or it was erased.
    """
    with transaction(engine) as connection:
        found = rows(connection, _TOUCH, id=touch_id)
        if not found:
            raise LeadopsError("no_such_touch", f"No touch {touch_id}; see leadops review list.")
        kept = reviews.kept(connection, [touch_id]).get(touch_id)
        words = drafts.of_touches(connection, [touch_id]).get(touch_id)
        said = reviews.said_of(connection, touch_id)
    wire = (kept.wire or kept.proof) if kept else None
    if wire is None or words is None:
        state = found[0]["state"]
        raise LeadopsError("nothing_to_show", f"Touch {touch_id} is {state} and has no message to show.")
    message = message_from_bytes(wire, _class=EmailMessage, policy=READING)
    touch = found[0]
    return Proof(
        headers=tuple(_headers(message, kept is not None and kept.wire is not None)),
        body=str(message.get_content()),
        digest=digest_of(wire),
        template_version=words.template_version,
        writer=words.writer,
        slots=words.slots,
        since=touch["in_review_since"],
        said=tuple(said),
        **{
            name: touch[name]
            for name in (
                "touch_id", "lead_id", "state", "reason", "name", "company", "template", "score", "tier",
                "score_reason", "they_wrote",
            )
        },
    )  # fmt: skip


def _headers(message: EmailMessage, has_left: bool) -> Iterator[tuple[str, str]]:
    for name, value in message.items():
        yield name, str(value) if has_left or name != "Date" else "(when it leaves)"


def approve(
    engine: Engine, touch_ids: Sequence[str], by: str, *, now: datetime, digest: str | None = None
) -> list[Said]:
    """Let them leave as they are shown. What others have decided meanwhile stands, and is said.

    ``digest``: what the reviewer was shown (or its beginning), for one touch; where it is another by now,
    nothing is approved.

    Raises:
        UsageError: ``bad_name``: ``by`` is not a short name.
    """
    name = short_name(by)

    def some(connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Said]:
        kept = reviews.kept(connection, found)
        digests, refused = {}, {}
        for touch_id in found:
            proof = kept[touch_id].proof if touch_id in kept else None
            shown = digest_of(proof) if proof else None
            if shown is None:
                refused[touch_id] = Said(touch_id, False, "its message is gone")
            elif digest is not None and not _is_of(digest, shown):
                words = f"its message is {shown} by now: look at it again, leadops review show {touch_id}"
                refused[touch_id] = Said(touch_id, False, words, shown)
            else:
                digests[touch_id] = shown
        done = reviews.approve(connection, digests, name, now=now)
        words = "approved; it leaves as soon as its gates let it"
        return refused | {i: Said(i, True, words, digests[i]) for i in done}

    return _decide(engine, touch_ids, some)


def reject(engine: Engine, touch_ids: Sequence[str], by: str, why: str, *, now: datetime) -> list[Said]:
    """They never leave. A follow-up is skipped and its sequence goes on. Where nothing was written to the
    lead yet the sequence ends, for what follows refers to this message, and the lead is given to a rep.

    Raises:
        UsageError: ``bad_name``: ``by`` is not a short name.
    """
    name = short_name(by)

    def some(connection: Connection, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Said]:
        kept = reviews.kept(connection, found)
        digests = {i: digest_of(proof) if i in kept and (proof := kept[i].proof) else None for i in found}
        done = reviews.reject(connection, digests, name, why.strip() or None, now=now)
        enrolments = {found[i]["enrolment_id"] for i in done}
        begun = drafts.threads(connection, enrolments)
        touches.cancel_open(connection, enrolments - begun.keys(), TouchReason.ENROLMENT_ENDED, now=now)
        touches.close_if_done(connection, enrolments, now)
        return {
            i: Said(i, True, _GOES_ON if found[i]["enrolment_id"] in begun else _ENDS, digests[i])
            for i in done
        }

    return _decide(engine, touch_ids, some)


_GOES_ON = "rejected; the sequence goes on with its next step"
_ENDS = "rejected; nothing was written to the lead yet: the sequence ends and a rep gets the lead"
_Some = Callable[[Connection, Mapping[str, Mapping[str, Any]]], dict[str, Said]]


def _decide(engine: Engine, touch_ids: Sequence[str], some: _Some) -> list[Said]:
    """``some`` decides about those that wait, locked; who came first wins, of the rest it is said."""
    told: list[Said] = []
    asked = list(dict.fromkeys(touch_ids))
    for ids in (asked[n : n + AT_ONCE] for n in range(0, len(asked), AT_ONCE)):
        with transaction(engine) as connection:
            found = reviews.lock(connection, ids)
            waits = {i: t for i, t in found.items() if t["state"] == TouchState.IN_REVIEW}
            said = some(connection, waits) if waits else {}
            if any(s.done for s in said.values()):
                runners.tell(connection, ["due_touches"])
        told += [said.get(i) or Said(i, False, _why_not(found.get(i))) for i in ids]
    return told


def _why_not(touch: Mapping[str, Any] | None) -> str:
    if touch is None:
        return "there is no such touch; see leadops review list"
    by = f" by {touch['reviewed_by']}, {utc(touch['reviewed_at'])}" if touch["reviewed_at"] else ""
    if touch["reason"] == TouchReason.REJECTED_BY_REVIEWER:
        return f"already rejected{by}"
    if touch["approved_digest"] is not None and touch["state"] != TouchState.CANCELLED:
        return f"already approved{by}; it is {touch['state'].replace('_', ' ')}"
    if touch["state"] == TouchState.CANCELLED:
        return f"it is cancelled: {say_reason(touch['reason'])}"
    return f"it does not wait for review: it is {touch['state'].replace('_', ' ')}"


def _is_of(given: str, digest: str) -> bool:
    return len(given) >= SHORTEST_DIGEST and digest.startswith(given.lower())
