"""Everybody behind the sandbox: who arrives, what a mail does to them, what reps do. Speaks no HTTP.

The CRM's account is written directly, as its users do; what must reach leadops from outside (webhooks,
answers, one-click requests) is handed back by :meth:`World.step` for the caller to deliver. Times are the
caller's; the same seed and the same calls give the same world, however they are batched.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from leadops.sandbox.hubspot import Portal
from leadops.sandbox.sendgrid import Mail, Mailroom
from leadops.sandbox.world import arrivals, forms, letters
from leadops.sandbox.world.acts import Acts
from leadops.sandbox.world.arrivals import Arrival
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.known import Due, Known
from leadops.sandbox.world.people import Person, person_of
from leadops.sandbox.world.places import BY_CODE, WEIGHTS
from leadops.sandbox.world.reactions import CURIOSITY, Fate, Letter, Reaction, fate_of, reactions_to
from leadops.sandbox.world.reps import Rep
from leadops.sandbox.world.rhythm import SOURCES, Moment, Rhythm

PER_WEEK = 175.0
"""Leads a week: six weeks are a good thousand."""
_MACHINES = frozenset({"event", "auto"})
_NEWS = frozenset({"bounce", "spamreport", "dropped"})
"""Webhook events that may stop something."""


def _matters(due: Due) -> bool:
    return due.kind != "event" or due.data["event"] in _NEWS


@dataclass(slots=True)
class Effects:
    """What the caller must deliver: webhook events (JSON), answers (forms), URLs for a one-click POST.

    ``crm_writes``: how often the CRM was written meanwhile. ``news_of``: addresses of the people of whom
    there is more than a receipt. ``authors``, ``clickers``: of each answer and each URL, whose it is (the
    address that was written to) and what it is in truth: ``interested``, ``auto:away``, ``one_click``, ...
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    inbound: list[dict[str, str]] = field(default_factory=list)
    unsubscribes: list[str] = field(default_factory=list)
    crm_writes: int = 0
    news_of: set[str] = field(default_factory=set)
    authors: list[tuple[str, str]] = field(default_factory=list)
    clickers: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.inbound or self.unsubscribes)

    def absorb(self, later: Effects) -> None:
        """Add what came after."""
        self.events += later.events
        self.inbound += later.inbound
        self.unsubscribes += later.unsubscribes
        self.crm_writes += later.crm_writes
        self.news_of |= later.news_of
        self.authors += later.authors
        self.clickers += later.clickers


class World:
    """The people around one CRM account and one post office.

    ``pace`` > 1 compresses reactions to within a minute, for somebody who watches; who does what stays.
    Whoever shares ``portal`` with other threads calls ``arrive`` and ``step`` under its provider's lock;
    ``on_mail`` may be called from any thread.
    """

    def __init__(
        self,
        seed: int,
        portal: Portal,
        mailroom: Mailroom,
        reps: Sequence[Rep],
        *,
        per_week: float = PER_WEEK,
        pace: float = 1.0,
    ) -> None:
        self.seed, self.portal, self.mailroom = seed, portal, mailroom
        self.reps, self.per_week, self.pace = tuple(reps), per_week, pace
        self.chance = Chance(seed)
        self.comes: Callable[[Arrival], bool] = lambda _arrival: True
        """Who of those who would arrive does; the others stay away."""
        self.curiosity = CURIOSITY
        self.rhythm = Rhythm(seed, per_week)
        self.known: dict[str, Known] = {}
        self._by_address: dict[str, str] = {}
        self._by_contact: dict[str, str] = {}
        self._due: list[Due] = []
        self._mails: dict[str, Mail] = {}
        self._tasks_seen = 0
        self._lock = threading.RLock()
        self._acts = Acts(self.chance, portal, self.reps)

    # Arriving -----------------------------------------------------------------------------------------

    def arrivals(self, start: datetime, end: datetime) -> Iterator[Arrival]:
        """Every form filled in with start <= at < end, in order; nobody is put into the CRM by this."""
        return filter(self.comes, arrivals.arrivals(self.chance, self.rhythm, start, end))

    def somebody(self, key: str, at: datetime, *, hot: bool = False) -> Arrival:
        """An arrival outside the rhythm, for somebody who watches: the same person for the same key."""
        country = self.chance.choose(WEIGHTS, "country", key)
        source = "referral" if hot else self.chance.choose(SOURCES, "source", key)
        zone = self.chance.choose(BY_CODE[country].zones, "zone", key)
        return Arrival(Moment(key, at, source, country, zone), at, hot=hot)

    def arrive(self, arrival: Arrival, at: datetime | None = None) -> str:
        """The form reaches the CRM (``at``: instead of the arrival's own time). The contact's id."""
        moment, at = arrival.moment, at or arrival.at
        with self._lock:
            person = person_of(self.chance, moment, hot=arrival.hot)
            address = forms.address_of(person, arrival)
            found = self.portal.find("contacts", email=address.lower())
            if found:
                contact = found[0].id
                count = forms.conversions(found[0].properties) + 1
                self.portal.update(
                    "contacts", contact, forms.conversion(person, arrival, at, count), at=at, source="FORM"
                )
            else:
                given = forms.new_contact(self.chance, person, arrival, at, self._acts.owner_ids)
                contact = self.portal.create("contacts", given, at=at, source="FORM")
            known = self.known.get(moment.key)
            if known is None:
                self.known[moment.key] = Known(moment, arrival.hot, contact, at)
            else:
                known.wrote_us_at, known.contact_id = at, contact
            self._by_address[address.lower()] = moment.key
            self._by_contact[contact] = moment.key
            return contact

    def person(self, key: str) -> Person:
        """Who this is, with everything the CRM cannot see."""
        known = self.known[key]
        return person_of(self.chance, known.moment, hot=known.hot)

    def send_away(self, reps: Sequence[str]) -> None:
        """These reps, by id, do nothing about their tasks from now on."""
        self._acts.away = frozenset(reps)

    def whose(self, address: str) -> Person | None:
        """Who gave this address in a form; None: nobody has."""
        key = self._by_address.get(address.lower())
        return None if key is None else self.person(key)

    # Mail ---------------------------------------------------------------------------------------------

    def on_mail(self, mail: Mail, at: datetime | None = None) -> None:
        """A mail was accepted: whatever it brings about is put on the list."""
        with self._lock:
            key = self._by_address.get(mail.to_address.lower())
            if key is None:
                return
            known, person, at = self.known[key], self.person(key), at or mail.at
            known.mails += 1
            if known.fate is None:
                known.fate = fate_of(self.chance, person, max(at - known.wrote_us_at, timedelta()))
            wanted = letters.one_click(mail)
            letter = Letter(
                number=known.mails,
                at=at,
                # Opting out is no click: vendors do not track it, and neither does anybody here (R13).
                links=[link for link in mail.links if link != wanted],
                opens_tracked=mail.opens_tracked,
                clicks_tracked=mail.clicks_tracked,
                curiosity=self.curiosity,
            )
            self._mails[mail.sg_message_id] = mail
            for place, reaction in enumerate(
                reactions_to(self.chance, person, Fate(*known.fate), letter, self.pace)
            ):
                self._react(key, known.mails, place, reaction, mail)

    def _react(self, key: str, number: int, place: int, reaction: Reaction, mail: Mail) -> None:
        data = {**reaction.data, "mail": mail.sg_message_id}
        self._add(Due(reaction.at, f"{key}/{number}/{place:03}", reaction.kind, key, data))

    # Time ---------------------------------------------------------------------------------------------

    def next_moment(self, *, by_people: bool = False) -> datetime | None:
        """When something happens next by itself; None: nothing is on the list. Tasks of reps come extra.

        ``by_people``: only what may change what leadops does; receipts, opens and clicks are left out.
        """
        with self._lock:
            due = [d for d in self._due if _matters(d)] if by_people else self._due[:1]
            return min(due).at if due else None

    def step(self, now: datetime) -> Effects:
        """Everything due by now: written to the CRM, or handed back for delivery, each at its own time."""
        with self._lock:
            self._see_tasks(now)
            effects = Effects()
            while self._due and self._due[0].at <= now:
                due = heapq.heappop(self._due)
                self._happen(due, effects)
            return effects

    def _happen(self, due: Due, effects: Effects) -> None:
        if due.kind in ("event", "auto", "reply", "one_click"):
            self._by_mail(due, effects)
            return
        known = self.known[due.person]
        effects.crm_writes += 1
        for later in self._acts.happen(due, self.person(due.person), known, self.pace):
            self._add(later)

    def _by_mail(self, due: Due, effects: Effects) -> None:
        mail, person, known = self._mails[due.data["mail"]], self.person(due.person), self.known[due.person]
        if _matters(due):
            effects.news_of.add(mail.to_address)
        if due.kind not in _MACHINES or due.data.get("event") == "spamreport":
            if known.said in ("opt_out", "one_click", "complaint"):
                return  # who has asked to be left alone says so once
            known.said, known.said_at = str(due.data.get("says") or due.data.get("event") or due.kind), due.at
            known.said = "complaint" if known.said == "spamreport" else known.said
            known.answered = False
        if due.kind == "event":
            given = {name: value for name, value in due.data.items() if name not in ("mail", "event")}
            effects.events.append(self.mailroom.event(mail, due.data["event"], due.at, **given))
        elif due.kind == "reply":
            says = str(due.data["says"])
            self._write(mail, due, letters.reply(self.chance, person, mail, says), effects)
            effects.authors.append((mail.to_address, says))
        elif due.kind == "auto":
            self._write(mail, due, letters.automatic(self.chance, person, mail, due.data), effects)
            effects.authors.append((mail.to_address, f"auto:{due.data['note']}"))
        else:
            wanted = letters.one_click(mail)
            if isinstance(wanted, str):
                effects.unsubscribes.append(wanted)
                effects.clickers.append((mail.to_address, "one_click"))
            elif wanted is not None:
                self._write(None, due, wanted, effects)
                effects.authors.append((mail.to_address, "one_click"))

    def _write(self, mail: Mail | None, due: Due, form: Mapping[str, Any], effects: Effects) -> None:
        effects.inbound.append(self.mailroom.inbound(mail, at=due.at, **form))

    def _see_tasks(self, now: datetime) -> None:
        """New tasks in the CRM: their owners will get to them."""
        if self.portal.count("tasks") == self._tasks_seen:
            return
        for task in self._acts.tasks_after(self._tasks_seen):
            key = self._by_contact.get(task.contact_id)
            at = self._acts.acts_at(task, now, self.pace)
            if key is not None and at is not None:
                self._add(Due(at, f"{key}/task/{task.id}", "rep", key, {"task": task.id, "rep": task.rep}))
        self._tasks_seen = self.portal.count("tasks")

    def _add(self, due: Due) -> None:
        heapq.heappush(self._due, due)

    # Keeping ------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything but the portal and the post office, JSON-safe."""
        with self._lock:
            return {
                "seed": self.seed,
                "per_week": self.per_week,
                "known": {key: known.dump() for key, known in self.known.items()},
                "addresses": self._by_address,
                "contacts": self._by_contact,
                "due": [due.dump() for due in sorted(self._due)],
                "tasks_seen": self._tasks_seen,
            }

    @classmethod
    def load(
        cls,
        found: Mapping[str, Any],
        portal: Portal,
        mailroom: Mailroom,
        reps: Sequence[Rep],
        *,
        pace: float = 1.0,
    ) -> World:
        """The world ``dump`` wrote, around a portal and a post office that were loaded too."""
        world = cls(found["seed"], portal, mailroom, reps, per_week=found["per_week"], pace=pace)
        world.known = {key: Known.load(known) for key, known in found["known"].items()}
        world._by_address, world._by_contact = dict(found["addresses"]), dict(found["contacts"])
        world._due = [Due.load(due) for due in found["due"]]
        world._tasks_seen = found["tasks_seen"]
        wanted = {due.data.get("mail") for due in world._due}
        world._mails = {m.sg_message_id: m for m in mailroom.accepted if m.sg_message_id in wanted}
        return world
