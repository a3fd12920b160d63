"""``python -m leadops_tests.learning.world``: rules, model and the best possible, simulated.

Months of leads go through the whole chain; the model is trained at the end of them and held, on the leads
held out, against the scorecard and against the hidden interest of each person, which nobody inside can see.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from leadops.demo.making import SCENE, Wanted, make_past
from leadops.demo.scene import Scene
from leadops.domain.addresses import canonical_email
from leadops.domain.keys import Keyring
from leadops.learning.as_of import Cut, known
from leadops.learning.examples import Asked, collect, row_of
from leadops.learning.judge import quality
from leadops.learning.train import Examples, TooFewError, Trained, rules_probability, train
from leadops.playbook.loader import load
from leadops.playbook.model import Playbook
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import person_of
from leadops.sandbox.world.propensity import interest, propensity
from leadops.sandbox.world.rhythm import Rhythm
from leadops.stages.train import options_of
from leadops.store.engine import open_engine, transaction
from leadops.terms import Contact, EventKind, LeadEvent
from leadops_tests import postgres_server
from leadops_tests.house import PLAYBOOK

END = datetime(2026, 3, 12, 18, 0, tzinfo=UTC)


def measure(
    engine: Engine, playbook: Playbook, scene: Scene, start: datetime, end: datetime
) -> dict[str, Any]:
    """Qualities on the held-out leads; the optimum knows each person's hidden interest."""
    with transaction(engine) as connection:
        found = collect(connection, playbook, end)
    hidden = _interest_by_address(scene, start, end)
    with engine.connect() as connection:
        listed = connection.exec_driver_sql("select lead_id, email from leads").all()
    addresses: dict[str, str | None] = {r[0]: r[1] for r in listed}
    known = [hidden.get(canonical_email(addresses[i] or "") or "", 0.0) for i in found.examples.ids]
    return compared(found.examples, np.array(known), playbook)


def compared(
    examples: Examples, hidden: Any, playbook: Playbook, *, true_odds: bool = False
) -> dict[str, Any]:
    """``true_odds``: what is hidden is the very probability of the outcome; else it is calibrated."""
    began = time.perf_counter()
    trained = train(examples, options_of(playbook))
    seconds = time.perf_counter() - began
    end = trained.parts.calibrate_end
    late = examples.part(end, len(examples))
    middle = replace(examples.part(trained.parts.train_end, end), rules=hidden[trained.parts.train_end : end])
    known = hidden[end:]
    said, by_rules = trained.held_out
    best = known if true_odds else rules_probability(middle, known)
    return {
        "leads": len(examples),
        "converted": int(examples.converted.sum()),
        "held_out": len(late),
        "held_out_converted": int(late.converted.sum()),
        "train_s": round(seconds, 1),
        "estimator": trained.model.about["estimator"],
        "reason": trained.judgement.reason,
        "earned": trained.judgement.earned,
        "model": asdict(quality(said, late.converted)),
        "rules": asdict(quality(by_rules, late.converted, late.rules)),
        "optimum": asdict(quality(best, late.converted, known)),
        "columns": _columns(trained, late),
    }


def _columns(trained: Trained, late: Any) -> list[tuple[str, float]]:
    from leadops.learning.card import column_weights

    return [(n, round(v, 3)) for n, v in column_weights(trained, late)[:12]]


def _interest_by_address(scene: Scene, start: datetime, end: datetime) -> dict[str, float]:
    found: dict[str, float] = {}
    for arrival in scene.world.arrivals(start, end):
        person = person_of(scene.world.chance, arrival.moment)
        for address in (person.email, person.alias):
            found[canonical_email(address) or ""] = interest(person)
    return found


def directly(leads: int, seed: int, playbook: Playbook) -> dict[str, Any]:
    """The same without the chain, for any number of leads: each fills in one form, is answered
    after a minute, and gets in touch or not. Rows as the log would give them."""
    chance = Chance(seed)
    start = END - timedelta(days=360)
    moments = Rhythm(seed, leads / 360 * 7 * 1.02).between(start, END)
    asked: list[Asked] = []
    converted, hidden = [], []
    for moment in moments:
        person = person_of(chance, moment)
        if not person.is_real:
            continue
        contact = Contact(
            email=person.email, title=person.title, company=person.company, company_size=person.size,
            country=person.country, timezone=person.zone, phone=person.phone or None,
        )  # fmt: skip
        properties = {"source": person.source} | ({"message": person.message} if person.message else {})
        kind = _KINDS[person.ask]
        event = LeadEvent(person.key, "world", person.key, kind, moment.at, moment.at, contact, properties)
        lead = known(Cut(person.key, moment.at, moment.at, moment.at), [event])
        assert lead is not None
        asked.append(row_of(lead, playbook.scorecard))
        converted.append(person.latent < propensity(person, timedelta(minutes=1)))
        hidden.append(propensity(person, timedelta(minutes=1)))
    examples = Examples(
        [a.lead_id for a in asked],
        np.array([a.at for a in asked]),
        [a.row for a in asked],
        np.array(converted),
        np.array([a.rules for a in asked]),
    )
    return compared(examples, np.array(hidden), playbook, true_odds=True)


_KINDS = {
    "demo": EventKind.DEMO_REQUESTED,
    "pricing": EventKind.FORM_SUBMITTED,
    "guide": EventKind.CONTENT_DOWNLOADED,
}


def main() -> int:
    """Make the past, measure, print JSON."""
    given = argparse.ArgumentParser()
    given.add_argument("--weeks", type=float, default=18)
    given.add_argument("--per-week", type=float, default=200)
    given.add_argument("--seed", type=int, default=7)
    given.add_argument("--direct", type=int, default=0, help="that many leads, without the chain")
    asked = given.parse_args()
    if asked.direct:
        found = directly(asked.direct, asked.seed, load(PLAYBOOK).playbook)
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    postgres_server.open_run()
    try:
        with (
            postgres_server.fresh_database(postgres_server.server_url()) as url,
            tempfile.TemporaryDirectory() as home,
        ):
            loaded = load(PLAYBOOK)
            wanted = Wanted(END, weeks=asked.weeks, seed=asked.seed, per_week=asked.per_week)
            make_past(
                Path(home),
                url,
                loaded,
                Keyring(b"test"),
                wanted,
                public_url="http://127.0.0.1:8400",
                say=_say,
            )
            scene = Scene.open(Path(home) / SCENE, lambda: END, loaded.playbook.handoff.reps)
            engine = open_engine(url)
            start = END - timedelta(weeks=asked.weeks)
            try:
                found = measure(engine, loaded.playbook, scene, start, END)
            except TooFewError as error:
                found = {"too_few": str(error)}
            finally:
                engine.dispose()
            sys.stdout.write(json.dumps(found, indent=1) + "\n")
    finally:
        postgres_server.close_run()
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
