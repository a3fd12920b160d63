"""A trained model: how it reads a lead, what it says, and why. Plain JSON on disk; NumPy to run it.

Never a pickle: what is read from a database must not be able to run. JSON keeps every float exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from leadops.learning.columns import Column, Numbers, Row, matrix
from leadops.learning.equate import Equated, equated_from_json
from leadops.learning.heads import Calibration, Head, calibration_from_json, head_from_json
from leadops.learning.values import key_of
from leadops.terms import Contribution

FORMAT = 1


class UnreadableModelError(ValueError):
    """Not an artifact of this version of leadops."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """``probability`` of the outcome; ``total``: 0..100 as the scorecard counts; ``raw`` log-odds before
    calibration, which are ``base`` plus the sum of ``contributions``, the largest first. ``start``: the total
    at ``base``; the contributions' points lead from there to ``total``."""

    probability: float
    total: float
    raw: float
    base: float
    start: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Learned:
    """A model. ``centre``: mean term of each feature in training; ``reference``: per column, how its values
    were spread then (``drift.py``); ``about``: version, scorecard version, outcome, when, in plain words."""

    columns: tuple[Column, ...]
    head: Head
    calibration: Calibration
    equated: Equated
    centre: Numbers
    reference: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def version(self) -> str:
        return str(self.about["version"])

    @cached_property
    def features(self) -> tuple[str, ...]:
        return tuple(f for c in self.columns for f in c.features)

    @cached_property
    def _starts(self) -> list[int]:
        widths = [c.width for c in self.columns]
        return [sum(widths[:n]) for n in range(len(widths))]

    def matrix(self, rows: Sequence[Row], at: Numbers) -> Numbers:
        """rows x features; ``at``: seconds since 1970 as of which each row is known."""
        return matrix(self.columns, rows, at)

    def probability(self, features: Numbers) -> Numbers:
        """Of each row of a matrix, in 0..1."""
        return self.calibration.probability(self.head.raw(features))

    def by_column(self, features: Numbers) -> Numbers:
        """rows x columns: what each column adds to the log-odds, against the mean in training."""
        terms = self.head.terms(features) - self.centre
        if not self._starts:
            return np.zeros((len(features), 0))
        found: Numbers = np.add.reduceat(terms, self._starts, axis=1)
        return found

    def predict(self, rows: Sequence[Row], at: Sequence[float]) -> list[Prediction]:
        """What it says of each row, and why."""
        if not rows:
            return []
        features = self.matrix(rows, np.asarray(at, dtype=np.float64))
        adds = self.by_column(features)
        base = self.head.intercept + float(self.centre.sum())
        raw = base + adds.sum(axis=1)
        probability = self.calibration.probability(raw)
        totals = np.round(self.equated.total(probability), 6)
        start = float(self._total(np.array([base]))[0])
        points = self._in_points(adds, base, start, totals)
        order = np.argsort(-np.abs(adds), axis=1, kind="stable")
        names = [c.name for c in self.columns]
        return [
            Prediction(
                float(probability[n]),
                float(totals[n]),
                float(raw[n]),
                base,
                start,
                tuple(
                    Contribution(names[c], key_of(row.get(names[c])), float(adds[n, c]), float(points[n, c]))
                    for c in order[n].tolist()
                    if adds[n, c] != 0.0
                ),
            )
            for n, row in enumerate(rows)
        ]

    def _total(self, raw: Numbers) -> Numbers:
        return self.equated.total(self.calibration.probability(raw))

    def _in_points(self, adds: Numbers, base: float, start: float, totals: Numbers) -> Numbers:
        """rows x columns: the way from ``start`` to each total, shared out among the columns.

        The scale is bent, so what a column is worth depends on the others. All that raises and all that
        lowers share the way as two (the mean of who goes first, so that neither passes the ends of the
        scale), and within each every column has its share by log-odds.
        """
        raises, lowers = np.maximum(adds, 0.0), np.minimum(adds, 0.0)
        up, down = raises.sum(axis=1), lowers.sum(axis=1)
        highest, lowest = self._total(base + up), self._total(base + down)
        gained = ((highest - start) + (totals - lowest)) / 2
        lost = ((lowest - start) + (totals - highest)) / 2
        found: Numbers = raises * _over(gained, up) + lowers * _over(lost, down)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; every number finite."""
        return {
            "format": FORMAT,
            "columns": [
                {"name": c.name, "kind": c.kind, "features": list(c.features), "facts": dict(c.facts)}
                for c in self.columns
            ],
            "head": self.head.to_json(),
            "calibration": self.calibration.to_json(),
            "equated": self.equated.to_json(),
            "centre": self.centre.tolist(),
            "reference": dict(self.reference),
            "about": dict(self.about),
        }


def _over(points: Numbers, log_odds: Numbers) -> Numbers:
    """rows x 1: points per log-odds, none where there are none to share out by."""
    found: Numbers = np.divide(points, log_odds, out=np.zeros_like(points), where=log_odds != 0)[:, None]
    return found


def model_from_json(data: Mapping[str, Any]) -> Learned:
    """The inverse of ``to_json``.

    Raises:
        UnreadableModelError: another format, or a part is missing or of the wrong length.
    """
    if data.get("format") != FORMAT:
        raise UnreadableModelError(f"format {data.get('format')!r}, not {FORMAT}")
    try:
        columns = tuple(
            Column(c["name"], c["kind"], tuple(c["features"]), c["facts"]) for c in data["columns"]
        )
        model = Learned(
            columns,
            head_from_json(data["head"]),
            calibration_from_json(data["calibration"]),
            equated_from_json(data["equated"]),
            np.array(data["centre"], dtype=np.float64),
            data["reference"],
            data["about"],
        )
        if len(model.features) != len(model.centre) or not model.version:
            raise UnreadableModelError("its parts are not of one length")
    except (KeyError, TypeError) as error:
        raise UnreadableModelError(type(error).__name__) from None
    return model
