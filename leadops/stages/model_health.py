"""How the model in use does today: are leads as in training, does it still say the right odds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from leadops.learning.serve import model_in_use
from leadops.playbook.model import Playbook
from leadops.store.engine import transaction

MOST = 1_000
FEWEST = 50
"""Fewer leads say nothing."""
FAR = 3.0
"""Standard errors between what was said and what came."""


@dataclass(frozen=True, slots=True)
class Health:
    """``drift``: column -> PSI of the last 30 days; ``said``, ``seen``: mean probability and share converted
    of the leads that matured in the last 30 days; ``far``: their distance in standard errors."""

    version: str | None
    leads: int = 0
    drift: Mapping[str, float] = field(default_factory=dict)
    mature: int = 0
    said: float = 0.0
    seen: float = 0.0
    far: float = 0.0

    @property
    def shifted(self) -> dict[str, float]:
        """Columns of another population than in training."""
        from leadops.learning.drift import SHIFTED

        return {n: v for n, v in self.drift.items() if v > SHIFTED} if self.leads >= FEWEST else {}

    @property
    def miscalibrated(self) -> bool:
        return self.mature >= FEWEST and abs(self.far) > FAR


def health(engine: Engine, playbook: Playbook, *, now: datetime, most: int = MOST) -> Health:
    """Of the model in use; without one all is well. Looks at the newest ``most`` leads of each period."""
    with transaction(engine) as connection:
        model = model_in_use(connection, playbook)
        if model is None:
            return Health(None)
        from leadops.learning.drift import psi
        from leadops.learning.examples import collect

        asked = playbook.model
        month = {"window_days": 30, "max_leads": most}
        recent = collect(connection, _with(playbook, month), now)
        # Those who came a horizon ago, as seen from today.
        window = {"window_days": 30 + asked.horizon_days, "max_leads": most}
        matured = collect(
            connection, _with(playbook, window), now, until=now - timedelta(days=asked.horizon_days)
        ).examples
    drift = psi(model.reference, [a.row for a in recent.recent])
    if not len(matured):
        return Health(model.version, len(recent.recent), drift)
    said = model.probability(model.matrix(matured.rows, matured.at))
    error = float((said * (1 - said)).sum()) ** 0.5 / len(matured)
    distance = float(matured.converted.mean() - said.mean())
    return Health(
        model.version,
        len(recent.recent),
        drift,
        len(matured),
        float(said.mean()),
        float(matured.converted.mean()),
        distance / error if error > 0 else 0.0,
    )


def _with(playbook: Playbook, changed: Mapping[str, float]) -> Playbook:
    return playbook.model_copy(update={"model": playbook.model.model_copy(update=dict(changed))})
