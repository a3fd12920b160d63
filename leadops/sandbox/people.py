"""Invented leads for the demo: seeded, on reserved example domains, with the mess real forms have."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime

COLUMNS = (
    "id",
    "created_at",
    "email",
    "first_name",
    "last_name",
    "company",
    "title",
    "company_size",
    "country",
    "timezone",
    "source",
    "interest",
    "request",
)

_PEOPLE = (
    ("Anna", "Keller", "DE", "Europe/Berlin"),
    ("Marcus", "Webb", "US", "America/New_York"),
    ("Priya", "Nair", "IN", "Asia/Kolkata"),
    ("Sofia", "Martínez", "ES", "Europe/Madrid"),
    ("Liam", "O'Connor", "IE", "Europe/Dublin"),
    ("Yuki", "Tanaka", "JP", "Asia/Tokyo"),
    ("Camille", "Laurent", "FR", "Europe/Paris"),
    ("João", "Almeida", "BR", "America/Sao_Paulo"),
    ("Emily", "Carter", "US", "America/Los_Angeles"),
    ("Noah", "van Dijk", "NL", "Europe/Amsterdam"),
    ("Amelia", "Hughes", "GB", "Europe/London"),
    ("Oliver", "Nguyen", "AU", "Australia/Sydney"),
    ("Zanele", "Dlamini", "ZA", "Africa/Johannesburg"),
    ("Mateusz", "Kowalski", "PL", "Europe/Warsaw"),
)
_COMPANIES = (
    "Harbour Freight Systems",
    "Brightfield Clinics",
    "Ostra Robotics",
    "Cedar & Pine Interiors",
    "Quantile Insurance",
    "Fjord Logistics",
    "Maple Street Foods",
    "Volta Charging",
    "Alder Print Works",
    "Nimbus Payroll",
)
_TITLES = (
    ("VP Operations", 3),
    ("Head of Data", 3),
    ("Marketing Manager", 4),
    ("CFO", 1),
    ("Analyst", 3),
    ("Intern", 1),
)
_REQUESTS = (
    ("demo_requested", "a demo", 4),
    ("form_submitted", "the pricing overview", 4),
    ("content_downloaded", "the reporting guide", 4),
)
_SOURCES = ("organic_search", "paid_search", "referral", "webinar", "social", "")
_SIZES = (5, 18, 60, 140, 420, 1800, "")


def _pick(rng: random.Random, weighted: tuple[tuple[object, ...], ...]) -> tuple[object, ...]:
    return rng.choices(weighted, weights=[float(str(w[-1])) for w in weighted])[0]


def somebody(number: int, at: datetime, *, seed: int = 7) -> dict[str, str]:
    """Lead ``number`` of this seed, as a row of ``leads.csv``: the same on every call but for its time."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 - a demo, not a secret
    first, last, country, zone = rng.choice(_PEOPLE)
    company = rng.choice(_COMPANIES)
    request, interest, _ = _pick(rng, _REQUESTS)
    title, _ = _pick(rng, _TITLES)
    domain = "".join(c for c in company.lower() if c.isalnum()) + ".example"
    local = "".join(c for c in first.lower() if c.isascii() and c.isalpha())
    return {
        "id": f"demo-{number}",
        "created_at": at.isoformat(timespec="milliseconds"),
        "email": f"{local}.{number}@{domain}",
        "first_name": first,
        "last_name": last,
        "company": company,
        "title": str(title),
        "company_size": str(rng.choice(_SIZES)),
        "country": country,
        "timezone": zone,
        "source": rng.choice(_SOURCES),
        "interest": str(interest),
        "request": str(request),
    }


def a_hot_one(number: int, at: datetime) -> dict[str, str]:
    """Somebody whom every sensible scorecard calls hot: they are answered at once, at any hour."""
    row = somebody(number, at)
    return row | {
        "title": "VP Operations",
        "company_size": "420",
        "source": "referral",
        "interest": "a demo",
        "request": "demo_requested",
    }


def reply_words(number: int, *, seed: int = 7) -> str | None:
    """What this lead answers to the first message, if they are one of those who answer."""
    rng = random.Random(f"{seed}:{number}:reply")  # noqa: S311
    return rng.choices(
        (
            None,
            "Thanks, that was quick. Could we talk on Thursday afternoon?",
            "Not interested at the moment, thank you.",
            "Please remove me from your list.",
            "I am out of the office and back on Monday.",
        ),
        weights=(55, 25, 8, 5, 7),
    )[0]


def crowd(count: int, at: datetime, *, seed: int = 7) -> Iterator[Mapping[str, str]]:
    """The first ``count`` leads."""
    return (somebody(n, at, seed=seed) for n in range(1, count + 1))
