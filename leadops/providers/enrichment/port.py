"""What leadops asks of an enrichment provider: what is known of a lead beyond its own words.

A provider either reads what the lead itself says (``LocalEnrichment``: free, at once) or is asked over the
network, many at a time (``RemoteEnrichment``). Who is asked when is the stage's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from leadops.domain.addresses import canonical_email, company_domain, is_free_mail, registrable_domain
from leadops.terms import EvidenceField, LeadState


@dataclass(frozen=True, slots=True)
class Key:
    """What is looked up: a company's domain, or what stands for a person (address, record id)."""

    text: str
    is_personal: bool


class Found(StrEnum):
    """What came of looking one key up."""

    FOUND = "found"
    NONE = "none"  # the provider knows nobody of that key
    LATER = "later"  # it is looking, and will know in a while
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """One key's answer. ``code``: of what failed, never a person's data. ``credits``: as charged.

    ``is_refusal``: it failed because of this key; to ask again is useless, and the provider is well.
    ``in_doubt``: it may have been answered, and charged, all the same.
    """

    outcome: Found
    fields: Mapping[str, EvidenceField] = field(default_factory=dict)
    credits: float = 0.0
    code: str = ""
    retry_after_s: float | None = None
    is_refusal: bool = False
    in_doubt: bool = False


class EnrichmentPort(ABC):
    """An enrichment provider. Usable by several threads at once."""

    name: str


class LocalEnrichment(EnrichmentPort):
    """Asks nobody."""

    @abstractmethod
    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        """Field name -> value with provenance. What is not known is absent, never guessed."""


class RemoteEnrichment(EnrichmentPort):
    """Asked over the network. ``tells``: names of ``domain.enriching.FIELDS``; ``bulk``: keys per request."""

    tells: ClassVar[frozenset[str]]
    bulk: ClassVar[int] = 1

    @abstractmethod
    def key(self, state: LeadState) -> Key | None:
        """What it looks up of this lead; None where there is nothing to ask by. Cheap, and raises nothing."""

    @abstractmethod
    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        """One answer per key, in their order; at most ``bulk`` keys. Raises nothing of the provider's.

        ``timeout_s``: patience with the whole of it.
        """

    def close(self) -> None:
        """Close idle connections."""


def person_key(state: LeadState) -> Key | None:
    """A business address of theirs. Private mailboxes are nobody's to look up."""
    email = next((e for e in state.emails if company_domain(e)), None)
    found = canonical_email(email)
    return None if found is None else Key(found, is_personal=True)


def company_key(state: LeadState) -> Key | None:
    """The domain of their company: of a business address, else as the lead's record has it."""
    domain = next((d for e in state.emails if (d := company_domain(e))), None)
    if domain is None:
        own = registrable_domain(state.domain)
        domain = None if is_free_mail(own) else own
    return None if domain is None else Key(domain, is_personal=False)
