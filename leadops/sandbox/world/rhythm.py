"""When leads arrive: an inhomogeneous Poisson process per marketing source, by thinning.

Each hour of each source has a key of its own: its candidates are drawn at the highest rate, each with a
country and a zone, and kept with the chance that the wall clock there gives. Any slice of time therefore
holds the same arrivals, however it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from leadops.sandbox.world.chance import Chance, pick
from leadops.sandbox.world.places import BY_CODE, WEIGHTS

SOURCES = {
    "organic_search": 26,
    "paid_search": 20,
    "referral": 11,
    "webinar": 12,
    "social": 11,
    "email_campaign": 12,
    "partner": 8,
}
"""Marketing source -> how many leads in a hundred."""

_HOURS = (
    0.05, 0.04, 0.03, 0.03, 0.04, 0.08, 0.18, 0.4, 0.8, 1.0, 0.98, 0.9,
    0.7, 0.8, 0.92, 0.88, 0.78, 0.6, 0.42, 0.34, 0.32, 0.28, 0.18, 0.1,
)  # fmt: skip
_DAYS = (1.0, 1.0, 0.98, 0.92, 0.75, 0.22, 0.26)
_BY_SOURCE: dict[str, dict[int, float]] = {
    # A webinar is on Wednesday and Thursday afternoon, a campaign goes out on Tuesday morning.
    "webinar": {0: 0.5, 1: 0.7, 2: 1.0, 3: 1.0, 4: 0.5, 5: 0.1, 6: 0.1},
    "email_campaign": {0: 0.6, 1: 1.0, 2: 0.8, 3: 0.5, 4: 0.4, 5: 0.2, 6: 0.2},
    "social": {0: 0.8, 1: 0.8, 2: 0.8, 3: 0.8, 4: 0.9, 5: 0.6, 6: 0.7},
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Somebody arrives. ``key`` names them in this world; ``at`` is aware UTC, to the millisecond."""

    key: str
    at: datetime
    source: str
    country: str
    zone: str


def chance_of_hour(source: str, local: datetime) -> float:
    """How likely an arrival of this source is at this wall clock, in (0, 1]; 1 at the best time."""
    day = local.weekday()
    of_day = _BY_SOURCE[source][day] if source in _BY_SOURCE else _DAYS[day]
    return _HOURS[local.hour] * of_day


@lru_cache(maxsize=32)
def _mean_chance(source: str) -> float:
    """Over a week: how much of the highest rate remains."""
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    return sum(chance_of_hour(source, monday + h * _HOUR) for h in range(168)) / 168


class Rhythm:
    """The arrivals of one world at ``per_week`` leads a week."""

    def __init__(self, seed: int, per_week: float) -> None:
        self._chance = Chance(seed)
        self.per_week = per_week
        self._cell = lru_cache(maxsize=4096)(self._draw)

    def between(self, start: datetime, end: datetime) -> Iterator[Moment]:
        """Everybody with start <= at < end, in order of time."""
        first, last = (start - _EPOCH) // _HOUR, (end - _EPOCH) // _HOUR
        for cell in range(first, last + 1):
            yield from (m for m in self._cell(cell) if start <= m.at < end)

    def _draw(self, cell: int) -> tuple[Moment, ...]:
        found = [m for source in SOURCES for m in self._of_source(cell, source)]
        return tuple(sorted(found, key=lambda m: (m.at, m.key)))

    def _of_source(self, cell: int, source: str) -> Iterator[Moment]:
        share = SOURCES[source] / sum(SOURCES.values())
        rate = self.per_week * share / 168 / _mean_chance(source)
        stream = self._chance.stream("arrivals", source, cell)
        begin = _EPOCH + cell * _HOUR
        for number in range(_poisson(rate, stream.random)):
            at = begin + timedelta(milliseconds=int(stream.random() * 3_600_000))
            place = BY_CODE[pick(WEIGHTS, stream.random())]
            zone = pick(place.zones, stream.random())
            kept = stream.random() < chance_of_hour(source, at.astimezone(ZoneInfo(zone)))
            if kept:
                yield Moment(f"{source}.{cell}.{number}", at, source, place.code, zone)


def _poisson(rate: float, uniform: Callable[[], float]) -> int:
    """A Poisson number by counting exponential gaps; fine for the small rates of one hour."""
    count, passed = 0, 0.0
    while True:
        passed -= math.log(1.0 - uniform())
        if passed > rate:
            return count
        count += 1
