"""What a stage says of one batch: counts of what it did, what is still pending, and what it parked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """``counts`` name what happened to items; ``lead_ids`` are those touched; ``parked`` item -> code.

    ``amounts`` are sums that are no counts (``cost_usd``); ``answered``: the leads a message went out to.
    """

    stage: str
    counts: Counter[str] = field(default_factory=Counter)
    amounts: dict[str, float] = field(default_factory=dict)
    lead_ids: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    parked: dict[str, str] = field(default_factory=dict)
    pending: int = 0

    def count(self, what: str, n: int = 1) -> None:
        self.counts[what] += n

    def add(self, what: str, amount: float) -> None:
        self.amounts[what] = self.amounts.get(what, 0.0) + amount

    @property
    def did(self) -> int:
        """How many items were taken up; zero means there was nothing to do."""
        return sum(self.counts.values())

    def absorb(self, other: Report) -> None:
        """Add a later batch of the same stage."""
        self.counts.update(other.counts)
        for what, amount in other.amounts.items():
            self.add(what, amount)
        self.lead_ids |= other.lead_ids
        self.answered |= other.answered
        self.parked.update(other.parked)
        self.pending = other.pending
