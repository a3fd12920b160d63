"""When somebody who is out of office comes back, as their message says it.

Belongs here: reading dates out of an absence note, in the formats and languages people use.
What follows from the date is decided in ``replies.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

LONGEST_ABSENCE = timedelta(days=400)
_RECENT = timedelta(days=45)
"""A date without year that passed less than this ago is that one, not next year's."""

_MONTH_NAMES = (
    "january jan januar jänner janvier enero gennaio janeiro januari stycznia styczeń",
    "february feb februar février fevrier févr febrero febbraio fevereiro februari lutego luty",
    "march mar märz maerz mars marzo março marco maart marca marzec",
    "april apr avril avr abril aprile kwietnia kwiecień",
    "may mai mayo maggio maio mei maj maja",
    "june jun juni juin junio giugno junho czerwca czerwiec",
    "july jul juli juillet juil julio luglio julho lipca lipiec",
    "august aug août aout agosto augustus augusti sierpnia sierpień",
    "september sep sept septembre septiembre setiembre settembre setembro września wrzesień",
    "october oct oktober okt octobre octubre ottobre outubro października październik",
    "november nov novembre noviembre novembro listopada listopad",
    "december dec dezember dez décembre decembre diciembre dicembre dezembro grudnia grudzień",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names.split()}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))

_FORMATS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\d.])(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)",
        r"(?<![\d.])(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4}|\d{2}(?!\d))?(?!\d)",
        r"(?<![\d/])(?P<one>\d{1,2})/(?P<two>\d{1,2})(?:/(?P<year>\d{4}|\d{2}))?(?![\d/])",
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:\.|st|nd|rd|th|er|º|:e)?\s+(?:of |de |di )?(?P<name>{_MONTH})\b\.?"
        r",?(?:\s+(?:de )?(?P<year>\d{4}))?",
        rf"\b(?P<name>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+(?P<year>\d{{4}}))?",
        r"(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]",
    )
)
# What stands before a return date; CJK says it behind.
_CUE_BEFORE = re.compile(
    r"(?:back|return(?:ing|s)?|until|till|til|through|thru|to|resum\w+|available(?: again)?|"
    r"bis|ab|zurück|wieder|erreichbar|jusqu|retour|reprendrai|hasta|vuelvo|regreso|volver\w*|"
    r"fino|rientro|rientrerò|até|ate|retorno|volto|regresso|tot|terug|vanaf|t\.o\.m|tillbaka|åter|"
    r"do|wracam|wrócę|from\b.{0,30}\bto)\b[^.!?\n\d]{0,24}$"
)
_CUE_AFTER = re.compile(r"^\s*(?:まで|に戻|より|以降|回来|返回|之前|后)")


def return_date(text: str, today: date) -> date | None:
    """The day the writer is back (or the last day away, where only that is said); None if not said.

    The latest date that stands by a word of return; without such words the latest date from ``today`` on.
    ``05/06`` is read as the one of both readings that comes next.
    """
    lowered = text.lower()
    cued: list[date] = []
    others: list[date] = []
    for begin, end, found in _mentions(lowered, today):
        near = _CUE_BEFORE.search(lowered[max(0, begin - 60) : begin]) or _CUE_AFTER.match(lowered[end:])
        (cued if near else others).append(found)
    plausible = [d for d in cued if today - _RECENT <= d <= today + LONGEST_ABSENCE]
    if plausible:
        return max(plausible)
    return max((d for d in others if today <= d <= today + LONGEST_ABSENCE), default=None)


def _mentions(text: str, today: date) -> Iterator[tuple[int, int, date]]:
    for pattern in _FORMATS:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            found = _nearest(_readings(parts), parts.get("year"), today)
            if found is not None:
                yield match.start(), match.end(), found


def _readings(parts: dict[str, str | None]) -> list[tuple[int, int]]:
    """(month, day) pairs that the text may mean."""
    if parts.get("one"):
        one, two = int(parts["one"] or 0), int(parts["two"] or 0)
        return [(one, two), (two, one)]
    month = _MONTHS[parts["name"] or ""] if parts.get("name") else int(parts["month"] or 0)
    return [(month, int(parts["day"] or 0))]


def _nearest(readings: list[tuple[int, int]], year: str | None, today: date) -> date | None:
    years = [_full(int(year))] if year else [today.year - 1, today.year, today.year + 1]
    dates = [d for y in years for month, day in readings if (d := _valid(y, month, day)) is not None]
    ahead = [d for d in dates if d >= today]
    recent = [d for d in dates if today - _RECENT <= d < today]
    if recent and len(readings) == 1:
        return max(recent)
    return min(ahead, default=max(dates, default=None))


def _full(year: int) -> int:
    return year + 2000 if year < 100 else year


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
