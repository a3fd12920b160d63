"""Clearbit, for those who still hold a legacy key. Legacy: no new keys are given.

What it was is part of HubSpot now (Breeze Intelligence); who has that reads it from the CRM (``hubspot.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from leadops.domain.enriching import evidence
from leadops.domain.firmographics import DIRECTOR, MANAGER
from leadops.providers.enrichment.line import Line, mapping
from leadops.providers.enrichment.port import Answer, Found, Key, RemoteEnrichment, person_key
from leadops.terms import LeadState

URL = "https://person.clearbit.com"
_LEVELS = {"director": DIRECTOR, "manager": MANAGER}
"""An executive may be a C-level or a VP: the title says which."""


class Clearbit(RemoteEnrichment):
    """People and their companies by business address. ``transport``: in place of the network."""

    name = "clearbit"
    tells = frozenset(
        {"company_name", "company_size", "country", "domain", "industry", "title", "title_level"}
    )

    def __init__(self, key: str, base_url: str = URL, transport: httpx.BaseTransport | None = None) -> None:
        self._line = Line(
            self.name, base_url, variable="LEADOPS_CLEARBIT_KEY", basic=(key, ""), transport=transport
        )

    def key(self, state: LeadState) -> Key | None:
        return person_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        return self._line.each(keys, timeout_s, self._one)

    def _one(self, key: Key, timeout_s: float) -> Answer:
        reply = self._line.ask("GET", "/v2/combined/find", timeout_s, query={"email": key.text})
        if reply.status == 202:  # it is looking, and will know in a minute
            return Answer(Found.LATER)
        if reply.status == 404:
            return Answer(Found.NONE)
        body = mapping(reply.body)
        if reply.status != 200 or not {"person", "company"} & body.keys():
            return self._line.failure(reply)
        person, company = mapping(body.get("person")), mapping(body.get("company"))
        if not person and not company:
            return Answer(Found.NONE)
        job, size = mapping(person.get("employment")), mapping(company.get("metrics"))
        told = {
            "title": job.get("title"),
            "title_level": _LEVELS.get(str(job.get("seniority"))),
            "company_name": company.get("name") or job.get("name"),
            "company_size": size.get("employees") or size.get("employeesRange"),
            "country": mapping(person.get("geo")).get("countryCode")
            or mapping(company.get("geo")).get("countryCode"),
            "domain": company.get("domain") or job.get("domain"),
            "industry": mapping(company.get("category")).get("industry"),
        }
        return Answer(Found.FOUND, evidence(self.name, told), credits=1)

    def close(self) -> None:
        self._line.close()
