"""A candidate scorecard over the leads there were: who would change tier, how many, and had it been right.

Nothing is stored and nobody's tier changes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from leadops.learning.as_of import Known, cohort, in_chunks, known_at, outcomes
from leadops.playbook.model import Scorecard
from leadops.store.engine import transaction
from leadops.terms import EventKind, Tier

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Labels = npt.NDArray[np.bool_]

_OUTCOMES = (EventKind.MEETING_BOOKED, EventKind.DEAL_WON)
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


@dataclass(slots=True)
class _Scored:
    """Leads scored twice, so far; a position is a lead. ``totals``, ``tiers``: by (current, candidate)."""

    ids: list[str] = field(default_factory=list)
    at: list[datetime] = field(default_factory=list)
    converted: list[bool] = field(default_factory=list)
    totals: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    tiers: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))


def shadow(
    engine: Engine, current: Scorecard, candidate: Scorecard, *, now: datetime, days: float = 365
) -> Shadow:
    """Score all who became leads in the last ``days`` by both scorecards, as known when first scored."""
    scored = _Scored()
    with transaction(engine) as connection:
        for cuts in in_chunks(cohort(connection, since=now - timedelta(days=days), until=now, now=now)):
            happened = outcomes(connection, [c.lead_id for c in cuts], _OUTCOMES, now)
            _score(known_at(connection, cuts), happened, (current, candidate), scored)
    return _compared(scored, current, candidate, now, days)


def _score(
    looks: list[Known],
    happened: dict[str, datetime],
    cards: tuple[Scorecard, Scorecard],
    scored: _Scored,
) -> None:
    import pandas as pd

    from leadops.stages.score_frame import score_frame

    inputs = pd.DataFrame([k.inputs for k in looks], dtype=object)
    for place, card in enumerate(cards):
        found = score_frame(inputs, card)
        scored.totals[place].extend(found["total"].tolist())
        scored.tiers[place].extend(found["tier"].tolist())
    for lead in looks:
        came, won = lead.cut.became_lead_at, happened.get(lead.cut.lead_id)
        scored.ids.append(lead.cut.lead_id)
        scored.at.append(came)
        scored.converted.append(won is not None and came <= won <= came + HORIZON)


def _compared(
    scored: _Scored, current: Scorecard, candidate: Scorecard, now: datetime, days: float
) -> Shadow:
    import numpy as np
    import pandas as pd

    ours, theirs = (np.array(t, dtype=np.float64) for t in scored.totals)
    our_tiers, their_tiers = (np.array(t, dtype=object) for t in scored.tiers)
    mature = np.array([at + HORIZON <= now for at in scored.at], dtype=np.bool_)
    converted = np.array(scored.converted, dtype=np.bool_)
    span = (now - min(scored.at)) / timedelta(days=1) if scored.at else days
    differs = [int(i) for i in np.flatnonzero(our_tiers != their_tiers)]
    pairs = pd.Series([f"{our_tiers[i]} -> {their_tiers[i]}" for i in differs], dtype=object).value_counts()
    most = sorted(differs, key=lambda i: (-abs(theirs[i] - ours[i]), scored.ids[i]))
    return Shadow(
        current_version=current.version,
        candidate_version=candidate.version,
        days=round(min(days, max(span, 1.0)), 1),
        leads=len(scored.ids),
        mature=int(mature.sum()),
        changed=len(differs),
        moved={str(pair): int(n) for pair, n in sorted(pairs.items())},
        current=_tiers(our_tiers, mature, converted, span),
        candidate=_tiers(their_tiers, mature, converted, span),
        auc=_auc(ours, theirs, mature, converted),
        movers=tuple(
            Mover(
                scored.ids[i],
                str(our_tiers[i]),
                str(their_tiers[i]),
                float(ours[i]),
                float(theirs[i]),
            )
            for i in most[:MOVERS]
        ),
    )


def _tiers(
    tiers: npt.NDArray[np.object_], mature: Labels, converted: Labels, span: float
) -> tuple[TierResult, ...]:
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


def _auc(ours: Numbers, theirs: Numbers, mature: Labels, converted: Labels) -> tuple[float, float] | None:
    from leadops.learning.judge import auc

    came = converted[mature]
    if not came.any() or came.all():
        return None
    return round(auc(ours[mature], came), 4), round(auc(theirs[mature], came), 4)
