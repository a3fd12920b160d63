"""What becomes of a meeting and of the deal after it: when, and how it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person
from leadops.sandbox.world.propensity import interest

LASTS = timedelta(minutes=30)
ENDS = {"COMPLETED": 70, "NO_SHOW": 12, "CANCELED": 9, "moved": 9}
"""How a hundred meetings end; a moved one is held later."""


@dataclass(frozen=True, slots=True)
class Course:
    """One meeting. ``changed_at``: when it was moved or cancelled; ``starts`` is the first date agreed."""

    starts: datetime
    end: str
    changed_at: datetime | None
    moved_to: datetime | None


def course_of(chance: Chance, person: Person, booked: datetime) -> Course:
    """How a meeting booked at this moment goes."""
    starts = slot(chance, person, booked + timedelta(hours=20), "first")
    end = chance.choose(ENDS, "meeting ends", person.key)
    changed = booked + (starts - booked) * (0.3 + 0.6 * chance.uniform("changed", person.key))
    if end == "moved":
        return Course(starts, end, changed, slot(chance, person, starts + timedelta(days=1), "second"))
    return Course(starts, end, changed if end == "CANCELED" else None, None)


def slot(chance: Chance, person: Person, after: datetime, which: str) -> datetime:
    """A half-hour in the person's working day, one to six days after this moment; in UTC."""
    where = ZoneInfo(person.zone)
    day = after.astimezone(where).date() + timedelta(days=1 + int(5 * chance.uniform(which, person.key)))
    while day.weekday() >= 5:
        day += timedelta(days=1)
    half_hours = int(14 * chance.uniform(which, "time", person.key))
    starts = datetime.combine(day, time(9), where) + timedelta(minutes=30 * half_hours)
    return starts.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Deal:
    """What follows a meeting that was held: ``closes_at`` weeks later, won or lost. Amount in US dollars."""

    amount: int
    closes_at: datetime
    is_won: bool


def deal_of(chance: Chance, person: Person, held: datetime) -> Deal | None:
    """The deal, or None where the meeting led to nothing."""
    if not chance.happens(0.62, "deal", person.key):
        return None
    days = 6 + 24 * chance.uniform("deal days", person.key)
    amount = 1_000 * (4 + int(8 * chance.uniform("amount", person.key))) + 20 * min(person.size or 20, 2_000)
    won = chance.happens(0.2 + 0.4 * interest(person), "won", person.key)
    return Deal(amount, held + timedelta(days=days), won)
