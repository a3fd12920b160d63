"""The fold: the set of one person's events -> what is known of the person. Pure, order-insensitive.

Replaying the log gives the same state. Decisions (scores, enrolments, touches) are not folded:
they are records. What a person wrote is classified once (``replies`` table) and handed in here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from leadops.domain.addresses import (
    canonical_email,
    clean_email,
    is_free_mail,
    normalise_phone,
    registrable_domain,
)
from leadops.domain.clicks import human_clicks
from leadops.terms import (
    HUMAN_REPLY_CLASSES,
    LEAD_KINDS,
    Disposition,
    EventKind,
    ExitReason,
    LeadEvent,
    LeadState,
    ReplyClass,
    StopFact,
)

BLANK_SOURCE = "(blank)"
"""A marketing source left empty: a value of its own, never mixed with a literal "unknown"."""

_ENHANCED_STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_STATE: TypeAdapter[LeadState] = TypeAdapter(LeadState)

_SIMPLE_STOPS = {
    EventKind.OPTED_OUT: ExitReason.OPTED_OUT,
    EventKind.EMAIL_COMPLAINED: ExitReason.COMPLAINED,
    EventKind.MEETING_BOOKED: ExitReason.MEETING_BOOKED,
    EventKind.REP_ACTIVITY: ExitReason.REP_TOOK_OVER,
    EventKind.DEAL_WON: ExitReason.DEAL_WON,
    EventKind.DEAL_LOST: ExitReason.DEAL_LOST,
}
_REPLY_STOPS = {
    ReplyClass.HUMAN: ExitReason.REPLIED,
    ReplyClass.POSITIVE: ExitReason.REPLIED,
    ReplyClass.NEGATIVE: ExitReason.REPLIED,
    ReplyClass.OPT_OUT: ExitReason.OPTED_OUT,
    ReplyClass.LEFT_COMPANY: ExitReason.LEFT_COMPANY,
}
_NEVER_LIFTED = frozenset(
    {ExitReason.OPTED_OUT, ExitReason.COMPLAINED, ExitReason.BOUNCED, ExitReason.LEFT_COMPANY}
)
_DISPOSITION_STOPS = frozenset(Disposition) - {Disposition.RECYCLE}
_TITLES_FROM = ("title", "company", "country", "timezone", "company_size")


def fold(
    events: Iterable[LeadEvent],
    classes: Mapping[str, ReplyClass] | None = None,
    *,
    soft_bounces_to_suppress: int = 3,
) -> LeadState:
    """The state of one person.

    Args:
        events: one person's, any order; the same event twice counts once. At least one.
        classes: event_id -> class of inbound messages already matched and classified.
        soft_bounces_to_suppress: that many soft bounces in a row count as a hard one (R14).

    Raises:
        ValueError: no events.
    """
    by_id = {e.event_id: e for e in events}
    ordered = sorted(by_id.values(), key=lambda e: (e.occurred_at, e.event_id))
    if not ordered:
        raise ValueError("fold needs at least one event")
    known = classes or {}
    starts = [e for e in ordered if _is_lead_event(e, known)]
    people = [e for e in ordered if e.kind is not EventKind.REP_ACTIVITY]
    emails = _emails(starts, people)
    latest = _latest(people)
    recycled_at = _last(_disposed(ordered, Disposition.RECYCLE))
    stops = _stops(ordered, known, soft_bounces_to_suppress)
    clicks = human_clicks(ordered)  # bots and unknown never escalate (R13)
    human_replies = [e for e in ordered if known.get(e.event_id) in HUMAN_REPLY_CLASSES]
    engaged = [e for e in ordered if e.kind in (EventKind.PAGE_VIEWED, EventKind.PRICING_VIEWED)]
    first_name, last_name, name = _names(latest)
    return LeadState(
        emails=emails,
        address=_address([*starts, *people]),
        phone=_phone(people),
        name=name,
        first_name=first_name,
        last_name=last_name,
        company=latest.get("company"),
        domain=_company_domain(emails),
        title=latest.get("title"),
        country=_country(latest.get("country")),
        timezone=latest.get("timezone"),
        company_size=latest.get("company_size"),
        crm_ids=tuple(sorted({(e.source, e.contact.crm_id) for e in ordered if e.contact.crm_id})),
        owner=_property(people, "owner"),
        source=_marketing_source(starts or people),
        became_lead_at=starts[0].occurred_at if starts else None,
        became_lead_event=starts[0].event_id if starts else None,
        lead_day_precision=bool(starts and starts[0].day_precision),
        last_lead_at=starts[-1].occurred_at if starts else None,
        last_lead_event=starts[-1].event_id if starts else None,
        last_lead_kind=starts[-1].kind.value if starts else None,
        last_event_at=ordered[-1].occurred_at,
        is_test=any(e.properties.get("test") is True or e.properties.get("spam") is True for e in ordered),
        interest=_property(people, "interest"),
        message=_property(starts, "message"),
        kinds=dict(sorted(Counter(e.kind.value for e in ordered).items())),
        page_views=sum(e.kind is EventKind.PAGE_VIEWED for e in ordered),
        pricing_views=sum(e.kind is EventKind.PRICING_VIEWED for e in ordered),
        human_clicks=len(clicks),
        last_human_click_at=_last(clicks),
        human_replies=len(human_replies),
        first_human_contact_at=_first(e.occurred_at for e in [*human_replies, *_live_calls(ordered)]),
        last_engagement_at=_last([*starts, *clicks, *human_replies, *engaged]),
        consent=_consent(ordered),
        stops=_standing(stops, recycled_at),
        opted_out_at=_first(s.at for s in stops if s.reason in (ExitReason.OPTED_OUT, ExitReason.COMPLAINED)),
        hard_bounced_at=_first(s.at for s in stops if s.reason is ExitReason.BOUNCED),
        consecutive_soft_bounces=_soft_run(ordered),
        meeting_booked_at=_first_of(ordered, EventKind.MEETING_BOOKED),
        meeting_held_at=_first_of(ordered, EventKind.MEETING_HELD),
        won_at=_first_of(ordered, EventKind.DEAL_WON),
        lost_at=_first_of(ordered, EventKind.DEAL_LOST),
        recycled_at=recycled_at,
        event_count=len(ordered),
    )


def _live_calls(ordered: Sequence[LeadEvent]) -> list[LeadEvent]:
    return [
        e for e in ordered if e.kind is EventKind.REP_ACTIVITY and e.properties.get("outcome") == "connected"
    ]


def _is_lead_event(event: LeadEvent, classes: Mapping[str, ReplyClass]) -> bool:
    return event.kind in LEAD_KINDS or classes.get(event.event_id) is ReplyClass.NEW_LEAD


def _stops(
    ordered: Sequence[LeadEvent], classes: Mapping[str, ReplyClass], soft_limit: int
) -> list[StopFact]:
    found = []
    softs = 0
    for event in ordered:
        softs = _count_soft(event, softs)
        reason = _stop_reason(event, classes, exhausted=softs >= soft_limit)
        if reason is not None:
            found.append(StopFact(reason, event.event_id, event.occurred_at))
    return found


def _stop_reason(
    event: LeadEvent, classes: Mapping[str, ReplyClass], *, exhausted: bool
) -> ExitReason | None:
    if event.kind is EventKind.EMAIL_BOUNCED:
        return ExitReason.BOUNCED if bounce_type(event) == "hard" or exhausted else None
    if event.kind is EventKind.DISPOSITION:
        return ExitReason.DISPOSITION if event.properties.get("disposition") in _DISPOSITION_STOPS else None
    if event.event_id in classes:
        return _REPLY_STOPS.get(classes[event.event_id])
    return _SIMPLE_STOPS.get(event.kind)


def bounce_type(event: LeadEvent) -> str:
    """``hard``, ``soft`` or ``block`` (R14).

    A 5.x.x status about the address is hard, 5.7.x is policy and the sender's fault, 4.x.x is soft.
    Without either it is soft: one unexplained bounce must not silence a lead for ever.
    """
    given = str(event.properties.get("bounce") or "").strip().lower()
    status = str(event.properties.get("status") or "").strip()
    if enhanced := _ENHANCED_STATUS.search(status):  # also within "550 5.7.1 ..."
        status = enhanced.group()
    if status.startswith("5.7."):
        return "block"
    if status.startswith("4"):
        return "soft"
    if given in ("hard", "soft", "block"):
        return given
    return "hard" if status.startswith("5") else "soft"


def _count_soft(event: LeadEvent, run: int) -> int:
    if event.kind is EventKind.EMAIL_DELIVERED:
        return 0
    if event.kind is EventKind.EMAIL_BOUNCED:
        return run + (bounce_type(event) == "soft")
    return run


def _soft_run(ordered: Sequence[LeadEvent]) -> int:
    run = 0
    for event in ordered:
        run = _count_soft(event, run)
    return run


def _standing(stops: Sequence[StopFact], recycled_at: datetime | None) -> tuple[StopFact, ...]:
    """The stops that still hold, withdrawals first, then by time.

    A rep's ``recycle`` lifts what came before it, never a withdrawal.
    """
    return tuple(
        stop
        for stop in sorted(stops, key=lambda s: (s.reason not in _NEVER_LIFTED, s.at, s.event_id))
        if stop.reason in _NEVER_LIFTED or recycled_at is None or stop.at > recycled_at
    )


def _disposed(ordered: Sequence[LeadEvent], word: Disposition) -> list[LeadEvent]:
    return [e for e in ordered if e.kind is EventKind.DISPOSITION and e.properties.get("disposition") == word]


def _latest(people: Sequence[LeadEvent]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in people:
        for name in ("name", "first_name", "last_name", *_TITLES_FROM):
            value = getattr(event.contact, name)
            if value is not None:
                found[name] = value
    return found


def _names(latest: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    first, last, full = latest.get("first_name"), latest.get("last_name"), latest.get("name")
    if first is None and full is not None and "," not in full:
        first = full.split()[0]
    if full is None:
        full = " ".join(p for p in (first, last) if p) or None
    return first, last, full


def _emails(starts: Sequence[LeadEvent], people: Sequence[LeadEvent]) -> tuple[str, ...]:
    """Canonical, no duplicates; the address of the first lead event first."""
    given = (e.contact.email for e in [*starts, *people])
    return tuple(dict.fromkeys(c for g in given if g and (c := canonical_email(g))))


def _address(events: Sequence[LeadEvent]) -> str | None:
    return next((a for e in events if (a := clean_email(e.contact.email))), None)


def _phone(people: Sequence[LeadEvent]) -> str | None:
    for event in reversed(people):
        if event.contact.phone and (e164 := normalise_phone(event.contact.phone, event.contact.country)):
            return e164
    return None


def _company_domain(emails: Sequence[str]) -> str | None:
    for email in emails:
        domain = registrable_domain(email.rpartition("@")[2])
        if domain and not is_free_mail(domain):
            return domain
    return None


def _country(value: str | None) -> str | None:
    return value.upper() if value and len(value) == 2 and value.isalpha() else None


def _marketing_source(events: Sequence[LeadEvent]) -> str:
    given = events[0].properties.get("source") if events else None
    return str(given).strip() or BLANK_SOURCE if given is not None else BLANK_SOURCE


def _property(events: Sequence[LeadEvent], name: str) -> str | None:
    for event in reversed(events):
        value = event.properties.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _consent(ordered: Sequence[LeadEvent]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for event in ordered:
        merged.update(event.consent)
    return merged


def _first(moments: Iterable[datetime]) -> datetime | None:
    return min(moments, default=None)


def _first_of(ordered: Sequence[LeadEvent], kind: EventKind) -> datetime | None:
    return _first(e.occurred_at for e in ordered if e.kind is kind)


def _last(events: Sequence[LeadEvent]) -> datetime | None:
    return max((e.occurred_at for e in events), default=None)


def state_to_json(state: LeadState) -> dict[str, Any]:
    """JSON-safe; times as ISO 8601.

    Raises:
        PydanticSerializationError: a value is not of its field's type (a payload not written by intake).
    """
    dumped: dict[str, Any] = _STATE.dump_python(state, mode="json", warnings="error")
    return dumped


def state_from_json(data: Mapping[str, Any]) -> LeadState:
    """The inverse of :func:`state_to_json`."""
    return _STATE.validate_python(dict(data))


_RECEIPTS = frozenset(
    k.value
    for k in (
        EventKind.EMAIL_PROCESSED,
        EventKind.EMAIL_DELIVERED,
        EventKind.EMAIL_OPENED,
        EventKind.EMAIL_CLICKED,  # a person's click shows in human_clicks
    )
)
_NEWS_TO_NOBODY = frozenset({"event_count", "last_event_at"})


def decisions_may_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two states (as JSON) differ in anything that enrichment, score or enrolment may read.

    All but what a receipt changes: that a mail arrived or was opened decides nothing about its reader (R13).
    """
    return _as_decided_on(before) != _as_decided_on(after)


def _as_decided_on(state: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {kind: n for kind, n in state.get("kinds", {}).items() if kind not in _RECEIPTS}
    return {name: value for name, value in state.items() if name not in _NEWS_TO_NOBODY} | {"kinds": kinds}


def digest_of(data: Mapping[str, Any]) -> str:
    """Same state, same digest."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
