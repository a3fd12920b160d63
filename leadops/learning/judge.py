"""Is it better, and is that more than luck: AUC, Brier, log loss, calibration, paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leadops.learning.columns import Numbers

Labels = npt.NDArray[np.bool_]
BINS = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one set of probabilities. ``ece``: mean distance of said and seen, over ten bins of equal size."""

    auc: float
    brier: float
    log_loss: float
    ece: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Model less rules with its 95 % interval over ``resamples`` paired bootstrap resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Both on the same later leads. ``earned``: the model is better by the margin; ``reason``: in words."""

    leads: int
    converted: int
    model: Quality
    rules: Quality
    auc: Difference
    brier: Difference
    margin_auc: float
    resamples: int
    earned: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def auc(scores: Numbers, converted: Labels) -> float:
    """The chance that one who converted is ranked above one who did not; ties count half. 0.5 where one
    of the two is missing."""
    return float(_aucs(scores, converted, np.ones((1, len(scores))))[0])


def _aucs(scores: Numbers, converted: Labels, weights: Numbers) -> Numbers:
    """One AUC per row of ``weights`` (resamples x leads)."""
    if not len(scores):
        return np.full(len(weights), 0.5)
    order = np.argsort(scores, kind="stable")
    ordered, labels, w = scores[order], converted[order], weights[:, order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    yes = np.add.reduceat(w * labels, starts, axis=1)
    no = np.add.reduceat(w * ~labels, starts, axis=1)
    below = np.cumsum(no, axis=1) - no
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    won = (yes * (below + no / 2)).sum(axis=1)
    found: Numbers = np.where(pairs > 0, won / np.maximum(pairs, 1e-300), 0.5)
    return found


def brier(probabilities: Numbers, converted: Labels) -> float:
    """Mean squared distance from what came."""
    return float(((probabilities - converted) ** 2).mean())


def log_loss(probabilities: Numbers, converted: Labels) -> float:
    """Mean negative log-likelihood, probabilities kept off 0 and 1."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return float(-np.where(converted, np.log(p), np.log1p(-p)).mean())


def reliability(
    probabilities: Numbers, converted: Labels, bins: int = BINS
) -> list[tuple[float, float, int]]:
    """(said, seen, leads) of bins of equal size in the order of what was said; equal values stay together."""
    order = np.argsort(probabilities, kind="stable")
    p, y = probabilities[order], converted[order]
    found, start = [], 0
    for n in range(1, bins + 1):
        end = len(p) if n == bins else int(np.searchsorted(p, p[min(len(p) * n // bins, len(p) - 1)]))
        if end > start:
            found.append((float(p[start:end].mean()), float(y[start:end].mean()), end - start))
            start = end
    return found


def quality(probabilities: Numbers, converted: Labels, rank: Numbers | None = None) -> Quality:
    """All four; ``rank``: what orders them, where it is not the probability."""
    bins = reliability(probabilities, converted)
    ece = sum(n * abs(said - seen) for said, seen, n in bins) / max(1, len(probabilities))
    return Quality(
        auc(probabilities if rank is None else rank, converted),
        brier(probabilities, converted),
        log_loss(probabilities, converted),
        float(ece),
    )


def judge(
    model: Numbers,
    rules: Numbers,
    converted: Labels,
    *,
    totals: Numbers | None = None,
    margin_auc: float,
    resamples: int = 1000,
    seed: int = 0,
) -> Judgement:
    """Probabilities of the model against those of the scorecard, of the same leads. ``totals``: the
    scorecard's own, which rank its leads.

    Earned: the lower end of the AUC difference's interval is above ``margin_auc`` and the Brier score is
    not worse.
    """
    rng = np.random.default_rng(seed)
    aucs, briers = [], []
    n = len(converted)
    ranked = rules if totals is None else totals
    mse_model, mse_rules = (model - converted) ** 2, (rules - converted) ** 2
    for start in range(0, resamples, 50):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=min(50, resamples - start)).astype(np.float64)
        aucs.append(_aucs(model, converted, weights) - _aucs(ranked, converted, weights))
        briers.append(weights @ (mse_model - mse_rules) / n)
    of_model, of_rules = quality(model, converted), quality(rules, converted, ranked)
    by_auc = _interval(of_model.auc - of_rules.auc, np.concatenate(aucs))
    by_brier = _interval(of_model.brier - of_rules.brier, np.concatenate(briers))
    earned = by_auc.low > margin_auc and by_brier.value <= 0
    return Judgement(
        n,
        int(converted.sum()),
        of_model,
        of_rules,
        by_auc,
        by_brier,
        margin_auc,
        resamples,
        earned,
        _said(of_model, of_rules, by_auc, by_brier, margin_auc, n),
    )


def _interval(value: float, drawn: Numbers) -> Difference:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Difference(float(value), float(low), float(high))


def _said(m: Quality, r: Quality, by_auc: Difference, by_brier: Difference, margin: float, n: int) -> str:
    what = (
        f"on {n} later leads AUC {m.auc:.3f} against the scorecard's {r.auc:.3f} (difference "
        f"{by_auc.value:+.3f}, 95% {by_auc.low:+.3f} to {by_auc.high:+.3f}), "
        f"Brier {m.brier:.4f} against {r.brier:.4f}"
    )
    if by_auc.low <= margin:
        return f"{what}: not surely better by {margin:g}"
    if by_brier.value > 0:
        return f"{what}: it ranks better, but its probabilities are worse"
    return f"{what}: surely better by more than {margin:g}"


def holds(judgement: Judgement) -> bool:
    """Whether a model in use still beats the scorecard on new leads: by what was seen, in AUC and in Brier.

    Milder than ``earned``: it has won once, and a few leads' luck must not switch scores back and forth.
    """
    return judgement.auc.value > 0 and judgement.brier.value <= 0


def judgement_of(data: Mapping[str, Any]) -> Judgement:
    """The inverse of ``Judgement.to_json``."""
    parts = dict(data)
    for name, kind in (("model", Quality), ("rules", Quality), ("auc", Difference), ("brier", Difference)):
        parts[name] = kind(**parts[name])
    return Judgement(**parts)
