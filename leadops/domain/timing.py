"""When something may happen: recipients' zones, windows, public holidays, business time.

Belongs here: arithmetic on instants, local wall clocks and calendars. What a touch needs to know
beyond the clock stands in ``sequencing.py`` and ``eligibility.py``.

A window is read on the recipient's wall clock: an instant is inside when its local time is. From that
follows the rest. A window start that falls into the gap of a clock change opens when the gap ends; in the
repeated hour the first occurrence comes first, and a window that is open all day stays open through both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import holidays

from leadops.errors import LeadopsError
from leadops.playbook.model import WEEKDAYS, Window

SEARCH_DAYS = 60
"""How far ahead a window is looked for before it counts as one that never opens."""

BUSINESS_HOURS = Window(days=("mon", "tue", "wed", "thu", "fri"), start=time(9), end=time(17))

# Countries with several zones: where most people live. All others: the first row of zone.tab,
# which is the only one for most.
_MOST_POPULOUS = {
    "AR": "America/Argentina/Buenos_Aires",
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "CY": "Asia/Nicosia",
    "DE": "Europe/Berlin",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei",
    "GL": "America/Nuuk",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty",
    "MH": "Pacific/Majuro",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
    "UZ": "Asia/Tashkent",
}
_COUNTRY_ALIASES = {"UK": "GB", "EL": "GR"}
# Names that mean something else on every machine.
_NOT_A_PLACE = frozenset({"localtime", "Factory", "posixrules"})


@dataclass(frozen=True, slots=True)
class Zone:
    """A recipient's time zone, and how it was found."""

    name: str
    basis: Literal["given", "country", "fallback"]


def resolve_zone(timezone: str | None, country: str | None, fallback: str) -> Zone:
    """The zone as given, else the country's representative one, else ``fallback``; said in ``basis``.

    ``timezone`` is an IANA name in any case; unknown or malformed ones count as not given.
    ``country`` is ISO 3166 alpha-2. Raises LeadopsError when ``fallback`` itself is unknown.
    """
    given = _canonical_zone(timezone)
    if given is not None:
        return Zone(given, "given")
    by_country = _zone_of_country(_country_code(country))
    if by_country is not None:
        return Zone(by_country, "country")
    stated = _canonical_zone(fallback)
    if stated is None:
        raise LeadopsError(
            "timing.zone", f"unknown fallback time zone {fallback!r}; use an IANA name such as Europe/Berlin"
        )
    return Zone(stated, "fallback")


def is_open(window: Window, at: datetime, zone: str, country: str | None) -> bool:
    """Whether the aware instant ``at`` is inside the window on the wall clock of ``zone``."""
    local = local_time(at, zone)
    return _day_open(window, local.date(), country) and _time_open(window, local.time())


def next_open(window: Window, at: datetime, zone: str, country: str | None) -> datetime:
    """The earliest instant >= ``at`` inside the window, in UTC.

    Raises LeadopsError (``timing.never_opens``) when there is none within SEARCH_DAYS.
    """
    start = _aware(at).astimezone(UTC)
    if is_open(window, start, zone, country):
        return start
    today = local_time(start, zone).date()
    # From the day before: where a clock goes back over midnight, yesterday's hours come again.
    for offset in range(-1, SEARCH_DAYS + 1):
        day = today + timedelta(days=offset)
        found = [
            instant
            for near in (day, day + timedelta(days=1))
            if _day_open(window, near, country)
            for instant in _edges(window.start, near, zone)
            if instant >= start and is_open(window, instant, zone, country)
        ]
        if found:
            return min(found)
    raise LeadopsError(
        "timing.never_opens",
        f"the window {describe(window)} does not open in {zone} within {SEARCH_DAYS} days of "
        f"{start:%Y-%m-%d}; give it more days or hours in the playbook",
    )


def add_business_days(day: date, n: int, country: str | None) -> date:
    """The ``n``-th business day after ``day`` (weekend and public holidays of ``country`` left out).

    With ``n`` = 0: ``day`` itself when it is one, else the next one. An unknown country has a Saturday and
    Sunday weekend and no holidays.
    """
    if n < 0:
        raise LeadopsError("timing.negative", f"business days must be 0 or more, not {n}")
    code = _country_code(country)
    found = day
    left = n
    while True:
        if _is_business_day(found, code) and (found > day or n == 0):
            left -= 1
            if left <= 0:
                return found
        found += timedelta(days=1)


def business_deadline(
    start: datetime,
    minutes: float,
    zone: str,
    window: Window = BUSINESS_HOURS,
    country: str | None = None,
) -> datetime:
    """The instant (UTC) at which ``minutes`` of open time have passed since ``start``.

    Time outside the window does not count. A deadline may fall on the very end of a window.
    """
    if minutes < 0:
        raise LeadopsError("timing.negative", f"minutes must be 0 or more, not {minutes:g}")
    left = timedelta(minutes=minutes)
    cursor = next_open(window, start, zone, country)
    while True:
        closes = _next_edge(window, cursor, zone)
        if left <= closes - cursor:
            return cursor + left
        left -= closes - cursor
        cursor = next_open(window, closes, zone, country)


def local_days_later(start: datetime, days: float, zone: str) -> datetime:
    """``start`` plus ``days``, in UTC: whole days on the wall clock of ``zone``, the rest elapsed.

    Two days after 10:00 is 10:00, whatever the clocks did between; a wall time in a gap moves forward.
    """
    whole = int(days)
    local = local_time(start, zone)
    moved = (local + timedelta(days=whole)).astimezone(UTC) if whole else start.astimezone(UTC)
    return moved + timedelta(days=days - whole)


def local_time(at: datetime, zone: str) -> datetime:
    """``at`` on the wall clock of ``zone`` (aware)."""
    return _aware(at).astimezone(_zone(zone))


def describe(window: Window) -> str:
    """The window in words: ``mon-fri 09:00-17:00``."""
    days = [d for d in WEEKDAYS if d in window.days]
    at = [WEEKDAYS.index(d) for d in days]
    run = len(days) > 1 and at == list(range(at[0], at[-1] + 1))
    spoken = f"{days[0]}-{days[-1]}" if run else ",".join(days)
    end = f"{window.end:%H:%M}" if window.end else "24:00"
    return f"{spoken} {window.start:%H:%M}-{end}" + (" without holidays" if window.skip_holidays else "")


def is_holiday(day: date, country: str | None) -> bool:
    """Whether ``day`` is a public holiday of ``country``; an unknown country has none."""
    code = _country_code(country)
    found = _calendar(code, day.year) if code else None
    return found is not None and day in found


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise LeadopsError("timing.naive", "an instant without time zone reached a decision; pass aware UTC")
    return at


@cache
def _zone(name: str) -> ZoneInfo:
    if _canonical_zone(name) != name:
        raise LeadopsError("timing.zone", f"unknown time zone {name!r}; resolve it with resolve_zone first")
    return ZoneInfo(name)


@cache
def _zone_names() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones() - _NOT_A_PLACE)}


def _canonical_zone(name: str | None) -> str | None:
    return _zone_names().get(name.strip().replace(" ", "_").lower()) if name else None


def _country_code(country: str | None) -> str | None:
    if not country:
        return None
    code = country.strip().upper()
    return _COUNTRY_ALIASES.get(code, code)


@cache
def _zones_by_country() -> dict[str, str]:
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    first: dict[str, str] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            code, _, name = line.split("\t")[:3]
            first.setdefault(code, name)
    return first | _MOST_POPULOUS


def _zone_of_country(code: str | None) -> str | None:
    # An operating system with older zones than the tzdata package may not know a new name.
    return _canonical_zone(_zones_by_country().get(code)) if code else None


@lru_cache(maxsize=1024)
def _calendar(code: str, year: int) -> holidays.HolidayBase | None:
    try:
        return holidays.country_holidays(code, years=year, expand=False)
    except (NotImplementedError, KeyError):
        return None


def _is_business_day(day: date, code: str | None) -> bool:
    found = _calendar(code, day.year) if code else None
    return day.weekday() < 5 if found is None else found.is_working_day(day)


def _day_open(window: Window, day: date, country: str | None) -> bool:
    if WEEKDAYS[day.weekday()] not in window.days:
        return False
    return not (window.skip_holidays and is_holiday(day, country))


def _time_open(window: Window, wall: time) -> bool:
    return window.start <= wall and (window.end is None or wall < window.end)


def _edges(wall: time, day: date, zone: str) -> Iterator[datetime]:
    """Instants at which the clock of ``day`` shows ``wall``, and those at which it is changed."""
    for fold in (0, 1):
        instant = datetime.combine(day, wall.replace(fold=fold), _zone(zone)).astimezone(UTC)
        back = instant.astimezone(_zone(zone))
        if back.date() == day and back.time() == wall.replace(fold=0):
            yield instant
    for change in _changes(zone, day):
        if local_time(change, zone).date() == day:  # not those of the neighbouring days
            yield change


@lru_cache(maxsize=4096)
def _changes(zone: str, day: date) -> tuple[datetime, ...]:
    """The instants (UTC) around the local ``day`` at which the offset of ``zone`` changes."""
    tz = _zone(zone)
    begin = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    probes = [begin + timedelta(hours=3 * i) for i in range(19)]
    return tuple(
        _change_between(tz, left, right)
        for left, right in pairwise(probes)
        if left.astimezone(tz).utcoffset() != right.astimezone(tz).utcoffset()
    )


def _change_between(tz: ZoneInfo, left: datetime, right: datetime) -> datetime:
    before = left.astimezone(tz).utcoffset()
    low, high = 0, int((right - left).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (left + timedelta(seconds=middle)).astimezone(tz).utcoffset() == before:
            low = middle
        else:
            high = middle
    return left + timedelta(seconds=high)


def _next_edge(window: Window, at: datetime, zone: str) -> datetime:
    """The first instant after ``at`` (inside the window) up to which the window surely stays open."""
    today = local_time(at, zone).date()
    tomorrow = today + timedelta(days=1)
    ends = [*_changes(zone, today)]
    if window.end is not None:
        ends += _edges(window.end, today, zone)
    for later in (tomorrow, tomorrow + timedelta(days=1)):  # a zone may skip a day altogether
        ends += _edges(time(), later, zone)
    return min(end for end in ends if end > at)
