"""The chain on a clock in the caller's hand: the very stage functions Dagster runs, in the same order."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from leadops.runtime.wiring import House
from leadops.stages.enrich import enrich
from leadops.stages.enrol import enrol, plan_touches
from leadops.stages.fold import fold_pending
from leadops.stages.ingest import PollReport, poll_crm
from leadops.stages.outreach import send_due, tend
from leadops.stages.replies import match_replies
from leadops.stages.report import Report
from leadops.stages.score import score
from leadops.stages.settle import reconcile
from leadops.stages.write_back import write_back
from leadops.store.engine import rows, sql, transaction

_NEXT = sql(
    """select least(
        (select min(due_at) from touches where state = 'planned' and urgency = 0),
        (select min(due_at) from touches where state = 'planned' and urgency = 1),
        (select min(due_at) from touches where state = 'planned' and urgency = 2),
        (select min(finish_at) from enrolments where finish_at is not null
            and state in ('active', 'paused', 'paused_ooo')),
        (select min(resume_at) from enrolments where state in ('paused', 'paused_ooo')
            and resume_at is not null),
        (select min(due_at) from crm_writebacks where state = 'pending')
    ) as next_moment"""
)


T = TypeVar("T")


class Chain:
    """All stages over one house. ``seconds``: wall time spent in each stage so far, by its name."""

    def __init__(self, house: House, batch: int = 500) -> None:
        self.house = house
        self.batch = batch
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def poll(self, now: datetime) -> PollReport:
        """One tick of the CRM."""
        h, limit = self.house, self.batch
        return self._timed(
            "ingest", lambda: poll_crm(h.engine, h.crm, now=now, keyring=h.keyring, limit=limit)
        )

    def pass_once(self, now: datetime) -> list[Report]:
        """Every stage once, in the order a lead lives them."""
        h, limit, timed = self.house, self.batch, self._timed
        reports = [
            timed("replies", lambda: match_replies(h.engine, h.playbook, h.keyring, now=now, limit=limit)),
            timed("fold", lambda: fold_pending(h.engine, h.playbook, h.keyring, now=now, limit=limit)),
            timed("enrich", lambda: enrich(h.engine, h.enrichment, now=now, limit=limit)),
            timed("score", lambda: score(h.engine, h.playbook, now=now, limit=limit)),
            timed("enrol", lambda: enrol(h.engine, h.playbook, h.keyring, now=now, limit=limit)),
            timed("plan", lambda: plan_touches(h.engine, h.playbook, now=now, limit=limit)),
            timed("tend", lambda: tend(h.outreach, now=now)),
        ]
        sent = timed("outreach", lambda: send_due(h.outreach, lambda: now, limit=limit))
        reports += [sent.drafts, sent.dispatches]
        reports.append(
            timed(
                "write_back", lambda: write_back(h.engine, h.crm, h.playbook.delivery, now=now, limit=limit)
            )
        )
        return reports

    def _timed(self, stage: str, run: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return run()
        finally:
            self.seconds[stage] += time.perf_counter() - began

    def run_until_quiet(self, now: datetime) -> None:
        """Pass after pass until a whole pass finds nothing to do."""
        while any(report.did for report in self.pass_once(now)):
            pass

    def reconcile(self, now: datetime) -> Report:
        """What the nightly job does."""
        return reconcile(self.house.engine, self.house.email, self.house.playbook, now=now)

    def next_moment(self, after: datetime) -> datetime | None:
        """When something is due next, never before ``after``; None when nothing is planned."""
        with transaction(self.house.engine) as connection:
            found: datetime | None = rows(connection, _NEXT)[0]["next_moment"]
        return max(found, after) if found is not None else None
