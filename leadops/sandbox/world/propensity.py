"""How likely somebody is to get in touch: hidden from the scorecard, and falling while they wait.

Odds are invented, with the known shape: who asked for a person answers more often, seniority and referrals
help, and a first answer after a day meets half the interest that one after a minute meets.
"""

from __future__ import annotations

import math
from datetime import timedelta

from leadops.sandbox.world.people import Person
from leadops.sandbox.world.places import BY_CODE
from leadops.sandbox.world.titles import DRAW

_BASE = -0.95
_ASK = {"demo": 0.75, "pricing": 0.0, "guide": -1.35}
_SOURCE = {
    "referral": 0.6,
    "partner": 0.4,
    "organic_search": 0.1,
    "webinar": 0.1,
    "paid_search": -0.1,
    "email_campaign": -0.25,
    "social": -0.6,
}
_SIZES = ((200, 0.3), (50, 0.2), (10, 0.0), (0, -0.35))
HIGHEST = 0.72
AVERSE = 0.13
"""The share of people who will want out; ``HIGHEST`` and this leave room for those who say nothing."""


def interest(person: Person) -> float:
    """The chance in (0, HIGHEST] that this person ever gets in touch, were they answered at once."""
    if not person.is_real or person.fault in ("hard", "left"):
        return 0.0
    log_odds = (
        _BASE
        + _ASK[person.ask]
        + _SOURCE[person.source]
        + DRAW[person.level]
        + _of_size(person.size)
        + BY_CODE[person.country].warmth
        + (-0.5 if person.quirk == "free_mail" else 0.0)
        + (0.3 if person.message and person.quirk != "injection" else 0.0)
    )
    return min(HIGHEST, 1 / (1 + math.exp(-log_odds)))


def haste(delay: timedelta) -> float:
    """What is left of the interest after this wait, in (0.25, 1], strictly falling: a half after a day."""
    hours = max(0.0, delay.total_seconds()) / 3600
    return 0.25 + 0.75 / (1 + math.pow(hours / 12, 0.8))


def propensity(person: Person, delay: timedelta) -> float:
    """The chance that they get in touch, given how long they waited for the first answer."""
    return interest(person) * haste(delay)


def _of_size(size: int | None) -> float:
    return 0.0 if size is None else next(points for least, points in _SIZES if size >= least)
