"""Who fills in which form when: first arrivals by rhythm, and those who come back. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.rhythm import Moment, Rhythm

RETURNS_WITHIN = timedelta(days=3)
_AGAIN, _ALIAS = 0.045, 0.015


@dataclass(frozen=True, slots=True)
class Arrival:
    """One form filled in. ``moment`` is the person's first; ``how``: first, again (another form, the same
    address) or alias (the same person under another address). ``at`` is aware UTC.
    """

    moment: Moment
    at: datetime
    how: str = "first"
    hot: bool = False


def arrivals(chance: Chance, rhythm: Rhythm, start: datetime, end: datetime) -> Iterator[Arrival]:
    """Every form filled in with start <= at < end, in order of time; the same however time is sliced."""
    waiting: list[tuple[datetime, str, Arrival]] = []
    for moment in rhythm.between(start - RETURNS_WITHIN, end):
        while waiting and waiting[0][0] <= moment.at:
            yield from _inside(heapq.heappop(waiting)[2], start, end)
        yield from _inside(Arrival(moment, moment.at), start, end)
        if (back := _return(chance, moment)) is not None:
            heapq.heappush(waiting, (back.at, moment.key, back))
    while waiting:
        yield from _inside(heapq.heappop(waiting)[2], start, end)


def _inside(arrival: Arrival, start: datetime, end: datetime) -> Iterator[Arrival]:
    if start <= arrival.at < end:
        yield arrival


def _return(chance: Chance, moment: Moment) -> Arrival | None:
    """A second form by the same person, minutes to days later."""
    u = chance.uniform("returns", moment.key)
    how = "again" if u < _AGAIN else "alias" if u < _AGAIN + _ALIAS else ""
    if not how:
        return None
    share = chance.uniform("returns when", moment.key) ** 3
    wait = timedelta(minutes=4) + (RETURNS_WITHIN - timedelta(hours=1)) * share
    at = moment.at + timedelta(milliseconds=wait // timedelta(milliseconds=1))
    return Arrival(moment, at, how)
