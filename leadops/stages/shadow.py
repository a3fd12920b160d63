"""A candidate scorecard over the leads there were: who would change tier, how many, and had it been right.

Nothing is stored and nobody's tier changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from leadops.playbook.model import Scorecard
from leadops.stages.as_of import FirstLook, first_looks
from leadops.store.engine import transaction
from leadops.terms import Tier

HORIZON = timedelta(days=30)
"""W of the metric tables: a lead has converted if it booked a meeting or won within this."""
MOVERS = 20


@dataclass(frozen=True, slots=True)
class TierResult:
    """One tier under one scorecard. ``per_30_days``: leads. ``rate``: converted / mature, with the 95 %
    Wilson interval; None where nobody is mature."""

    tier: str
    leads: int
    per_30_days: float
    mature: int
    converted: int
    rate: float | None
    low: float | None
    high: float | None

    def said(self) -> str:
        """The rate for a person."""
        if self.rate is None:
            return "none mature"
        return f"{self.rate:.1%} ({self.low:.1%} to {self.high:.1%}) of {self.mature}"


@dataclass(frozen=True, slots=True)
class Mover:
    """A lead that would change tier."""

    lead_id: str
    tier: str
    candidate_tier: str
    total: float
    candidate_total: float


@dataclass(frozen=True, slots=True)
class Shadow:
    """``moved``: "warm -> hot": leads. ``auc``: how often a lead that converted was above one that did not,
    of (current, candidate); None where there are not both. ``movers``: those whose total changes most."""

    current_version: str
    candidate_version: str
    days: float
    leads: int
    mature: int
    changed: int
    moved: dict[str, int]
    current: tuple[TierResult, ...]
    candidate: tuple[TierResult, ...]
    auc: tuple[float, float] | None
    movers: tuple[Mover, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def shadow(
    engine: Engine, current: Scorecard, candidate: Scorecard, *, now: datetime, days: float = 365
) -> Shadow:
    """Score all who became leads in the last ``days`` by both scorecards, as known at that moment."""
    with transaction(engine) as connection:
        looks = list(first_looks(connection, since=now - timedelta(days=days), until=now))
    return compare(looks, current, candidate, now=now, days=days)


def compare(
    looks: Sequence[FirstLook], current: Scorecard, candidate: Scorecard, *, now: datetime, days: float
) -> Shadow:
    """The same of leads in hand."""
    import numpy as np
    import pandas as pd

    from leadops.stages.score_frame import score_frame

    inputs = pd.DataFrame([k.inputs for k in looks], dtype=object)
    ours, theirs = score_frame(inputs, current), score_frame(inputs, candidate)
    mature = np.array([k.at + HORIZON <= now for k in looks], dtype=bool)
    converted = np.array(
        [k.converted_at is not None and k.converted_at <= k.at + HORIZON for k in looks], dtype=bool
    )
    span = (now - looks[0].at) / timedelta(days=1) if looks else days
    differs = [int(i) for i in np.flatnonzero((ours["tier"] != theirs["tier"]).to_numpy(dtype=bool))]
    pairs = pd.Series(
        [f"{ours['tier'].iloc[i]} -> {theirs['tier'].iloc[i]}" for i in differs], dtype=object
    ).value_counts()
    most = sorted(
        differs, key=lambda i: (-abs(theirs["total"].iloc[i] - ours["total"].iloc[i]), looks[i].lead_id)
    )
    return Shadow(
        current_version=current.version,
        candidate_version=candidate.version,
        days=round(min(days, max(span, 1.0)), 1),
        leads=len(looks),
        mature=int(mature.sum()),
        changed=len(differs),
        moved={str(pair): int(n) for pair, n in sorted(pairs.items())},
        current=_tiers(ours["tier"].to_numpy(), mature, converted, span),
        candidate=_tiers(theirs["tier"].to_numpy(), mature, converted, span),
        auc=_auc(ours["total"], theirs["total"], mature, converted),
        movers=tuple(
            Mover(
                looks[i].lead_id,
                str(ours["tier"].iloc[i]),
                str(theirs["tier"].iloc[i]),
                float(ours["total"].iloc[i]),
                float(theirs["total"].iloc[i]),
            )
            for i in most[:MOVERS]
        ),
    )


def _tiers(tiers: Any, mature: Any, converted: Any, span: float) -> tuple[TierResult, ...]:
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    found = []
    for tier in Tier:
        mine = tiers == tier.value
        n, hits = int((mine & mature).sum()), int((mine & mature & converted).sum())
        interval = binomtest(hits, n).proportion_ci(method="wilson") if n else None
        found.append(
            TierResult(
                tier=tier.value,
                leads=int(mine.sum()),
                per_30_days=round(30 * float(mine.sum()) / max(span, 1.0), 1),
                mature=n,
                converted=hits,
                rate=round(hits / n, 4) if n else None,
                low=round(float(interval.low), 4) if interval else None,
                high=round(float(interval.high), 4) if interval else None,
            )
        )
    return tuple(found)


def _auc(ours: Any, theirs: Any, mature: Any, converted: Any) -> tuple[float, float] | None:
    from sklearn.metrics import roc_auc_score

    came = converted[mature]
    if not came.any() or came.all():
        return None
    return tuple(round(float(roc_auc_score(came, t[mature])), 4) for t in (ours, theirs))  # type: ignore[return-value]
