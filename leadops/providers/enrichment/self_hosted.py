"""A service of one's own: ``GET <address>?domain=acme.com`` answers flat JSON, or 404 where it knows nothing.

It is asked by domain, and its answer is every colleague's: so it tells of companies only, and nothing of a
person leaves. Fields are those of ``domain.enriching.FIELDS``; others are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import httpx

from leadops.domain.enriching import evidence
from leadops.providers.enrichment.line import Line
from leadops.providers.enrichment.port import Answer, Found, Key, RemoteEnrichment, company_key
from leadops.terms import LeadState


class SelfHosted(RemoteEnrichment):
    """``key`` None: the service asks for none. ``transport``, ``clock``: as a Line's."""

    name = "self_hosted"
    tells = frozenset({"company_name", "company_size", "country", "domain", "industry"})

    def __init__(
        self,
        key: str | None,
        base_url: str,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = Line(
            self.name,
            base_url,
            variable="LEADOPS_ENRICHMENT_KEY",
            key_header=("authorization", f"Bearer {key.strip()}") if key is not None else None,
            transport=transport,
            clock=clock,
        )

    def key(self, state: LeadState) -> Key | None:
        return company_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        return self._line.each(keys, timeout_s, self._one)

    def _one(self, key: Key, timeout_s: float) -> Answer:
        reply = self._line.ask("GET", "", timeout_s, query={"domain": key.text})
        if reply.status == 404:
            return Answer(Found.NONE)
        if reply.status != 200 or not isinstance(reply.body, Mapping):
            return self._line.failure(reply)
        told = {name: value for name, value in reply.body.items() if name in self.tells}
        return Answer(Found.FOUND, evidence(self.name, told), credits=1)

    def close(self) -> None:
        self._line.close()
