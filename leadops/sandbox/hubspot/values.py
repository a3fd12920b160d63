"""How HubSpot keeps values: text of one canonical form per property type, so that text can be compared.

Date-times are ``2026-11-22T08:15:00.123Z``, dates ``2026-11-22``; both sort as text. Written they may be
ISO 8601 or milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Any

from leadops.sandbox.hubspot.schema import Property

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970, cut off as HubSpot does. ``at`` has a time zone."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The moment ``ms`` milliseconds after 1970, in UTC."""
    return EPOCH + timedelta(milliseconds=ms)


def stamp(at: datetime) -> str:
    """``at`` as HubSpot writes a date-time."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def stamp_ms(ms: int) -> str:
    """``ms`` milliseconds after 1970 as HubSpot writes a date-time."""
    return stamp(from_ms(ms))


class UnfitError(ValueError):
    """A value its property does not take. ``code`` is the vendor's: INVALID_DATE, INVALID_OPTION ..."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def canonical(known: Property, value: Any, owners: Collection[str] = ()) -> str | None:
    """``value`` as HubSpot would keep it; None for blank. ``owners``: ids hubspot_owner_id may have.

    Raises UnfitError.
    """
    if value is None or value == "":
        return None
    text = _text(value)
    if known.name == "hubspot_owner_id":
        if text not in owners:
            raise UnfitError("INVALID_OWNER_ID", f"owner {text} does not exist in this account")
        return text
    return _BY_TYPE.get(known.type, _same)(known, text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _same(_known: Property, text: str) -> str:
    return text


def _number(_known: Property, text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        raise UnfitError("INVALID_LONG", f"{text} was not a valid number.") from None
    if "_" in text or not isfinite(number):
        raise UnfitError("INVALID_LONG", f"{text} was not a valid number.")
    return text.strip()


def _moment(text: str) -> datetime:
    """ISO 8601 with an offset, or milliseconds. Raises ValueError."""
    if text.lstrip("-").isdigit():
        return from_ms(int(text))
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _datetime(_known: Property, text: str) -> str:
    try:
        return stamp(_moment(text))
    except (ValueError, OverflowError):
        raise UnfitError("INVALID_DATE", f"{text} was not a valid date.") from None


def _date(_known: Property, text: str) -> str:
    """A date property takes a plain date, or a moment that is midnight in UTC."""
    try:
        if len(text) == len("2026-11-22") and not text.isdigit():
            return date.fromisoformat(text).isoformat()
        at = _moment(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnfitError("INVALID_DATE", f"{text} was not a valid date.") from None
    if (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
        raise UnfitError("INVALID_DATE", f"{text} is at {at:%H:%M:%S} UTC, not midnight!")
    return at.date().isoformat()


def _bool(_known: Property, text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise UnfitError("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
    return text.lower()


def _option(known: Property, text: str) -> str:
    allowed = [value for value, _ in known.options]
    chosen = text.split(";") if known.field_type == "checkbox" else [text]
    for each in chosen:
        if allowed and each and each not in allowed:
            listed = ", ".join(allowed)
            raise UnfitError("INVALID_OPTION", f"{each} was not one of the allowed options: [{listed}]")
    return text


_BY_TYPE = {
    "number": _number,
    "datetime": _datetime,
    "date": _date,
    "bool": _bool,
    "enumeration": _option,
}
