"""Lead states of whom little is known."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from leadops.terms import LeadState


def state(**known: Any) -> LeadState:
    """A lead of whom nothing is known but ``known``."""
    blank: dict[str, Any] = dict.fromkeys((f.name for f in dataclasses.fields(LeadState)), None)
    blank |= {
        "emails": (),
        "crm_ids": (),
        "kinds": {},
        "consent": {},
        "last_event_at": datetime(2024, 1, 1, tzinfo=UTC),
    }
    return LeadState(**{**blank, **known})
