"""Where leads live: countries on five continents, their zones, how many leads, what they write in.

Weights are invented, of the order a company with headquarters in North America would see.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A country. ``zones``: IANA name -> share; ``names``: key of ``names.NAMES``; ``language``: of replies.

    ``warmth`` is added to the log-odds of anybody there getting in touch.
    """

    code: str
    name: str
    weight: float
    zones: dict[str, float]
    names: str
    language: str
    warmth: float = 0.0


PLACES = (
    Place(
        "US", "United States", 24,
        {"America/New_York": 45, "America/Chicago": 28, "America/Los_Angeles": 22, "America/Denver": 5},
        "english", "en", 0.15,
    ),
    Place("CA", "Canada", 4, {"America/Toronto": 70, "America/Vancouver": 30}, "english", "en", 0.1),
    Place("MX", "Mexico", 3, {"America/Mexico_City": 1}, "spanish", "es"),
    Place("BR", "Brazil", 6, {"America/Sao_Paulo": 9, "America/Manaus": 1}, "portuguese", "pt", 0.1),
    Place("AR", "Argentina", 2, {"America/Argentina/Buenos_Aires": 1}, "spanish", "es"),
    Place("GB", "United Kingdom", 9, {"Europe/London": 1}, "english", "en", 0.1),
    Place("IE", "Ireland", 2, {"Europe/Dublin": 1}, "irish", "en", 0.1),
    Place("DE", "Germany", 10, {"Europe/Berlin": 1}, "german", "de", -0.05),
    Place("FR", "France", 6, {"Europe/Paris": 1}, "french", "fr"),
    Place("ES", "Spain", 4, {"Europe/Madrid": 9, "Atlantic/Canary": 1}, "spanish", "es"),
    Place("IT", "Italy", 3, {"Europe/Rome": 1}, "italian", "it"),
    Place("NL", "Netherlands", 3, {"Europe/Amsterdam": 1}, "dutch", "nl", 0.1),
    Place("PL", "Poland", 3, {"Europe/Warsaw": 1}, "polish", "pl"),
    Place("SE", "Sweden", 2, {"Europe/Stockholm": 1}, "swedish", "sv"),
    Place("GR", "Greece", 1, {"Europe/Athens": 1}, "greek", "en"),
    Place("ZA", "South Africa", 2, {"Africa/Johannesburg": 1}, "southern_african", "en"),
    Place("NG", "Nigeria", 2, {"Africa/Lagos": 1}, "west_african", "en"),
    Place("EG", "Egypt", 1, {"Africa/Cairo": 1}, "arabic", "en", -0.1),
    Place("AE", "United Arab Emirates", 1, {"Asia/Dubai": 1}, "arabic", "en"),
    Place("IN", "India", 6, {"Asia/Kolkata": 1}, "indian", "en", -0.2),
    Place("JP", "Japan", 3, {"Asia/Tokyo": 1}, "japanese", "ja", -0.2),
    Place("CN", "China", 1, {"Asia/Shanghai": 1}, "chinese", "zh", -0.2),
    Place("KR", "South Korea", 1, {"Asia/Seoul": 1}, "korean", "en", -0.2),
    Place("SG", "Singapore", 2, {"Asia/Singapore": 1}, "chinese_latin", "en"),
    Place(
        "AU", "Australia", 4, {"Australia/Sydney": 6, "Australia/Brisbane": 2, "Australia/Perth": 2},
        "english", "en", 0.1,
    ),
    Place("NZ", "New Zealand", 1, {"Pacific/Auckland": 1}, "english", "en", 0.1),
)  # fmt: skip
BY_CODE = {place.code: place for place in PLACES}
WEIGHTS = {place.code: place.weight for place in PLACES}
