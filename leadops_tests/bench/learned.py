"""Leads per second by a model: NumPy alone, against scikit-learn's ``predict_proba`` of the very same matrix.

``model_matrix`` is that comparison for a batch; ``model_one`` for one lead, which is how leads come;
``model_rows`` starts from raw rows and ends with total and reasons, which ``predict_proba`` does not give.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from leadops.learning.train import train
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.ground import seconds
from leadops_tests.learning.rows import OPTIONS, examples

_TRIES = 7


def measure(_server_url: str, say: Callable[[str], None], *, count: int = 5_000) -> list[Figure]:
    """Three figures; both say the same of every lead to within 1e-9, which is asserted."""
    made = train(examples(3_000), OPTIONS)
    given = examples(count, seed=9)
    model, whole = made.model, made.whole
    features = model.matrix(given.rows, given.at)
    worst = float(np.abs(model.probability(features) - whole.predict_proba(features)[:, 1]).max())
    assert worst < 1e-9
    at = given.at.tolist()
    one = features[:1]
    floor = [seconds(lambda: whole.predict_proba(features)) for _ in range(_TRIES)]
    about = {
        "leads": count,
        "features": int(features.shape[1]),
        "estimator": model.about["estimator"],
        "worst_difference": worst,
    }
    found = [
        Figure(
            "model_matrix",
            _rate(count, [seconds(lambda: model.probability(features)) for _ in range(_TRIES)]),
            "leads/s",
            _rate(count, floor),
            "scikit-learn's predict_proba of the same matrix",
            about,
        ),
        Figure(
            "model_one",
            _rate(100, [seconds(lambda: _repeat(lambda: model.probability(one))) for _ in range(_TRIES)]),
            "leads/s",
            _rate(100, [seconds(lambda: _repeat(lambda: whole.predict_proba(one))) for _ in range(_TRIES)]),
            "scikit-learn's predict_proba of the same single row",
            about,
        ),
        Figure(
            "model_rows",
            _rate(count, [seconds(lambda: model.predict(given.rows, at)) for _ in range(_TRIES)]),
            "leads/s",
            _rate(count, floor),
            "scikit-learn's predict_proba of the matrix made from them: no encoding, total or reasons",
            about,
        ),
    ]
    for figure in found:
        say(f"{figure.name}: {figure.value:,.0f} leads/s, predict_proba {figure.floor:,.0f}")
    return found


def _repeat(what: Callable[[], object]) -> None:
    for _ in range(100):
        what()


def _rate(count: int, found: Sequence[float]) -> float:
    return round(count / statistics.median(found), 1)
