"""The processes of the race tests: ``python -m leadops_tests.stages.racers VERB DATABASE_URL FOLDER``.

``dispatch`` hands over what is due; ``stop`` ingests a stop for each lead at about the moment its touch is
handed over. ``LEADOPS_TEST_MUTANT=no_locks`` takes the shared locks of the stop gate away, and gives a
stop time to commit between gate and hand-over.
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
from leadops.stages import outreach
from leadops.stages.ingest import ingest
from leadops.store import gate
from leadops.store.engine import open_engine
from leadops_tests.house import TUESDAY, World, house_of, wire
from leadops_tests.stages.sending import Noted, note, send

PATIENCE_S = 60.0


def dispatch(engine: Engine, folder: Path) -> None:
    """Hand over until nothing is due, saying before each touch how far it is."""
    world = World(house_of(engine, folder, email=Noted(folder / "sends")), folder)
    one = outreach._one

    def announced(*given: Any) -> None:
        note(folder / "progress", 1)
        one(*given)

    outreach._one = announced
    if os.environ.get("LEADOPS_TEST_MUTANT") == "no_locks":
        _without_locks()
    meet(folder, str(os.getpid()))
    while send(world, limit=50).dispatches.counts["claimed"]:
        pass
    for _ in range(1000):  # nobody waits for one who has finished
        note(folder / "progress", 1)


def _without_locks() -> None:
    freeze = outreach._freeze

    def slow(*given: Any) -> bytes:
        time.sleep(0.01)
        return freeze(*given)

    gate.lock_shared = lambda connection, keys: None
    outreach._freeze = slow


def stop(engine: Engine, folder: Path) -> None:
    """For each touch in the order of the hand-overs: a stop, a little before, during or after it."""
    house = house_of(engine, folder)
    with engine.connect() as connection:
        due = connection.execute(
            text(
                """select t.touch_id, l.email, e.reply_token from touches t join leads l using (lead_id)
                join enrolments e using (enrolment_id)
                where t.position = 1 order by t.urgency, t.due_at, t.touch_id"""
            )
        ).all()
    chance = random.Random(7)
    meet(folder, str(os.getpid()))
    for i, touch in enumerate(due):
        _wait_for(folder / "progress", i + chance.choice((-9, -6, -4, -3, -2, -1, 0, 1)), len(due))
        time.sleep(chance.random() * 0.01)
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
    until = time.monotonic() + PATIENCE_S
    while not (folder / "go").exists():
        if time.monotonic() > until:
            raise TimeoutError(name)
        time.sleep(0.001)


def _wait_for(progress: Path, reached: int, last: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while reached > 0 and not (progress.exists() and progress.stat().st_size >= 2 * min(reached, last)):
        if time.monotonic() > until:
            raise TimeoutError("the dispatcher does not get on")
        time.sleep(0.0005)


if __name__ == "__main__":
    verb, url, where = sys.argv[1:4]
    {"dispatch": dispatch, "stop": stop}[verb](open_engine(url), Path(where))
