"""The processes of the race tests: ``python -m leadops_tests.stages.racers VERB DATABASE_URL FOLDER``.

``dispatch`` hands over what is due; beside it, ``stop`` ingests a stop for each lead at about the moment
its touch is handed over (``dispatch_beside_stops``). ``LEADOPS_TEST_MUTANT=no_locks`` takes the shared locks
of the stop gate away, and gives a stop time to commit between gate and hand-over.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from leadops.providers.crm.port import RawRow
from leadops.stages import hand_over
from leadops.stages.ingest import ingest
from leadops.store import gate
from leadops.store.engine import open_engine
from leadops_tests.house import TUESDAY, World, house_of, wire
from leadops_tests.stages.sending import Noted, note, noted, send, until


def dispatch(engine: Engine, folder: Path) -> None:
    """Hand over until nothing is due."""
    world = World(house_of(engine, folder, email=Noted(folder / "sends")), folder)
    meet(folder, str(os.getpid()))
    while send(world, limit=50).dispatches.counts["claimed"]:
        pass


def dispatch_beside_stops(engine: Engine, folder: Path) -> None:
    """The same; each touch is begun at about the moment its stop is."""
    one = hand_over.hand_over
    chance = random.Random(11)
    begun: set[str] = set()

    def met(house: Any, works: Any, *given: Any) -> Any:
        (touch_id,) = [work.touch_id for work in works]
        if touch_id not in begun:
            begun.add(touch_id)
            note(folder / "begun", touch_id)
            until(lambda: len(noted(folder / "followed")) == len(begun))
            time.sleep(_head_start(chance))
        return one(house, works, *given)

    hand_over.hand_over = met
    if os.environ.get("LEADOPS_TEST_MUTANT") == "no_locks":
        _without_locks()
    dispatch(engine, folder)


def _head_start(chance: random.Random) -> float:
    """Seconds in which the other side may go first: often none, at times longer than its work takes."""
    return chance.choice((0.0, chance.random() * 0.005, chance.random() * 0.05))


def _without_locks() -> None:
    freeze = hand_over._freeze

    def slow(*given: Any) -> dict[str, bytes]:
        time.sleep(0.02)
        return freeze(*given)

    gate.lock_shared = lambda connection, keys: None
    hand_over._freeze = slow


def stop(engine: Engine, folder: Path) -> None:
    """For each touch the dispatcher begins: a stop, a little before, during or after the hand-over."""
    house = house_of(engine, folder)
    with engine.connect() as connection:
        planned = connection.execute(
            text(
                """select t.touch_id, l.email, e.reply_token from touches t join leads l using (lead_id)
                join enrolments e using (enrolment_id) where t.position = 1"""
            )
        ).all()
    people = {touch.touch_id: touch for touch in planned}
    chance = random.Random(7)
    meet(folder, str(os.getpid()))
    for i in range(len(people)):
        until(lambda i=i: len(noted(folder / "begun")) > i)
        touch = people[noted(folder / "begun")[i]]
        note(folder / "followed", touch.touch_id)
        time.sleep(_head_start(chance))
        kind, event = _stop_of(i, touch.email, touch.reply_token)
        row = RawRow(event=event, error=None, raw=event, where="race")
        assert ingest(engine, [row], now=TUESDAY, keyring=house.keyring).accepted == 1
        # The event has committed. What this sees is what had been handed over before it did.
        with engine.connect() as connection:
            state = connection.execute(
                text("select state from touches where touch_id = :id"), {"id": touch.touch_id}
            ).scalar_one()
        note(folder / "stops", {"touch": touch.touch_id, "kind": kind, "state": state})


def _stop_of(i: int, email: str, token: str) -> tuple[str, dict[str, Any]]:
    words = {"text": "Please call me.", "subject": "Re: demo"}
    found = [
        ("reply", wire("reply_received", email, id=f"s{i}", properties=words)),
        (
            "reply_by_token",
            wire("reply_received", f"p{i}@gmail.com", id=f"s{i}", properties=words | {"reply_token": token}),
        ),
        ("opt_out", wire("opted_out", email, id=f"s{i}")),
        ("hard_bounce", wire("email_bounced", email, id=f"s{i}", properties={"bounce": "hard"})),
        ("complaint", wire("email_complained", email, id=f"s{i}")),
        ("booking", wire("meeting_booked", email, id=f"s{i}")),
        ("rep", wire("rep_activity", email, id=f"s{i}")),
        ("message", wire("message_received", email, id=f"s{i}", properties=words)),
    ]
    return found[i % len(found)]


def meet(folder: Path, name: str) -> None:
    """Begin together."""
    (folder / f"{name}.ready").touch()
    until(lambda: (folder / "go").exists())


if __name__ == "__main__":
    verb, url, where = sys.argv[1:4]
    verbs = {"dispatch": dispatch, "dispatch_beside_stops": dispatch_beside_stops, "stop": stop}
    verbs[verb](open_engine(url), Path(where))
