"""How runners are woken, seen and outlived: all of it ends with their connection."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from leadops.store import touches
from leadops.store.engine import StoreError, transaction
from leadops.store.runners import LANES, lane_of, lanes_served, listening, new_worker, tell
from leadops.store.status import something_due
from leadops.terms import EventKind
from leadops_tests.house import World, house_of
from leadops_tests.stages.sending import demo, process


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path), tmp_path)


def served(engine: Engine) -> set[str]:
    with transaction(engine) as connection:
        return lanes_served(connection)


def test_a_lane_is_served_for_as_long_as_somebody_listens(engine: Engine, database_url: str) -> None:
    assert served(engine) == set()
    with listening(database_url, "first_touch", new_worker()):
        assert served(engine) == {"first_touch"}
        with (
            listening(database_url, "first_touch", new_worker()),
            listening(database_url, "write_back", new_worker()),
        ):
            assert served(engine) == {"first_touch", "write_back"}
        assert served(engine) == {"first_touch"}
    assert served(engine) == set()


def test_another_databases_runners_are_not_ours(engine: Engine, empty_database_url: str) -> None:
    with listening(empty_database_url, "first_touch", new_worker()):
        assert served(engine) == set()


def test_who_is_told_wakes_and_nobody_else(engine: Engine, database_url: str) -> None:
    with (
        listening(database_url, "first_touch", new_worker()) as first,
        listening(database_url, "handle_inbound", new_worker()) as inbound,
    ):
        with transaction(engine) as connection:
            tell(connection, ["first_touch"])
            assert not first.wait(0.05), "before the commit there is nothing to see"
        assert first.wait(5)
        assert not inbound.wait(0.05)


def test_what_came_while_nobody_waited_is_not_lost(engine: Engine, database_url: str) -> None:
    with listening(database_url, "first_touch", new_worker()) as first:
        for _ in range(3):
            with transaction(engine) as connection:
                tell(connection, ["first_touch"])
        first.settle(0.05)
        assert not first.wait(0.05), "one run is for all of them"
        with transaction(engine) as connection:
            tell(connection, ["first_touch"])
        assert first.wait(5)


_CUT = text(
    """select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'runner first_touch' and datname = current_database()"""
)


def test_a_lost_connection_is_said(engine: Engine, database_url: str) -> None:
    def cut() -> None:
        with transaction(engine) as connection:
            connection.execute(_CUT)

    with listening(database_url, "first_touch", new_worker()) as first:
        timer = threading.Timer(0.2, cut)
        timer.start()
        with pytest.raises(StoreError, match="does not answer"):
            first.wait(10)
        timer.join()


def test_answers_and_stops_have_a_lane_of_their_own() -> None:
    assert lane_of(EventKind.REPLY_RECEIVED) == lane_of(EventKind.OPTED_OUT) == "handle_inbound"
    assert lane_of(EventKind.DEMO_REQUESTED) == "first_touch"
    assert {lane_of(kind) for kind in EventKind} <= set(LANES)


def _claimed(world: World, token: str) -> None:
    demo(world, 1)
    process(world)
    with transaction(world.house.engine) as connection:
        lease = timedelta(minutes=2)
        found = touches.claim_due(connection, now=world.now, limit=10, token=token, lease=lease)
    assert len(found) == 1


def _state(world: World) -> str:
    with world.house.engine.connect() as connection:
        return str(connection.execute(text("select state from touches where step = 1")).scalar_one())


def test_what_a_dead_runner_claimed_is_free_at_once(world: World, database_url: str) -> None:
    worker = new_worker()
    with listening(database_url, "first_touch", worker):
        _claimed(world, f"{worker}~lease")
        with transaction(world.house.engine) as connection:
            assert touches.expire(connection, now=world.now) == (0, [])
            assert not something_due(connection, world.now)
    with transaction(world.house.engine) as connection:
        assert something_due(connection, world.now)
        assert touches.expire(connection, now=world.now) == (1, [])
    assert _state(world) == "planned"


def test_what_it_had_handed_over_may_be_on_the_wire_and_waits_for_its_time(world: World) -> None:
    worker = new_worker()
    _claimed(world, f"{worker}~lease")
    with world.house.engine.begin() as connection:
        connection.execute(
            text("update touches set state = 'handing_over', reason = 'in_flight' where state = 'claimed'")
        )
    with transaction(world.house.engine) as connection:
        assert touches.expire(connection, now=world.now) == (0, [])
    assert _state(world) == "handing_over"


def test_a_claim_without_a_runner_waits_for_its_time(world: World) -> None:
    _claimed(world, "lease_of_a_process_that_dagster_started")
    with transaction(world.house.engine) as connection:
        assert touches.expire(connection, now=world.now) == (0, [])


def test_a_database_that_is_away_is_one_sentence() -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
    with pytest.raises(StoreError, match="does not answer"), listening(url, "first_touch", new_worker()):
        raise AssertionError
