"""SendGrid's event webhook -> events on our wire. Pure.

Shapes: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (a list of objects; what
belongs to which kind). Only events carrying our custom arg are ours: other programs send from one account.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from leadops.errors import BadInput
from leadops.providers.crm.port import RawRow

SOURCE = "sendgrid"
TOUCH_ARG = "leadops_touch_id"
WHERE = "sendgrid event webhook"

_LONGEST = 500  # characters of any one field, as the wire takes them
_NAME = re.compile(r"[a-z_]{1,40}")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_BASIC = re.compile(r"\b([45]\d\d)\b")
_MESSAGE_ID = re.compile(r"[^<>\s@]{1,400}@[^<>\s@]{1,400}")
_UNSUBSCRIBE_PATH = "/u/"

SENDERS_FAULT = frozenset({"content", "frequency_or_volume_too_high", "reputation"})
"""Classes of a bounce that are about the sender (R14). The enum of ``bounce_classification``: Content,
Frequency or Volume Too High, Invalid Address, Mailbox Unavailable, Reputation, Technical Failure,
Unclassified (https://www.twilio.com/docs/sendgrid/api-reference/bounces-api)."""
_CLASSES = SENDERS_FAULT | {"invalid_address", "mailbox_unavailable", "technical_failure", "unclassified"}

_DROPPED: dict[str, tuple[str, dict[str, str]]] = {
    "bounced address": ("email_bounced", {"bounce": "hard"}),
    "invalid": ("email_bounced", {"bounce": "hard"}),
    "unsubscribed address": ("opted_out", {}),
    "spam reporting address": ("email_complained", {}),
}
"""Why the vendor did not even try; every other reason (quota, content, a bad header) is the sender's."""

_IGNORED = frozenset({"deferred", "group_resubscribe"})
"""Deferred: the vendor goes on trying. Resubscribed: only a person lifts a withdrawal."""


def translate(events: Iterable[Any]) -> tuple[list[RawRow], int]:
    """Rows for ingestion, in order, and how many events were not ours or say nothing to us.

    One that is ours and malformed becomes a row with its error; its neighbours go on.
    """
    rows: list[RawRow] = []
    ignored = 0
    for event in events:
        row = _row(event)
        if row is None:
            ignored += 1
        else:
            rows.append(row)
    return rows, ignored


def _row(event: Any) -> RawRow | None:
    if not isinstance(event, Mapping):
        return RawRow(None, "event: must be an object", {"not_an_object": event}, WHERE)
    if not event.get(TOUCH_ARG):
        return None
    try:
        wire = _wire(event)
    except BadInput as error:
        return RawRow(None, str(error), dict(event), WHERE)
    return RawRow(wire, None, wire, WHERE) if wire is not None else None


def _wire(event: Mapping[str, Any]) -> dict[str, Any] | None:
    name = event.get("event")
    name = name if isinstance(name, str) else ""
    if name in _IGNORED:
        return None
    make = _KINDS.get(name)
    if make is None:
        named = name if _NAME.fullmatch(name) else "what was given"
        raise BadInput("invalid_event", f"event: {named} is no event we know")
    touch = event[TOUCH_ARG]
    if not isinstance(touch, str) or len(touch) > 100:
        raise BadInput("invalid_event", f"{TOUCH_ARG}: must be the touch id we sent")
    kind, properties = make(event)
    wire = {
        "source": SOURCE,
        "kind": kind,
        "occurred_at": _moment(event.get("timestamp")),
        "contact": {"email": email} if (email := _text(event, "email")) else {},
        "properties": {"touch_id": touch, **properties},
    }
    # Without the vendor's id, ingestion makes one of what the event says: still once.
    return {**wire, "id": event["sg_event_id"]} if event.get("sg_event_id") else wire


_Made = tuple[str, dict[str, Any]]


def _processed(event: Mapping[str, Any]) -> _Made:
    found = _MESSAGE_ID.search(str(event.get("smtp-id") or ""))
    return "email_processed", {"message_id": f"<{found.group()}>"} if found else {}


def _bounced(event: Mapping[str, Any]) -> _Made:
    """R14: an address that does not exist is hard; what is the sender's fault, or passes, never is."""
    status = _status(event)
    word = _slug(event.get("bounce_classification"), _CLASSES)
    blocked = event.get("type") == "blocked"
    if status.startswith("4"):
        bounce = "soft"
    elif blocked or status.startswith("5.7.") or (word in SENDERS_FAULT and not status.startswith("5.1.")):
        bounce = "block"
    else:
        bounce = "hard"
    return "email_bounced", _given(bounce=bounce, status=status, reason=word)


def _dropped(event: Mapping[str, Any]) -> _Made:
    reason = str(event.get("reason") or "").strip().lower()
    kind, properties = _DROPPED.get(reason, ("email_bounced", {"bounce": "block"}))
    return kind, {**properties, "reason": _slug(reason, {_slug_of(r) for r in _DROPPED}) or "dropped"}


def _opened(event: Mapping[str, Any]) -> _Made:
    return "email_opened", {"machine": event.get("sg_machine_open") is True, **_visitor(event)}


def _clicked(event: Mapping[str, Any]) -> _Made:
    return "email_clicked", {**_link(str(event.get("url") or "")), **_visitor(event)}


def _plain(kind: str) -> Callable[[Mapping[str, Any]], _Made]:
    return lambda _event: (kind, {})


def _opted_out(event: Mapping[str, Any]) -> _Made:
    return "opted_out", {"reason": str(event["event"])}


_KINDS: dict[str, Callable[[Mapping[str, Any]], _Made]] = {
    "processed": _processed,
    "delivered": _plain("email_delivered"),
    "bounce": _bounced,
    "dropped": _dropped,
    "open": _opened,
    "click": _clicked,
    "spamreport": _plain("email_complained"),
    "unsubscribe": _opted_out,
    "group_unsubscribe": _opted_out,
}


def _visitor(event: Mapping[str, Any]) -> dict[str, Any]:
    """A blank user agent is kept, unlike an absent one: only programs send none."""
    given = {"user_agent": event.get("useragent"), "ip": event.get("ip")}
    return {name: value[:_LONGEST] for name, value in given.items() if isinstance(value, str)}


def _link(url: str) -> dict[str, str]:
    """Which link, as a digest, and where it led. Queries are left out: they may hold tokens or addresses."""
    if not url:
        return {}
    link = {"link": hashlib.blake2b(url.encode("utf-8", "replace"), digest_size=8).hexdigest()}
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return link
    if parts.scheme not in ("http", "https") or not host or parts.path.startswith(_UNSUBSCRIBE_PATH):
        return link
    return {**link, "url": f"{parts.scheme}://{host}{parts.path}"[:_LONGEST]}


def _status(event: Mapping[str, Any]) -> str:
    """The enhanced status (RFC 3463); of a general one (5.0.0) the one within the reason, which says more."""
    reason = str(event.get("reason") or "")
    given = _ENHANCED.search(str(event.get("status") or ""))
    within = _ENHANCED.search(reason)
    if within and (given is None or given.group().endswith(".0.0")):
        return within.group()
    if given:
        return given.group()
    basic = _BASIC.search(str(event.get("status") or "")) or _BASIC.search(reason[:10])
    return basic.group() if basic else ""


def _moment(value: Any) -> str:
    if isinstance(value, bool) or not str(value).isascii() or not re.fullmatch(r"\d{1,11}", str(value)):
        raise BadInput("invalid_event", "timestamp: must be a number of seconds since 1970")
    return datetime.fromtimestamp(int(value), UTC).isoformat()


def _text(event: Mapping[str, Any], name: str) -> str | None:
    value = event.get(name)
    return value.strip() if isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST else None


def _slug_of(text: str) -> str:
    return text.strip().lower().replace(" ", "_")


def _slug(value: Any, known: Iterable[str]) -> str:
    """A word of a closed list, or nothing: a mail server's own sentence names the recipient."""
    word = _slug_of(value) if isinstance(value, str) else ""
    return word if word in known else ""


def _given(**values: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
