"""What is known of leads beyond their own words, with provenance: read from the database, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.domain.enriching import merge
from leadops.store.engine import TEXTS, rows, sql
from leadops.terms import EvidenceField

_TOLD = sql(
    "select lead_id, provider, rank, fields, enriched_at from enrichments where lead_id = any(:ids)",
    ids=TEXTS,
)


@dataclass(frozen=True, slots=True)
class Told:
    """One provider's word on a lead. ``rank``: lower ones win; ``at``: when it became the lead's."""

    provider: str
    rank: int
    at: datetime
    fields: Mapping[str, EvidenceField]


def told(connection: Connection, lead_ids: Iterable[str]) -> dict[str, list[Told]]:
    """lead_id -> what each provider has said; every lead is named."""
    found: dict[str, list[Told]] = {i: [] for i in lead_ids}
    for row in rows(connection, _TOLD, ids=sorted(found)):
        found[row["lead_id"]].append(told_in(row))
    return found


def told_in(row: Mapping[str, Any]) -> Told:
    """A row of ``enrichments``."""
    fields = {name: from_json(f) for name, f in row["fields"].items()}
    return Told(row["provider"], row["rank"], row["enriched_at"], fields)


def evidence_of(connection: Connection, lead_ids: Sequence[str]) -> dict[str, dict[str, EvidenceField]]:
    """lead_id -> field -> value with provenance; of what several say, the first of the waterfall's word."""
    return {lead_id: merged(said) for lead_id, said in told(connection, lead_ids).items()}


def merged(said: Sequence[Told]) -> dict[str, EvidenceField]:
    """Field -> the word of the lowest rank that has one; of one rank, by name."""
    if len(said) == 1:
        return dict(said[0].fields)
    order = [t.provider for t in sorted(said, key=lambda t: (t.rank, t.provider))]
    return merge(order, {t.provider: t.fields for t in said})


def to_json(said: EvidenceField) -> dict[str, Any]:
    """As it stands in ``enrichments.fields``."""
    found = {"value": said.value, "provider": said.provider, "source_event_id": said.source_event_id}
    return found | ({"at": said.at.isoformat()} if said.at else {})


def from_json(given: Mapping[str, Any]) -> EvidenceField:
    """The inverse of ``to_json``."""
    at = given.get("at")
    when = datetime.fromisoformat(at) if at else None
    return EvidenceField(given["value"], given["provider"], given.get("source_event_id"), when)
