"""So that 60 goes on meaning 60: a probability as the scorecard's points that as many leads reach.

Equipercentile equating: the share of leads at or above each threshold stays what it was with the scorecard.
Leads that the scorecard could not tell apart are spread around the total they shared, within its tier
(continuization, as for test scores in whole points): the model's order shows where the scorecard has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leadops.learning.columns import Numbers

KNOTS = 256


@dataclass(frozen=True, slots=True)
class Equated:
    """A monotone map: straight lines between (probability, total) pairs, flat beyond the ends."""

    probabilities: Numbers
    totals: Numbers

    def total(self, probability: Numbers) -> Numbers:
        """0..100."""
        found: Numbers = np.clip(np.interp(probability, self.probabilities, self.totals), 0.0, 100.0)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"probabilities": self.probabilities.tolist(), "totals": self.totals.tolist()}


def equated_from_json(data: Mapping[str, Any]) -> Equated:
    """The inverse of ``to_json``."""
    return Equated(
        np.array(data["probabilities"], dtype=np.float64), np.array(data["totals"], dtype=np.float64)
    )


def equate(probabilities: Numbers, totals: Numbers, thresholds: Sequence[float]) -> Equated:
    """The map under which as many leads reach each of ``thresholds`` as with ``totals``, the scorecard's.

    Both are of the same leads, at least one. Leads of one probability get one total: where many share it,
    a threshold can only be met to within their share. The side is then the one that is nearer.
    """
    wanted = np.sort(totals)
    spread = _spread(wanted, thresholds)
    found, first, count = np.unique(np.sort(probabilities), return_index=True, return_counts=True)
    means = np.add.reduceat(spread, first) / count
    cuts: list[int] = []
    for threshold in sorted(thresholds):
        # How many lie below the threshold with the scorecard, and which group of equals comes nearest to it.
        below = int(np.searchsorted(wanted, threshold, side="left"))
        edges = np.append(first, len(wanted))
        cut = int(np.argmin(np.abs(edges - below)))
        means[:cut] = np.minimum(means[:cut], threshold - 1e-6)
        means[cut:] = np.maximum(means[cut:], threshold)
        cuts += [cut - 1, cut]
    kept = {*np.linspace(0, len(found) - 1, min(KNOTS, len(found))).astype(int).tolist(), *cuts}
    places = sorted(k for k in kept if 0 <= k < len(found))
    return Equated(found[places], np.maximum.accumulate(means[places]))


def _spread(totals: Numbers, thresholds: Sequence[float]) -> Numbers:
    """Ascending ``totals``; those of one value spread evenly up to the middles to its neighbours in the tier.

    A tier's least and greatest: beyond as far as on their other side; its only value: over the whole tier.
    """
    values, first, count = np.unique(totals, return_index=True, return_counts=True)
    tier = np.searchsorted(np.sort(np.asarray(thresholds, dtype=np.float64)), values, side="right")
    bounds = np.concatenate([[0.0], np.sort(np.asarray(thresholds, dtype=np.float64)), [100.0]])
    floor, ceiling = bounds[tier], bounds[tier + 1]
    middles = (values[1:] + values[:-1]) / 2
    same = tier[1:] == tier[:-1]
    # Distance to the middle on either side; unknown (NaN) where the neighbour is of another tier, or none is.
    down = np.concatenate([[np.nan], np.where(same, values[1:] - middles, np.nan)])
    up = np.concatenate([np.where(same, middles - values[:-1], np.nan), [np.nan]])
    low = np.fmax(floor, values - np.where(np.isnan(down), up, down))
    high = np.fmin(ceiling, values + np.where(np.isnan(up), down, up))
    within = (np.arange(len(totals)) - np.repeat(first, count) + 0.5) / np.repeat(count, count)
    found: Numbers = np.repeat(low, count) + within * np.repeat(high - low, count)
    return found
