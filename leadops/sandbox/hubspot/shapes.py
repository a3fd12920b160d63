"""Shapes of requests and answers: which fields a body may have, and how a record looks as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leadops.sandbox.hubspot.portal import Portal, Record
from leadops.sandbox.hubspot.refusals import invalid
from leadops.sandbox.hubspot.schema import DEFAULTS, SINGULAR, always
from leadops.sandbox.hubspot.values import stamp, stamp_ms


def fields(value: Any, allowed: Iterable[str], required: Iterable[str] = (), where: str = "body") -> Any:
    """``value`` as an object with only these fields. Raises RefusedError (400)."""
    if not isinstance(value, dict):
        raise invalid(f"Invalid input JSON: {where} must be an object")
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        raise invalid(f'Invalid input JSON: Unrecognized field "{unknown[0]}" in {where}')
    missing = [name for name in required if value.get(name) is None]
    if missing:
        raise invalid(f"Some required fields were not set: [{', '.join(missing)}]")
    return value


def text(value: Any, name: str) -> str:
    """``value`` as non-empty text. Raises RefusedError (400)."""
    if not isinstance(value, str) or not value:
        raise invalid(f"Invalid input JSON: {name} must be a non-empty string")
    return value


def names(value: Any, name: str) -> list[str]:
    """``value`` as a list of texts. Raises RefusedError (400)."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise invalid(f"Invalid input JSON: {name} must be an array of strings")
    return value


def string_map(value: Any, name: str) -> dict[str, str]:
    """``value`` as an object whose values are text. Raises RefusedError (400)."""
    if not isinstance(value, dict):
        raise invalid(f"Invalid input JSON: {name} must be an object")
    odd = sorted(key for key, each in value.items() if not isinstance(each, str))
    if odd:
        raise invalid(f"Invalid input JSON: the value of {name}.{odd[0]} must be a string")
    return value


def whole(value: Any, name: str, low: int, high: int) -> int:
    """``value`` as a whole number in bounds, text or not. Raises RefusedError (400)."""
    try:
        number = int(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise invalid(f"{name} must be a whole number")
    if not low <= number <= high:
        raise invalid(f"{name} must be between {low} and {high}, was {number}")
    return number


def listed(query: Mapping[str, str], name: str) -> list[str]:
    """A comma-separated query parameter."""
    return [each.strip() for each in query.get(name, "").split(",") if each.strip()]


def record_json(
    portal: Portal,
    record: Record,
    wanted: Iterable[str] = (),
    *,
    history_of: Iterable[str] = (),
    values: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """A record with the properties ``wanted`` (none: the type's defaults), blank ones null.

    Unknown names are left out, as the vendor does. ``values``: the properties to show where they are not
    the current ones.
    """
    shown = record.properties if values is None else values
    known = portal.properties[record.object_type]
    chosen = [name for name in wanted if name in known] or (() if wanted else DEFAULTS[record.object_type])
    carried = dict.fromkeys([*chosen, *always(record.object_type)])
    said: dict[str, Any] = {
        "id": record.id,
        "properties": {name: shown.get(name) for name in sorted(carried)},
        "createdAt": stamp(record.created_at),
        "updatedAt": shown[always(record.object_type)[-1]],
        "archived": False,
    }
    with_history = [name for name in history_of if name in known]
    if with_history:
        said["propertiesWithHistory"] = {name: _history(record, name) for name in with_history}
    return said


def _history(record: Record, name: str) -> list[dict[str, Any]]:
    """Versions of a property, newest first."""
    return [
        {
            "value": each.value or "",
            "timestamp": stamp_ms(each.at_ms),
            "sourceType": each.source,
            **({"sourceId": each.source_id} if each.source_id else {}),
        }
        for each in reversed(record.history.get(name, []))
    ]


def associations_json(portal: Portal, record: Record, others: Iterable[str]) -> dict[str, Any]:
    """The ``associations`` member of a record that was asked for with some."""
    said: dict[str, Any] = {}
    for other in others:
        ids = portal.associated(record.object_type, record.id, other)
        if ids:
            kind = f"{SINGULAR[record.object_type]}_to_{SINGULAR[other]}"
            said[other] = {"results": [{"id": each, "type": kind} for each in ids]}
    return {"associations": said} if said else {}
