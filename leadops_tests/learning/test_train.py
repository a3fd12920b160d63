"""Training and judging on rows: promoted on signal, refused on noise, the same each time, exact."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from leadops.learning import train as training
from leadops.learning.equate import equate
from leadops.learning.heads import Linear, Steps
from leadops.learning.judge import auc, brier, judge
from leadops.learning.model import Learned, UnreadableModelError, model_from_json
from leadops.learning.train import TooFewError, train
from leadops_tests.learning.rows import OPTIONS, examples


@pytest.fixture(scope="module")
def trained() -> training.Trained:
    return train(examples(3000), OPTIONS)


def test_signal_is_found_and_promoted(trained: training.Trained) -> None:
    verdict = trained.judgement
    assert verdict.earned, verdict.reason
    assert verdict.auc.low > OPTIONS.margin_auc
    assert verdict.model.ece < 0.06


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_refused(seed: int) -> None:
    """Four of four: the lower end of a 95 % interval is above the margin less than once in forty tries."""
    assert not train(examples(1500, signal=0.0, seed=seed), OPTIONS).judgement.earned


def test_the_same_examples_make_the_same_model(trained: training.Trained) -> None:
    again = train(examples(3000), OPTIONS)
    assert json.dumps(again.model.to_json(), sort_keys=True) == json.dumps(
        trained.model.to_json(), sort_keys=True
    )
    assert again.judgement == trained.judgement
    other = train(examples(3000), replace(OPTIONS, ignore=("flag",)))
    assert other.model.version != trained.model.version


@pytest.mark.parametrize("wanted", ["logistic", "boosted"])
@pytest.mark.parametrize("isotonic", [False, True])
def test_numpy_alone_says_what_scikit_learn_says(
    wanted: str, isotonic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = training._makers
    chosen = {k: v for k, v in makers(7).items() if k.startswith(wanted)}
    monkeypatch.setattr(training, "_makers", lambda _seed: chosen)
    monkeypatch.setattr(training, "ISOTONIC_FROM", 1 if isotonic else 10**9)
    given = examples(1500, seed=3)
    made = train(given, OPTIONS)
    assert isinstance(made.model.head, Linear if wanted == "logistic" else Steps)
    features = made.model.matrix(given.rows, given.at)
    expected = made.whole.predict_proba(features)[:, 1]
    read_back = model_from_json(json.loads(json.dumps(made.model.to_json())))
    for model in (made.model, read_back):
        assert np.abs(model.probability(features) - expected).max() < 1e-9
        said = model.predict(given.rows, given.at.tolist())
        assert np.abs(np.array([p.probability for p in said]) - expected).max() < 1e-9


def test_contributions_in_points_lead_from_the_mean_lead_to_the_total(trained: training.Trained) -> None:
    """What raises gives points, what lowers takes them, and neither more than the scale has."""
    given = examples(400, seed=8)
    found = trained.model.predict(given.rows, given.at.tolist())
    for said in found:
        points = [c.points for c in said.contributions]
        assert said.start + sum(points) == pytest.approx(said.total, abs=1e-5)
        assert sum(p for p in points if p > 0) <= 100 + 1e-6
        assert sum(p for p in points if p < 0) >= -100 - 1e-6
        assert all(c.points * c.log_odds >= -1e-9 for c in said.contributions)
    assert len({round(said.start, 9) for said in found}) == 1
    assert max(p for said in found for p in (c.points for c in said.contributions)) > 1


def test_contributions_add_up_to_the_log_odds(trained: training.Trained) -> None:
    given = examples(200, seed=8)
    raw = trained.model.head.raw(trained.model.matrix(given.rows, given.at))
    for n, said in enumerate(trained.model.predict(given.rows, given.at.tolist())):
        assert said.base + sum(c.log_odds for c in said.contributions) == pytest.approx(raw[n], abs=1e-9)
        sizes = [abs(c.log_odds) for c in said.contributions]
        assert sizes == sorted(sizes, reverse=True)


def test_thresholds_select_as_many_as_the_scorecard(trained: training.Trained) -> None:
    given = examples(3000)
    later = given.part(trained.parts.train_end, len(given))
    totals = trained.model.equated.total(
        trained.model.probability(trained.model.matrix(later.rows, later.at))
    )
    for threshold in OPTIONS.thresholds:
        assert abs((totals >= threshold).mean() - (later.rules >= threshold).mean()) <= 0.01


@pytest.mark.parametrize("seed", range(20))
def test_equating_is_monotone_and_keeps_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4000))
    totals = np.round(rng.normal(45, 15, n) / rng.choice([1, 5]), 0).clip(0, 100) * 1.0
    p = rng.beta(1, 12, n)
    made = equate(p, totals, (35.0, 60.0))
    grid = made.total(np.linspace(0, 1, 5000))
    assert (np.diff(grid) >= 0).all()
    assert 0 <= grid.min() <= grid.max() <= 100
    for threshold in (35.0, 60.0):
        assert abs((made.total(p) >= threshold).mean() - (totals >= threshold).mean()) <= max(0.01, 1 / n)


@pytest.mark.parametrize("shared", [[21.0], [20.0, 70.0], [40.0, 41.0, 59.0]])
def test_where_the_scorecard_tells_nobody_apart_the_models_order_still_shows(shared: list[float]) -> None:
    rng = np.random.default_rng(3)
    totals, p = rng.choice(shared, 2000), rng.beta(1, 12, 2000)
    found = equate(p, totals, (35.0, 60.0)).total(p)
    assert len(np.unique(found)) > 1900
    assert (np.diff(found[np.argsort(p)]) >= 0).all()
    for threshold in (35.0, 60.0):
        assert abs((found >= threshold).mean() - (totals >= threshold).mean()) <= 0.01


def test_equal_probabilities_get_one_total() -> None:
    made = equate(np.array([0.1] * 50 + [0.2] * 50), np.linspace(0, 99, 100), (35.0, 60.0))
    totals = made.total(np.array([0.1, 0.2]))
    # Half the leads each: nearest to the 40 at or above 60 is the upper half.
    assert totals[0] < 60 <= totals[1]


def test_measures_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y = rng.random(500) < 0.2
    p = np.round(rng.random(500), 1)  # ties
    assert auc(p, y) == pytest.approx(roc_auc_score(y, p))
    assert brier(p, y) == pytest.approx(brier_score_loss(y, p))
    assert auc(p, np.zeros(500, dtype=bool)) == 0.5


def test_a_better_ranking_with_worse_probabilities_is_not_promoted() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(1, 5, 3000)
    y = rng.random(3000) < p
    verdict = judge(np.clip(p * 4, 0, 1), np.full(3000, float(y.mean())), y, margin_auc=0.01)
    assert verdict.auc.low > 0.01
    assert not verdict.earned
    assert "probabilities are worse" in verdict.reason


@pytest.mark.parametrize("n", [0, 1, 30, 200])
def test_too_few_is_said(n: int) -> None:
    given = examples(max(1, n)).part(0, n)
    with pytest.raises(TooFewError, match="converted"):
        train(given, OPTIONS)


@pytest.mark.parametrize("all_of_them", [True, False])
def test_one_class_is_said(all_of_them: bool) -> None:
    given = examples(800)
    with pytest.raises(TooFewError):
        train(replace(given, converted=np.full(800, all_of_them)), OPTIONS)


def test_columns_that_say_nothing_are_said() -> None:
    given = examples(1500)
    with pytest.raises(TooFewError, match="no column"):
        train(replace(given, rows=[{"a": None, "b": "Select"} for _ in given.rows]), OPTIONS)


def test_what_was_never_seen_is_no_error(trained: training.Trained) -> None:
    strange = [
        {},
        {"size": "??", "ask": {"a": 1}, "page": ["x"], "title": 5, "flag": "Select", "given": "soon"},
        {"size": float("inf"), "ask": "a" * 10_000, "new": "column", "mixed": float("nan")},
        {"size": True, "ask": 12.5, "page": None, "given": "2999-01-01"},
    ]
    for said in trained.model.predict(strange, [1.7e9] * len(strange)):
        assert 0 <= said.probability <= 1
        assert 0 <= said.total <= 100
    assert trained.model.predict([], []) == []


def test_another_format_is_refused(trained: training.Trained) -> None:
    data = trained.model.to_json()
    for broken in ({**data, "format": 99}, {**data, "centre": [0.0]}, {"format": 1}):
        with pytest.raises(UnreadableModelError):
            model_from_json(broken)


def test_scoring_needs_no_scikit_learn(trained: training.Trained) -> None:
    import subprocess
    import sys

    code = (
        "import json, sys; from leadops.learning.model import model_from_json;"
        "m = model_from_json(json.load(sys.stdin)); m.predict([{}], [1.7e9]);"
        "assert not {'sklearn', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    given = json.dumps(trained.model.to_json())
    assert isinstance(trained.model, Learned)
    subprocess.run([sys.executable, "-c", code], input=given, text=True, check=True)
