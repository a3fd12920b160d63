"""A person who reads what waits, takes their time, approves most of it, and remembers what they approved."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadops.providers.email.sendgrid_request import mail_of
from leadops.sandbox.world.chance import Chance
from leadops.simulator.records import digest_of_body
from leadops.stages.report import Report
from leadops.stages.review import approve, reject
from leadops.store import reviews
from leadops.store.engine import transaction

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

NAME = "reviewer"
SOON, SPREAD = timedelta(minutes=25), 1.6
"""Half of what waits is decided on within this; one message in twenty waits for most of a day."""
REJECTS, FORGETS = 0.05, 0.03


class Reviewer:
    """Decides once about each touch that waits, at a time of its own; about a few never."""

    def __init__(self, run: Simulation) -> None:
        self._run, self._chance = run, Chance(run.plan.seed)
        self._waits: dict[str, datetime] = {}

    def decides_next(self) -> datetime | None:
        """When somebody is looked at next; None: nothing waits that anybody will look at."""
        return min(self._waits.values(), default=None)

    def look(self, now: datetime) -> bool:
        """Whether something is to be decided on by now."""
        with transaction(self._run.observer) as connection:
            found = reviews.waiting(connection)
        known, self._waits = self._waits, {}
        for touch in found:
            touch_id, since = touch["touch_id"], touch["in_review_since"]
            if not self._chance.happens(FORGETS, "forgets", touch_id):
                after = self._chance.around(SOON, SPREAD, "decides", touch_id)
                self._waits[touch_id] = known.get(touch_id, max(now, since + after))
        return any(at <= now for at in self._waits.values())

    def decide(self) -> Report:
        """What is to be decided on by now. What was read is remembered before it is approved."""
        run, report = self._run, Report("review")
        now = run.scheduler.clock()
        for touch_id in sorted(i for i, at in self._waits.items() if at <= now):
            del self._waits[touch_id]
            with transaction(run.engine) as connection:
                kept = reviews.kept(connection, [touch_id]).get(touch_id)
            if kept is None or kept.proof is None:
                continue
            if self._chance.happens(REJECTS, "rejects", touch_id):
                (said,) = reject(run.engine, [touch_id], NAME, "not like this", now=now)
            else:
                run.records.approved[touch_id] = self._as_request(touch_id, kept.proof)
                (said,) = approve(run.engine, [touch_id], NAME, now=now)
            report.count(said.words.partition(";")[0] if said.done else "too late")
        return report

    def _as_request(self, touch_id: str, proof: bytes) -> str:
        """What the vendor must get for these bytes, by its digest."""
        sender = self._run.loaded.playbook.sender
        asked = mail_of(touch_id, proof, track_opens=sender.track_opens, track_clicks=sender.track_clicks)
        return digest_of_body(json.loads(json.dumps(asked)))
