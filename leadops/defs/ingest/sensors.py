"""What makes things happen: CRMs are polled, events that wait too long get a run, failures are told.

Events are deduplicated in our own tables, never by ``run_key``: Dagster remembers a run key for ever
and silently drops the run (R33). A tick appends, commits with its cursor, then requests a run; Dagster's
own cursor stays unused, because it could not be committed together with the events.
https://docs.dagster.io/guides/automate/sensors
"""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from leadops.defs import jobs
from leadops.defs.shield import codes_only
from leadops.defs.show import now
from leadops.runtime.wiring import House
from leadops.settings import settings
from leadops.stages.ingest import PollReport, poll_crm
from leadops.store.engine import transaction
from leadops.store.runners import lanes_served
from leadops.store.status import oldest_pending
from leadops.terms import STOP_KINDS

TICK_BUDGET_S = 20.0
POLL_LIMIT = 1000
INTERVAL_S = 2
"""The daemon looks every 5 s; an interval of 5 would miss every second look."""

COMPANY = timedelta(seconds=1)
"""How long an event waits in any case: what comes right after it is taken up by the same run."""

WAITING = (Status.NOT_STARTED, Status.QUEUED, Status.STARTING)
UNDER_WAY = (*WAITING, Status.STARTED)
_BELIEVED_FOR = {
    Status.NOT_STARTED: timedelta(minutes=1),
    Status.STARTING: timedelta(minutes=1),
    Status.STARTED: timedelta(minutes=2),
}
"""How long a run is waited for. The daemon's monitor fails one whose process was killed within seconds, but
not one of another machine; and a second run beside a long one does no harm: batches are claimed."""


def default_status() -> dg.DefaultSensorStatus:
    """Running under ``leadops up`` and ``demo`` only: a bare ``dg dev`` mails nobody."""
    return dg.DefaultSensorStatus.RUNNING if settings().automation else dg.DefaultSensorStatus.STOPPED


def is_on_its_way(
    instance: dg.DagsterInstance, job: str, statuses: Sequence[Status], *, at: datetime
) -> bool:
    """Whether a run of this job is in one of these states, and not for so long that it may be dead."""
    found = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=list(statuses)), limit=25)
    return any(_believed(record, at) for record in found)


def _believed(record: dg.RunRecord, at: datetime) -> bool:
    patience = _BELIEVED_FOR.get(record.dagster_run.status)
    changed = record.update_timestamp
    since = changed if changed.tzinfo else changed.replace(tzinfo=UTC)
    return patience is None or at - since < patience


def patience(job: str, served: Collection[str]) -> timedelta:
    """How long work may wait before a run is asked for: what a living runner has not taken by then, it will
    not take. Without a runner there is nothing to wait for.
    """
    return timedelta(seconds=settings().sensor_grace_s if job in served else 0)


CRM_SENSOR = f"crm_{settings().crm}"
"""One per configured CRM, so that each keeps its own ticks."""


@dg.sensor(
    name=CRM_SENSOR,
    jobs=[jobs.first_touch, jobs.handle_inbound],
    minimum_interval_seconds=INTERVAL_S,
    default_status=default_status(),
    description=f"Polls the CRM ({settings().crm}): what is new since the last look becomes events.",
)
@codes_only
def crm_poll(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.SensorResult:
    """Append what is new, then ask for a run in each lane that no runner serves, unless one that will see it
    waits.
    """
    deadline = time.monotonic() + TICK_BUDGET_S
    polls = list(_pages(house, deadline))
    accepted = sum(p.ingested.accepted for p in polls)
    duplicates = sum(p.ingested.duplicates for p in polls)
    refused = sum(p.ingested.quarantined for p in polls)
    if not accepted and not refused:
        return dg.SensorResult(skip_reason="Nothing new in the CRM.")
    seen = dg.AssetObservation(
        asset_key="lead_events",
        metadata={
            "accepted": accepted,
            "duplicates": duplicates,
            "quarantined": refused,
            "sources": dg.MetadataValue.json(sorted({s for p in polls for s in p.sources})),
            "more_waiting": polls[-1].more,
        },
    )
    kinds = {k for p in polls for k in p.kinds} if accepted else set()
    lanes = {jobs.handle_inbound.name: kinds & STOP_KINDS, jobs.first_touch.name: kinds - STOP_KINDS}
    with transaction(house.engine) as connection:
        served = lanes_served(connection)  # their runners were told when the events were committed
    tags = {"leadops/events": str(accepted), "leadops/trigger": CRM_SENSOR}
    asked = [
        dg.RunRequest(job_name=job, tags=tags)
        for job, concerned in lanes.items()
        if concerned and job not in served and not is_on_its_way(context.instance, job, WAITING, at=now())
    ]
    return dg.SensorResult(run_requests=asked, asset_events=[seen])


def _pages(house: House, deadline: float) -> Iterator[PollReport]:
    """Page after page while there is more and time."""
    while True:
        report = poll_crm(
            house.engine,
            house.crm,
            now=now(),
            keyring=house.keyring,
            limit=POLL_LIMIT,
            should_stop=lambda: time.monotonic() > deadline,
        )
        yield report
        if not report.more or time.monotonic() > deadline:
            return


@dg.sensor(
    name="pending_events",
    jobs=[jobs.first_touch, jobs.handle_inbound],
    minimum_interval_seconds=INTERVAL_S,
    default_status=default_status(),
    description="The safety net: what waits longer than the grace time gets a run, unless one is under way.",
)
@codes_only
def pending_events(
    context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run in each lane whose oldest item has waited too long while nobody is at it."""
    moment = now()
    with transaction(house.engine) as connection:
        waiting, served = oldest_pending(connection, moment), lanes_served(connection)
    since = {jobs.handle_inbound.name: waiting.stops, jobs.first_touch.name: waiting.others}
    lags = {job: moment - oldest for job, oldest in since.items() if oldest is not None}
    late = {job: lag for job, lag in lags.items() if lag >= max(COMPANY, patience(job, served))}
    if not late:
        return dg.SkipReason("What is pending is within grace." if lags else "Nothing is pending.")
    wanted = [job for job in late if not is_on_its_way(context.instance, job, UNDER_WAY, at=moment)]
    if not wanted:
        return dg.SkipReason("Runs that will take up what waits are queued or under way.")
    lag_s = round(max(late.values()).total_seconds(), 1)
    seen = dg.AssetObservation(asset_key="lead_events", metadata={"lag_seconds": lag_s})
    tags = {"leadops/trigger": "pending_events"}
    asked = [dg.RunRequest(job_name=job, tags=tags) for job in wanted]
    return dg.SensorResult(run_requests=asked, asset_events=[seen])


@dg.run_failure_sensor(
    name="failed_runs",
    monitor_all_code_locations=True,
    default_status=default_status(),
    description="Every failed run of every location, once, in one place: the log of this sensor.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Say which job failed and where to look. Codes and ids only."""
    run = context.dagster_run
    context.log.error(f"Run {run.run_id} of job {run.job_name} failed; open it in the Runs page.")
