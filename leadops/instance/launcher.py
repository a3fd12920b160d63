"""How a run is launched, watched and ended: as by Dagster's default launcher, but a warm run by its process.

Without a health check a run whose process was killed stays STARTED until ``max_runtime_seconds``.
https://docs.dagster.io/deployment/execution/run-monitoring
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from dagster._serdes.config_class import ConfigurableClassData

from leadops.instance.worker_tag import TAG, Worker, worker_of

_ASK_S = 5


class Launcher(DefaultRunLauncher):
    """Named in ``dagster.yaml``. A run with a worker's tag is that process's; any other its code server's."""

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003 - it takes none
    ) -> Launcher:
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asked by the daemon's monitor; anything but RUNNING and it fails the run."""
        worker = worker_of(run.run_id, run.tags.get(TAG))
        if worker is None:
            return self._ask_code_server(run)
        if not worker.is_here:
            said = f"its runner is on {worker.host}; only that machine could tell"
            return CheckRunHealthResult(WorkerStatus.RUNNING, msg=said)
        status = WorkerStatus.RUNNING if worker.lives else WorkerStatus.FAILED
        return CheckRunHealthResult(status, msg=f"runner process {worker.process.pid}")

    def _ask_code_server(self, run: DagsterRun) -> CheckRunHealthResult:
        try:
            client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
            if client is None:
                return CheckRunHealthResult(WorkerStatus.UNKNOWN, msg="no worker is recorded on the run")
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_ASK_S)
            runs = deserialize_value(answer, CanCancelExecutionResult).can_cancel
        except Exception as error:  # noqa: BLE001 - a server that cannot be asked runs nothing any more
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, msg=type(error).__name__)
        return CheckRunHealthResult(WorkerStatus.RUNNING if runs else WorkerStatus.NOT_FOUND)

    def terminate(self, run_id: str) -> bool:
        """Interrupts the run, not the runner: it lives on and takes the next one."""
        run = self._instance.get_run_by_id(run_id)
        worker = worker_of(run_id, run.tags.get(TAG)) if run is not None else None
        if run is None or worker is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished or not worker.is_here:
            return False
        self._instance.report_run_canceling(run)
        if worker.lives:
            _interrupt(worker)
        else:
            self._instance.report_run_canceled(run, "Its runner process is gone.")
        return True


def _interrupt(worker: Worker) -> None:
    os.kill(worker.process.pid, signal.SIGINT)
