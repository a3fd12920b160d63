"""Several workers at once: each touch once (R3), a cap never exceeded (R22)."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine

from leadops.terms import Outcome, SendResult
from leadops_tests.house import World, house_of
from leadops_tests.stages.sending import Noted, Scripted, capped, demo, noted, process, race, send

DUE = 60
CAP = 20


def test_two_dispatchers_send_each_touch_once(engine: Engine, database_url: str, tmp_path: Path) -> None:
    world = World(house_of(engine, tmp_path), tmp_path)
    demo(world, *range(DUE))
    process(world)
    race(database_url, tmp_path, "dispatch", "dispatch")
    touches = {t["touch_id"] for t in world.rows("select touch_id from touches where position = 1")}
    assert len(touches) == DUE
    assert Counter(s["key"] for s in noted(tmp_path / "sends")) == dict.fromkeys(touches, 1)
    assert world.rows("select state, attempts, count(*) from touches where position = 1 group by 1, 2") == [
        {"state": "sent", "attempts": 1, "count": DUE}
    ]


@pytest.mark.parametrize(
    ("mailbox_cap", "domain_cap", "reason"), [(CAP, None, "mailbox_cap"), (200, CAP, "domain_cap")]
)
def test_four_workers_never_exceed_a_cap(
    engine: Engine,
    database_url: str,
    tmp_path: Path,
    mailbox_cap: int,
    domain_cap: int | None,
    reason: str,
) -> None:
    world = World(
        house_of(engine, tmp_path, email=Scripted(), loaded=capped(mailbox_cap, domain_cap)), tmp_path
    )
    demo(world, *range(DUE))
    process(world)
    _four_workers(world, database_url)
    states = world.rows(
        "select state, reason, attempts, due_at, handed_over_at from touches where position = 1"
    )
    deferred = [s for s in states if s["state"] == "planned"]
    assert Counter(s["state"] for s in states) == {"sent": CAP, "planned": DUE - CAP}
    assert {s["reason"] for s in deferred} == {reason}
    assert all(s["due_at"] > world.now for s in deferred)
    # A deferral consumes nothing.
    assert {(s["attempts"], s["handed_over_at"]) for s in deferred} == {(0, None)}
    assert len(noted(tmp_path / "sends")) == CAP
    world.now += timedelta(hours=24)
    _four_workers(world, database_url)
    assert len(noted(tmp_path / "sends")) == 2 * CAP


def _four_workers(world: World, database_url: str) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            engine = create_engine(database_url, poolclass=NullPool)
            house = house_of(
                engine, world.folder, email=Noted(world.folder / "sends"), loaded=world.house.loaded
            )
            mine = World(house, world.folder, world.now)
            while send(mine, limit=7).dispatches.counts["claimed"]:
                pass
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed, failed


def test_a_refused_send_and_a_step_for_a_rep_take_no_place_under_the_cap(
    engine: Engine, tmp_path: Path
) -> None:
    email = Scripted(lambda _: SendResult(Outcome.REJECTED, detail="550"))
    world = World(house_of(engine, tmp_path, email=email, loaded=capped(1)), tmp_path)
    demo(world, 1, 2)
    process(world)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """update touches set channel = 'rep_task' where position = 1
            and lead_id = (select lead_id from leads where email = 'lead1@company1.example')"""
        )
    done = send(world).dispatches.counts
    assert (done["sent"], done["failed:rejected"]) == (1, 1)
    demo(world, 3)
    process(world)
    email.answer = lambda _: SendResult(Outcome.ACCEPTED)
    assert send(world).dispatches.counts["sent"] == 1
    demo(world, 4)
    process(world)
    assert send(world).dispatches.counts["deferred:mailbox_cap"] == 1
