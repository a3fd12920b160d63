"""The chain on a clock in the caller's hand: the very stage functions Dagster runs, in the same order."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar

from leadops.runtime.wiring import House
from leadops.stages.enrich import enrich
from leadops.stages.enrol import enrol, plan_touches
from leadops.stages.escalate import escalate
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
        (select min(due_at) from crm_writebacks where state = 'pending'),
        (select min(enrich_again_at) from leads where enrich_again_at is not null)
    ) as next_moment"""
)
# What each stage would find, in the order of the stages; each part is one look at a partial index.
_PENDING = sql(
    """select
        exists (select 1 from lead_events where pending_reply) as replies,
        exists (select 1 from lead_events where pending_fold and not pending_reply) as fold,
        exists (select 1 from leads where pending_enrichment and merged_into is null)
            or exists (select 1 from leads where enrich_again_at <= :now) as enrich,
        exists (select 1 from leads where pending_score and merged_into is null) as score,
        exists (select 1 from leads where pending_enrolment and merged_into is null) as enrol,
        exists (select 1 from enrolments where pending_plan) as plan,
        exists (select 1 from enrolments where finish_at <= :now
            and state in ('active', 'paused', 'paused_ooo')) or exists (select 1 from enrolments
            where resume_at <= :now and state in ('paused', 'paused_ooo')) as tend,
        exists (select 1 from (values (0), (1), (2)) as u(urgency), lateral (select 1 from touches t
            where t.state = 'planned' and t.urgency = u.urgency and t.due_at <= :now limit 1) d) as outreach,
        exists (select 1 from crm_writebacks where state = 'pending' and due_at <= :now) as write_back"""
)
_FEEDS = {"replies": "fold", "enrich": "score", "score": "enrol", "enrol": "plan"}
"""What one stage does is another's work at once: no need to look."""

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
        return [report for stage in self._stages(now) for report in self._run(stage, now)]

    def _run(self, stage: str, now: datetime) -> list[Report]:
        return self._timed(stage, self._stages(now)[stage])

    def _stages(self, now: datetime) -> Mapping[str, Callable[[], list[Report]]]:
        """Name -> one batch of it, in the order of a pass."""
        h, limit = self.house, self.batch
        return {
            "replies": lambda: [match_replies(h.engine, h.playbook, h.keyring, now=now, limit=limit)],
            "fold": lambda: [fold_pending(h.engine, h.playbook, h.keyring, now=now, limit=limit)],
            "enrich": lambda: [enrich(h.enriching, now=now, limit=limit)],
            "score": lambda: [score(h.engine, h.playbook, now=now, limit=limit)],
            "enrol": lambda: [enrol(h.engine, h.playbook, h.keyring, now=now, limit=limit)],
            "plan": lambda: [plan_touches(h.engine, h.playbook, now=now, limit=limit)],
            "tend": lambda: [tend(h.outreach, now=now)],
            "outreach": lambda: self._send(now),
            "write_back": lambda: [write_back(h.engine, h.crm, h.playbook.delivery, now=now, limit=limit)],
        }

    def _send(self, now: datetime) -> list[Report]:
        sent = send_due(self.house.outreach, lambda: now, limit=self.batch)
        return [sent.drafts, sent.dispatches]

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

    def run_pending(self, now: datetime, *, leave: Collection[str] = ()) -> None:
        """The same end as ``run_until_quiet`` with fewer looks: only stages that have something, the earliest
        first. ``leave``: stages that may wait for a later moment (``write_back``).
        """
        idle = set(leave)
        while stage := next((s for s, found in self.pending(now).items() if found and s not in idle), None):
            while stage and any(report.did for report in self._run(stage, now)):
                stage = _FEEDS.get(stage)
            if stage:
                idle.add(stage)  # what it has, others hold or nobody can do now

    def pending(self, now: datetime) -> dict[str, bool]:
        """Stage -> whether it would find something, in the order of a pass."""
        with transaction(self.house.engine) as connection:
            return self._timed("look", lambda: rows(connection, _PENDING, now=now)[0])

    def escalate(self, now: datetime) -> Report:
        """Handoffs nobody has acted on in time."""
        return self._timed("escalate", lambda: escalate(self.house.engine, self.house.playbook, now=now))

    def reconcile(self, now: datetime) -> Report:
        """What the nightly job does."""
        return reconcile(self.house.engine, self.house.email, self.house.playbook, now=now)

    def next_moment(self, after: datetime) -> datetime | None:
        """When something is due next, never before ``after``; None when nothing is planned."""
        with transaction(self.house.engine) as connection:
            found: datetime | None = rows(connection, _NEXT)[0]["next_moment"]
        return max(found, after) if found is not None else None
