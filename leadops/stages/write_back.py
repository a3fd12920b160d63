"""The CRM outbox is drained: every action told once, in the CRM's own time; mail never waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from leadops.playbook.model import Delivery
from leadops.providers.crm.port import CrmPort, Writeback, WritebackResult
from leadops.stages.drafting import code_of
from leadops.stages.report import Report
from leadops.stages.settle import backoff
from leadops.store import crm as outbox
from leadops.store.engine import transaction
from leadops.terms import Outcome

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 20


def write_back(
    engine: Engine, crm: CrmPort, delivery: Delivery, *, now: datetime, limit: int = 500
) -> Report:
    """Tell the CRM up to ``limit`` due actions. Counts: done, retry, failed.

    A crash after the call and before the record tells again after the lease; the adapter
    deduplicates by key, so the CRM holds it once (R28).
    """
    report = Report("write_back")
    with transaction(engine) as connection:
        claimed = outbox.claim_writebacks(connection, now=now, limit=limit, lease=LEASE)
    items = [
        Writeback(
            dedupe_key=c["dedupe_key"],
            kind=c["kind"],
            lead_id=c["lead_id"],
            crm_ids=tuple((source, crm_id) for source, crm_id in (c["who"] or {}).get("crm_ids") or ()),
            payload=c["payload"],
            contact=(c["who"] or {}).get("contact") or {},
        )
        for c in sorted(claimed, key=lambda c: (c["created_at"], c["dedupe_key"]))
    ]
    attempts = {c["dedupe_key"]: c["attempts"] for c in claimed}
    results = _told(crm, items) if items else []
    with transaction(engine) as connection:
        done = [r.dedupe_key for r in results if r.outcome is Outcome.ACCEPTED]
        outbox.writebacks_done(connection, done, now=now)
        report.count("done", len(done))
        for result in results:
            if result.outcome is Outcome.ACCEPTED:
                continue
            tries = attempts[result.dedupe_key]
            if result.outcome is Outcome.REJECTED or tries >= MAX_ATTEMPTS:
                outbox.writeback_failed(connection, result.dedupe_key, now=now, detail=result.detail)
                report.count("failed")
            else:
                _again(connection, result, tries, delivery, now, report)
        report.pending = outbox.writebacks_pending(connection)
    report.lead_ids |= {c["lead_id"] for c in claimed}
    return report


def _told(crm: CrmPort, items: Sequence[Writeback]) -> list[WritebackResult]:
    """A CRM that cannot be reached at all, or an adapter that breaks, has taken nothing for certain."""
    try:
        return crm.write(items)
    except Exception as error:  # noqa: BLE001 - whatever it met, every item is told again
        code = code_of(error, "crm")
        return [WritebackResult(item.dedupe_key, Outcome.RETRY, code) for item in items]


def _again(
    connection: Connection,
    result: WritebackResult,
    tries: int,
    delivery: Delivery,
    now: datetime,
    report: Report,
) -> None:
    due = now + backoff(delivery, tries)
    outbox.writeback_retry(connection, result.dedupe_key, due=due, detail=result.detail)
    report.count("retry")
