"""What an invariant is, what its breach says, how all of them are asked. They stand in ``registry.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from leadops.simulator import faults
from leadops.simulator.seen import Seen, everybody, see
from leadops.store.engine import transaction

if TYPE_CHECKING:
    from leadops.simulator.plan import Plan
    from leadops.simulator.simulation import Simulation

When = Literal["step", "day", "end"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept: of which lead, when (virtual, aware UTC), and how to see it again."""

    invariant: str
    holds: tuple[str, ...]
    lead_id: str
    what: str
    at: datetime
    command: str

    def __str__(self) -> str:
        return f"{self.invariant} ({' '.join(self.holds)}) lead {self.lead_id}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        return {
            "invariant": self.invariant,
            "holds": list(self.holds),
            "lead": self.lead_id,
            "what": self.what,
            "at": self.at.isoformat(),
            "replay": self.command,
        }


PerLead = Callable[["Simulation", Seen], Iterable[str]]
Whole = Callable[["Simulation"], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One of them. ``per_lead`` looks at one lead, after every step that touched it and daily; ``whole`` at
    everything (lead or other id, what is wrong), from ``since`` on: ``step``, ``day`` or ``end``, and only in
    runs with metric tables where it ``needs_metrics``.

    ``holds``: requirements and promises. ``provoked_by``: faults that make it hard to keep.
    """

    name: str
    says: str
    holds: tuple[str, ...]
    provoked_by: tuple[str, ...]
    per_lead: PerLead | None = None
    whole: Whole | None = None
    since: When = "step"
    needs_metrics: bool = False


_ORDER: dict[str, int] = {"step": 0, "day": 1, "end": 2}


@dataclass(slots=True)
class Judge:
    """Asks all invariants and counts the looks."""

    invariants: Iterable[Invariant]
    looks: Counter[str] = field(default_factory=Counter)

    def __call__(self, run: Simulation, touched: set[str] | None, when: str) -> list[Violation]:
        """What is wrong with these leads (None: with everything)."""
        wanted = [
            i
            for i in self.invariants
            if _ORDER[i.since] <= _ORDER[when] and (run.plan.metrics or not i.needs_metrics)
        ]
        with transaction(run.observer) as connection:
            leads = see(connection, everybody(connection) if touched is None else touched)
        found = [_violation(run, i, lead, what) for i in wanted for lead, what in self._broken(i, run, leads)]
        for seen in leads:
            _remember(run, seen)
        return found

    def _broken(self, i: Invariant, run: Simulation, leads: list[Seen]) -> Iterator[tuple[str, str]]:
        if i.per_lead is not None:
            self.looks[i.name] += len(leads)
            for seen in leads:
                for what in i.per_lead(run, seen):
                    yield seen.lead_id, what
        if i.whole is not None:
            self.looks[i.name] += 1
            yield from i.whole(run)


def _remember(run: Simulation, seen: Seen) -> None:
    """What must not change from now on, or only in some ways."""
    for touch in seen.touches:
        run.records.states[touch["touch_id"]] = (touch["state"], touch["reason"])


def _violation(run: Simulation, i: Invariant, lead: str, what: str) -> Violation:
    at = run.scheduler.clock()
    return Violation(i.name, i.holds, lead, what, at, command(run.plan, at))


def command(plan: Plan, at: datetime) -> str:
    """The shortest command that plays a run again up to this moment."""
    days = (at - plan.start).total_seconds() / 86_400
    until = "" if days >= plan.days else f" --until {int(days) + 1}"
    return (
        f"leadops simulate --days {plan.days:g} --leads {plan.leads} --seed {plan.seed} "
        f"--faults {faults.said(plan.faults)}{' --review' if plan.review else ''}{until}"
    )
