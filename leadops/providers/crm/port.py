"""What leadops asks of a CRM: hand over what is new, take what we did.

One adapter per file beside this one. An adapter turns its own shapes into wire events
(the body of ``POST /v1/events``); it decides nothing about leads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leadops.terms import Outcome


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row of a source: either a wire event, or why it is none.

    ``event`` is the body of ``POST /v1/events``: source, id, kind, occurred_at (ISO text), contact,
    properties, consent, and ``day_precision: true`` where the source gave a date without a time.
    Exactly one of ``event`` and ``error`` is set. ``error`` names the column and holds no cell's value;
    ``raw`` is the row as it came (personal); ``where`` is for a person: ``leads.csv:41``.
    """

    event: dict[str, Any] | None
    error: str | None
    raw: dict[str, Any]
    where: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll found. Commit ``cursor`` with the rows; ``more``: poll again at once."""

    rows: tuple[RawRow, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Writeback:
    """One thing to tell the CRM. ``crm_ids`` are (source, id) pairs of the lead there.

    ``kind``: touch, score, enrolment, or task (something a rep must do). ``contact``: email, name, company
    where known, for a CRM that has to make the contact first. A score's payload: total, tier, fit,
    engagement, disqualified (the rule's name or None), why, lines (what gave and took the points),
    scorecard (its version), learned (a ``LearnedPart`` or None), at.
    """

    dedupe_key: str
    kind: str
    lead_id: str
    crm_ids: tuple[tuple[str, str], ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    contact: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WritebackResult:
    """What became of one write-back. ``detail`` is a code, never a person's data."""

    dedupe_key: str
    outcome: Outcome
    detail: str = ""


class CrmPort(ABC):
    """A CRM."""

    name: str

    @abstractmethod
    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        """At most ``limit`` rows after ``cursor`` (None: from the beginning).

        Stops early, with ``more`` set, once ``should_stop()`` is true. Polling again with the same
        cursor gives the same rows again: whoever takes them deduplicates by event id.
        Raises ProviderError where the CRM cannot be read at all.
        """

    @abstractmethod
    def write(self, items: Sequence[Writeback]) -> list[WritebackResult]:
        """Tell the CRM; one result per item, in order. The same dedupe_key twice is told once."""

    @abstractmethod
    def check(self) -> None:
        """Raise UsageError, saying what to do, where the configuration cannot work."""

    def lacks(self) -> list[str]:
        """What the write-backs need and ``setup`` would make, a sentence each.

        Raises UsageError, saying what to do, where that cannot be read.
        """
        return []

    def setup(self) -> list[str]:
        """Make in the CRM what the write-backs need; what was done or found, a sentence each. Repeatable.

        Raises ProviderError or UsageError, saying what to do, where that is not possible.
        """
        return []
