"""From the bytes of a request to a list of events: limits and JSON, nothing about what an event means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.requests import Request

MAX_EVENTS = 1_000
MAX_BYTES = 1024 * 1024

NOT_AN_OBJECT = "not_an_object"


class RequestError(Exception):
    """The whole request is refused with `status`; the text is for the sender and quotes nothing of it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise RequestError for a body that is not plain JSON or announces itself as too long."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise RequestError(415, "send Content-Type: application/json")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestError(415, "compressed bodies are not accepted; send plain JSON")
    check_length(headers, MAX_BYTES)


def check_length(headers: Mapping[str, str], limit: int) -> None:
    """Raise RequestError for a body that announces itself as longer than ``limit`` bytes."""
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_long(limit)


async def read_body(request: Request, limit: int = MAX_BYTES) -> bytes:
    """The body, never more of it than ``limit`` in memory (a chunked one announces no length)."""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit:
            raise too_long(limit)
    return bytes(chunks)


def parse_events(raw: bytes) -> list[Any]:
    """The events of a body: one object, or a list of 1 to MAX_EVENTS of anything. Raises RequestError."""
    try:
        body = json.loads(raw, parse_constant=_no_such_number)
    except json.JSONDecodeError as error:
        raise RequestError(400, f"malformed JSON at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):  # not UTF-8, NaN, absurdly long numbers or deep nesting
        raise RequestError(400, "malformed JSON") from None
    if isinstance(body, dict):
        return [body]
    if not isinstance(body, list):
        raise RequestError(400, "the body must be one event object or a list of them")
    if not body:
        raise RequestError(400, "the list of events is empty")
    if len(body) > MAX_EVENTS:
        raise RequestError(413, f"at most {MAX_EVENTS} events in one request; this one has {len(body)}")
    return body


def as_items(events: list[Any]) -> list[dict[str, Any]]:
    """Every event as an object. Anything else is wrapped, so that it is quarantined and kept too."""
    return [event if isinstance(event, dict) else {NOT_AN_OBJECT: event} for event in events]


def too_long(limit: int) -> RequestError:
    """The refusal of a body of more than ``limit`` bytes."""
    return RequestError(413, f"at most {limit} bytes in one request; send less at a time")


def _no_such_number(name: str) -> NoReturn:
    raise ValueError(name)
