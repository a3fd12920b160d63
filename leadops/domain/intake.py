"""The wire shape of one event and what is wrong with it, if anything. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from leadops.domain.keys import Keyring
from leadops.errors import BadInput
from leadops.terms import Contact, EventKind, LeadEvent, stable_id

FUTURE_TOLERANCE = timedelta(minutes=10)
MAX_TEXT = 20_000
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def _blank_is_none(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        return value or None
    return value


Text = Annotated[
    str | None,
    BeforeValidator(lambda v: str(v) if isinstance(v, int) else v),
    BeforeValidator(_blank_is_none),
]


class WireContact(BaseModel):
    """Blank strings count as absent. Unknown fields are refused, so that a typo is not silently lost."""

    model_config = ConfigDict(extra="forbid", str_max_length=500)

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

    source: str = Field(min_length=1, max_length=100)
    id: Annotated[str | None, BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)] = Field(
        None, max_length=500
    )
    kind: EventKind
    occurred_at: datetime | date
    contact: WireContact = WireContact()
    properties: dict[str, Any] = Field(default_factory=dict)
    consent: dict[str, Any] = Field(default_factory=dict)
    day_precision: Literal[True, False] = False


def _say(error: ValidationError) -> str:
    problems = [f"{'.'.join(str(p) for p in e['loc']) or 'event'}: {e['msg']}" for e in error.errors()[:5]]
    return "; ".join(problems)


def _no_nul(value: Any) -> Any:
    """Postgres text cannot hold U+0000 nor lone surrogates: drop them rather than the event."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]
    if isinstance(value, dict):
        return {_no_nul(k): _no_nul(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_no_nul(v) for v in value]
    return value


def parse_event(raw: Mapping[str, Any], *, now: datetime, keyring: Keyring) -> LeadEvent:
    """The accepted event, or :class:`BadInput` saying which field is wrong and why.

    Without an ``id`` a keyed digest of the event is its id: the same event posted twice is one event.
    A date without time is the start of that day in UTC, marked ``day_precision``.
    """
    data = _no_nul(dict(raw))
    try:
        wire = WireEvent.model_validate(data)
    except ValidationError as error:
        raise BadInput("invalid_event", _say(error)) from None
    occurred, by_day = _moment(wire.occurred_at, given=data.get("occurred_at"))
    if occurred > now + FUTURE_TOLERANCE:
        raise BadInput("invalid_event", "occurred_at: is in the future; check the sender's clock or zone")
    if occurred < _EARLIEST:
        raise BadInput(
            "invalid_event", "occurred_at: is before 1990; check its unit (seconds, not milliseconds)"
        )
    contact = Contact(**wire.contact.model_dump())
    if not (contact.email or contact.phone or contact.crm_id or _refers(wire.properties)):
        raise BadInput(
            "invalid_event",
            "contact: needs an email, a phone or a crm_id (or properties must cite a message of ours)",
        )
    source_id = wire.id or keyring.digest("event", _canonical(data))
    return LeadEvent(
        event_id=stable_id("evt", wire.source, source_id),
        source=wire.source,
        source_event_id=source_id,
        kind=wire.kind,
        occurred_at=occurred,
        received_at=now,
        contact=contact,
        properties=wire.properties,
        consent=wire.consent,
        day_precision=wire.day_precision or by_day,
    )


def _moment(value: datetime | date, given: Any) -> tuple[datetime, bool]:
    """An aware UTC instant, and whether only a day was given. Naive times are taken as UTC."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC), True
    by_day = isinstance(given, str) and len(given.strip()) == 10  # "2018-02-01"
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC), by_day


def _refers(properties: Mapping[str, Any]) -> bool:
    return any(properties.get(k) for k in ("in_reply_to", "references", "reply_token", "touch_id", "emails"))


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)


def payload_of(event: LeadEvent) -> dict[str, Any]:
    """The personal part of an event, for ``event_payloads``."""
    contact = {f: v for f in Contact.__dataclass_fields__ if (v := getattr(event.contact, f)) is not None}
    return {"contact": contact, "properties": dict(event.properties), "consent": dict(event.consent)}
