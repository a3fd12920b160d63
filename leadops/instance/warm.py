"""Real runs in this process: like any other in Dagster's pages, at a twentieth of the price.

A run that is launched pays for a process, imports and a code server's answer: 5 to 7 seconds. Here the jobs
are loaded once; a run is created with the origin that the location's own runs have (so that it stands on the
job's page and can be executed again from there), and executed by the functions that Dagster's worker calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, DagsterRunStatus, JobDefinition, RunsFilter
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.origin import JobPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.snap import ExecutionPlanSnapshot, snapshot_from_execution_plan
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._core.utils import make_new_run_id
from dagster._core.workspace.load import location_origins_from_yaml_paths

from leadops.instance.worker_tag import TAG, this_worker, worker_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
"""A run's events stand in its page; on the process's own output nobody reads forty lines a lead."""
_REPOSITORY = "__repository__"  # as Dagster calls what a Definitions object becomes


@dataclass(frozen=True, slots=True)
class WarmJob:
    """A job of a code location, loaded, with what every run of it is created from."""

    definition: JobDefinition
    remote: RemoteJobOrigin
    code: JobPythonOrigin
    plan: ExecutionPlan
    plan_snapshot: ExecutionPlanSnapshot


def load_jobs(
    workspace: Path, location: str, module: str, wanted: Mapping[str, Sequence[str]]
) -> dict[str, WarmJob]:
    """Job -> that job of ``module``, which is a location in the ``workspace`` file, for these of its assets.

    Opens no connection and starts no thread: a process may fork after it.
    Raises KeyError: the workspace has no such location.
    """
    origins = {o.location_name: o for o in location_origins_from_yaml_paths([str(workspace)])}
    repository = RemoteRepositoryOrigin(origins[location], _REPOSITORY)
    code = ReconstructableRepository.for_module(module, "defs", None)
    found = {}
    for name, assets in wanted.items():
        reconstructable = code.get_reconstructable_job(name).get_subset(
            asset_selection=frozenset(AssetKey(asset) for asset in assets),
            asset_check_selection=frozenset(),  # checks observe, on a schedule of their own
        )
        job = reconstructable.get_definition()
        plan = create_execution_plan(job, run_config=_QUIET)
        found[name] = WarmJob(
            job,
            repository.get_job_origin(name),
            reconstructable.get_python_origin(),
            plan,
            snapshot_from_execution_plan(plan, job.get_job_snapshot_id()),
        )
    return found


def warm_instance() -> DagsterInstance:
    """The instance of DAGSTER_HOME, without the capture of a run's output: four processes for each run,
    and what these jobs have to say stands in their events."""
    instance = DagsterInstance.get()
    instance._compute_log_manager = NoOpComputeLogManager()
    instance._compute_log_manager.register_instance(instance)
    return instance


def execute(instance: DagsterInstance, job: WarmJob, tags: Mapping[str, str]) -> str:
    """One run of it, to its end; returns its id. What it fails with is in the run, and not raised."""
    run_id, definition = make_new_run_id(), job.definition
    run = instance.create_run(
        job_name=definition.name,
        run_id=run_id,
        run_config=_QUIET,
        status=DagsterRunStatus.NOT_STARTED,
        tags={
            **definition.run_tags,
            **tags,
            TAG: this_worker().tag(run_id),
            # What a run leaves undone is pending still: whoever comes next takes it.
            MAX_RETRIES_TAG: "0",
        },
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=job.plan.step_keys_to_execute,
        execution_plan_snapshot=job.plan_snapshot,
        job_snapshot=definition.get_job_snapshot(),
        parent_job_snapshot=definition.get_parent_job_snapshot(),
        asset_selection=definition.asset_selection,
        asset_check_selection=frozenset(),
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=job.remote,
        job_code_origin=job.code,
        asset_graph=definition.asset_layer.asset_graph,
    )
    for _ in execute_run_iterator(InMemoryJob(definition), run, instance):
        pass
    return run_id


def fail_orphans(instance: DagsterInstance) -> list[str]:
    """End runs that a runner on this machine left when it was killed; returns their ids."""
    under_way: Any = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=under_way)):
        worker = worker_of(run.run_id, run.tags.get(TAG))
        if worker is not None and worker.is_here and not worker.lives:
            instance.report_run_failed(run, "Its runner process is gone.")
            ended.append(run.run_id)
    return ended
