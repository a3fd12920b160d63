"""Every provider that is asked, on a real port: its adapter, and the other side in the test's hand."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from leadops.providers.crm.hubspot_client import Client
from leadops.providers.enrichment.apollo import Apollo, ApolloCompany
from leadops.providers.enrichment.clearbit import Clearbit
from leadops.providers.enrichment.hubspot import HubSpotCompanies
from leadops.providers.enrichment.port import Answer, Key, RemoteEnrichment
from leadops.providers.enrichment.self_hosted import SelfHosted
from leadops.sandbox.enrichment import (
    ApolloSandbox,
    ClearbitSandbox,
    Company,
    Directory,
    Person,
    SelfHostedSandbox,
)
from leadops.sandbox.frame import Fault, Provider
from leadops.sandbox.hubspot import HubSpotSandbox
from leadops_tests.providers.enrichment.leads import state

KEY = "test-key-1"
NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
ACME = Company("acme.com", "Acme Inc", "machinery", 420, "Germany", "DE")
ANNA = Person("anna@acme.com", "VP Operations", "vp", "United States", "US")
OF_ACME: Mapping[str, Any] = {
    "company_name": ACME.name,
    "company_size": ACME.employees,
    "country": ACME.country_code,
    "domain": ACME.domain,
    "industry": ACME.industry,
}
"""What an answer about the company holds."""
OF_ANNA = {**OF_ACME, "country": ANNA.country_code, "title": ANNA.title}
"""What one about her holds; her own country goes before her company's."""


def clock() -> datetime:
    return NOW


class Bench(ABC):
    """``known``: the values of the adapter's answer about Anna and Acme."""

    name: str
    sandbox: Provider
    known: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        """On the sandbox at ``url``."""

    def fail(self, kind: str = "status", **given: Any) -> None:
        self.sandbox.faults.append(Fault(kind, **given))  # type: ignore[arg-type]

    def problems(self) -> list[str]:
        """What of the vendor's rules any request has broken."""
        return [p for e in self.sandbox.exchanges for p in e.problems]


class ApolloBench(Bench):
    name = "apollo"
    known: ClassVar[Mapping[str, Any]] = {**OF_ANNA, "title_level": ANNA.seniority}

    def __init__(self) -> None:
        self.directory = Directory()
        self.directory.add(ACME, ANNA)
        self.sandbox = ApolloSandbox(clock, KEY, directory=self.directory)

    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        return Apollo(key, f"{url}/apollo/api/v1")


class ApolloCompanyBench(ApolloBench):
    name = "apollo_company"
    known = OF_ACME

    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        return ApolloCompany(key, f"{url}/apollo/api/v1")


class ClearbitBench(Bench):
    name = "clearbit"
    known = OF_ANNA

    def __init__(self) -> None:
        self.directory = Directory()
        self.directory.add(ACME, ANNA)
        self.sandbox = ClearbitSandbox(clock, KEY, directory=self.directory)

    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        return Clearbit(key, f"{url}/clearbit")


class SelfHostedBench(Bench):
    name = "self_hosted"
    known = OF_ACME

    def __init__(self) -> None:
        self.directory = Directory()
        self.directory.add(ACME)
        self.sandbox = SelfHostedSandbox(clock, KEY, directory=self.directory)

    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        return SelfHosted(key, f"{url}/self_hosted/")


class HubSpotBench(Bench):
    name = "hubspot"
    known = OF_ACME

    def __init__(self) -> None:
        self.sandbox = self.vendor = HubSpotSandbox(clock, KEY)
        self.vendor.options.limits = False
        self.waits: list[float] = []
        company = {
            "name": ACME.name,
            "domain": ACME.domain,
            "numberofemployees": str(ACME.employees),
            "country": str(ACME.country),
            "industry": str(ACME.industry).upper(),
        }
        self.company = self.vendor.portal.create("companies", company, at=NOW)
        self.contact = self.add("anna@acme.com")
        self.vendor.portal.associate("contacts", self.contact, "companies", self.company, at=NOW)

    def add(self, email: str) -> str:
        return self.vendor.portal.create("contacts", {"email": email}, at=NOW)

    def adapter(self, url: str, key: str = KEY) -> RemoteEnrichment:
        return HubSpotCompanies(Client(key, f"{url}/hubspot", 0.5, 1e6, 1e6, wait=self.waits.append))


BENCHES: dict[str, type[Bench]] = {
    bench.name: bench  # type: ignore[type-abstract]
    for bench in (ApolloBench, ApolloCompanyBench, ClearbitBench, SelfHostedBench, HubSpotBench)
}


def key_of(adapter: RemoteEnrichment, email: str = "anna@acme.com") -> Key:
    found = adapter.key(state(emails=(email,)))
    assert found is not None
    return found


def values(answer: Answer) -> dict[str, Any]:
    return {name: field.value for name, field in answer.fields.items()}


def shown(bench: Bench) -> str:
    """Everything the vendor was sent."""
    return json.dumps([[e.method, e.path, e.request] for e in bench.sandbox.exchanges])
