"""The wire shape of one event and what is wrong with it, if anything. No I/O."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from leadops.domain.addresses import canonical_email
from leadops.domain.keys import MANUAL_IDENTITY_KINDS, MAX_LISTED, Keyring, identity_keys
from leadops.errors import BadInput
from leadops.terms import Contact, Disposition, EventKind, LeadEvent, stable_id

FUTURE_TOLERANCE = timedelta(minutes=10)
DAY_TOLERANCE = timedelta(hours=14)
"""A date without a time is taken as UTC; where the day begins first it begins this much earlier."""
MAX_TEXT = 20_000
MAX_DEPTH = 50
_MAX_INTEGER = 10**300
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _blank_is_none(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        return value or None
    return value


def _number_is_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[
    Annotated[str, Field(max_length=500)] | None,
    BeforeValidator(_number_is_text),
    BeforeValidator(_blank_is_none),
]


class WireContact(BaseModel):
    """Blank strings count as absent. Unknown fields are refused, so that a typo is not silently lost."""

    model_config = ConfigDict(extra="forbid")

    email: Text = None
    name: Text = None
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    title: Text = None
    phone: Text = None
    country: Text = None
    timezone: Text = None
    company_size: Annotated[int | None, Field(ge=0, le=10_000_000), BeforeValidator(_blank_is_none)] = None
    crm_id: Text = None


class WireEvent(BaseModel):
    """One object of ``POST /v1/events``, one mapped row of a file."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, BeforeValidator(_blank_is_none), Field(max_length=100)]
    id: Text = None
    kind: EventKind
    occurred_at: Annotated[datetime | date, BeforeValidator(_blank_is_none)]
    contact: WireContact = WireContact()
    properties: dict[str, Any] = Field(default_factory=dict)
    consent: dict[str, Any] = Field(default_factory=dict)
    day_precision: Literal[True, False] = False


def _say(error: ValidationError) -> str:
    problems = [f"{'.'.join(str(p) for p in e['loc']) or 'event'}: {e['msg']}" for e in error.errors()[:5]]
    return "; ".join(problems)


def storable(value: Any, depth: int = 0) -> Any:
    """A value as JSON that Postgres can hold, whatever came; for what is refused and kept as it was.

    U+0000 and lone surrogates are dropped, NaN and what JSON has no type for become text, what is nested
    more than ``MAX_DEPTH`` deep is cut off.
    """
    if depth > MAX_DEPTH:
        return "(nested too deeply)"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {_clean(str(k)): storable(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [storable(v, depth + 1) for v in value]
    if isinstance(value, int) and abs(value) < _MAX_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return _clean(_text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ("(huge number)" if isinstance(value, int) else str(value))


def _clean(text: str) -> str:
    """Postgres text cannot hold U+0000 nor lone surrogates: drop them rather than the event."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]


def _unstorable(value: Any, path: str = "event", depth: int = 0) -> str | None:
    """Which part of an event Postgres cannot hold as JSON, and why; None where it can."""
    if depth > MAX_DEPTH:
        return f"{path}: is nested more than {MAX_DEPTH} levels deep"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{path}: NaN and infinite numbers are not JSON"
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        return f"{path}: is too big a number"
    parts: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        parts = [(_clean(str(k))[:50], v) for k, v in value.items()]
    elif isinstance(value, list):
        parts = [(str(i), v) for i, v in enumerate(value)]
    for name, part in parts:
        if why := _unstorable(part, f"{path}.{name}" if depth else name, depth + 1):
            return why[:500]
    return None


def parse_event(raw: Mapping[str, Any], *, now: datetime, keyring: Keyring) -> LeadEvent:
    """The accepted event, or :class:`BadInput` saying which field is wrong and why.

    Without an ``id`` a keyed digest of the event is its id: the same event posted twice is one event.
    A date without time is the start of that day in UTC, marked ``day_precision``.
    """
    if not isinstance(raw, Mapping):
        raise BadInput("invalid_event", "event: must be an object")
    if why := _unstorable(raw):
        raise BadInput("invalid_event", why)
    data = storable(raw)
    try:
        wire = WireEvent.model_validate(data)
    except ValidationError as error:
        raise BadInput("invalid_event", _say(error)) from None
    occurred, by_day = _moment(wire.occurred_at, given=data.get("occurred_at"))
    by_day = by_day or wire.day_precision
    if occurred > now + (DAY_TOLERANCE if by_day else FUTURE_TOLERANCE):
        raise BadInput("invalid_event", "occurred_at: is in the future; check the sender's clock or zone")
    if occurred < _EARLIEST:
        raise BadInput(
            "invalid_event", "occurred_at: is before 1990; check its unit (seconds, not milliseconds)"
        )
    source_id = wire.id or keyring.digest("event", _canonical(data))
    event = LeadEvent(
        event_id=stable_id("evt", wire.source, source_id),
        source=wire.source,
        source_event_id=source_id,
        kind=wire.kind,
        occurred_at=occurred,
        received_at=now,
        contact=Contact(**wire.contact.model_dump()),
        properties=wire.properties,
        consent=wire.consent,
        day_precision=by_day,
    )
    if wrong := _wrong_properties(event) or _nobody(event, keyring):
        raise BadInput("invalid_event", wrong)
    return event


def _wrong_properties(event: LeadEvent) -> str | None:
    """A person's decision must be understood in full, or it would silently do nothing."""
    if event.kind is EventKind.DISPOSITION:
        words = [d.value for d in Disposition]
        if event.properties.get("disposition") not in words:
            return f"properties.disposition: must be one of {', '.join(words)}"
    if event.kind in MANUAL_IDENTITY_KINDS:
        listed = event.properties.get("emails")
        given = [e for e in listed if isinstance(e, str)] if isinstance(listed, list) else []
        if len(given) > MAX_LISTED or len({c for e in given if (c := canonical_email(e))}) < 2:
            return f"properties.emails: must list 2 to {MAX_LISTED} different email addresses"
    return None


def _nobody(event: LeadEvent, keyring: Keyring) -> str | None:
    """Why nobody could tell whose event this is; None where somebody can."""
    contact = event.contact
    if identity_keys(event, keyring) or _refers(event.properties):
        return None
    if contact.email:
        return "contact.email: is not an email address, and there is no usable phone or crm_id"
    if contact.phone:
        return "contact.phone: is not a number one can call (give it with + or contact.country)"
    return "contact: needs an email, a phone or a crm_id (or properties must cite a message of ours)"


def _moment(value: datetime | date, given: Any) -> tuple[datetime, bool]:
    """An aware UTC instant, and whether only a day was given. Naive times are taken as UTC."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC), True
    by_day = isinstance(given, str) and _DATE.fullmatch(given.strip()) is not None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC), by_day
    except OverflowError:  # the first or last hours a datetime can hold, in a zone far from UTC
        raise BadInput("invalid_event", "occurred_at: is not a date that can be") from None


def _refers(properties: Mapping[str, Any]) -> bool:
    return any(properties.get(k) for k in ("in_reply_to", "references", "reply_token", "touch_id"))


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)


def payload_of(event: LeadEvent) -> dict[str, Any]:
    """The personal part of an event, for ``event_payloads``."""
    contact = {f: v for f in Contact.__dataclass_fields__ if (v := getattr(event.contact, f)) is not None}
    return {"contact": contact, "properties": dict(event.properties), "consent": dict(event.consent)}
