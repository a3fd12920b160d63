"""Events for tests of the domain, made the way ingestion makes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from leadops.domain.identity import part
from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring, identity_keys
from leadops.terms import LeadEvent

KEYRING = Keyring(b"test")
NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)


def raw(
    kind: str = "form_submitted", email: str | None = "anna@acme.example", **given: Any
) -> dict[str, Any]:
    """An event on the wire; ``hours`` before NOW, ``id``, ``source``, ``properties``, contact fields."""
    hours = given.pop("hours", 1.0)
    event = {
        "source": given.pop("source", "web"),
        "kind": kind,
        "occurred_at": given.pop("at", (NOW - timedelta(hours=hours)).isoformat()),
        "properties": given.pop("properties", {}),
        "consent": given.pop("consent", {}),
    }
    if "id" in given:
        event["id"] = given.pop("id")
    return event | {"contact": ({"email": email} if email else {}) | given}


def event(kind: str = "form_submitted", email: str | None = "anna@acme.example", **given: Any) -> LeadEvent:
    return parse_event(raw(kind, email, **given), now=NOW, keyring=KEYRING)


def persons(events: Iterable[LeadEvent]) -> list[frozenset[str]]:
    """The people these events are of, each as the set of their event ids."""
    listed = list(events)
    return part(listed, {e.event_id: identity_keys(e, KEYRING) for e in listed}).persons
