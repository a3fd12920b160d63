"""What POST /v3/mail/send refuses although its description allows it. Pure.

Rules and wording: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors, the vendor's
description (its prose) and answers quoted in issues of its SDKs. Where only the rule is known, not its
wording, the sentence is ours.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

RECIPIENTS = 1000
ARGS_BYTES = 10_000
AHEAD_S = 72 * 3600
RESERVED_HEADERS = frozenset(
    (
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-transfer-encoding",
        "content-type",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    )
)
Problem = tuple[str, str]
"""(field as the vendor writes it, message)"""

_ORDER = (
    "Following RFC 1341, section 7.2, if either text/html or text/plain are to be sent in your email: "
    "text/plain needs to be first, followed by text/html, followed by any other content."
)
_NO_CONTENT = (
    "Unless a valid template_id is provided, the content parameter is required. There must be at least one "
    "defined content block. We typically suggest both text/plain and text/html blocks are included, but only "
    "one block is required."
)
_NO_SUBJECT = (
    "The subject is required. You can get around this requirement if you use a template with a subject "
    "defined or if every personalization has a subject defined."
)


def problems(request: Mapping[str, Any], now: datetime, batches: frozenset[str]) -> list[Problem]:
    """Everything wrong with a request that keeps the description. ``batches``: the batch ids handed out."""
    found = [*_recipients(request), *_words(request), *_settings(request, batches), *_attachments(request)]
    places = [("", request)]
    places += [(f"personalizations.{n}.", one) for n, one in enumerate(request["personalizations"])]
    for prefix, place in places:
        found += _headers(prefix, place.get("headers") or {})
        found += _args(prefix, place.get("custom_args") or {})
        found += _send_at(prefix, place.get("send_at"), now)
    return found


def _recipients(request: Mapping[str, Any]) -> Iterator[Problem]:
    people = request["personalizations"]
    if not people:
        yield "personalizations", "You must have at least one personalization."
    total = 0
    for n, one in enumerate(people):
        if not one["to"]:
            yield (
                f"personalizations.{n}.to",
                "The to array is required for all personalization objects, and must have at least one email "
                "object with a valid email address.",
            )
        seen: set[str] = set()
        for kind in ("to", "cc", "bcc"):
            for person in one.get(kind) or ():
                total += 1
                if person["email"].lower() in seen:
                    yield (
                        f"personalizations.{n}",
                        "Each email address in the personalization block should be unique between to, cc, "
                        f"and bcc. We found the first duplicate instance of [{person['email']}] in the "
                        f"personalizations.{n}.{kind} field.",
                    )
                seen.add(person["email"].lower())
    if total > RECIPIENTS:
        yield "personalizations", "There is a limit of 1000 total recipients (to + cc + bcc) per request."


def _words(request: Mapping[str, Any]) -> Iterator[Problem]:
    templated = bool(request.get("template_id"))
    subjects = [one.get("subject") for one in request["personalizations"]]
    if not templated and not (request.get("subject") or "").strip() and not all(subjects):
        yield "subject", _NO_SUBJECT
    parts = request.get("content") or []
    if not parts and not templated:
        yield "content", _NO_CONTENT
    for n, part in enumerate(parts):
        if any(mark in part["type"] for mark in (";", "\r", "\n")):
            yield f"content.{n}.type", "The content type parameter cannot contain ';', or CRLF characters."
        if not part["value"].strip():
            yield f"content.{n}.value", "The content value must be a string at least one character in length."
    ranks = [{"text/plain": 0, "text/html": 1}.get(part["type"], 2) for part in parts]
    if ranks != sorted(ranks):
        yield "content", _ORDER


def _headers(prefix: str, headers: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in headers.items():
        field = f"{prefix}headers.{name}"
        if name.lower() in RESERVED_HEADERS:
            yield field, "Header can not be one of the reserved keys."
        elif not isinstance(value, str):
            yield field, "The header value must be a string."
        elif not (name.isascii() and value.isascii()):
            yield field, "The header must be properly encoded if it contains unicode characters."
        elif any(mark in name + value for mark in "\r\n"):
            yield field, "The header must not contain CRLF characters."


def _args(prefix: str, args: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in args.items():
        if not isinstance(value, str):
            yield f"{prefix}custom_args.{name}", "The custom_args values must be strings."
    if len(json.dumps(args, ensure_ascii=False, separators=(",", ":")).encode()) > ARGS_BYTES:
        yield f"{prefix}custom_args", "The total size of custom_args may not exceed 10,000 bytes."


def _send_at(prefix: str, send_at: int | None, now: datetime) -> Iterator[Problem]:
    if send_at is not None and send_at > now.timestamp() + AHEAD_S:
        yield f"{prefix}send_at", "Scheduling more than 72 hours in advance is forbidden."


def _settings(request: Mapping[str, Any], batches: frozenset[str]) -> Iterator[Problem]:
    if request.get("reply_to") and request.get("reply_to_list"):
        yield "reply_to", "Use either the reply_to or the reply_to_list property, but not both."
    batch = request.get("batch_id")
    if batch is not None and batch not in batches:
        yield "batch_id", "The batch_id is not valid."
    settings = request.get("mail_settings") or {}
    bypasses = [name for name, one in settings.items() if name.startswith("bypass") and one.get("enable")]
    if "bypass_list_management" in bypasses and len(bypasses) > 1:
        yield "mail_settings", "bypass_list_management cannot be combined with any other bypass filters."


def _attachments(request: Mapping[str, Any]) -> Iterator[Problem]:
    for n, one in enumerate(request.get("attachments") or ()):
        try:
            base64.b64decode(one["content"], validate=True)
        except (binascii.Error, ValueError):
            yield f"attachments.{n}.content", "The attachment content must be base64 encoded."
