"""Leads that changed -> what is known of them beyond their own words, with provenance per field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.fold import digest_of, state_from_json
from leadops.providers.enrichment.port import EnrichmentPort
from leadops.stages.report import Report
from leadops.store import leads as store
from leadops.store.engine import TEXTS, on_conflict_update, put, rows, sql, transaction
from leadops.store.tables import enrichments
from leadops.terms import EvidenceField

FLAG = "pending_enrichment"
_STORED = sql("select lead_id, provider, fields from enrichments where lead_id = any(:ids)", ids=TEXTS)


def enrich(engine: Engine, providers: Sequence[EnrichmentPort], *, now: datetime, limit: int = 500) -> Report:
    """Enrich up to ``limit`` leads. Counts: enriched, fields, parked.

    A provider that fails on one lead leaves that lead to its own words; the first touch never waits.
    """
    report = Report("enrich")
    with transaction(engine) as connection:
        claimed = store.claim(connection, FLAG, limit)
        values = []
        for lead in claimed:
            values += _enrich_one(lead, providers, now, report)
        _save(connection, values)
        ids = [lead["lead_id"] for lead in claimed]
        report.pending = store.enriched(connection, ids)
        store.park(connection, "enrich", report.parked, now=now)
        report.count("fields", sum(len(v["fields"]) for v in values))
        report.lead_ids |= set(ids)
    return report


def _enrich_one(
    lead: Mapping[str, Any], providers: Sequence[EnrichmentPort], now: datetime, report: Report
) -> list[dict[str, Any]]:
    """What each provider finds; one that fails leaves what the others found."""
    found: list[dict[str, Any]] = []
    for provider in providers:
        try:
            fields = {n: asdict(f) for n, f in provider.enrich(state_from_json(lead["state"])).items()}
        except Exception as error:  # noqa: BLE001 - one provider on one lead must not hold up the others
            report.parked[lead["lead_id"]] = f"enrich_{provider.name}_{type(error).__name__}"
            report.count("parked")
            continue
        found.append(
            {
                "lead_id": lead["lead_id"],
                "provider": provider.name,
                "fields": fields,
                "inputs_hash": digest_of(lead["state"]),
                "cost_usd": 0.0,
                "enriched_at": now,
            }
        )
    report.count("enriched", bool(found))
    return found


def _save(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    put(connection, enrichments, values, _AGAIN)


_AGAIN = on_conflict_update("lead_id, provider", "fields", "inputs_hash", "cost_usd", "enriched_at")


def evidence_of(connection: Connection, lead_ids: Sequence[str]) -> dict[str, dict[str, EvidenceField]]:
    """lead_id -> field -> value with provenance, all providers together."""
    found: dict[str, dict[str, EvidenceField]] = {i: {} for i in lead_ids}
    for row in rows(connection, _STORED, ids=sorted(lead_ids)):
        found[row["lead_id"]] |= {name: EvidenceField(**f) for name, f in row["fields"].items()}
    return found
