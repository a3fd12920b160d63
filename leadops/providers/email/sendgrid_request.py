"""What SendGrid is asked, and what its answers mean. Pure: wire bytes -> JSON, an answer -> its outcome.

Shapes: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, and its official OpenAPI
description (the tests check every request against it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any

from leadops.domain.headers import READING
from leadops.errors import BadInput
from leadops.terms import Outcome, SendResult

TOUCH_ARG = "leadops_touch_id"
LONGEST_WAIT_S = 3600.0
"""However long a server tells us to stay away."""

_OWN_FIELDS = frozenset({"from", "to", "reply-to", "subject"})
_VENDORS = frozenset(
    # It refuses the first ones (its description of `headers`) and writes the last two itself.
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"cc", "bcc", "date", "mime-version"}
)
_FOLD = re.compile(r"\r?\n[ \t]*")
_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AFTER_LINK = ".,;:!?)]}'*_"
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


def mail_of(
    key: str, wire: bytes, *, track_opens: bool = False, track_clicks: bool = False
) -> dict[str, Any]:
    """The body of ``POST /v3/mail/send``: what the frozen bytes say, and nothing else.

    The touch's ``key`` goes along on the personalization and comes back in every event. HTML is made only
    where something is tracked, which plain text cannot do. Raises BadInput ``sendgrid_unreadable``: not
    one plain text from one person to one person.
    """
    try:
        return _mail(
            key,
            message_from_bytes(wire, _class=EmailMessage, policy=READING),
            track_opens,
            track_clicks,
        )
    except (ValueError, LookupError, AttributeError, TypeError, MessageError):
        # The standard library's own on headers that are none: whatever it is, nothing has left.
        raise _unreadable("headers that can be read") from None


def _mail(key: str, message: EmailMessage, track_opens: bool, track_clicks: bool) -> dict[str, Any]:
    text = _text(message)
    headers = _headers(message)
    content = [{"type": "text/plain", "value": text}]
    if track_opens or track_clicks:
        content.append({"type": "text/html", "value": html_of(text, _links_in(headers))})
    return {
        # The description types top-level custom_args as a string, the service as an object: so here.
        "personalizations": [{"to": [_recipient(message)], "custom_args": {TOUCH_ARG: key}}],
        "from": _person(_one(message, "From")),
        "reply_to": _person(_one(message, "Reply-To")),
        "subject": str(message["Subject"] or ""),
        "headers": headers,
        "content": content,
        # One for all of ours, so that an account that also sends other mail can tell them apart.
        "categories": ["leadops"],
        # Everything said, or the account's own settings would decide.
        "tracking_settings": {
            # Links in the plain text stay as they were written.
            "click_tracking": {"enable": track_clicks, "enable_text": False},
            "open_tracking": {"enable": track_opens},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }


def addresses_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """(from, to) of a request."""
    return body["from"]["email"], body["personalizations"][0]["to"][0]["email"]


def html_of(text: str, untracked: Collection[str] = ()) -> str:
    """The text as HTML: paragraphs, line breaks, links; everything escaped.

    Links in ``untracked`` keep their address whatever is tracked: opting out is no click (R13).
    """
    paragraphs = (part for part in _BLANK_LINES.split(text) if part.strip())
    return "\n".join(f"<p>{_lines(part, untracked)}</p>" for part in paragraphs)


def _lines(paragraph: str, untracked: Collection[str]) -> str:
    lines = (_linked(line, untracked) for line in paragraph.strip("\n").split("\n"))
    return "<br>\n".join(lines)


def _linked(line: str, untracked: Collection[str]) -> str:
    made, at = "", 0
    for found in _LINK.finditer(line):
        link = found[0].rstrip(_AFTER_LINK)
        off = ' clicktracking="off"' if link in untracked else ""
        made += f'{escape(line[at : found.start()])}<a{off} href="{escape(link)}">{escape(link)}</a>'
        at = found.start() + len(link)
    return made + escape(line[at:])


def _links_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(re.findall(r"<(https?://[^>]+)>", headers.get("List-Unsubscribe", "")))


def _text(message: EmailMessage) -> str:
    if message.get_content_type() != "text/plain" or message.get_content_charset("us-ascii") not in (
        "utf-8",
        "us-ascii",
    ):
        raise _unreadable("one part of plain text in UTF-8")
    payload = message.get_payload(decode=True)
    found = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    if not found.strip():
        raise _unreadable("a text")
    return found.replace("\r\n", "\n")


def _headers(message: EmailMessage) -> dict[str, str]:
    """All but what has a field of its own and what the vendor does not take."""
    return {
        name: _FOLD.sub(" ", str(value)).strip()
        for name, value in message.raw_items()
        if name.lower() not in _OWN_FIELDS | _VENDORS
    }


def _one(message: EmailMessage, header: str) -> Address:
    found = [a for value in message.get_all(header, []) for a in value.addresses]
    if len(found) != 1 or message["Cc"] or message["Bcc"]:
        raise _unreadable(f"one address in {header}")
    address = found[0]
    return Address(display_name=address.display_name, username=address.username, domain=address.domain)


def _person(address: Address) -> dict[str, str]:
    named = {"name": address.display_name} if address.display_name else {}
    return {"email": address.addr_spec, **named}


def _recipient(message: EmailMessage) -> dict[str, str]:
    """With a comma or semicolon in the name it would accept the message and drop it: sendgrid-python#291."""
    found = _person(_one(message, "To"))
    if any(c in found.get("name", "") for c in ",;"):
        del found["name"]
    return found


def _unreadable(wanted: str) -> BadInput:
    return BadInput("sendgrid_unreadable", f"the message cannot be put to SendGrid; it needs {wanted}")


# --- answers

_RETRIED = {
    401: "sendgrid_key",
    403: "sendgrid_forbidden",
    407: "proxy_auth",
    408: "sendgrid_408",
    429: "sendgrid_429",
    503: "sendgrid_503",
}
_OURS = frozenset({401, 403, 407})
"""The key, the account or the way out: no lead's fault, so no attempt of a lead's."""
_WORDS = frozenset(
    {"personalizations", "to", "email", "name", "custom_args", TOUCH_ARG, "from", "reply_to", "subject"}
    | {"headers", "content", "type", "value", "categories", "tracking_settings", "click_tracking", "enable"}
    | {"enable_text", "open_tracking", "subscription_tracking", "ganalytics"}
)
_FIELD = re.compile(r"[a-z_]+(\.[0-9]{1,4})?(\.[a-z_]+(\.[0-9]{1,4})?){0,6}")
_RECIPIENT = "personalizations.0.to.0.email"
_NO_ADDRESS = "does not contain a valid address"
_BAD_MAILBOX_SYNTAX = "5.1.3"  # RFC 3463


def result_of(status: int, headers: Mapping[str, str], body: bytes, now: float) -> SendResult:
    """What became of a message that was answered so. ``now``: unix seconds. ``detail`` is a code (R2).

    Accepted is 202 alone: 200 is the answer of a mode that sends nothing and that is never asked for, or
    of somebody in between, so it is not known what became of the message.
    """
    if status == 202:
        return SendResult(Outcome.ACCEPTED, provider_ref=_header(headers, "X-Message-Id"))
    if status in _RETRIED:
        detail = "sendgrid_credits" if status == 401 and b"credits" in body else _RETRIED[status]
        pause = wait_s(status, headers, now)
        return SendResult(Outcome.RETRY, detail=detail, retry_after_s=pause, ours=status in _OURS)
    if 400 <= status < 500:
        return SendResult(Outcome.REJECTED, detail=_refusal(status, body))
    return SendResult(Outcome.AMBIGUOUS, detail=f"sendgrid_{status}")


def wait_s(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until it makes sense to ask again, as the answer says: 1 to LONGEST_WAIT_S; None: unsaid."""
    if status not in (408, 429, 503):
        return None
    told = _header(headers, "Retry-After")
    seconds = _number(told)
    if seconds is None and told:
        moment = _moment(told)
        seconds = None if moment is None else moment - _server_time(headers, now)
    if seconds is None:
        seconds = _until_reset(headers, now)
    return None if seconds is None else min(max(seconds, 1.0), LONGEST_WAIT_S)


def pause_s(status: int, headers: Mapping[str, str], now: float) -> float:
    """Seconds in which no further call should be made: the allowance is used up. 0: none."""
    if status == 429:
        return wait_s(status, headers, now) or 0.0
    if _number(_header(headers, "X-RateLimit-Remaining")) != 0:
        return 0.0
    return min(max(_until_reset(headers, now) or 0.0, 0.0), LONGEST_WAIT_S)


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    reset = _number(_header(headers, "X-RateLimit-Reset"))
    return None if reset is None else reset - _server_time(headers, now)


def _server_time(headers: Mapping[str, str], now: float) -> float:
    """By the clock that made the deadline: ours may be wrong."""
    told = _moment(_header(headers, "Date") or "")
    return now if told is None else told


def _moment(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", text) else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((str(v).strip() for k, v in headers.items() if k.lower() == name.lower()), None) or None


def _refusal(status: int, body: bytes) -> str:
    """``sendgrid_400_FIELD``: only names that stand in our own requests, never the server's words.

    With 5.1.3 at its end where the recipient's address, and nothing else, is what it refused.
    """
    errors = errors_of(body)
    known = next((field for field, _ in errors if _is_ours(field)), None)
    detail = f"sendgrid_{status}" + (f"_{known}" if known else "")
    about_address = errors and all(f == _RECIPIENT and m.startswith(_NO_ADDRESS) for f, m in errors)
    return f"{detail}_{_BAD_MAILBOX_SYNTAX}" if status == 400 and about_address else detail


def _is_ours(field: str) -> bool:
    """Whether it is made of names in our requests; two numbers in a row could read as a status."""
    return bool(_FIELD.fullmatch(field)) and set(re.findall(r"[a-z_]+", field)) <= _WORDS


def errors_of(body: bytes) -> list[tuple[str, str]]:
    """(field or "", message in small letters) of each error of an answer; none where it is no such JSON."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    errors = found.get("errors") if isinstance(found, dict) else None
    return [
        (str(e.get("field") or ""), str(e.get("message") or "").strip().casefold())
        for e in (errors if isinstance(errors, list) else [])
        if isinstance(e, dict)
    ]
