"""The sales reps: their hours, how long they take, what they do about a lead who was handed to them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person
from leadops.sandbox.world.reactions import compressed

_OPENS, _CLOSES = time(9), time(17)
_USUALLY, _LATE = timedelta(minutes=11), timedelta(minutes=150)
_LATE_SHARE = 0.14
_LIVE_LONGEST_S = 240.0


@dataclass(frozen=True, slots=True)
class Rep:
    """One rep, as the playbook and the CRM know them. ``zone`` is an IANA name."""

    id: str
    name: str
    email: str
    zone: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rep does about one task. Each is a key of :data:`CALLS`, a lead status, or blank for nothing.

    ``meets``: a meeting comes of it.
    """

    call: str
    status: str
    meets: bool


CALLS = {
    "connected": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
    "no_answer": "73a0d17f-1163-4015-bdd5-ec830791da20",
    "voicemail": "b2cf5968-551e-4856-9783-52b3da59a7d0",
}
"""Outcome of a call -> the vendor's value of hs_call_disposition."""


def acts_at(chance: Chance, rep: Rep, task: str, given: datetime, pace: float = 1.0) -> datetime:
    """When the rep gets to a task given at this moment: soon or late, in their business hours.

    Above pace 1 within minutes, at any hour.
    """
    late = chance.uniform("late", rep.id, task) < _LATE_SHARE
    waits = chance.around(_LATE if late else _USUALLY, 0.7, "waits", rep.id, task)
    if pace > 1:
        return given + compressed(waits, pace / 4, _LIVE_LONGEST_S)
    return after_business_time(given, waits, rep.zone)


def after_business_time(start: datetime, waits: timedelta, zone: str) -> datetime:
    """``start`` plus this much time between 9 and 5 on weekdays of ``zone``, in UTC."""
    where = ZoneInfo(zone)
    local = _into_hours(start.astimezone(where))
    while True:
        closes = datetime.combine(local.date(), _CLOSES, where)
        # Through UTC: two moments of one zone are subtracted by wall clock.
        left = closes.astimezone(UTC) - local.astimezone(UTC)
        if waits <= left:
            return local.astimezone(UTC) + waits
        waits -= left
        local = _into_hours(closes)


def _into_hours(local: datetime) -> datetime:
    where = local.tzinfo
    while local.weekday() >= 5 or local.time() >= _CLOSES:
        local = datetime.combine(local.date() + timedelta(days=1), _OPENS, where)
    opens = datetime.combine(local.date(), _OPENS, where)
    return max(local, opens)


def plan_for(chance: Chance, person: Person, said: str, task: str, waited: timedelta) -> Plan:
    """What the rep does, given what the person said ("" where nobody wrote) and how long they waited."""
    if said == "books":
        return Plan("", "OPEN_DEAL", meets=False)
    if said == "not_interested":
        soon = chance.happens(0.5, "bad timing", person.key)
        return Plan("", "BAD_TIMING" if soon else "UNQUALIFIED", meets=False)
    if said == "wrong_person":
        return Plan("", "UNQUALIFIED", meets=False)
    if said not in ("interested", "question"):
        return Plan("no_answer", "ATTEMPTED_TO_CONTACT", meets=False)
    reached = chance.uniform("reached", person.key, task)
    patience = 0.6 + 0.4 / (1 + waited.total_seconds() / 14_400)
    likely = {"interested": 0.72, "question": 0.45}[said] * patience
    meets = chance.happens(likely, "meets", person.key)
    call = "connected" if reached < 0.6 else "voicemail" if reached < 0.8 else "no_answer"
    return Plan(call, "OPEN_DEAL" if meets else "CONNECTED", meets)
