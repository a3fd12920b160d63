"""A whole month in a minute: people, vendors, workers and what goes wrong, on one virtual clock.

Time goes as in the simulated past (``demo/past.py``); here several workers share the stages, webhooks come
as they please, vendors fail, workers die. After every step the invariants look at whom it touched.
"""

from __future__ import annotations

import gc
import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine

from leadops.demo.ends import enrichment_ends, openai_end
from leadops.demo.past import Course, PastReport, past_house
from leadops.demo.scene import Scene
from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.loader import LoadedPlaybook
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.providers.enrichment.port import EnrichmentPort
from leadops.runtime.wiring import House
from leadops.sandbox.frame import Ask
from leadops.sandbox.openai import OpenAISandbox
from leadops.sandbox.sendgrid import Mail
from leadops.sandbox.world import Effects
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person
from leadops.simulator.beside import ByTurns, Latch
from leadops.simulator.boundaries import AFTER_COMMIT, Boundary, Crash, watch_commits
from leadops.simulator.enrichers import Enrichers
from leadops.simulator.entering import ENROLLED, note_raises
from leadops.simulator.faults import Faults
from leadops.simulator.listening import Listener
from leadops.simulator.outside import Outside
from leadops.simulator.plan import Outcome, Plan
from leadops.simulator.records import Records
from leadops.simulator.reviewing import Reviewer
from leadops.simulator.rules import simulated
from leadops.simulator.scheduler import Clock, Scheduler, Task
from leadops.simulator.wire import Wire
from leadops.simulator.workers import Crew, Worker, WorkersChain
from leadops.stages.escalate import escalate
from leadops.stages.report import Report
from leadops.stages.settle import reconcile
from leadops.store.engine import sql, transaction
from leadops.store.tables import metadata

SLACK = timedelta(minutes=45)
SHORTLY = timedelta(seconds=4)
AFTERWARDS = timedelta(hours=5)
"""How long, with nothing going wrong any more, until everything has come to rest."""
WORKERS = "simulated-workers"
"""By which name the database knows the workers' connections."""
PUBLIC_URL = "https://hooks.northwind.example"


Judge = Callable[["Simulation", set[str] | None, str], Sequence[Any]]
"""Looks at these leads (None: at all) after a ``step``, a ``day`` or at the ``end``; what it finds wrong."""


class Simulation(Course):
    """One run over one empty, migrated database. ``engine`` is the workers', ``observer`` the simulator's:
    what befalls the one says nothing to the other.
    """

    def __init__(
        self,
        engine: Engine,
        observer: Engine,
        loaded: LoadedPlaybook,
        keyring: Keyring,
        plan: Plan,
        *,
        note: Callable[[str], None] = lambda _line: None,
        at: Callable[[datetime], None] = lambda _now: None,
    ) -> None:
        self.plan, self.keyring = plan, keyring
        self.engine, self.observer = engine, observer
        self.records = Records()
        self.faults = Faults(plan.faults, Chance(plan.seed), plan.start, plan.whole_end)
        self.loaded = simulated(loaded, plan)
        virtual = Clock(plan.start)
        self.scene = _scene(virtual, self.loaded, plan)
        self.openai = OpenAISandbox(virtual, "sandbox", seed=plan.seed)
        if "llm_attacker" in plan.faults:
            self.openai.mode = "obeys_attacker"
        self.enrichers = Enrichers(virtual, plan.seed)
        self.scheduler = Scheduler(virtual, random.Random(plan.seed), self._on_crash)  # noqa: S311
        self.wire = Wire(self.scheduler, self.faults, self.passed, Listener(self), self.note)
        self._write, self._at, self._digest, self._words = note, at, hashlib.sha256(), 0
        report = PastReport(plan.start, plan.end)
        super().__init__(self._house(observer), self.scene, virtual, report, self._slack(), 1)
        self.crew = Crew(
            self.scheduler,
            [Worker(f"worker-{n}") for n in range(4 if "two_dispatchers" in plan.faults else 1)],
            self.open_chain,
            self.troubled,
        )
        self._virtual = virtual
        self.outside = Outside(self)
        self.reviewer = Reviewer(self) if plan.review else None
        self._restarts = self.faults.restarts()
        self._died: set[str] = set()
        self.worked = False
        self.touched: set[str] = set()
        self.commits = 0
        self._day = plan.start
        self._tie_records()
        watch_commits(engine, self.passed)

    def _slack(self) -> timedelta:
        return SLACK if self.plan.faults else timedelta(minutes=60)

    def _house(self, engine: Engine | None = None) -> House:
        """As a fresh process opens it, over the workers' engine unless told."""
        clock, playbook = self._virtual_clock, self.loaded.playbook
        writer = None
        if self.plan.model:
            writer = openai_end(self.openai, playbook, clock, carry=self.wire, wait=self._wait)
        house = past_house(
            engine or self.engine,
            self.loaded,
            self.keyring,
            self.scene,
            clock,
            public_url=PUBLIC_URL,
            writer=writer,
            carry=self.wire,
            wait=self._wait,
        )
        asked = enrichment_ends(
            self.enrichers.apollo, self.enrichers.own, clock, carry=self.wire, wait=self._wait
        )
        return self._asking(house, asked)

    def _asking(self, house: House, asked: Sequence[EnrichmentPort]) -> House:
        """The same house with these to be asked about leads, on virtual time."""
        return replace(
            house,
            fresh=self._fresh,
            enrichment=(OfflineEnrichment(), *asked),
            asking=lambda at_once: ByTurns(self.scheduler, at_once),
            latch=lambda: Latch(self.scheduler),
            seconds=lambda: self._virtual_clock().timestamp(),
        )

    def open_chain(self) -> WorkersChain:
        """All stages over a house of its own."""
        return WorkersChain(self._house(), self.scheduler.clock, self._did)

    def _fresh(self) -> str:
        self._words += 1
        return f"{self.plan.seed}.{self._words}"

    def _wait(self, seconds: float) -> None:
        self.scheduler.sleep(timedelta(seconds=seconds))

    def person_at(self, address: str) -> Person | None:
        """Whose address this is."""
        return self.scene.world.whose(address)

    def _virtual_clock(self) -> datetime:
        return self.scheduler.clock()

    def _tie_records(self) -> None:
        """Whoever hears of a mail after the vendor took it: the records first, then the people."""
        people = self.scene.sendgrid.mailroom.on_mail

        def on_mail(mail: Mail) -> None:
            self.records.mailed(mail)
            if people is not None:
                people(mail)

        self.scene.sendgrid.mailroom.on_mail = on_mail

    # What happened --------------------------------------------------------------------------------------

    def note(self, line: str) -> None:
        """One line of the history."""
        who = self.scheduler.current.name if self.scheduler.current else "-"
        told = f"{self.scheduler.clock():%Y-%m-%d %H:%M:%S.%f} {who} {line}"
        self._digest.update(told.encode() + b"\n")
        self._write(told)

    def _did(self, stage: str, report: Report, took: timedelta = timedelta()) -> None:
        self.worked = True
        if stage == "enrich":
            self.records.waited.append((frozenset(report.lead_ids), took))
        self.touched |= report.lead_ids
        self.note(f"{stage} {json.dumps(dict(sorted(report.counts.items())))}")

    def troubled(self, worker: str, code: str) -> None:
        self.note(f"trouble {worker} {code}")

    def told(self, ask: Ask) -> None:
        task = self.scheduler.current
        now = self.scheduler.clock()
        begun = task.committed_at if task is not None and task.committed_at is not None else now
        given = ask.json()
        touch = given["personalizations"][0].get("custom_args", {}).get("leadops_touch_id", "")
        self.records.called(touch, begun, now, given)
        self.note(f"send {touch}")

    # Boundaries -----------------------------------------------------------------------------------------

    def passed(self, boundary: Boundary) -> None:
        """A task stands at a boundary: it may die, fall asleep, or let another go first."""
        task = self.scheduler.current
        if task is None or boundary.place == "elsewhere":
            return
        self.records.boundaries[boundary] += 1
        if boundary.when == AFTER_COMMIT:
            self._virtual.tick()
            task.committed_at = self._virtual.now
            self.commits += 1
            if boundary.place == ENROLLED:
                note_raises(self)
        if self.faults.crashes_at(boundary):
            self.records.killed_at[boundary] += 1
            self.note(f"dies {boundary}")
            raise Crash
        if self.faults.stalls_at(boundary):
            self.note(f"stalls {boundary}")
            delivery = self.loaded.playbook.delivery
            longest = max(delivery.lease_seconds, delivery.handover_seconds)
            self.scheduler.sleep(timedelta(seconds=longest + 30))
        elif boundary.when == AFTER_COMMIT:
            self.scheduler.give_way()

    def _on_crash(self, task: Task) -> None:
        now, delay = self._virtual.now, timedelta(seconds=5 + (self.records.killed_at.total() * 37) % 90)
        for worker in self.crew.workers:
            if worker.name == task.process:
                worker.chain, worker.back_at = None, now + delay
        self.records.lost(now, task.process)
        self._died.add(task.name)
        self.outside.died(task, delay)

    # Moments --------------------------------------------------------------------------------------------

    def _otherwise(self) -> datetime | None:
        waiting = [
            self.scheduler.wakes_next(),
            self.crew.back_soon(),
            self.outside.poll_at,
            self._restarts[0] if self._restarts else None,
            self.outside.next_delivery(),
            self._day + timedelta(days=1),
            self.reviewer.decides_next() if self.reviewer else None,
        ]
        return min(at for at in waiting if at is not None)

    def _moment(self, now: datetime) -> None:
        self._virtual.advance(now)
        if self._restarts and self._restarts[0] <= now:
            self._restarts.pop(0)
            self._restart_database()
        effects = self._people(self._virtual.now)
        self.outside.send(effects)
        self.outside.deliver()
        if effects.crm_writes or self.outside.must_poll(now):
            self.outside.start_poller()
        left = self._left(effects)
        self._work(left)
        if self.reviewer is not None and self.reviewer.look(self._virtual.now):
            self._start("review", self.reviewer.decide)
            self._work(left)
        if now - self._day >= timedelta(days=1):
            self._nightly()

    def _left(self, effects: Effects) -> frozenset[str]:
        """Who must be called is told at once; that a mail went out can wait some hours."""
        now = self._virtual.now
        whole = now - self._written >= timedelta(hours=4) or now >= self.report.end
        if whole or "escalate" in self._died:  # a schedule has another run soon
            self._died.discard("escalate")
            self._start(
                "escalate", lambda: escalate(self.engine, self.loaded.playbook, now=self._virtual.now)
            )
        if whole:
            self._written = now
            self._start_reconciler()
        news = effects.news_of or effects.crm_writes
        return frozenset() if whole or (news and self._rep_waits()) else frozenset({"write_back"})

    def _work(self, leave: frozenset[str]) -> None:
        """Workers go on until none finds anything to do, or all of them wait for more than a moment."""
        while True:
            self.worked = False
            self.crew.set_to_work(self.chain.pending(self._virtual.now), leave)
            self._run_shortly()
            if not self.worked:
                return

    def _run_shortly(self) -> None:
        """Who waits for an answer gets it: no new moment for each call."""
        until = self._virtual.now + SHORTLY
        self.scheduler.run()
        while (at := self.scheduler.wakes_next()) is not None and at <= until:
            self._virtual.advance(at)
            self.scheduler.run()

    def _nightly(self) -> None:
        self._day += timedelta(days=1)
        self._start_reconciler()
        self._work(frozenset())

    def _start_reconciler(self) -> None:
        house = self.house
        self._start(
            "reconcile",
            lambda: reconcile(self.engine, house.email, house.playbook, now=self._virtual.now),
        )

    def _start(self, name: str, work: Callable[[], Report]) -> None:
        """A job of its own; if it fails, the next one does what it left."""

        def job() -> None:
            try:
                report = work()
            except LeadopsError as error:
                self.troubled(name, error.code)
                return
            if report.did:
                self._did(name, report)

        if not self.scheduler.is_running(name):
            self.scheduler.start(name, job)

    def _restart_database(self) -> None:
        """Every connection of the workers ends, as when the server restarts."""
        self.faults.met["database_restart"] += 1
        self.note("database restarts")
        self.records.lost(self._virtual.now)
        alone = create_engine(self.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with alone.connect() as connection:
            connection.exec_driver_sql(
                "select pg_terminate_backend(pid, 60000) from pg_stat_activity "
                f"where datname = current_database() and application_name = '{WORKERS}'"
            )

    # The run --------------------------------------------------------------------------------------------

    def live(self, judge: Judge | None) -> Outcome:
        """Every moment up to the end, then some hours in which nothing goes wrong any more."""
        began, outcome = time.perf_counter(), Outcome(self.plan)
        self.scene.hubspot.options.limits = False
        self.scene.sendgrid.rate_limit = 10**9
        self.scene.sendgrid.validate = bool(self.plan.faults)
        self.house.crm.setup()
        thresholds = gc.get_threshold()
        gc.set_threshold(100_000, 20, 20)
        try:
            self._live(judge, outcome)
        finally:
            gc.set_threshold(*thresholds)
            self.scheduler.kill_all()
        outcome.wall_s = time.perf_counter() - began
        return self._summed(outcome)

    def _live(self, judge: Judge | None, outcome: Outcome) -> None:
        for end in (self.plan.end, self.plan.end + AFTERWARDS):
            self.report.end = end
            for now in self._moments():
                outcome.moments += 1
                self._at(now)
                day = self._day
                self._moment(now)
                if self._judged(judge, outcome, "day" if self._day != day else "step"):
                    return
            # What is not to come any more does not come: everything finds its rest.
            self.faults.over, self._restarts = True, []
        self._settle()
        self.note(f"tables {table_digests(self.observer)}")
        self._judged(judge, outcome, "end")

    def _settle(self) -> None:
        """Whatever sleeps wakes up, whatever is under way arrives, whatever is unknown is asked about."""
        for _ in range(3):
            while (at := self.scheduler.wakes_next()) is not None:
                self._virtual.advance(at)
                self.scheduler.run()
            while (last := self.outside.last_delivery()) is not None:
                self._virtual.advance(last)
                self.outside.deliver()
                self.scheduler.run()
            self._virtual.advance(self._virtual.now + timedelta(minutes=20))
            self.outside.start_poller()
            self._start_reconciler()
            self._work(frozenset())

    def _judged(self, judge: Judge | None, outcome: Outcome, when: str) -> bool:
        """Whether something was found: the run ends there, because what follows would follow from it."""
        if judge is None:
            return False
        if when == "step" and (not self.plan.step_checks or not self.touched):
            return False
        began = time.perf_counter()
        touched, self.touched = self.touched, set()
        found = judge(self, touched if when == "step" else None, when)
        outcome.violations += found
        outcome.checks_s += time.perf_counter() - began
        for violation in found:
            self.note(f"violated {violation}")
        return bool(found)

    def _summed(self, outcome: Outcome) -> Outcome:
        outcome.arrivals = self.report.arrivals
        outcome.messages = len(self.scene.sendgrid.mailroom.accepted)
        outcome.events = len(self.records.came)
        outcome.switches, outcome.commits = self.scheduler.switches, self.commits
        outcome.crashes = self.records.killed_at.total()
        outcome.digest = self._digest.hexdigest()
        outcome.faults = dict(sorted(self.faults.met.items()))
        outcome.boundaries = {str(b): n for b, n in sorted(self.records.boundaries.items())}
        outcome.killed_at = {str(b): n for b, n in sorted(self.records.killed_at.items())}
        outcome.stages = {**self.seconds}
        for worker in self.crew.workers:
            for stage, seconds in (worker.chain.seconds if worker.chain else {}).items():
                outcome.stages[stage] = outcome.stages.get(stage, 0.0) + seconds
        return outcome


def table_digests(engine: Engine) -> dict[str, str]:
    """Table -> digest of all its rows: two runs with the same digests ended with the same bytes."""
    found = {}
    with transaction(engine) as connection:
        for table in metadata.sorted_tables:
            all_rows = "coalesce(string_agg(t::text, chr(10) order by t::text), '')"
            statement = sql(f'select md5({all_rows}) from "{table.name}" t')
            found[table.name] = str(connection.execute(statement).scalar_one())
    return found


def _scene(clock: Clock, loaded: LoadedPlaybook, plan: Plan) -> Scene:
    reps = loaded.playbook.handoff.reps
    scene = Scene.new(clock, reps, seed=plan.seed, per_week=plan.per_week)
    # Whether an account's activities take properties with unique values differs from one to another.
    scene.hubspot.options.unique_engagement_properties = plan.seed % 2 == 0
    if "curious_readers" in plan.faults:
        scene.world.curiosity = 0.4
    if "absent_reps" in plan.faults:
        scene.world.send_away([rep.id for rep in reps[::3]])
    return scene
