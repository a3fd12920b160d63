"""A lead's life through every stage on a real database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.providers.crm.files import FilesCrm
from leadops_tests.house import DEMO, World, house_of, wire


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path), tmp_path)


def test_a_demo_request_is_answered_at_once_and_the_crm_is_told(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    assert len(world.outbox()) == 1
    mail = world.outbox()[0].read_bytes()
    assert b"anna@acme.example" in mail
    assert b"Anna" in mail
    assert world.one("select tier from leads") == "hot"
    states = world.rows("select state, position from touches order by position")
    assert [s["state"] for s in states] == ["sent", "planned", "planned"]
    told = (world.folder / "crm" / "writebacks.jsonl").read_text()
    assert "touch:" in told
    assert "score" in told


def test_a_reply_stops_everything_and_a_rep_gets_the_context(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.later(hours=3)
    reply = {"subject": "Re: demo", "text": "Thanks, can you call me tomorrow?"}
    world.post(wire("reply_received", at=world.now, properties=reply))
    world.run()
    world.go(world.now + timedelta(days=30))
    assert len(world.outbox()) == 1
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "finished_replied",
        "exit_reason": "replied",
    }
    tasks = (world.folder / "crm" / "tasks.jsonl").read_text()
    assert "can you call me tomorrow" in tasks
    assert "Anna" in tasks


def test_without_an_answer_the_sequence_runs_to_its_end(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 3
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "finished_no_reply",
        "exit_reason": "completed",
    }


def test_a_crm_that_breaks_loses_no_write_back_and_stops_nothing(engine: Engine, tmp_path: Path) -> None:
    class Broken(FilesCrm):
        broken = True

        def write(self, items: Any) -> Any:
            if self.broken:
                raise RuntimeError("anna@acme.example")
            return super().write(items)

    crm = Broken(tmp_path / "crm")
    world = World(house_of(engine, tmp_path, crm=crm), tmp_path)
    world.post(wire("demo_requested", at=world.now, **DEMO))
    world.run()
    owed = world.rows("select state, detail from crm_writebacks")
    assert owed
    assert {(o["state"], o["detail"]) for o in owed} == {("pending", "crm_RuntimeError")}
    assert len(world.outbox()) == 1
    crm.broken = False
    world.later(minutes=5)
    world.run()
    assert {o["state"] for o in world.rows("select state from crm_writebacks")} == {"done"}
