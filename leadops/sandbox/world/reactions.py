"""What one mail brings about: pure, in the order it happens. Who does what never depends on the pace.

A person has one fate, drawn before their first mail: to write, to book, to want out, or nothing; and the
mail after which it shows. Machines (delivery, scanners, absence notes) react to every mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person
from leadops.sandbox.world.propensity import AVERSE, propensity

GOOD = {"interested": 44, "question": 30, "books": 26}
BAD = {"not_interested": 42, "wrong_person": 14, "opt_out": 17, "one_click": 22, "complaint": 5}
SHOWS_AFTER = {1: 46, 2: 26, 3: 14, 4: 8, 5: 4, 6: 2}
CURIOSITY = 0.05
"""How likely somebody clicks who does nothing else."""
_AWAY = 0.05
LIVE_S = 55.0
"""However slow somebody is, above pace 1 nobody takes longer than this."""
_PATIENCE = {
    "interested": timedelta(minutes=70),
    "question": timedelta(minutes=100),
    "books": timedelta(minutes=45),
    "not_interested": timedelta(hours=4),
    "wrong_person": timedelta(hours=3),
    "opt_out": timedelta(hours=2),
    "one_click": timedelta(hours=3),
    "complaint": timedelta(hours=5),
    "open": timedelta(hours=2),
    "click": timedelta(minutes=50),
}
"""Median time until a person does it."""
_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
_BROWSERS = {
    "outlook": _WINDOWS,
    "gmail": _WINDOWS,
    "apple": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "no_images": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
_READERS = {
    "outlook": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0 OneOutlook/1.2025.1112",
    "gmail": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
}
"""What loads the images of a mail, by the person's mail program. Apple's and text readers tell nothing."""
_SCANNER = "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)"


class Fate(NamedTuple):
    """What somebody will do, and after which of the mails they get; kind "" is nothing."""

    kind: str
    after: int


@dataclass(frozen=True, slots=True)
class Letter:
    """What a reaction needs to know of a mail. ``number`` counts this person's mails from 1."""

    number: int
    at: datetime
    links: Sequence[str] = ()
    opens_tracked: bool = False
    clicks_tracked: bool = False
    curiosity: float = CURIOSITY


@dataclass(frozen=True, slots=True)
class Reaction:
    """One thing that happens. ``kind``: event (data: the webhook's fields), auto, reply, one_click, books."""

    at: datetime
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


def fate_of(chance: Chance, person: Person, delay: timedelta) -> Fate:
    """What they will do, ``delay`` being the wait for the first answer.

    Who gets in touch after a long wait also does after a shorter one.
    """
    after = chance.choose(SHOWS_AFTER, "after", person.key)
    if not person.is_real or person.fault in ("hard", "left") or person.quirk == "auto_ack":
        return Fate("", 0)
    if person.latent < propensity(person, delay):
        return Fate(chance.choose(GOOD, "good", person.key), after)
    if person.latent >= 1 - AVERSE:
        return Fate(chance.choose(BAD, "bad", person.key), after)
    return Fate("", 0)


def reactions_to(
    chance: Chance, person: Person, fate: Fate, letter: Letter, pace: float = 1.0
) -> list[Reaction]:
    """Everything this mail brings about, by time. ``pace`` > 1: people react within a minute, at any hour."""
    return sorted(_All(chance, person, fate, letter, pace).found(), key=lambda r: (r.at, r.kind))


@dataclass(frozen=True, slots=True)
class _All:
    chance: Chance
    person: Person
    fate: Fate
    letter: Letter
    pace: float

    def found(self) -> Iterator[Reaction]:
        at = self.letter.at + timedelta(seconds=1 + 2 * self._u("processed"))
        yield self._event(at, "processed")
        bounced = self._bounce(at)
        if bounced is not None:
            yield bounced
            return
        if self.person.fault == "slow":
            yield self._event(
                at + timedelta(seconds=2), "deferred", reason="451 4.7.0 try again later", attempt="1"
            )
            at += timedelta(minutes=3 + 20 * self._u("slow")) / max(1.0, self.pace)
        at += timedelta(seconds=1 + 7 * self._u("delivered"))
        yield self._event(at, "delivered", response="250 2.0.0 OK")
        yield from self._machines(at)
        if self.person.fault != "left" and self.person.is_real:
            yield from self._human(at)

    def _bounce(self, at: datetime) -> Reaction | None:
        at += timedelta(seconds=1 + 5 * self._u("bounce"))
        if self.person.fault == "hard":
            return self._event(
                at, "bounce", type="bounce", status="5.1.1", reason="550 5.1.1 The account does not exist"
            )
        if self.person.fault == "full":
            return self._event(
                at, "bounce", type="blocked", status="4.2.2", reason="452 4.2.2 The mailbox is over quota"
            )
        if self.person.fault == "blocks":
            return self._event(
                at, "bounce", type="blocked", status="5.7.1", reason="550 5.7.1 Blocked by policy"
            )
        return None

    def _machines(self, at: datetime) -> Iterator[Reaction]:
        if self.person.scanned and self.letter.clicks_tracked:
            begun = at + timedelta(seconds=2 + 12 * self._u("scan"))
            for place, url in enumerate(self.letter.links):
                yield self._event(
                    begun + timedelta(milliseconds=350 * place),
                    "click", url=url, useragent=_SCANNER, ip="203.0.113.66",
                )  # fmt: skip
        if self.person.client == "apple" and self.letter.opens_tracked:
            yield self._event(
                at + timedelta(seconds=2 + 40 * self._u("mpp")),
                "open", useragent="Mozilla/5.0", ip="192.0.2.17", sg_machine_open=True,
            )  # fmt: skip
        noted = at + timedelta(seconds=5 + 50 * self._u("note"))
        if self.person.fault == "left":
            yield Reaction(noted, "auto", {"note": "left"})
        elif self.person.quirk == "auto_ack":
            yield Reaction(noted, "auto", {"note": "ack"})
        elif self._absent:
            yield Reaction(noted, "auto", {"note": "away", "back": self._back().isoformat()})

    @property
    def _absent(self) -> bool:
        return self.person.is_real and self._u("away") < _AWAY

    def _back(self) -> datetime:
        """09:00 of the day they return; four in five say which day that is."""
        days = 2 + int(12 * self._u("days"))
        local = self.letter.at.astimezone(ZoneInfo(self.person.zone)) + timedelta(days=days)
        return local.replace(hour=9, minute=0, second=0, microsecond=0)

    def _human(self, at: datetime) -> Iterator[Reaction]:
        if self._absent and self.pace <= 1:
            at = self._back().astimezone(UTC)
        kind = self.fate.kind if self.fate.after == self.letter.number else ""
        reads = 0.75 if kind else 0.32
        reader = _READERS.get(self.person.client) if self.letter.opens_tracked else None
        if reader and self._u("reads") < reads:
            opened = self._later(at, "open")
            yield self._event(opened, "open", useragent=reader, ip=self._ip, sg_machine_open=False)
        clicks = 0.5 if kind in GOOD else self.letter.curiosity
        if self.letter.links and self.letter.clicks_tracked and self._u("clicks") < clicks:
            url = self.letter.links[int(self._u("which") * len(self.letter.links))]
            agent = _BROWSERS[self.person.client]
            yield self._event(self._later(at, "click"), "click", url=url, useragent=agent, ip=self._ip)
        if kind == "complaint":
            yield self._event(self._later(at, kind), "spamreport")
        elif kind in ("books", "one_click"):
            yield Reaction(self._later(at, kind), kind)
        elif kind:
            yield Reaction(self._later(at, kind), "reply", {"says": kind})

    @property
    def _ip(self) -> str:
        return f"198.51.100.{1 + int(250 * self.chance.uniform('ip', self.person.key))}"

    def _u(self, what: str) -> float:
        return self.chance.uniform(what, self.person.key, self.letter.number)

    def _event(self, at: datetime, name: str, **more: Any) -> Reaction:
        return Reaction(at, "event", {"event": name, **more})

    def _later(self, at: datetime, what: str) -> datetime:
        waits = self.chance.around(_PATIENCE[what], 0.9, what, self.person.key, self.letter.number)
        if self.pace > 1:
            return at + compressed(waits, self.pace)
        return awake(at + waits, self.person.zone, self._u("wakes " + what))


def compressed(waits: timedelta, pace: float, longest_s: float = LIVE_S) -> timedelta:
    """A wait at a pace: shorter by that factor and never ``longest_s`` long; who was first stays first."""
    seconds = waits.total_seconds() / pace
    return timedelta(seconds=longest_s * seconds / (seconds + longest_s))


def awake(at: datetime, zone: str, u: float) -> datetime:
    """``at``, or the next morning where that is in the night there; weekends count, but start late."""
    where = ZoneInfo(zone)
    local = at.astimezone(where)
    up = time(9, 30) if local.weekday() >= 5 else time(7, 15)
    if up <= local.time() <= time(21, 30):
        return at
    day = local.date() + timedelta(days=local.time() > up)
    morning = datetime.combine(day, time(7, 30 if day.weekday() < 5 else 59), where)
    return (morning + timedelta(minutes=150 * u)).astimezone(UTC)
