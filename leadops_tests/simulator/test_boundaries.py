"""Where a process can die: every commit of a stage has a name, and a death there drops the connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from leadops.simulator.boundaries import AFTER_COMMIT, BEFORE_COMMIT, Boundary, Crash, place_of, watch_commits
from leadops.store.engine import transaction
from leadops_tests.house import DEMO, World, house_of, wire


def test_every_commit_of_a_lead_has_a_name(engine: Engine, tmp_path: Path) -> None:
    passed: list[Boundary] = []
    watch_commits(engine, passed.append)
    world = World(house_of(engine, tmp_path), tmp_path)
    world.post(wire("demo_requested", **DEMO))
    world.run()
    places = {b.place for b in passed}
    assert {"ingest.ingest", "fold._fold_batch", "hand_over.hand_over", "outreach._record_one"} <= places
    assert all(passed[i].when == BEFORE_COMMIT for i in range(0, len(passed), 2))
    assert all(passed[i].when == AFTER_COMMIT for i in range(1, len(passed), 2))


@pytest.mark.parametrize(("when", "kept"), [(BEFORE_COMMIT, 0), (AFTER_COMMIT, 1)])
def test_who_dies_at_a_commit_leaves_what_was_committed_and_no_connection(
    engine: Engine, when: str, kept: int
) -> None:
    with engine.begin() as connection:
        connection.execute(text("create table seen (n int)"))
        before = connection.execute(text("select pg_backend_pid()")).scalar_one()

    def dies(boundary: Boundary) -> None:
        if boundary.when == when:
            raise Crash

    watch_commits(engine, dies)
    with pytest.raises(Crash):
        _insert(engine)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from seen")).scalar_one() == kept
        assert connection.execute(text("select pg_backend_pid()")).scalar_one() != before


def test_a_dead_workers_locks_are_gone_before_anybody_else_goes_on(engine: Engine) -> None:
    """However late the server hears of it: the same seed would be another history on a busy machine."""
    with engine.begin() as connection:
        connection.execute(text("create table seen (n int)"))
        connection.execute(text("insert into seen values (1)"))
    heard_late: list[Any] = []
    dialect: Any = engine.dialect
    dialect.do_close = heard_late.append

    def dies(boundary: Boundary) -> None:
        if boundary.when == BEFORE_COMMIT:
            raise Crash

    watch_commits(engine, dies)
    with pytest.raises(Crash), transaction(engine) as connection:
        connection.execute(text("update seen set n = 2"))
    assert len(heard_late) == 1
    with engine.connect() as connection:
        assert connection.execute(text("select n from seen for update nowait")).scalar_one() == 1
    heard_late[0].close()


def _insert(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("insert into seen values (1)"))


def test_a_calls_place_leaves_ids_out() -> None:
    assert place_of("hubspot", "PATCH", "/crm/objects/2026-09/contacts/99501") == (
        "hubspot PATCH /crm/objects/2026-09/contacts/ID"
    )
    assert place_of("sendgrid", "POST", "/v3/mail/send") == "sendgrid POST /v3/mail/send"
