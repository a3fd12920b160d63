"""How a column of raw values becomes numbers: one function per kind, from what was fixed in training.

A ``Column`` is plain JSON. ``width`` features each; unknown values, new types and absent columns are no
error: they are what was seen as missing, or as rare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leadops.learning.values import is_missing, key_of, moment_of, number_of, sealed, words_of

Numbers = npt.NDArray[np.float64]
Kind = Literal["number", "category", "target", "words", "date"]
Row = Mapping[str, Any]

DAY = 86_400.0
HOURS = ("night", "morning", "afternoon", "evening")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Column:
    """``features``: a name for each number it becomes; ``facts``: what was fixed in training, by kind."""

    name: str
    kind: Kind
    features: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def width(self) -> int:
        return len(self.features)


def matrix(columns: Sequence[Column], rows: Sequence[Row], at: Numbers) -> Numbers:
    """rows x features. ``at``: of each row the moment as of which it is known, seconds since 1970."""
    out = np.zeros((len(rows), sum(c.width for c in columns)))
    start = 0
    for column in columns:
        name = column.name
        FILL[column.kind](column.facts, [r.get(name) for r in rows], at, out[:, start : start + column.width])
        start += column.width
    return out


def _number(facts: Mapping[str, Any], values: Sequence[Any], _at: Numbers, out: Numbers) -> None:
    """The value in standard deviations, then whether it is missing (where that was seen)."""
    _scaled(facts, np.array([number_of(v) for v in values], dtype=np.float64), out)


def _scaled(facts: Mapping[str, Any], found: Numbers, out: Numbers) -> None:
    missing = np.isnan(found)
    clipped = np.clip(np.where(missing, 0.0, found), facts["low"], facts["high"])
    if facts["log"]:
        clipped = np.sign(clipped) * np.log1p(np.abs(clipped))
    out[:, 0] = np.where(missing, 0.0, (clipped - facts["mean"]) / facts["std"])
    if facts["missing"]:
        out[:, 1] = missing


def _category(facts: Mapping[str, Any], values: Sequence[Any], _at: Numbers, out: Numbers) -> None:
    """One column per level; what was rare or never seen shares one; -1 where there is none for it."""
    levels, missing, rare = facts["levels"], facts["missing"], facts["rare"]
    place = np.fromiter((_level(v, levels, missing, rare) for v in values), dtype=np.intp, count=len(values))
    known = place >= 0
    out[np.flatnonzero(known), place[known]] = 1.0


def _level(value: Any, levels: Mapping[str, int], missing: int, rare: int) -> int:
    key = key_of(value)
    found = levels.get(key)
    if found is not None:
        return found
    return missing if is_missing(key) else rare


def _target(facts: Mapping[str, Any], values: Sequence[Any], _at: Numbers, out: Numbers) -> None:
    """How leads with this value fared, as log-odds against all; 0 for what was too rare to tell."""
    table, missing = facts["table"], facts["missing"]
    seen: dict[str, float] = {}
    for n, value in enumerate(values):
        key = key_of(value)
        if key not in seen:
            seen[key] = missing if is_missing(key) else table.get(sealed(key), 0.0)
        out[n, 0] = seen[key]


def _words(facts: Mapping[str, Any], values: Sequence[Any], _at: Numbers, out: Numbers) -> None:
    """One column per known word: whether the value has it; the last: whether it says nothing."""
    places = facts["words"]
    for n, value in enumerate(values):
        words = words_of(value)
        for word in words:
            if (place := places.get(word)) is not None:
                out[n, place] = 1.0
        if not words:
            out[n, -1] = 1.0


def _date(facts: Mapping[str, Any], values: Sequence[Any], at: Numbers, out: Numbers) -> None:
    """Days before the lead came in, missing, then weekday and part of day in UTC. What lies later is missing:
    it cannot have been known."""
    moments = np.array([moment_of(v) for v in values], dtype=np.float64)
    moments = np.where(moments > at, np.nan, moments)
    _scaled(facts, (at - moments) / DAY, out)
    known = np.flatnonzero(~np.isnan(moments))
    days = np.floor(moments[known] / DAY)
    out[known, 2 + ((days + 3) % 7).astype(np.intp)] = 1.0  # 1970-01-01 was a Thursday
    if facts["hours"]:
        out[known, 9 + ((moments[known] - days * DAY) // (DAY / 4)).astype(np.intp)] = 1.0


FILL: Mapping[str, Callable[[Mapping[str, Any], Sequence[Any], Numbers, Numbers], None]] = {
    "number": _number,
    "category": _category,
    "target": _target,
    "words": _words,
    "date": _date,
}
