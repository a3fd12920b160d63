"""What leadops asks of an enrichment provider: what is known of a lead beyond its own words."""

from __future__ import annotations

from abc import ABC, abstractmethod

from leadops.terms import EvidenceField, LeadState


class EnrichmentPort(ABC):
    """An enrichment provider. Usable by several threads at once."""

    name: str

    @abstractmethod
    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        """Field name -> value with provenance. What is not known is absent, never guessed.

        Raises ProviderError where the provider cannot answer at all.
        """
