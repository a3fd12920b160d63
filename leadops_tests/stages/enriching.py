"""Providers of enrichment that do as a test tells them, and a house whose waterfall they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from leadops.domain.enriching import evidence
from leadops.playbook.enrichment import EnrichmentSource
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.providers.enrichment.port import (
    Answer,
    Found,
    Key,
    RemoteEnrichment,
    company_key,
    person_key,
)
from leadops.stages.beside import Threads
from leadops.stages.enrich import enrich
from leadops.stages.enriching import Enriching
from leadops.stages.fold import fold_pending
from leadops.stages.report import Report
from leadops.terms import LeadState
from leadops_tests.house import World, house_of, wire
from leadops_tests.stages.sending import playbook_with

ALL = frozenset({"company_name", "company_size", "country", "domain", "industry", "title", "title_level"})


class Scripted(RemoteEnrichment):
    """Knows whom ``knows`` names (key: fields; an Answer is given as it is). ``lookups``: what it was asked.

    ``gate``: no answer before it is set. ``before``: called with the keys, first of all.
    """

    def __init__(
        self, name: str = "apollo", tells: frozenset[str] = ALL, bulk: int = 1, by_domain: bool = False
    ) -> None:
        self.name = name
        self.tells = tells  # type: ignore[misc]
        self.bulk = bulk  # type: ignore[misc]
        self.by_domain = by_domain
        self.knows: dict[str, Any] = {}
        self.lookups: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self.before: Callable[[list[str]], None] = lambda keys: None

    def key(self, state: LeadState) -> Key | None:
        return company_key(state) if self.by_domain else person_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        texts = [key.text for key in keys]
        self.lookups.append(texts)
        self.asked.set()
        self.before(texts)
        assert self.gate.wait(60)
        return [self._answer(text) for text in texts]

    def _answer(self, text: str) -> Answer:
        known = self.knows.get(text)
        if isinstance(known, Answer):
            return known
        if isinstance(known, Exception):
            raise known
        if known is None:
            return Answer(Found.NONE)
        return Answer(Found.FOUND, evidence(self.name, known), credits=1)


def source(name: str, **given: Any) -> EnrichmentSource:
    return EnrichmentSource(provider=name, **given)  # type: ignore[arg-type]


def asking_world(
    engine: Engine,
    folder: Path,
    *providers: RemoteEnrichment,
    places: Sequence[EnrichmentSource] | None = None,
    **section: Any,
) -> World:
    """A house that asks these and has the offline provider last, on real threads. ``section``: of the
    playbook's enrichment; without a deadline of its own nobody is late for being slow to test.
    """
    waterfall = (*(places or (source(p.name) for p in providers)), source("offline"))
    fields: dict[str, Any] = {"waterfall": waterfall, "deadline_seconds": 20.0, "timeout_seconds": 20.0}
    loaded = playbook_with(enrichment=fields | section)
    everybody = (*providers, OfflineEnrichment())
    return World(house_of(engine, folder, loaded=loaded, enrichment=everybody, asking=Threads), folder)


def arrive(world: World, *addresses: str, **contact: Any) -> None:
    """These people fill in a form, and their events are folded."""
    for address in addresses:
        world.post(wire("form_submitted", address, at=world.now, **contact))
    folded(world)


def folded(world: World) -> None:
    h = world.house
    fold_pending(h.engine, h.playbook, h.keyring, now=world.now)


def ask(world: World, house: Enriching | None = None) -> Report:
    return enrich(house or world.house.enriching, now=world.now)


def known_of(world: World, address: str) -> dict[str, Any]:
    """Field -> value, of all providers, the first one's word."""
    from leadops.store.engine import transaction
    from leadops.store.evidence import evidence_of

    lead = world.one("select lead_id from leads where email = :address", address=address)
    with transaction(world.house.engine) as connection:
        return {name: f.value for name, f in evidence_of(connection, [lead])[lead].items()}
