"""What enrichment works with: providers in their places, what they may cost, how their keys are kept."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from leadops.domain.enriching import Known, Source
from leadops.domain.keys import Keyring
from leadops.playbook.enrichment import Enrichment
from leadops.providers.breaker import Breaker
from leadops.providers.enrichment.port import EnrichmentPort, Key, LocalEnrichment, RemoteEnrichment
from leadops.stages.beside import Beside, Inline, Latch
from leadops.stages.enrich_whom import Manners
from leadops.terms import EvidenceField, LeadState

_HOLD_S = 5.0
"""Beyond the deadline: after this a worker that died has lost its leads to the others."""


@dataclass(slots=True)
class _Slots:
    """Requests under way per provider, those too that no batch waits for any more."""

    under_way: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def change(self, name: str, by: int) -> None:
        with self.guard:
            self.under_way[name] += by


@dataclass(frozen=True)
class Enriching:
    """What enrichment works with; one per process. ``clock``: monotonic seconds.

    ``beside``, ``latch``: what waiting for others is.
    """

    engine: Engine
    section: Enrichment
    manners: Manners
    providers: tuple[EnrichmentPort, ...]
    beside: Callable[[int], Beside] = lambda _at_once: Inline()
    latch: Callable[[], Latch] = threading.Event
    fresh: Callable[[], str] = lambda: uuid.uuid4().hex
    clock: Callable[[], float] = time.monotonic
    slots: _Slots = field(default_factory=_Slots)

    @cached_property
    def local(self) -> dict[str, LocalEnrichment]:
        return {p.name: p for p in self.providers if isinstance(p, LocalEnrichment)}

    @cached_property
    def remote(self) -> dict[str, RemoteEnrichment]:
        return {p.name: p for p in self.providers if isinstance(p, RemoteEnrichment)}

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Provider -> its place: lower ones have the word."""
        return {p.name: rank for rank, p in enumerate(self.providers)}

    @cached_property
    def breakers(self) -> dict[str, Breaker]:
        return {name: Breaker(self.clock) for name in self.remote}

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The providers that are asked, in order."""
        said = {s.provider: s for s in self.section.waterfall}
        found = []
        for name, provider in self.remote.items():
            place = said.get(name)  # type: ignore[call-overload]
            days = self.section.cache_days if place is None else self.section.age_days(place)
            usd = 0.0 if place is None else place.usd_per_lookup
            found.append(Source(name, provider.tells, usd, timedelta(days=days), provider.bulk))
        return tuple(found)

    @cached_property
    def budgets(self) -> dict[str, float]:
        """Provider -> USD a month, of those that have one."""
        said = self.section.waterfall
        return {
            s.provider: s.monthly_budget_usd
            for s in said
            if s.monthly_budget_usd is not None and s.provider in self.remote
        }

    @property
    def hold(self) -> timedelta:
        """How long leads are left alone by other workers while they are asked about."""
        return timedelta(seconds=self.section.deadline_seconds + _HOLD_S)

    def resting(self) -> frozenset[str]:
        """The providers that are left alone for now."""
        return frozenset(name for name, breaker in self.breakers.items() if breaker.is_pausing)

    def keys_of(self, state: LeadState) -> dict[str, Key]:
        """Provider -> what it looks up of this lead."""
        found = {name: provider.key(state) for name, provider in self.remote.items()}
        return {name: key for name, key in found.items() if key is not None}

    def kept_as(self, key: Key) -> str:
        """The key as it is stored: nobody can be read from it."""
        return _digest(self.manners.keyring, key.text) if key.is_personal else f"domain:{key.text}"


def _digest(keyring: Keyring, text: str) -> str:
    return keyring.digest("enrichment", text)


def personal_keys(keyring: Keyring, state: LeadState) -> frozenset[str]:
    """Every key under which answers about this person may be kept: for erasure (``store.forget``)."""
    return frozenset(_digest(keyring, t) for t in (*state.emails, *(i for _, i in state.crm_ids)))


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source's word on one key, with what it cost and for whom it was asked."""

    known: Known
    lead_id: str
    cost_usd: float
    took_ms: float


def fetched_of(row: Mapping[str, Any]) -> Fetched:
    """Of a row of the cache."""
    at = row["fetched_at"]
    fields = {n: EvidenceField(value, row["provider"], at=at) for n, value in row["fields"].items()}
    return Fetched(Known(fields, at), row["lead_id"], row["cost_usd"], row["took_ms"])
