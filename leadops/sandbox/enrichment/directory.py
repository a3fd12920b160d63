"""Whom the simulated providers know. Whoever is not entered may be made up: the same ones every time."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

_INDUSTRIES = (
    "information technology & services",
    "logistics & supply chain",
    "hospital & health care",
    "machinery",
    "financial services",
    "retail",
    "higher education",
    "construction",
)
_COUNTRIES = (("United States", "US"), ("Germany", "DE"), ("Brazil", "BR"), ("India", "IN"), ("France", "FR"))
_TITLES = (
    ("Chief Operating Officer", "c_suite"),
    ("VP Operations", "vp"),
    ("Head of Analytics", "head"),
    ("Director of Sales Operations", "director"),
    ("Operations Manager", "manager"),
    ("Data Analyst", "senior"),
)
_MADE_UP_OF_TEN = 7
_ADDRESS = re.compile(r"[^@\s]+@([^@\s]+\.[^@\s.]+)")


@dataclass(frozen=True, slots=True)
class Company:
    """``country``: as Apollo writes it; ``country_code``: ISO 3166 alpha-2."""

    domain: str
    name: str
    industry: str | None = None
    employees: int | None = None
    country: str | None = None
    country_code: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """``seniority``: in Apollo's words."""

    email: str
    title: str | None = None
    seniority: str | None = None
    country: str | None = None
    country_code: str | None = None


@dataclass(slots=True)
class Directory:
    """``invents``: seven of ten who are not entered are known all the same, by chance from their name."""

    companies: dict[str, Company] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    invents: bool = False
    seed: int = 7

    def add(self, *entries: Company | Person) -> None:
        """Enter somebody."""
        for entry in entries:
            if isinstance(entry, Company):
                self.companies[entry.domain.lower()] = entry
            else:
                self.people[entry.email.lower()] = entry

    def company(self, domain: str) -> Company | None:
        domain = domain.lower().removeprefix("www.")
        found = self.companies.get(domain)
        if found is not None or not self.invents:
            return found
        chance = self._chance(domain)
        if chance.randrange(10) >= _MADE_UP_OF_TEN:
            return None
        name = domain.partition(".")[0].replace("-", " ").title()
        size = round(10 ** chance.uniform(0.7, 4))
        return Company(domain, name, chance.choice(_INDUSTRIES), size, *chance.choice(_COUNTRIES))

    def person(self, email: str) -> Person | None:
        email = email.lower()
        found = self.people.get(email)
        if found is not None or not self.invents:
            return found
        chance = self._chance(email)
        if chance.randrange(10) >= _MADE_UP_OF_TEN:
            return None
        return Person(email, *chance.choice(_TITLES), *chance.choice(_COUNTRIES))

    def _chance(self, of: str) -> random.Random:
        return random.Random(f"{self.seed}:{of}")  # noqa: S311 - a simulation


def domain_of(email: str) -> str | None:
    """The part after the @; None where it is no address."""
    found = _ADDRESS.fullmatch(email)
    return found.group(1).lower() if found else None
