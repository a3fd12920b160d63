"""What a stage says of one batch: counts of what it did, what is still pending, and what it parked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """``counts`` name what happened to items; ``lead_ids`` are those touched; ``parked`` item -> code."""

    stage: str
    counts: Counter[str] = field(default_factory=Counter)
    lead_ids: set[str] = field(default_factory=set)
    parked: dict[str, str] = field(default_factory=dict)
    pending: int = 0

    def count(self, what: str, n: int = 1) -> None:
        self.counts[what] += n

    @property
    def did(self) -> int:
        """How many items were taken up; zero means there was nothing to do."""
        return sum(self.counts.values())

    def absorb(self, other: Report) -> None:
        """Add a later batch of the same stage."""
        self.counts.update(other.counts)
        self.lead_ids |= other.lead_ids
        self.parked.update(other.parked)
        self.pending = other.pending
