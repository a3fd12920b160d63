"""What a run is asked to be, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)
CLOCKS_CHANGE = datetime(2026, 10, 23, 6, 0, tzinfo=UTC)
"""Two days before Europe's change, nine before North America's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. ``leads`` arrive within ``days``; ``until``: stop after so many days (None: all of them)."""

    days: float = 30.0
    leads: int = 500
    seed: int = 7
    faults: frozenset[str] = frozenset()
    until: float | None = None
    step_checks: bool = True
    metrics: bool = False
    """Whether the metric tables are built in the end and counted again: it takes dbt some ten seconds."""

    review: bool = False
    """Whether a person approves every message."""

    @property
    def model(self) -> bool:
        """Whether slots are filled by a language model; without one, by rule."""
        return bool(self.faults & {"llm_down", "llm_attacker"})

    @property
    def start(self) -> datetime:
        """Aware UTC: when the first day begins."""
        if "daylight_saving" not in self.faults:
            return START
        return CLOCKS_CHANGE + timedelta(days=self.seed % 3, weeks=self.seed % 2)

    @property
    def whole_end(self) -> datetime:
        """Where it would end if it were not cut short: what goes wrong when does not depend on that."""
        return self.start + timedelta(days=self.days)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=min(self.days, self.until or self.days))

    @property
    def per_week(self) -> float:
        return self.leads * 7 / self.days


@dataclass(slots=True)
class Outcome:
    """What a run came to. ``digest``: of its whole history; ``wall_s``: seconds, ``checks_s`` in checks."""

    plan: Plan
    arrivals: int = 0
    messages: int = 0
    events: int = 0
    moments: int = 0
    switches: int = 0
    crashes: int = 0
    commits: int = 0
    digest: str = ""
    wall_s: float = 0.0
    checks_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)
    violations: list[Any] = field(default_factory=list)
    boundaries: dict[str, int] = field(default_factory=dict)
    killed_at: dict[str, int] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)


def figures(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON."""
    plan = outcome.plan
    return {
        "days": plan.days,
        "leads": plan.leads,
        "seed": plan.seed,
        "faults": sorted(plan.faults),
        "until": plan.until,
        "review": plan.review,
        **{
            name: getattr(outcome, name)
            for name in Outcome.__dataclass_fields__
            if name not in ("plan", "violations")
        },
        "violations": [v.as_json() for v in outcome.violations],
    }
