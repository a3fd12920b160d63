"""One lane in one process: told or looking, then a run, for as long as it lives.

SIGUSR1 ends it after the run under way. SIGINT is Dagster's: it interrupts the run under way and nothing
else, which is what "terminate" in its pages sends.
"""

from __future__ import annotations

import logging
import signal
import time
from datetime import UTC, datetime
from types import FrameType

from dagster import DagsterInstance
from sqlalchemy.exc import SQLAlchemyError

from leadops.errors import LeadopsError
from leadops.instance import warm
from leadops.runner.lanes import Lane, Patience
from leadops.runtime.wiring import House
from leadops.store.engine import transaction
from leadops.store.runners import Listening, listening, new_worker

log = logging.getLogger("leadops.runner")

AWAY_S = 1.0
"""How long a database that is away is left alone."""


class Worker:
    """Serves ``lane`` with ``job`` until told to end."""

    def __init__(self, lane: Lane, job: warm.WarmJob, house: House, instance: DagsterInstance) -> None:
        self._lane, self._job, self._house, self._instance = lane, job, house, instance
        self._worker = house.worker = new_worker()
        self._patience = Patience()
        self._ends = False

    def serve(self, url: str) -> None:
        """Until SIGUSR1. ``url``: the business database's."""
        self._signals()
        away = False
        while not self._ends:
            try:
                warm.fail_orphans(self._instance)
                with listening(url, self._lane.name, self._worker) as told:
                    log.info("%s: listening", self._lane.name)
                    away = False
                    while not self._ends:
                        self._once(told)
            except (LeadopsError, SQLAlchemyError) as error:
                if not away:
                    log.warning("%s: %s; trying again", self._lane.name, _code(error))
                away = True
                time.sleep(AWAY_S)

    def _once(self, told: Listening) -> None:
        """Wait for work, at most ``look_s``; do it."""
        before = self._waits()
        if not self._patience.may(before, time.monotonic()):
            told.wait(self._lane.look_s)
            return
        told.settle(self._house.playbook.delivery.debounce_seconds)
        run_id = warm.execute(self._instance, self._job, {"leadops/trigger": "runner"})
        self._signals()  # Dagster had them while the run was under way
        log.info("%s: run %s", self._lane.name, run_id)
        self._patience.ran(before, self._waits(), time.monotonic())

    def _waits(self) -> object:
        with transaction(self._house.engine) as connection:
            return self._lane.waits(connection, datetime.now(UTC))

    def _signals(self) -> None:
        def end(_number: int, _frame: FrameType | None) -> None:
            self._ends = True

        signal.signal(signal.SIGUSR1, end)
        signal.signal(signal.SIGINT, _nothing)
        signal.signal(signal.SIGTERM, end)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """It was meant for a run that is over."""


def _code(error: Exception) -> str:
    return error.code if isinstance(error, LeadopsError) else type(error).__name__
