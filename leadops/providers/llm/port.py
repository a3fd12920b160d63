"""What is asked of whoever fills the slots of a template. Cleaning and rendering: ``domain/slots.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from leadops.playbook.model import Template
from leadops.terms import SlotValue


@dataclass(frozen=True, slots=True)
class WrittenSlots:
    """One value per declared slot, in the template's order, and what writing them took."""

    slots: tuple[SlotValue, ...]
    tokens: int = 0
    cost_usd: float = 0.0


class SlotWriter(ABC):
    """Fills the slots of one message. Never sees or changes the words around them."""

    name: str
    """Stands in the draft as its ``writer``."""

    @abstractmethod
    def write(self, template: Template, evidence: Mapping[str, str]) -> WrittenSlots:
        """A value for every slot the template declares, each from ``evidence`` (path: value) or neutral.

        Raises ProviderError where the writer cannot be reached; nothing is sent then.
        """
