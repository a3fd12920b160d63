"""What is asked of whoever fills the slots of a template. Cleaning and rendering: ``domain/slots.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leadops.playbook.model import Template
from leadops.terms import SlotValue


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """One message whose slots are to be filled. ``key`` is the touch's; ``evidence`` is path: value."""

    key: str
    template: Template
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrittenSlots:
    """One value per declared slot, in the template's order, who chose them, and what that took.

    ``writer``: "template", or "openai:MODEL", or "template:REASON" where a model was asked in vain.
    """

    slots: tuple[SlotValue, ...]
    writer: str
    tokens: int = 0
    cost_usd: float = 0.0


class SlotWriter(ABC):
    """Fills the slots of messages. Never sees or changes the words around them."""

    name: str
    at_once: int = 500
    """How many messages it is given at a time."""

    @abstractmethod
    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        """One answer per request, in order; every value from the evidence, a closed list, or neutral.

        Never raises for what a provider or a network does: what it could not write is written by rule.
        """

    def write_each(self, requests: Sequence[SlotRequest], told: Callable[[int, WrittenSlots], None]) -> None:
        """The same, as they come: ``told(index, answer)`` once for each before it returns, on any thread."""
        for index, answer in enumerate(self.write(requests)):
            told(index, answer)

    @abstractmethod
    def check(self) -> None:
        """Raise UsageError, saying what to do, where the configuration cannot work."""
