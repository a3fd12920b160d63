"""The simulated past: weeks of leads through the very stage functions, on a clock that jumps.

Time goes from event to event. Who may be hot gets a moment of their own, seconds after their form, as the
runner would give it; everything else waits for the next such moment, or for some minutes. What leaves the
house goes through the real adapters' mappings into the sandbox, and what comes back through the real
translations of webhooks.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, event

from leadops.demo.carrying import Carrier, plain
from leadops.demo.ends import Wait, hubspot_end, no_wait, sendgrid_end
from leadops.demo.scene import Scene
from leadops.domain.keys import Keyring
from leadops.playbook.loader import LoadedPlaybook
from leadops.providers.crm.port import RawRow
from leadops.providers.email import sendgrid_events, sendgrid_inbound
from leadops.providers.llm.port import SlotWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.runtime.wiring import House
from leadops.sandbox.chain import Chain
from leadops.sandbox.world import Arrival, Effects
from leadops.sandbox.world.people import Person, person_of
from leadops.stages.ingest import ingest
from leadops.store.engine import open_engine, rows, sql, transaction
from leadops.web.unsubscribe import opt_out_of

WEEKS = 6
SLACK = timedelta(minutes=60)
"""How much later than its time a follow-up, an answer or a rep's act may be looked at."""
SHORT = timedelta(minutes=12)
"""The same for forms of those who will hardly be hot; the others have none."""
RECEIPTS = timedelta(hours=8)
"""How long receipts, opens and clicks of somebody who does nothing else may wait."""
WRITE_BACKS = timedelta(hours=4)
"""How long what nobody waits for (that a mail went out, a score) may wait to be told to the CRM."""
NIGHTLY = timedelta(days=1)
_WHO_IS_NEW = frozenset({"enrich", "score", "enrol", "plan"})
_MAY_BE_HOT = 56
_TASKS = sql(
    "select exists (select 1 from crm_writebacks where state = 'pending' and kind = 'task') as waiting"
)


class Clock:
    """A clock somebody sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class PastReport:
    """What a past came to. ``wall_s``: seconds it took; ``stages``: of these, by stage."""

    start: datetime
    end: datetime
    arrivals: int = 0
    messages: int = 0
    moments: int = 0
    events: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def told(self) -> str:
        """One line for a person."""
        return (
            f"{self.arrivals} forms filled in from {self.start:%d %b} to {self.end:%d %b %Y}, "
            f"{self.messages} messages, {sum(self.events.values())} events from outside, "
            f"in {self.wall_s:.0f} s"
        )


_SETTINGS = (
    "synchronous_commit = off",  # a past that is lost in a crash is made again
    "plan_cache_mode = force_generic_plan",  # a few statements run thousands of times
    "enable_seqscan = off",  # those plans are made while the tables are empty, and must do when they are not
    "jit = off",
)


def past_engine(url: str) -> Engine:
    """An engine in a hurry; only for making a past, where nobody else works."""
    engine = open_engine(url, pool_size=2)

    @event.listens_for(engine, "connect")
    def _hurry(connection: Any, _record: object) -> None:
        for setting in _SETTINGS:
            connection.execute(f"set {setting}")
        connection.commit()

    return engine


def past_house(
    engine: Engine,
    loaded: LoadedPlaybook,
    keyring: Keyring,
    scene: Scene,
    clock: Callable[[], datetime],
    *,
    public_url: str | None = None,
    writer: SlotWriter | None = None,
    carry: Carrier = plain,
    wait: Wait = no_wait,
) -> House:
    """A house whose two ends are the scene's. ``clock`` is the past's; by default it stands still in a call.

    ``carry``, ``wait``: what happens to requests, and who lets the time of their silence pass (``ends.py``).
    """
    playbook = loaded.playbook
    return House(
        engine=engine,
        loaded=loaded,
        keyring=keyring,
        crm=hubspot_end(
            scene.hubspot, playbook.crm.hubspot, playbook.handoff.reps, clock, carry=carry, wait=wait
        ),
        email=sendgrid_end(
            scene.sendgrid,
            clock,
            carry=carry,
            wait=wait,
            track_opens=playbook.sender.track_opens,
            track_clicks=playbook.sender.track_clicks,
        ),
        writer=writer or TemplateWriter(),
        public_url=public_url,
    )


def run_past(
    house: House,
    scene: Scene,
    clock: Clock,
    end: datetime,
    *,
    start: datetime | None = None,
    slack: timedelta = SLACK,
    parts: int = 1,
    say: Callable[[str], None] = lambda _line: None,
) -> PastReport:
    """Everything between ``start`` (by default six weeks before) and ``end``, which is aware UTC.

    Leaves house, scene and clock at ``end``. ``say`` gets a line per virtual week; where this is one of
    several ``parts``, its figures are of all of them, about.
    """
    start = start or end - timedelta(weeks=WEEKS)
    clock.now = start
    scene.hubspot.options.limits = False
    scene.sendgrid.rate_limit = 10**9
    house.crm.setup()
    past = Course(house, scene, clock, PastReport(start, end), slack, parts)
    began = time.perf_counter()
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 20, 20)  # millions of short-lived rows: looked through less often
    # The adapters' requests are held against the descriptions in their own tests; here it would only cost.
    scene.sendgrid.validate = False
    try:
        past.run(say)
    finally:
        gc.set_threshold(*thresholds)
        scene.hubspot.options.limits = True
        scene.sendgrid.validate = True
    past.report.wall_s = time.perf_counter() - began
    past.report.stages = dict(sorted(past.seconds.items(), key=lambda item: -item[1]))
    past.report.messages = len(scene.sendgrid.mailroom.accepted)
    return past.report


class Course:
    """How time goes: from moment to moment people act, what they did comes in, and stages have their turn.

    The past of a demo is one; what else can happen on the way is its subclasses' business.
    """

    def __init__(
        self, house: House, scene: Scene, clock: Clock, report: PastReport, slack: timedelta, parts: int
    ) -> None:
        self.house, self.scene, self.clock, self.report, self.slack = house, scene, clock, report, slack
        self.parts = parts
        self.chain = Chain(house)
        self.seconds = self.chain.seconds
        self._written = self._reconciled = self._receipted = report.start
        self._receipts: list[dict[str, Any]] = []
        self._coming = iter(scene.world.arrivals(report.start, report.end))
        self._next: Arrival | None = next(self._coming, None)

    def run(self, say: Callable[[str], None]) -> None:
        """Moment by moment."""
        week = self.report.start
        for now in self._moments():
            self.clock.now = now
            self.report.moments += 1
            self._moment(now)
            if now - week >= timedelta(weeks=1):
                week += timedelta(weeks=1)
                leads, mails = self.report.arrivals, len(self.scene.sendgrid.mailroom.accepted)
                about = "" if self.parts == 1 else "about "
                say(f"{now:%d %b}: {about}{leads * self.parts} leads, {mails * self.parts} messages")

    def _moments(self) -> Iterator[datetime]:
        """When something is to be done, up to and with the end."""
        now = self.report.start
        while now < self.report.end:
            others = [self.scene.world.next_moment(by_people=True), self._due(now)]
            found = [at + self.slack for at in others if at is not None]
            found += [at for at in (self._arrival(), self._otherwise()) if at is not None]
            now = min(max(min(found, default=self.report.end), now + timedelta(seconds=1)), self.report.end)
            yield now

    def _otherwise(self) -> datetime | None:
        """A moment of a subclass's own."""
        return None

    def _arrival(self) -> datetime | None:
        """When the runner has seen the next arrival: some seconds after it, if they may be hot."""
        if self._next is None:
            return None
        chance = self.scene.world.chance
        if self._next.how != "first" or eagerness(person_of(chance, self._next.moment)) >= _MAY_BE_HOT:
            return self._next.at + timedelta(seconds=2 + 7 * chance.uniform("seen", self._next.moment.key))
        return self._next.at + SHORT

    def _due(self, now: datetime) -> datetime | None:
        began = time.perf_counter()
        found = self.chain.next_moment(now)
        self.seconds["next"] += time.perf_counter() - began
        return found

    def _moment(self, now: datetime) -> None:
        forms = self.report.arrivals
        effects = self._people(now)
        self._take_in(effects, now)
        while effects.crm_writes and self.chain.poll(now).more:
            pass
        whole = now - self._written >= WRITE_BACKS or now == self.report.end
        # Nobody new: what is known of the others changes no message of this hour.
        rest = _WHO_IS_NEW if self.report.arrivals == forms else frozenset()
        self.chain.run_pending(now, leave={"write_back", *rest})
        if whole:
            self._written = now
            self.chain.escalate(now)
            self.chain.run_pending(now)
        elif (effects.news_of or effects.crm_writes) and self._rep_waits():
            # Who must be called is told at once; that a mail went out can wait.
            self.chain.run_pending(now, leave=rest)
        if now - self._reconciled >= NIGHTLY:
            self._reconciled = now
            self.chain.reconcile(now)

    def _rep_waits(self) -> bool:
        with transaction(self.house.engine) as connection:
            return bool(rows(connection, _TASKS)[0]["waiting"])

    def _people(self, now: datetime) -> Effects:
        """Everybody acts, in order of time."""
        began = time.perf_counter()
        effects = Effects()
        while self._next is not None and self._next.at <= now:
            effects.absorb(self.scene.world.step(self._next.at))
            self.scene.world.arrive(self._next)
            self.report.arrivals += 1
            effects.crm_writes += 1
            self._next = next(self._coming, None)
        effects.absorb(self.scene.world.step(now))
        self.seconds["world"] += time.perf_counter() - began
        return effects

    def _take_in(self, effects: Effects, now: datetime) -> None:
        """What came from outside, but for receipts nobody waits for: those come by the hundred."""
        self._receipts += effects.events
        if now - self._receipted >= RECEIPTS or now == self.report.end:
            effects.events, self._receipts, self._receipted = self._receipts, [], now
        else:
            effects.events = [e for e in self._receipts if e["email"] in effects.news_of]
            self._receipts = [e for e in self._receipts if e["email"] not in effects.news_of]
        if not effects:
            return
        began = time.perf_counter()
        rows = list(rows_of(effects, now))
        self.report.events.update(str(row.event["kind"]) for row in rows if row.event)
        ingest(self.house.engine, rows, now=now, keyring=self.house.keyring)
        self.seconds["webhooks"] += time.perf_counter() - began


def eagerness(person: Person) -> float:
    """About what the default scorecard will say, on the safe side: who may be hot is not kept waiting."""
    asks = {"demo": 25, "pricing": 12, "guide": 3}[person.ask]
    levels = {
        "c_level": 18,
        "vp": 18,
        "director": 16,
        "manager": 10,
        "individual": 7,
        "student": 0,
        "none": 6,
    }
    size = 5 if person.size is None else next(p for least, p in _SIZES if person.size >= least)
    return asks + levels[person.level] + size + 10 + (0 if person.quirk == "free_mail" else 8)


_SIZES = ((200, 15), (50, 12), (10, 7), (0, 3))


def rows_of(effects: Effects, now: datetime) -> Iterable[RawRow]:
    """What came from outside, as the ingestion service's own translations read it."""
    rows, _ = sendgrid_events.translate(effects.events)
    yield from rows
    for form in effects.inbound:
        yield from sendgrid_inbound.translate({name: value.encode() for name, value in form.items()}, now)
    for url in effects.unsubscribes:
        token = urlsplit(url).path.rpartition("/")[2]
        wire = opt_out_of(token, now, "one_click")
        yield RawRow(wire, None, wire, "unsubscribe")
