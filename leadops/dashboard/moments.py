"""Times and spans as the page says them: in the zone its reader chose, and how long ago. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Our own sentences (explain_words, gates) carry their times like this.
_IN_SENTENCE = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b")


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment the page is drawn at (aware) and the zone it is read in (IANA name)."""

    now: datetime
    zone: str = "UTC"

    def at(self, moment: datetime | None, *, seconds: bool = False) -> str:
        """Date and time in the reader's zone, a dash where there is none."""
        if moment is None:
            return "–"
        local = moment.astimezone(ZoneInfo(self.zone))
        return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"

    def time(self, moment: datetime) -> str:
        """The time alone; with the date where it is not today's."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        same = local.date() == self.now.astimezone(zone).date()
        return f"{local:%H:%M}" if same else f"{local:%Y-%m-%d %H:%M}"

    def day(self, moment: datetime) -> str:
        """The date alone, in the zone of the stamp itself (a date without a time is nobody's midnight)."""
        return f"{moment:%Y-%m-%d}"

    def ago(self, moment: datetime | None) -> str:
        """“12 min ago”, “in 3 h”."""
        if moment is None:
            return "–"
        passed = (self.now - moment).total_seconds()
        if abs(passed) < 1:
            return "now"
        return f"{_roughly(passed)} ago" if passed > 0 else f"in {_roughly(-passed)}"

    def said(self, sentence: str) -> str:
        """A sentence of ours with its UTC stamps in the reader's zone."""
        if self.zone == "UTC":
            return sentence
        return _IN_SENTENCE.sub(lambda found: f"{self.at(_utc(found[1]))} {self.short()}", sentence)

    def short(self) -> str:
        """The zone's usual letters at this moment (CET), its name where it has only an offset."""
        letters = self.now.astimezone(ZoneInfo(self.zone)).tzname() or self.zone
        return letters if letters[:1].isalpha() else self.zone


def span(seconds: float | None) -> str:
    """A length of time in at most two units: “45 s”, “4 min 10 s”, “3 h 5 min”, “12 d”."""
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return "never"
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s") if whole < 10 * _MINUTE else f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h") if whole < 10 * _DAY else f"{whole // _DAY} d"


def _roughly(seconds: float) -> str:
    return f"{seconds // _MINUTE:.0f} min" if _MINUTE <= seconds < _HOUR else span(round(seconds))


def _two(seconds: int, large: int, name: str, small: int, rest: str) -> str:
    first, left = divmod(seconds, large)
    second = left // small
    return f"{first} {name} {second} {rest}" if second else f"{first} {name}"


@cache
def zones() -> tuple[str, ...]:
    """The zones to choose from: places, without the old aliases."""
    places = (name for name in available_timezones() if "/" in name)
    return tuple(
        sorted(n for n in places if not n.startswith(("Etc/", "SystemV/", "US/", "posix/", "right/")))
    )


def is_zone(name: str) -> bool:
    """Whether the name (from an address bar or a browser) is one of a zone."""
    return name == "UTC" or name in zones()


def _utc(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
