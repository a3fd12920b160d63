"""How far today's leads are from those a model was trained on: the population stability index (PSI)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leadops.learning.columns import Column, Row
from leadops.learning.values import is_missing, key_of, number_of, sealed

MOST_VALUES = 20
SHIFTED = 0.25
"""The usual reading of PSI: below 0.1 nothing, above 0.25 another population."""
_FLOOR = 1e-3


def reference(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, Any]:
    """Per column how its values are spread: shares of deciles of a number, of the most frequent values
    (sealed) otherwise; and of what is missing."""
    found: dict[str, Any] = {}
    for column in columns:
        values = [row.get(column.name) for row in rows]
        if column.kind == "number":
            numbers = np.array([number_of(v) for v in values])
            known = numbers[~np.isnan(numbers)]
            edges = np.unique(np.quantile(known, np.arange(1, 10) / 10)) if len(known) else np.array([])
            spec: dict[str, Any] = {"edges": edges.tolist()}
        else:
            counts = Counter(k for k in map(key_of, values) if not is_missing(k))
            spec = {"values": [sealed(k) for k, _ in counts.most_common(MOST_VALUES)]}
        found[column.name] = spec | {"shares": _shares(spec, values)}
    return found


def _shares(spec: Mapping[str, Any], values: Sequence[Any]) -> list[float]:
    if "edges" in spec:
        numbers = np.array([number_of(v) for v in values])
        edges = np.array(spec["edges"], dtype=np.float64)
        place = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right"))
        counts = np.bincount(place.astype(np.intp), minlength=len(edges) + 2)
    else:
        places = {v: n for n, v in enumerate(spec["values"])}
        rest = len(places)
        keys = [key_of(v) for v in values]
        found = [rest + 1 if is_missing(k) else places.get(sealed(k), rest) for k in keys]
        counts = np.bincount(np.array(found, dtype=np.intp), minlength=rest + 2)
    return [float(share) for share in counts / max(1, len(values))]


def psi(reference: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, float]:
    """Column -> PSI of these rows against the reference, the greatest first; none for no rows."""
    found = {}
    for name, spec in reference.items():
        if rows:
            was = np.maximum(np.array(spec["shares"]), _FLOOR)
            now = np.maximum(np.array(_shares(spec, [row.get(name) for row in rows])), _FLOOR)
            found[name] = round(float(((now - was) * np.log(now / was)).sum()), 4)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
