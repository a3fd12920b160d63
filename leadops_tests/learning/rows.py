"""Leads to learn from, made up: a known law over a few columns, and columns of every awkward kind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from leadops.learning.train import Examples, Options

OPTIONS = Options(thresholds=(35.0, 60.0), scorecard_version="test", resamples=400)
START = 1_700_000_000.0


def examples(n: int, *, signal: float = 1.0, seed: int = 0, rate: float = -1.6) -> Examples:
    """``signal``: how much the columns tell; 0: nothing does. The scorecard's total knows a little of it."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(4, 1.5, n)
    ask = rng.choice(["demo", "pricing", "guide", "Select"], n, p=[0.2, 0.3, 0.4, 0.1])
    page = rng.integers(0, 300, n)
    effect = np.random.default_rng(99).normal(0, 1, 300)
    law = signal * (
        0.6 * (np.log(size) - 4) + 1.5 * (ask == "demo") - 1.0 * (ask == "guide") + 0.8 * effect[page]
    )
    converted = rng.random(n) < 1 / (1 + np.exp(-(rate + law)))
    rules = np.clip(40 + 12 * signal * (ask == "demo") + rng.normal(0, 8, n), 0, 100).round(1)
    at = START + np.arange(n) * 3600.0
    rows: list[dict[str, Any]] = [
        {
            "size": None if rng.random() < 0.1 else round(float(size[i]), 1),
            "ask": str(ask[i]),
            "page": f"/page/{page[i]}",
            "id": f"{i:08x}-{rng.integers(1 << 30):x}",
            "number": 500_000 + i,
            "constant": "yes",
            "mostly": None if rng.random() < 0.999 else "x",
            "mixed": [None, "12", 7, "a lot", True, ["x", "y"], ""][int(rng.integers(0, 7))],
            "title": str(rng.choice(["VP Sales", "Head of Data", "Data Analyst", "Intern, Sales"]))
            + f" {i % 97}x",
            "mail": f"a{i}@example.com",
            "flag": bool(rng.random() < 0.5),
            "given": "2023-01-01" if rng.random() < 0.5 else "N/A",
        }
        for i in range(n)
    ]
    assert math.isfinite(at[-1])
    return Examples([f"led_{i:06d}" for i in range(n)], at, rows, converted, rules)
