"""The scorecard over many leads at once: a table of inputs in, a table of scores out.

The rules are those of ``domain/scoring.py`` and are asked once per distinct value of a column; what is added
up per lead is added up by NumPy. Imports pandas: import it lazily.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from leadops.domain import scoring
from leadops.playbook.model import Scorecard
from leadops.terms import Tier

POINTS = "points."
"""Before the name of a signal: its column of points."""


@dataclass(frozen=True, slots=True)
class _Column:
    """Distinct values of one input, canonical, and which of them each lead has (the last one: unknown)."""

    values: list[Any]
    place: np.ndarray[Any, Any]

    def each(self, rule: Callable[[Any], Any], dtype: Any = float) -> np.ndarray[Any, Any]:
        """What ``rule`` says of each lead's value."""
        found: np.ndarray[Any, Any] = np.array([rule(v) for v in self.values], dtype=dtype)[self.place]
        return found


def score_frame(inputs: pd.DataFrame, scorecard: Scorecard) -> pd.DataFrame:
    """Scores of all rows of ``inputs`` (columns: names of ``scoring.INPUTS``; an absent one is unknown).

    Columns: total (0..100), tier, fit, engagement, disqualified (name of the rule or None), and
    ``points.<signal>``, on the index of ``inputs``. The same as ``scoring.score`` for each row.
    """
    columns = {field: _column(inputs, field) for field in scoring.fields_read(scorecard)}
    found: dict[str, Any] = {}
    for signal in scorecard.signals:
        earned = columns[signal.field].each(partial(scoring.points, signal))
        if signal.half_life_days:
            left = columns[scoring.DAYS].each(partial(scoring.weight, signal))
            earned = np.where(earned > 0, earned * left, earned)
        found[POINTS + signal.name] = earned
    groups: dict[str, Any] = {}
    for group in scoring.GROUPS:
        of_group = [found[POINTS + s.name] for s in scorecard.signals if s.group == group]
        together = np.sum(of_group, axis=0) if of_group else np.zeros(len(inputs))
        groups[group] = np.minimum(together, scorecard.caps.get(group, np.inf))
    share = 100 * sum(groups.values()) / scoring.attainable(scorecard)
    total = np.round(np.clip(share, 0.0, 100.0), 6)
    out = np.full(len(inputs), None, dtype=object)
    for rule in reversed(scorecard.disqualifiers):  # the first that applies is named
        out[columns[rule.field].each(partial(scoring.applies, rule), bool)] = rule.name
    tier = np.select(
        [out != None, total >= scorecard.hot, total >= scorecard.warm],  # noqa: E711 - elementwise
        [Tier.COLD.value, Tier.HOT.value, Tier.WARM.value],
        Tier.COLD.value,
    )
    named = pd.Series(out, index=inputs.index, dtype=object)
    return pd.DataFrame(
        {"total": total, "tier": tier, **groups, "disqualified": named, **found}, index=inputs.index
    )


def _without_bool(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool | np.bool_) else value


def _column(inputs: pd.DataFrame, field: str) -> _Column:
    if field not in inputs:
        return _Column([None], np.zeros(len(inputs), dtype=int))
    given = inputs[field]
    if given.dtype == bool or given.dtype == object:
        # True and 1 are one value to a hash table, and two to a scorecard.
        given = given.map(_without_bool)
    codes, values = pd.factorize(given)
    plain = [v.item() if isinstance(v, np.generic) else v for v in values]
    return _Column(
        [*(scoring.canonical(field, v) for v in plain), None], np.where(codes < 0, len(plain), codes)
    )
