"""Fit one model on leads in the order of time: train on the oldest, calibrate on later, judge on the latest.

What is judged is what is used: nothing is fitted again on the held-out leads. scikit-learn fits; what comes
out needs NumPy alone.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leadops.learning import drift
from leadops.learning.columns import Numbers, Row
from leadops.learning.encode import Chosen, choose
from leadops.learning.equate import equate
from leadops.learning.heads import Calibration, Head, Isotonic, Linear, Sigmoid, Steps, expit
from leadops.learning.judge import Judgement, Labels, judge, log_loss
from leadops.learning.model import Learned

CODE = "2"
"""Raised when the same examples would make another model."""
TRAIN, CALIBRATE = 0.60, 0.15
"""Shares of those who converted, in the order of time; the rest is held out."""
ISOTONIC_FROM = 1_000
RULES = "points.total"
"""The column of the scorecard's total: what is known beforehand, so a model begins where the rules are."""
_PENALTIES = (0.003, 0.03, 0.3, 3.0)
_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Examples:
    """Mature leads in the order of time. ``rows``: what was known at ``at`` (seconds since 1970);
    ``converted``: whether the outcome came within the horizon; ``rules``: the scorecard's total then."""

    ids: Sequence[str]
    at: Numbers
    rows: Sequence[Row]
    converted: Labels
    rules: Numbers

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> Examples:
        return Examples(
            self.ids[start:end],
            self.at[start:end],
            self.rows[start:end],
            self.converted[start:end],
            self.rules[start:end],
        )


@dataclass(frozen=True, slots=True)
class Options:
    """``thresholds``: the totals that divide the tiers. ``ignore``, ``trust``: as ``encode.choose``."""

    thresholds: tuple[float, ...]
    scorecard_version: str
    min_train: int = 50
    min_held_out: int = 30
    margin_auc: float = 0.01
    resamples: int = 1000
    ignore: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts end, as positions; ``held_out`` runs from ``calibrate_end`` to the end."""

    train_end: int
    calibrate_end: int


@dataclass(frozen=True, slots=True)
class Trained:
    """``candidates``: cross-validated log loss of each, lower is better. ``held_out`` probabilities: the
    model's and the scorecard's. ``whole``: scikit-learn's own, for comparison."""

    model: Learned
    judgement: Judgement
    parts: Parts
    chosen: Chosen
    candidates: Mapping[str, float]
    held_out: tuple[Numbers, Numbers]
    whole: Any


class TooFewError(Exception):
    """Not enough outcomes to learn from; says of what, how many, and how many it takes."""


def split(converted: Labels, options: Options) -> Parts:
    """By those who converted, so that each part has some even where they have become many of late.

    Raises:
        TooFewError: a part would have too few of them, or of the others.
    """
    total = int(converted.sum())
    need = int(np.ceil(max(options.min_train / TRAIN, options.min_held_out / (1 - TRAIN - CALIBRATE))))
    if total < need:
        raise TooFewError(f"{total} of {len(converted)} mature leads converted, and it takes {need}")
    so_far = np.cumsum(converted)
    first, second = (int(np.searchsorted(so_far, share * total)) + 1 for share in (TRAIN, TRAIN + CALIBRATE))
    for part in (converted[:first], converted[first:second], converted[second:]):
        if not part.any() or part.all() or (~part).sum() < 2:
            raise TooFewError(
                f"{total} of {len(converted)} mature leads converted: there is nothing to tell apart"
            )
    return Parts(first, second)


def train(examples: Examples, options: Options) -> Trained:
    """Same examples, same options: the same model, with the same version.

    Raises:
        TooFewError: see ``split``; or no column tells anything.
    """
    parts = split(examples.converted, options)
    first, second = parts.train_end, parts.calibrate_end
    early, middle, late = (
        examples.part(0, first),
        examples.part(first, second),
        examples.part(second, len(examples)),
    )
    chosen = choose(
        early.rows,
        early.at,
        early.converted,
        ignore=options.ignore,
        trust=options.trust,
        prior=RULES,
        seed=options.seed,
    )
    if not chosen.columns:
        raise TooFewError("no column tells one lead from another")
    fitted, losses = _best(chosen.encoded, early.converted, options.seed)
    head = head_of(fitted, chosen.encoded.shape[1])
    bare = Learned(
        chosen.columns,
        head,
        Sigmoid(-1.0, 0.0),
        equate(np.array([0.0]), np.array([0.0]), ()),
        head.terms(chosen.encoded).mean(axis=0),
        {},
        {},
    )
    encoded_middle = bare.matrix(middle.rows, middle.at)
    whole = calibrated(fitted, encoded_middle, middle.converted)
    calibration = calibration_of(whole, middle.converted)
    raw_middle = head.raw(encoded_middle)
    raw_late = head.raw(bare.matrix(late.rows, late.at))
    said = calibration.probability(raw_late)
    by_rules = rules_probability(middle, late.rules)
    verdict = judge(
        said,
        by_rules,
        late.converted,
        totals=late.rules,
        margin_auc=options.margin_auc,
        resamples=options.resamples,
        seed=options.seed,
    )
    # Leads the model was not trained on: what it says of those it was is too sure of itself.
    fresh = calibration.probability(np.concatenate([raw_middle, raw_late]))
    model = Learned(
        bare.columns,
        head,
        calibration,
        equate(fresh, np.concatenate([middle.rules, late.rules]), options.thresholds),
        bare.centre,
        drift.reference(bare.columns, early.rows),
        _about(examples, options, fitted),
    )
    return Trained(model, verdict, parts, chosen, losses, (said, by_rules), whole)


def _about(examples: Examples, options: Options, fitted: Any) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps([CODE, asdict(options)], sort_keys=True).encode())
    for n, lead_id in enumerate(examples.ids):
        row = [lead_id, float(examples.at[n]), dict(examples.rows[n]), bool(examples.converted[n])]
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return {
        "version": f"m-{digest.hexdigest()}",
        "scorecard_version": options.scorecard_version,
        "estimator": type(fitted).__name__,
        "leads": len(examples),
        "converted": int(examples.converted.sum()),
        "from": float(examples.at[0]),
        "to": float(examples.at[-1]),
    }


# --- fitting


def _best(encoded: Numbers, converted: Labels, seed: int) -> tuple[Any, dict[str, float]]:
    """The candidate with the least log loss on folds that lie later than what it was fitted on."""
    from sklearn.model_selection import TimeSeriesSplit

    makers = _makers(seed)
    losses: dict[str, list[float]] = {name: [] for name in makers}
    for before, after in TimeSeriesSplit(n_splits=_FOLDS).split(encoded):
        if min(converted[before].sum(), (~converted[before]).sum(), converted[after].sum()) < 5:
            continue
        for name, make in makers.items():
            fitted = _fit(make(), encoded[before], converted[before])
            losses[name].append(log_loss(fitted.predict_proba(encoded[after])[:, 1], converted[after]))
    means = {name: float(np.mean(found)) for name, found in losses.items() if found}
    # None could be told apart: the most careful one.
    best = min(means, key=lambda name: (means[name], name)) if means else next(iter(makers))
    return _fit(makers[best](), encoded, converted), means


def _makers(seed: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    found: dict[str, Any] = {
        f"logistic C={c:g}": lambda c=c: LogisticRegression(C=c, max_iter=500, random_state=seed)
        for c in _PENALTIES
    }
    # Trees of one column each: their sum is a step function per column, which can be explained exactly.
    found["boosted, additive"] = lambda: HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=120,
        max_leaf_nodes=4,
        min_samples_leaf=40,
        l2_regularization=5.0,
        interaction_cst="no_interactions",
        early_stopping=False,
        random_state=seed,
    )
    return found


def _fit(estimator: Any, encoded: Numbers, converted: Labels) -> Any:
    from threadpoolctl import threadpool_limits

    # One thread: sums in one order, so one result; and nobody else's cores.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")  # convergence: judged by what it predicts, on later leads
        return estimator.fit(encoded, converted.astype(np.int64))


def head_of(fitted: Any, width: int) -> Head:
    """What was fitted, without scikit-learn."""
    if hasattr(fitted, "coef_"):
        return Linear(float(fitted.intercept_[0]), fitted.coef_[0].astype(np.float64))
    cuts: dict[int, list[Numbers]] = {}
    trees = []
    for (tree,) in fitted._predictors:
        nodes = tree.nodes
        inner = nodes[nodes["is_leaf"] == 0]
        if len(inner):
            place = int(inner["feature_idx"][0])
            cuts.setdefault(place, []).append(inner["num_threshold"])
            trees.append((place, nodes))
    intercept = float(np.ravel(fitted._baseline_prediction)[0])
    intercept += sum(float(t.nodes["value"][0]) for (t,) in fitted._predictors if len(t.nodes) == 1)
    steps = {}
    for place, found in sorted(cuts.items()):
        thresholds = np.unique(np.concatenate(found))
        values = np.zeros(len(thresholds) + 1)
        for at, nodes in trees:
            if at == place:
                values += [_leaf(nodes, x) for x in (*thresholds.tolist(), np.inf)]
        steps[place] = (thresholds, values)
    return Steps(intercept, width, steps)


def _leaf(nodes: npt.NDArray[Any], x: float) -> float:
    node = nodes[0]
    while not node["is_leaf"]:
        node = nodes[node["left"] if x <= node["num_threshold"] else node["right"]]
    return float(node["value"])


def calibrated(fitted: Any, encoded: Numbers, converted: Labels) -> Any:
    """The classifier with probabilities: two numbers where there are few outcomes, a free monotone curve
    where there are many."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    method = "isotonic" if int(converted.sum()) >= ISOTONIC_FROM else "sigmoid"
    return CalibratedClassifierCV(FrozenEstimator(fitted), method=method).fit(
        encoded, converted.astype(np.int64)
    )


def calibration_of(whole: Any, converted: Labels) -> Calibration:
    """What ``calibrated`` found, without scikit-learn."""
    (found,) = whole.calibrated_classifiers_[0].calibrators
    if hasattr(found, "X_thresholds_"):
        return Isotonic(found.X_thresholds_.astype(np.float64), found.y_thresholds_.astype(np.float64))
    if found.a_ > 0:
        # Upside down on these leads: it then says the mean of all, and does not earn its place.
        return Sigmoid(0.0, float(-np.log(converted.mean() / (1 - converted.mean()))))
    return Sigmoid(float(found.a_), float(found.b_))


def rules_probability(before: Examples, rules: Numbers) -> Numbers:
    """The scorecard's probability: its totals calibrated on ``before``, those the model is calibrated on."""
    from sklearn.linear_model import LogisticRegression

    mean, std = float(before.rules.mean()), float(before.rules.std()) or 1.0
    given = ((before.rules - mean) / std).reshape(-1, 1)
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(given, before.converted.astype(np.int64))
    return expit(float(fitted.coef_[0, 0]) * (rules - mean) / std + float(fitted.intercept_[0]))
