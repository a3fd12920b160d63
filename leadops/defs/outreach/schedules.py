"""The clock: due touches every minute, unknown outcomes and the checks on their own rhythm, nightly cleaning.

https://docs.dagster.io/guides/automate/schedules
"""

from datetime import timedelta

import dagster as dg

from leadops.defs import jobs
from leadops.defs.ingest.sensors import UNDER_WAY, is_on_its_way, patience
from leadops.defs.shield import codes_only
from leadops.defs.show import now
from leadops.runtime.wiring import House
from leadops.settings import settings
from leadops.stages.settle import reconcile
from leadops.store.engine import transaction
from leadops.store.runners import lanes_served
from leadops.store.status import something_due, something_owed

KEEP_RUNS_DAYS = 14


def default_status() -> dg.DefaultScheduleStatus:
    """Running under ``leadops up`` and ``demo`` only."""
    on = settings().automation
    return dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED


@dg.schedule(
    name="due_touches",
    cron_schedule="* * * * *",
    job=jobs.due_touches,
    default_status=default_status(),
    description="Every minute, a run if something is due; else a skip that costs one indexed query.",
)
@codes_only
def due_touches(
    context: dg.ScheduleEvaluationContext, house: dg.ResourceParam[House]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when a touch, an expired lease, a pause, a write-back or an SLA is due."""
    moment = now()
    with transaction(house.engine) as connection:
        served = lanes_served(connection)
        due = something_due(connection, moment - patience(jobs.due_touches.name, served))
        owed = something_owed(connection, moment - patience(jobs.write_back_job.name, served))
    if not due and not owed:
        return dg.SkipReason("Nothing is due.")
    if is_on_its_way(context.instance, jobs.due_touches.name, UNDER_WAY, at=moment):
        return dg.SkipReason("A run for due touches is queued or under way.")
    return dg.RunRequest(tags={"leadops/trigger": "schedule"})


@dg.op(description="Settle hand-overs without outcome by what the provider can really tell, else a person.")
@codes_only
def reconcile_unknown(context: dg.OpExecutionContext, house: dg.ResourceParam[House]) -> None:
    """Counts go to the run's log."""
    report = reconcile(house.engine, house.email, house.playbook, now=now(), limit=5000)
    context.log.info(f"reconcile: {dict(report.counts)}, still unknown: {report.pending}")


@dg.job(name="reconcile", executor_def=dg.in_process_executor, tags={"leadops/lane": "reconcile"})
def reconcile_job() -> None:
    """Every unknown outcome, nightly; the due-touch run settles recent ones already."""
    reconcile_unknown()


@dg.op(description="Delete finished runs and their events older than the time we keep.")
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    """Dagster's own retention covers ticks only; runs and event logs grow for ever without this."""
    before = now() - timedelta(days=KEEP_RUNS_DAYS)
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    old = dg.RunsFilter(statuses=finished, created_before=before)
    deleted = 0
    while records := context.instance.get_run_records(old, limit=100):
        for record in records:
            context.instance.delete_run(record.dagster_run.run_id)
            deleted += 1
    context.log.info(f"deleted {deleted} runs older than {KEEP_RUNS_DAYS} days")


@dg.job(name="clean_up", executor_def=dg.in_process_executor, tags={"leadops/lane": "clean_up"})
def clean_up_job() -> None:
    """Keep Dagster's history bounded."""
    delete_old_runs()


nightly_reconcile = dg.ScheduleDefinition(
    name="reconcile_nightly", job=reconcile_job, cron_schedule="15 3 * * *", default_status=default_status()
)
nightly_clean_up = dg.ScheduleDefinition(
    name="clean_up_nightly", job=clean_up_job, cron_schedule="45 3 * * *", default_status=default_status()
)
