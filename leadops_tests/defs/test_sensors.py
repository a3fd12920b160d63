"""Sensors and the due-touch schedule, tick by tick on a real instance and a real database."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from dagster._core.remote_origin import (  # a queued run must have one
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from sqlalchemy import text

from leadops.defs.ingest.sensors import UNDER_WAY, is_on_its_way
from leadops.sandbox.crm_folder import CrmFolder
from leadops.sandbox.people import a_hot_one
from leadops.settings import settings
from leadops.store.engine import StoreError
from leadops.store.runners import listening, new_worker
from leadops_tests.house import DEMO, World, wire


class Ticks:
    """One sensor or schedule of the location, evaluated as the daemon would."""

    def __init__(self, world: World, location: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.world, self.location, self.instance = world, location, instance

    def sensor(self, name: str) -> Any:
        context = dg.build_sensor_context(
            instance=self.instance, definitions=self.location, resources={"house": self.world.house}
        )
        return self.location.resolve_sensor_def(name).evaluate_tick(context)

    def schedule(self, name: str) -> Any:
        context = dg.build_schedule_context(
            instance=self.instance,
            resources={"house": self.world.house},
            scheduled_execution_time=datetime.now(UTC),
        )
        return self.location.resolve_schedule_def(name).evaluate_tick(context)

    def run(self, job: str, status: Status) -> dg.DagsterRun:
        """As the daemon and the launcher would have left it."""
        code = RegisteredCodeLocationOrigin("leadops")
        made = dg.DagsterRun(
            job_name=job,
            run_id=str(uuid.uuid4()),
            status=status,
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(code, "__repository__"), job),
        )
        return self.instance.add_run(made)


@pytest.fixture
def ticks(world: World, location: dg.Definitions, instance: dg.DagsterInstance) -> Ticks:
    return Ticks(world, location, instance)


@pytest.fixture
def folder(world: World) -> CrmFolder:
    made = CrmFolder(world.folder / "crm", world.folder / "outbox")
    made.open(0, world.now)
    return made


def observed(tick: Any) -> list[dict[str, Any]]:
    return [{k: v.value for k, v in event.metadata.items()} for event in tick.asset_events]


def cursor(world: World) -> str | None:
    found = world.rows("select cursor from crm_cursors where crm = 'files'")
    return found[0]["cursor"] if found else None


def pending(world: World) -> int:
    return int(world.one("select count(*) from lead_events where pending_fold"))


# --- crm_files ----------------------------------------------------------------------------------------


def test_nothing_new_is_a_skip(ticks: Ticks, folder: CrmFolder) -> None:
    for _ in range(2):
        tick = ticks.sensor("crm_files")
        assert tick.skip_message == "Nothing new in the CRM."
        assert not tick.run_requests
        assert not tick.asset_events


def test_new_rows_are_appended_and_one_run_is_asked_for(
    ticks: Ticks, folder: CrmFolder, world: World
) -> None:
    for number in (1, 2):
        folder.add(a_hot_one(number, world.now))
    tick = ticks.sensor("crm_files")
    assert pending(world) == 2
    assert len(tick.run_requests) == 1
    assert tick.run_requests[0].run_key is None
    assert tick.run_requests[0].tags["leadops/events"] == "2"
    (said,) = observed(tick)
    assert said == {
        "accepted": 2,
        "duplicates": 0,
        "quarantined": 0,
        "sources": ["crm"],
        "more_waiting": False,
    }
    assert tick.asset_events[0].asset_key == dg.AssetKey("lead_events")


def test_the_position_moves_with_the_events_and_nothing_is_read_twice(
    ticks: Ticks, folder: CrmFolder, world: World
) -> None:
    folder.add(a_hot_one(1, world.now))
    ticks.sensor("crm_files")
    first = cursor(world)
    assert first is not None
    assert json.loads(first)["files"]["leads.csv"]["offset"] == folder.leads.stat().st_size
    folder.add(a_hot_one(2, world.now))
    (said,) = observed(ticks.sensor("crm_files"))
    assert (said["accepted"], said["duplicates"]) == (1, 0)
    assert cursor(world) != first


@pytest.mark.parametrize("status", [Status.QUEUED, Status.NOT_STARTED, Status.STARTING])
def test_a_waiting_run_will_see_it_so_no_other_is_asked_for(
    ticks: Ticks, folder: CrmFolder, world: World, status: Status
) -> None:
    folder.add(a_hot_one(1, world.now))
    assert len(ticks.sensor("crm_files").run_requests) == 1
    ticks.run("first_touch", status)
    folder.add(a_hot_one(2, world.now))
    tick = ticks.sensor("crm_files")
    assert not tick.run_requests
    assert observed(tick)[0]["accepted"] == 1
    assert pending(world) == 2


def test_a_run_that_has_begun_may_have_passed_the_intake_so_another_is_asked_for(
    ticks: Ticks, folder: CrmFolder, world: World
) -> None:
    ticks.run("first_touch", Status.STARTED)
    folder.add(a_hot_one(1, world.now))
    assert len(ticks.sensor("crm_files").run_requests) == 1


def test_a_broken_row_is_put_in_quarantine_and_said_and_its_neighbours_go_on(
    ticks: Ticks, folder: CrmFolder, world: World
) -> None:
    folder.add(a_hot_one(1, world.now) | {"created_at": "yesterday-ish"})
    folder.add(a_hot_one(2, world.now))
    tick = ticks.sensor("crm_files")
    assert len(tick.run_requests) == 1
    (said,) = observed(tick)
    assert (said["accepted"], said["quarantined"]) == (1, 1)
    assert world.one("select where_from from quarantined_events") == "leads.csv:2"


def test_only_broken_rows_are_said_without_a_run(ticks: Ticks, folder: CrmFolder, world: World) -> None:
    folder.add(a_hot_one(1, world.now) | {"created_at": "yesterday-ish"})
    tick = ticks.sensor("crm_files")
    assert not tick.run_requests
    assert observed(tick)[0]["quarantined"] == 1
    assert ticks.sensor("crm_files").skip_message


_DIE = """create function die() returns trigger language plpgsql as
$$ begin raise exception 'lights out'; end $$;
create trigger die before insert or update on crm_cursors for each row execute function die()"""


def test_a_tick_that_dies_between_events_and_position_leaves_neither(
    ticks: Ticks, folder: CrmFolder, world: World
) -> None:
    folder.add(a_hot_one(1, world.now))
    with world.house.engine.begin() as connection:
        connection.execute(text(_DIE))
    with pytest.raises(Exception, match="SQLSTATE P0001") as caught:
        ticks.sensor("crm_files")
    assert any(isinstance(e, StoreError) for e in (caught.value, caught.value.__cause__))
    assert cursor(world) is None
    assert not world.rows("select 1 from lead_events")
    with world.house.engine.begin() as connection:
        connection.execute(text("drop trigger die on crm_cursors"))
    assert observed(ticks.sensor("crm_files"))[0]["accepted"] == 1


# --- pending_events -----------------------------------------------------------------------------------


def test_nothing_pending_is_a_skip(ticks: Ticks) -> None:
    assert ticks.sensor("pending_events").skip_message == "Nothing is pending."


def test_within_the_grace_time_nobody_is_hurried(ticks: Ticks, world: World) -> None:
    world.now = datetime.now(UTC) + timedelta(seconds=5)
    world.post(wire("demo_requested", at=datetime.now(UTC), **DEMO))
    assert "within grace" in ticks.sensor("pending_events").skip_message


def test_an_answer_gets_a_run_of_its_own_lane(ticks: Ticks, world: World) -> None:
    """A stop must not wait behind a burst of new leads."""
    world.now = datetime.now(UTC) - timedelta(seconds=settings().sensor_grace_s + 5)
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me, please"}))
    ticks.run("first_touch", Status.STARTED)
    asked = ticks.sensor("pending_events").run_requests
    assert [r.job_name for r in asked] == ["handle_inbound"]
    world.post(wire("demo_requested", "b@acme.example", at=world.now))
    ticks.run("handle_inbound", Status.QUEUED)
    assert "under way" in ticks.sensor("pending_events").skip_message


def test_what_waits_longer_gets_a_run(ticks: Ticks, world: World) -> None:
    world.now = datetime.now(UTC) - timedelta(seconds=settings().sensor_grace_s + 5)
    world.post(wire("demo_requested", at=world.now, **DEMO))
    tick = ticks.sensor("pending_events")
    assert [r.tags["leadops/trigger"] for r in tick.run_requests] == ["pending_events"]
    assert tick.run_requests[0].run_key is None
    assert observed(tick)[0]["lag_seconds"] >= 5


@pytest.mark.parametrize("status", UNDER_WAY)
def test_a_run_under_way_is_waited_for(ticks: Ticks, world: World, status: Status) -> None:
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    world.post(wire("demo_requested", at=world.now, **DEMO))
    ticks.run("first_touch", status)
    assert "under way" in ticks.sensor("pending_events").skip_message


def test_a_run_whose_process_died_is_not_waited_for_for_ever(ticks: Ticks) -> None:
    """A kill -9 leaves runs STARTED until the monitor asks; where it cannot, for an hour."""
    now = datetime.now(UTC)
    for job, status, believed in [
        ("first_touch", Status.STARTED, timedelta(minutes=2)),
        ("due_touches", Status.STARTING, timedelta(minutes=1)),
        ("handle_inbound", Status.NOT_STARTED, timedelta(minutes=1)),
    ]:
        ticks.run(job, status)
        assert is_on_its_way(ticks.instance, job, UNDER_WAY, at=now)
        assert not is_on_its_way(ticks.instance, job, UNDER_WAY, at=now + believed + timedelta(seconds=30))
    ticks.run("write_back", Status.QUEUED)
    assert is_on_its_way(ticks.instance, "write_back", UNDER_WAY, at=now + timedelta(days=1))


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.CANCELED])
def test_a_run_that_is_over_is_not_waited_for(ticks: Ticks, status: Status) -> None:
    ticks.run("first_touch", status)
    assert not is_on_its_way(ticks.instance, "first_touch", UNDER_WAY, at=datetime.now(UTC))


# --- beside a runner ----------------------------------------------------------------------------------


def test_a_lane_that_a_runner_serves_gets_no_run_for_what_has_just_come(
    ticks: Ticks, folder: CrmFolder, world: World, database_url: str
) -> None:
    """The runner was told when the events were committed: a second process would only be in its way."""
    folder.add(a_hot_one(1, world.now))
    with listening(database_url, "first_touch", new_worker()):
        tick = ticks.sensor("crm_files")
        assert pending(world) == 1
        assert tick.run_requests == []
        assert observed(tick)[0]["accepted"] == 1


def test_what_a_living_runner_has_not_taken_in_time_gets_a_run(
    ticks: Ticks, world: World, database_url: str
) -> None:
    waited = settings().sensor_grace_s - 3
    world.now = datetime.now(UTC) - timedelta(seconds=waited)
    world.post(wire("demo_requested", at=world.now, **DEMO))
    with listening(database_url, "first_touch", new_worker()):
        assert "within grace" in ticks.sensor("pending_events").skip_message
        world.now = datetime.now(UTC) - timedelta(seconds=waited + 10)
        world.post(wire("demo_requested", "b@acme.example", at=world.now, id="b"))
        assert [r.job_name for r in ticks.sensor("pending_events").run_requests] == ["first_touch"]


def test_a_runner_that_was_killed_is_not_waited_for(ticks: Ticks, world: World, database_url: str) -> None:
    world.now = datetime.now(UTC) - timedelta(seconds=settings().sensor_grace_s - 3)
    world.post(wire("demo_requested", at=world.now, **DEMO))
    with listening(database_url, "first_touch", new_worker()):
        pass
    assert [r.job_name for r in ticks.sensor("pending_events").run_requests] == ["first_touch"]


def test_a_runner_of_one_lane_says_nothing_of_another(ticks: Ticks, world: World, database_url: str) -> None:
    world.now = datetime.now(UTC) - timedelta(seconds=5)
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me, please"}))
    with listening(database_url, "first_touch", new_worker()):
        assert [r.job_name for r in ticks.sensor("pending_events").run_requests] == ["handle_inbound"]


# --- due_touches --------------------------------------------------------------------------------------


def test_nothing_due_is_a_skip(ticks: Ticks) -> None:
    assert ticks.schedule("due_touches").skip_message == "Nothing is due."


def test_a_plan_in_the_future_is_a_skip(ticks: Ticks, world: World) -> None:
    world.post(wire("demo_requested", at=world.now, **DEMO))
    world.run()
    assert world.rows("select 1 from touches where state = 'planned'")
    assert ticks.schedule("due_touches").skip_message == "Nothing is due."


def test_a_due_touch_asks_for_a_run_and_not_for_two(location: dg.Definitions, world: World) -> None:
    world.post(wire("demo_requested", at=world.now, **DEMO))
    world.run()
    with world.house.engine.begin() as connection:
        connection.execute(
            text("update touches set due_at = :now where state = 'planned'"), {"now": world.now}
        )
    with dg.instance_for_test() as instance:  # a schedule wants one that other processes could open
        ticks = Ticks(world, location, instance)
        assert len(ticks.schedule("due_touches").run_requests) == 1
        ticks.run("due_touches", Status.STARTED)
        assert "under way" in ticks.schedule("due_touches").skip_message


def test_a_missing_folder_is_nothing_new(ticks: Ticks, world: World) -> None:
    assert not (Path(world.folder) / "crm").exists()
    assert ticks.sensor("crm_files").skip_message == "Nothing new in the CRM."


def test_every_failed_run_of_every_location_is_told(location: dg.Definitions) -> None:
    sensor = location.resolve_sensor_def("failed_runs")
    assert sensor.sensor_type.name == "RUN_STATUS"
