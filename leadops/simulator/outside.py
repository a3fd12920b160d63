"""What comes from outside: webhooks as they please, the CRM when it is asked. Each request is a task."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadops.errors import LeadopsError
from leadops.providers.crm.port import RawRow
from leadops.sandbox.world import Effects
from leadops.simulator.mail_in import Delivery, ends_of, grouped
from leadops.simulator.scheduler import Task
from leadops.simulator.workers import WorkersChain
from leadops.stages.ingest import PollReport, ingest

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

RECEIPTS = timedelta(hours=4)
"""How long a receipt may wait for somebody's news to come along with."""
POLL_AGAIN, POLL_AGAIN_AT_MOST = timedelta(minutes=2), timedelta(hours=1)


class Outside:
    """The webhooks of one run that are under way, and its poller."""

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._waiting: list[tuple[datetime, int, Delivery]] = []
        self._sent = 0
        self.poll_at: datetime | None = None
        """When the CRM is asked again though nobody has written there."""
        self._polls_failed = 0

    # Webhooks -----------------------------------------------------------------------------------------

    def send(self, effects: Effects) -> None:
        """The vendor has something to say; how often and when it comes is the faults' business."""
        faults = self._run.faults
        for delivery in ends_of(effects, faults.one_by_one):
            for after in faults.deliveries(delivery.key):
                self._push(delivery, after)

    def _push(self, delivery: Delivery, after: timedelta) -> None:
        self._sent += 1
        heapq.heappush(self._waiting, (self._run.scheduler.clock() + after, self._sent, delivery))

    def next_delivery(self) -> datetime | None:
        """When somebody's news comes; receipts wait for it, for some hours."""
        return min((at if d.is_news else at + RECEIPTS for at, _, d in self._waiting), default=None)

    def last_delivery(self) -> datetime | None:
        """When everything under way will have come; None: nothing is."""
        return max(self._waiting)[0] + RECEIPTS if self._waiting else None

    def deliver(self) -> None:
        """What is due by now, if it is time: each request to the ingestion service as a task."""
        now, soon = self._run.scheduler.clock(), self.next_delivery()
        if soon is None or soon > now:
            return
        due: list[Delivery] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        for number, delivery in enumerate(grouped(due)):
            task = self._run.scheduler.start(f"web-{number}", lambda d=delivery: self._take_in(d))  # type: ignore[misc]
            task.carries = delivery

    def _take_in(self, delivery: Delivery) -> None:
        run, now = self._run, self._run.scheduler.clock()
        rows = delivery.rows(now)
        try:
            report = ingest(run.engine, rows, now=now, keyring=run.keyring)
        except LeadopsError as error:
            # 503: the vendor keeps it and comes again.
            run.troubled("ingest", error.code)
            self._again(delivery, timedelta(seconds=30))
            return
        run.worked = True
        self._accepted(delivery, rows, [item.event_id for item in report.items])
        run.note(f"accepted {report.accepted}, again {report.duplicates}, refused {report.quarantined}")
        run.records.refused += report.quarantined

    def _accepted(self, delivery: Delivery, rows: Sequence[RawRow], ids: Iterable[str | None]) -> None:
        task, now = self._run.scheduler.current, self._run.scheduler.clock()
        at = (task.committed_at if task else None) or now
        for row, event_id in zip(rows, ids, strict=True):
            if event_id is not None and row.event is not None:
                address, truth = delivery.truth_of(row)
                touch = row.event.get("properties", {}).get("touch_id")
                self._run.records.accepted(event_id, at, address, truth, touch)

    def _again(self, delivery: Delivery, after: timedelta) -> None:
        self._push(replace(delivery, tries=delivery.tries + 1), after)

    def died(self, task: Task, delay: timedelta) -> None:
        """Whoever was answering died: the vendor comes again, the CRM is asked again."""
        if task.name == "poller":
            self.poll_at = self._run.scheduler.clock() + delay
        if task.carries is not None:
            self._again(task.carries, delay)

    # The CRM ------------------------------------------------------------------------------------------

    def must_poll(self, now: datetime) -> bool:
        """Whether it is time to ask again."""
        return self.poll_at is not None and self.poll_at <= now

    def start_poller(self) -> None:
        """Ask the CRM for what is new; who is still asking is asked again soon."""
        run, now = self._run, self._run.scheduler.clock()
        if run.scheduler.is_running("poller"):
            self.poll_at = now + timedelta(minutes=1)
            return
        self.poll_at = None
        chain = run.open_chain()
        run.scheduler.start("poller", lambda: self._poll(chain))

    def _poll(self, chain: WorkersChain) -> None:
        run = self._run
        try:
            while self._polled(chain.poll(run.scheduler.clock())):
                pass
        except LeadopsError as error:
            run.troubled("poller", error.code)
            wait = min(POLL_AGAIN * 2**self._polls_failed, POLL_AGAIN_AT_MOST)
            self.poll_at = run.scheduler.clock() + wait
            self._polls_failed = min(self._polls_failed + 1, 10)

    def _polled(self, report: PollReport) -> bool:
        """Note what came; whether more is waiting."""
        run, items = self._run, report.ingested.items
        for item in items:
            if item.event_id is not None:
                run.records.accepted(item.event_id, run.scheduler.clock(), "", "crm", None)
        self._polls_failed = 0
        if items:
            run.worked = True
            run.note(f"polled {report.ingested.accepted} of {len(items)}")
        return report.more
