"""Logical workers: each a house with adapters of its own, as a process has, over one database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from leadops.errors import LeadopsError
from leadops.runtime.wiring import House
from leadops.sandbox.chain import Chain
from leadops.simulator.scheduler import Scheduler
from leadops.stages.outreach import send_due
from leadops.stages.report import Report

BATCH = 40
"""Small, so that several workers share what is due."""


class WorkersChain(Chain):
    """The stages on a clock that goes on while they run. ``told`` hears of every batch that did something,
    and how long it took.
    """

    def __init__(
        self,
        house: House,
        clock: Callable[[], datetime],
        told: Callable[[str, Report, timedelta], None],
    ) -> None:
        super().__init__(house, BATCH)
        self._clock, self._told = clock, told

    def _run(self, stage: str, now: datetime) -> list[Report]:
        began = max(now, self._clock())
        reports = super()._run(stage, began)
        for report in reports:
            if report.did:
                self._told(stage, report, self._clock() - began)
        return reports

    def _send(self, now: datetime) -> list[Report]:  # noqa: ARG002 - the clock goes on during a batch
        sent = send_due(self.house.outreach, self._clock, limit=self.batch)
        return [sent.drafts, sent.dispatches]


@dataclass(slots=True)
class Worker:
    """One logical process. ``back_at``: after a crash it starts again then."""

    name: str
    chain: WorkersChain | None = None
    back_at: datetime | None = None


@dataclass(slots=True)
class Crew:
    """All workers; they start when there is something to do, and again after they died."""

    scheduler: Scheduler
    workers: list[Worker]
    open_chain: Callable[[], WorkersChain]
    troubled: Callable[[str, str], None]

    def set_to_work(self, pending: Mapping[str, bool], leave: Collection[str]) -> None:
        """Every idle worker starts, if any stage but those in ``leave`` has something."""
        if not any(found and stage not in leave for stage, found in pending.items()):
            return
        now = self.scheduler.clock()
        for worker in self.workers:
            if self.scheduler.is_running(worker.name) or (worker.back_at and worker.back_at > now):
                continue
            self.scheduler.start(worker.name, lambda w=worker: self._work(w, frozenset(leave)))  # type: ignore[misc]

    def _work(self, worker: Worker, leave: Collection[str]) -> None:
        if worker.chain is None:
            worker.chain = self.open_chain()
        try:
            worker.chain.run_pending(self.scheduler.clock(), leave=leave)
        except LeadopsError as error:
            # As a run that fails: what it held comes back by its lease, and the next run goes on.
            self.troubled(worker.name, error.code)

    def back_soon(self) -> datetime | None:
        """When the first worker that died is back."""
        now = self.scheduler.clock()
        return min((w.back_at for w in self.workers if w.back_at and w.back_at > now), default=None)
