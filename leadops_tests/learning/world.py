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
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from leadops.demo.making import SCENE, Wanted, make_past
from leadops.demo.scene import Scene
from leadops.domain.addresses import canonical_email
from leadops.domain.keys import Keyring
from leadops.learning.examples import collect
from leadops.learning.judge import judge, quality
from leadops.learning.train import TooFewError, Trained, rules_probability, train
from leadops.playbook.loader import load
from leadops.playbook.model import Playbook
from leadops.sandbox.world.people import person_of
from leadops.sandbox.world.propensity import interest
from leadops.stages.train import options_of
from leadops.store.engine import open_engine, transaction
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
        addresses = dict(connection.exec_driver_sql("select lead_id, email from leads").all())
    began = time.perf_counter()
    trained = train(found.examples, options_of(playbook))
    seconds = time.perf_counter() - began
    examples = found.examples
    late = examples.part(trained.parts.calibrate_end, len(examples))
    middle = examples.part(trained.parts.train_end, trained.parts.calibrate_end)
    known = np.array([hidden.get(canonical_email(addresses[i] or "") or "", 0.0) for i in late.ids])
    before = np.array([hidden.get(canonical_email(addresses[i] or "") or "", 0.0) for i in middle.ids])
    said, by_rules = trained.held_out
    best = rules_probability(_with(middle, before), known)
    return {
        "leads": len(examples),
        "converted": int(examples.converted.sum()),
        "held_out": len(late),
        "held_out_converted": int(late.converted.sum()),
        "unmatched": int((known == 0).sum()),
        "train_s": round(seconds, 1),
        "estimator": trained.model.about["estimator"],
        "reason": trained.judgement.reason,
        "model": asdict(quality(said, late.converted)),
        "rules": asdict(quality(by_rules, late.converted, late.rules)),
        "optimum": asdict(quality(best, late.converted, known)),
        "optimum_less_model_auc": asdict(
            judge(best, said, late.converted, totals=said, margin_auc=0.0, seed=1).auc
        ),
        "left_out": trained.chosen.left_out,
        "columns": _columns(trained, late),
    }


def _columns(trained: Trained, late: Any) -> list[tuple[str, float]]:
    from leadops.learning.card import column_weights

    return [(n, round(v, 3)) for n, v in column_weights(trained, late)[:12]]


def _with(examples: Any, totals: Any) -> Any:
    from dataclasses import replace

    return replace(examples, rules=totals)


def _interest_by_address(scene: Scene, start: datetime, end: datetime) -> dict[str, float]:
    found: dict[str, float] = {}
    for arrival in scene.world.arrivals(start, end):
        person = person_of(scene.world.chance, arrival.moment)
        for address in (person.email, person.alias):
            found[canonical_email(address) or ""] = interest(person)
    return found


def main() -> int:
    """Make the past, measure, print JSON."""
    given = argparse.ArgumentParser()
    given.add_argument("--weeks", type=float, default=18)
    given.add_argument("--per-week", type=float, default=200)
    given.add_argument("--seed", type=int, default=7)
    asked = given.parse_args()
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
