"""From numbers to log-odds to a probability, with NumPy alone; all here are sums of one term per feature.

Only additive models are promoted: a sum is explained exactly, term by term, and costs nothing to evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from leadops.learning.columns import Numbers


@dataclass(frozen=True, slots=True)
class Linear:
    """Log-odds are ``intercept`` + the sum of ``weights`` times features."""

    intercept: float
    weights: Numbers

    def terms(self, features: Numbers) -> Numbers:
        """rows x features: what each adds."""
        return features * self.weights

    def raw(self, features: Numbers) -> Numbers:
        found: Numbers = features @ self.weights + self.intercept
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": "linear", "intercept": self.intercept, "weights": self.weights.tolist()}


@dataclass(frozen=True, slots=True)
class Steps:
    """Log-odds are ``intercept`` + one step function per feature used: boosted trees of one feature each.

    ``steps``: feature -> (thresholds ascending, values: one more than thresholds); a value at a threshold
    belongs to the interval below it.
    """

    intercept: float
    width: int
    steps: Mapping[int, tuple[Numbers, Numbers]]

    def terms(self, features: Numbers) -> Numbers:
        """rows x features: what each adds."""
        out = np.zeros((len(features), self.width))
        for place, (thresholds, values) in self.steps.items():
            out[:, place] = values[np.searchsorted(thresholds, features[:, place], side="left")]
        return out

    def raw(self, features: Numbers) -> Numbers:
        total = np.full(len(features), self.intercept)
        for place, (thresholds, values) in self.steps.items():
            total += values[np.searchsorted(thresholds, features[:, place], side="left")]
        return total

    def to_json(self) -> dict[str, Any]:
        steps = {str(k): [t.tolist(), v.tolist()] for k, (t, v) in self.steps.items()}
        return {"kind": "steps", "intercept": self.intercept, "width": self.width, "steps": steps}


Head = Linear | Steps


def head_from_json(data: Mapping[str, Any]) -> Head:
    """The inverse of ``to_json``."""
    if data["kind"] == "linear":
        return Linear(float(data["intercept"]), np.array(data["weights"], dtype=np.float64))
    steps = {
        int(k): (np.array(t, dtype=np.float64), np.array(v, dtype=np.float64))
        for k, (t, v) in data["steps"].items()
    }
    return Steps(float(data["intercept"]), int(data["width"]), steps)


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """Platt's: 1 / (1 + exp(slope x raw + offset)); slope is negative."""

    slope: float
    offset: float

    def probability(self, raw: Numbers) -> Numbers:
        return expit(-(self.slope * raw + self.offset))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "sigmoid", "slope": self.slope, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Straight lines between points, flat beyond the first and the last."""

    x: Numbers
    y: Numbers

    def probability(self, raw: Numbers) -> Numbers:
        found: Numbers = np.interp(raw, self.x, self.y)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": "isotonic", "x": self.x.tolist(), "y": self.y.tolist()}


Calibration = Sigmoid | Isotonic


def calibration_from_json(data: Mapping[str, Any]) -> Calibration:
    """The inverse of ``to_json``."""
    if data["kind"] == "sigmoid":
        return Sigmoid(float(data["slope"]), float(data["offset"]))
    return Isotonic(np.array(data["x"], dtype=np.float64), np.array(data["y"], dtype=np.float64))


def expit(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    found: Numbers = np.where(x >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
    return found
