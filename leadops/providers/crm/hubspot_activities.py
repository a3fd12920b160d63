"""Calls, emails, meetings, deals and tasks in HubSpot as wire events about the contacts they hang on. Pure.

One event per contact: ids end in the contact's, because contacts can be added to a record later. What we
wrote ourselves carries ``leadops_action_id`` and tells nothing (R28).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadops.domain.addresses import canonical_email
from leadops.playbook.ends import HubSpotMapping
from leadops.providers.crm.hubspot_events import ACTION_ID, Found, event, iso
from leadops.terms import EventKind

CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
"""hs_call_disposition of a call that reached the person, the same in every account."""
HANDOFF_TASK = "task:hof_"
"""How the action id of a handoff begins. Tasks of a sequence's own steps are no take-over."""
_OUR_MESSAGE = re.compile(r"<?tch_[0-9a-f]{24}@")
_ANSWERS = re.compile(r"\s*(re|aw|sv|antw|odp|rif|tr|vs)(\[\d+\])?\s*:", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")
_BREAKS = re.compile(r"<(br|/p|/div|/tr|/li)\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Person:
    """A contact that a record hangs on."""

    id: str
    email: str

    def contact(self) -> dict[str, str]:
        return {"crm_id": self.id} | ({"email": self.email} if self.email else {})


@dataclass(frozen=True, slots=True)
class Activity:
    """One object type: what to read of it, which records say anything, and what they say.

    ``only``: a further filter (property, value) of the search. ``history``: properties read with theirs.
    """

    properties: tuple[str, ...]
    is_news: Callable[[Found], bool]
    events: Callable[..., Iterator[dict[str, Any]]]  # (Found, people, mapping)
    only: tuple[str, str] | None = None
    history: tuple[str, ...] = ()


def _not_ours(found: Found) -> bool:
    return not found.text(ACTION_ID)


def _moment(found: Found, *names: str) -> int:
    """The first of these properties that is a date, but never later than the record was written."""
    given = next((at for name in names if (at := found.ms(name)) is not None), found.modified)
    return min(given, found.modified)


def _calls(
    found: Found,
    people: Sequence[Person],
    mapping: HubSpotMapping,  # noqa: ARG001
) -> Iterator[dict[str, Any]]:
    """A call is a rep's act; one that reached the person is told as that, also where it says so later."""
    outcome = found.text("hs_call_disposition").lower()
    reached = outcome in (CONNECTED, "connected") if outcome else found.text("hs_call_status") == "COMPLETED"
    what, properties = ("connected", {"outcome": "connected"}) if reached else ("logged", {})
    for person in people:
        yield event(
            EventKind.REP_ACTIVITY,
            f"call:{found.id}:{what}:{person.id}",
            _moment(found, "hs_timestamp", "hs_createdate"),
            person.contact(),
            {"via": "call", **properties},
        )


def _is_mail(found: Found) -> bool:
    """Sent or received, not by us, and not the copy of a message of ours that a mailbox handed on."""
    direction, status = found.text("hs_email_direction"), found.text("hs_email_status")
    return (
        _not_ours(found)
        and direction in ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL")
        and status not in ("SCHEDULED", "SENDING", "FAILED")
        and not _OUR_MESSAGE.match(found.text("hs_email_message_id"))
    )


def _emails(
    found: Found,
    people: Sequence[Person],
    mapping: HubSpotMapping,  # noqa: ARG001
) -> Iterator[dict[str, Any]]:
    at = _moment(found, "hs_timestamp", "hs_createdate")
    if found.text("hs_email_direction") != "INCOMING_EMAIL":
        for person in people:
            yield event(
                EventKind.REP_ACTIVITY,
                f"email:{found.id}:sent:{person.id}",
                at,
                person.contact(),
                {"via": "email"},
            )
        return
    headers = _headers(found)
    properties = _message(found, headers)
    kind = EventKind.REPLY_RECEIVED if _is_answer(properties) else EventKind.MESSAGE_RECEIVED
    for person in _writers(people, found, headers):
        yield event(kind, f"email:{found.id}:received:{person.id}", at, person.contact(), properties)


def _headers(found: Found) -> dict[str, str]:
    """hs_email_headers is JSON: from, to ... as objects, real headers as text. Names in lower case."""
    try:
        given = json.loads(found.text("hs_email_headers") or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    nested = given.get("headers")
    flat = {**given, **(nested if isinstance(nested, dict) else {})}
    sender = given.get("from")
    named = {"from": str(sender.get("email") or "")} if isinstance(sender, dict) else {}
    return {str(k).lower(): v for k, v in flat.items() if isinstance(v, str)} | named


def _message(found: Found, headers: Mapping[str, str]) -> dict[str, Any]:
    text = found.text("hs_email_text") or _plain(found.text("hs_email_html"))
    given: dict[str, Any] = {
        "subject": found.text("hs_email_subject"),
        "text": text,
        "message_id": found.text("hs_email_message_id"),
        "in_reply_to": headers.get("in-reply-to", ""),
        "references": headers.get("references", ""),
        "headers": dict(headers),
        "via": "hubspot",
    }
    return {name: value for name, value in given.items() if value}


def _is_answer(properties: Mapping[str, Any]) -> bool:
    cites = properties.get("in_reply_to") or properties.get("references")
    return bool(cites) or _ANSWERS.match(str(properties.get("subject") or "")) is not None


def _writers(people: Sequence[Person], found: Found, headers: Mapping[str, str]) -> Sequence[Person]:
    """Whose words they are: the contact with the sender's address, else everybody it was logged for."""
    sender = canonical_email(found.text("hs_email_from_email") or headers.get("from", ""))
    wrote = [p for p in people if sender and canonical_email(p.email) == sender]
    return wrote or people


def _plain(markup: str) -> str:
    return html.unescape(_TAGS.sub("", _BREAKS.sub("\n", markup))).strip()


def _meetings(
    found: Found,
    people: Sequence[Person],
    mapping: HubSpotMapping,  # noqa: ARG001
) -> Iterator[dict[str, Any]]:
    """Booked when it was put into HubSpot; a reschedule is the same meeting. A no-show tells nothing more."""
    outcome = found.text("hs_meeting_outcome")
    starts = found.ms("hs_meeting_start_time") or found.ms("hs_timestamp")
    properties = {"starts_at": iso(starts)} if starts is not None else {}
    booked = _moment(found, "hs_createdate")
    for person in people:
        who, name = person.contact(), f"meeting:{found.id}"
        yield event(EventKind.MEETING_BOOKED, f"{name}:booked:{person.id}", booked, who, properties)
        if outcome == "COMPLETED":
            at = max(booked, _moment(found, "hs_meeting_start_time", "hs_timestamp"))
            yield event(EventKind.MEETING_HELD, f"{name}:held:{person.id}", at, who, properties)
        if outcome == "CANCELED":
            at = found.modified
            yield event(EventKind.MEETING_CANCELED, f"{name}:canceled:{person.id}", at, who, properties)


def _deals(found: Found, people: Sequence[Person], mapping: HubSpotMapping) -> Iterator[dict[str, Any]]:
    """Won and lost by stage, whoever moved it there; any other move a rep made by hand is a rep's act."""
    closed = dict.fromkeys(mapping.won_stages, (EventKind.DEAL_WON, "won"))
    closed |= dict.fromkeys(mapping.lost_stages, (EventKind.DEAL_LOST, "lost"))
    for version in found.versions("dealstage"):
        kind, what = closed.get(version.value, (EventKind.REP_ACTIVITY, f"stage:{version.at}"))
        if kind is EventKind.REP_ACTIVITY and not (version.value and version.by_a_person):
            continue
        via = {"via": "deal"} if kind is EventKind.REP_ACTIVITY else {}
        for person in people:
            yield event(
                kind,
                f"deal:{found.id}:{what}:{person.id}",
                version.at,
                person.contact(),
                {"stage": version.value, **via},
            )


def _is_done_handoff(found: Found) -> bool:
    return found.text(ACTION_ID).startswith(HANDOFF_TASK) and found.text("hs_task_status") == "COMPLETED"


def _tasks(
    found: Found,
    people: Sequence[Person],
    mapping: HubSpotMapping,  # noqa: ARG001
) -> Iterator[dict[str, Any]]:
    """A handoff of ours that a rep ticked off."""
    for person in people:
        yield event(
            EventKind.REP_ACTIVITY,
            f"task:{found.id}:completed:{person.id}",
            _moment(found, "hs_task_completion_date"),
            person.contact(),
            {"via": "task", "action": found.text(ACTION_ID)},
        )


_COMMON = ("hs_createdate", "hs_timestamp", ACTION_ID)
ACTIVITIES: Mapping[str, Activity] = {
    "emails": Activity(
        (
            *_COMMON, "hs_email_direction", "hs_email_status", "hs_email_subject", "hs_email_text",
            "hs_email_html", "hs_email_headers", "hs_email_from_email", "hs_email_message_id",
        ),
        _is_mail,
        _emails,
    ),
    "meetings": Activity(
        (*_COMMON, "hs_meeting_start_time", "hs_meeting_outcome"), _not_ours, _meetings
    ),
    "calls": Activity((*_COMMON, "hs_call_disposition", "hs_call_status"), _not_ours, _calls),
    "deals": Activity(("createdate", "dealstage"), lambda _: True, _deals, history=("dealstage",)),
    "tasks": Activity(
        (*_COMMON, "hs_task_status", "hs_task_completion_date"),
        _is_done_handoff,
        _tasks,
        only=("hs_task_status", "COMPLETED"),
    ),
}  # fmt: skip
"""What is polled beside contacts, in this order."""
