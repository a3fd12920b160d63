"""Apollo (api.apollo.io): people by their business address, companies by their domain.

A person that is found costs a credit, one that is not costs none. Phone numbers and private addresses are
never asked for: nobody here needs them, and each costs more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from leadops.domain.enriching import evidence
from leadops.domain.firmographics import C_LEVEL, DIRECTOR, INDIVIDUAL, MANAGER, STUDENT, VP
from leadops.providers.enrichment.line import Line, LineError, garbage, mapping, unanswered
from leadops.providers.enrichment.port import (
    Answer,
    Found,
    Key,
    RemoteEnrichment,
    company_key,
    person_key,
)
from leadops.terms import LeadState

URL = "https://api.apollo.io/api/v1"
VARIABLE = "LEADOPS_APOLLO_KEY"
_REVEALS_NOTHING = {"reveal_personal_emails": "false", "reveal_phone_number": "false"}
_COMPANY = frozenset({"company_name", "company_size", "country", "domain", "industry"})
_LEVELS = {
    "owner": C_LEVEL,
    "founder": C_LEVEL,
    "c_suite": C_LEVEL,
    "vp": VP,
    "partner": DIRECTOR,
    "head": DIRECTOR,
    "director": DIRECTOR,
    "manager": MANAGER,
    "senior": INDIVIDUAL,
    "entry": INDIVIDUAL,
    "intern": STUDENT,
}


class Apollo(RemoteEnrichment):
    """People and, with them, their companies: ten per request. ``transport``, ``clock``: as a Line's."""

    name = "apollo"
    tells = _COMPANY | {"title", "title_level"}
    bulk = 10

    def __init__(
        self,
        key: str,
        base_url: str = URL,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = Line(
            self.name,
            base_url,
            variable=VARIABLE,
            key_header=("x-api-key", key),
            transport=transport,
            clock=clock,
        )

    def key(self, state: LeadState) -> Key | None:
        return person_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        if len(keys) == 1:
            return self._line.each(keys, timeout_s, self._one)
        try:
            reply = self._line.ask(
                "POST",
                "/people/bulk_match",
                timeout_s,
                query=_REVEALS_NOTHING,
                body={"details": [{"email": key.text} for key in keys]},
            )
        except LineError as error:
            return [unanswered(error)] * len(keys)
        matches = mapping(reply.body).get("matches")
        if reply.status == 200 and isinstance(matches, list) and len(matches) == len(keys):
            return [self._person(match) for match in matches]
        failure = self._line.failure(reply)
        if failure.is_refusal:  # because of one of them, perhaps
            return self._line.each(keys, timeout_s, self._one)
        return [failure] * len(keys)

    def _one(self, key: Key, timeout_s: float) -> Answer:
        query = {"email": key.text, **_REVEALS_NOTHING}
        reply = self._line.ask("POST", "/people/match", timeout_s, query=query)
        if reply.status != 200 or "person" not in mapping(reply.body):
            return self._line.failure(reply)
        return self._person(reply.body["person"])

    def _person(self, person: Any) -> Answer:
        if person is None:
            return Answer(Found.NONE)
        if not isinstance(person, Mapping):
            return garbage(self.name)
        company = _company(mapping(person.get("organization")))
        level = _LEVELS.get(str(person.get("seniority")))
        told = {"title": person.get("title"), "title_level": level}
        own = {"country": person["country"]} if person.get("country") else {}
        return Answer(Found.FOUND, evidence(self.name, company | told | own), credits=1)

    def close(self) -> None:
        self._line.close()


class ApolloCompany(RemoteEnrichment):
    """Companies by domain, one per request. Nothing of a person leaves, and colleagues share the answer."""

    name = "apollo_company"
    tells = _COMPANY

    def __init__(self, key: str, base_url: str = URL, transport: httpx.BaseTransport | None = None) -> None:
        self._line = Line(
            self.name, base_url, variable=VARIABLE, key_header=("x-api-key", key), transport=transport
        )

    def key(self, state: LeadState) -> Key | None:
        return company_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:
        return self._line.each(keys, timeout_s, self._one)

    def _one(self, key: Key, timeout_s: float) -> Answer:
        reply = self._line.ask("GET", "/organizations/enrich", timeout_s, query={"domain": key.text})
        if reply.status != 200 or not isinstance(reply.body, Mapping):
            return self._line.failure(reply)
        found = reply.body.get("organization")
        if not found:
            return Answer(Found.NONE)
        if not isinstance(found, Mapping):
            return garbage(self.name)
        return Answer(Found.FOUND, evidence(self.name, _company(found)), credits=1)

    def close(self) -> None:
        self._line.close()


def _company(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "company_name": told.get("name"),
        "company_size": told.get("estimated_num_employees"),
        "country": told.get("country"),
        "domain": told.get("primary_domain") or told.get("website_url"),
        "industry": told.get("industry"),
    }
