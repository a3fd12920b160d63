"""The send ledger against a small model of it: workers stall, die, come back late (R1-R4, R15, R17, R22).

The model is the automaton at the head of ``store/touches.py`` and a provider that remembers what it accepted.
Workers go the way of ``stages/outreach.py``: claim, hand over in a commit, call, record in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine

from leadops.errors import LeadopsError
from leadops.stages.by_hand import Resolution, resolve_touch
from leadops.stages.facts import LoadedTouch, load
from leadops.stages.fold import fold_pending
from leadops.stages.outreach import tend
from leadops.stages.settle import reconcile, settle, settle_sent
from leadops.store import drafts, enrolments, gate, reviews, touches
from leadops.store.engine import rows, sql, transaction
from leadops.terms import (
    Channel,
    Draft,
    EnrolmentState,
    ExitReason,
    Outcome,
    PlannedTouch,
    SendResult,
    Tier,
    TouchReason,
)
from leadops_tests.house import TUESDAY, World, house_of, wire
from leadops_tests.stages.sending import Scripted, address, playbook_with

PEOPLE = range(3)
MAILBOXES = ("ada@northwind.example", "bo@northwind.example")
CAP = 3
LEASE = timedelta(seconds=120)
HANDOVER = timedelta(seconds=300)
GAP = timedelta(hours=48)
MAX_ATTEMPTS = 2
LIVE = ("active", "paused")
OPEN = ("planned", "claimed", "in_review", "handing_over", "unknown")
NOT_HANDED_OVER = ("planned", "claimed", "in_review")
ENDED = ("sent", "failed", "cancelled")
COUNTED = ("handing_over", "sent", "unknown")

# What the provider does with a call, what it answers, and whether it has taken the message.
CALLS: dict[str, tuple[SendResult, bool]] = {
    "accepted": (SendResult(Outcome.ACCEPTED, provider_ref="p"), True),
    "accepted, answer lost": (SendResult(Outcome.AMBIGUOUS, detail="timeout"), True),
    "lost on the way": (SendResult(Outcome.AMBIGUOUS, detail="timeout"), False),
    "busy": (SendResult(Outcome.RETRY, detail="429"), False),
    "busy for long": (SendResult(Outcome.RETRY, detail="503", retry_after_s=7200), False),
    "our key is wrong": (SendResult(Outcome.RETRY, detail="key", ours=True), False),
    "refused": (SendResult(Outcome.REJECTED, detail="550"), False),
}
WHAT = st.sampled_from([*sorted(CALLS), "asks a person", "asks a person", "no words", "dies"])
WHATS = st.lists(WHAT, min_size=4, max_size=4)

Plan = tuple[Tier, str, list[tuple[int, Channel]]]
# Minutes from now, and the channel of each step.
STEP = st.tuples(st.sampled_from([0, 0, 0, 1, 30]), st.sampled_from([Channel.EMAIL] * 4 + [Channel.REP_TASK]))
PLAN: st.SearchStrategy[Plan] = st.tuples(
    st.sampled_from(Tier), st.sampled_from(MAILBOXES), st.lists(STEP, min_size=1, max_size=3)
)


@dataclass
class Run:
    """An enrolment as the model has it."""

    id: str
    lead: str
    tier: Tier
    mailbox: str
    plan: list[PlannedTouch]
    state: str = "active"
    resume_at: datetime | None = None
    finish_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE


@dataclass
class Line:
    """A touch as the model has it."""

    id: str
    run: Run
    channel: Channel
    due: datetime
    state: str = "planned"
    reason: str | None = "scheduled"
    token: str | None = None
    until: datetime | None = None
    attempts: int = 0
    handed: datetime | None = None
    settled: datetime | None = None
    taken: int = 0  # how often the provider has accepted it
    approved: bool = False  # by a person, whose word still holds

    def becomes(self, state: str, reason: str | None, settled: datetime | None = None) -> None:
        """What every step but a claim does to the lease."""
        self.state, self.reason, self.settled = state, reason, settled
        self.until = None
        if state != "unknown":
            self.token = None
        if state == "planned":
            self.handed = None

    def row(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "reason": self.reason,
            "lease_token": self.token,
            "lease_until": self.until,
            "due_at": self.due,
            "attempts": self.attempts,
            "handed_over_at": self.handed,
            "settled_at": self.settled,
            "approved": self.approved,
        }


@dataclass
class Work:
    """What a worker believes it has: a touch it claimed, handed over, or called for. It may be mistaken."""

    token: str
    line: Line
    loaded: LoadedTouch
    until: datetime | None = None  # set by its hand-over
    result: SendResult | None = None  # set by its call


class Ledger(RuleBasedStateMachine):
    """One ledger, any number of workers, time in the test's hand."""

    def __init__(self, world: World, leads: Sequence[str]) -> None:
        super().__init__()
        self.world, self.leads = world, leads
        self.engine = world.house.engine
        self.playbook = world.house.playbook
        self.now = TUESDAY
        self.runs: list[Run] = []
        self.lines: dict[str, Line] = {}
        self.works: list[Work] = []
        self.tokens: list[str] = []
        self.receipts: set[str] = set()
        self.over: dict[str, str] = {}
        with transaction(self.engine) as connection:
            for statement in _EMPTY:
                connection.execute(statement)

    # --- plans

    @initialize(given=st.lists(PLAN, min_size=2, max_size=3))
    def begin(self, given: list[Plan]) -> None:
        for who, plan in enumerate(given):
            self.enrol(who, plan)

    @precondition(lambda self: len(self.lines) < 12 and not self._due())
    @rule(who=st.sampled_from(PEOPLE), plan=PLAN)
    def enrol(self, who: int, plan: Plan) -> None:
        """A plan of somebody who has none; who is live already is left alone (R18)."""
        tier, mailbox, steps = plan
        run = Run(f"enr_{len(self.runs)}", self.leads[who], tier, mailbox, [])
        run.plan = [self._planned(run, i, *step) for i, step in enumerate(steps, 1)]
        free = not any(r.live and r.lead == run.lead for r in self.runs)
        with transaction(self.engine) as connection:
            assert enrolments.add(connection, [_enrolment(run, self.now)]) == ({run.id} if free else set())
            if free:
                self._put(connection, run)
                enrolments.planned(connection, [run.id])
        if free:
            self.runs.append(run)
            self.lines |= {p.touch_id: Line(p.touch_id, run, p.channel, p.due_at) for p in run.plan}

    def _planned(self, run: Run, place: int, minutes: int, channel: Channel) -> PlannedTouch:
        due = self.now + timedelta(minutes=minutes)
        return PlannedTouch(f"tch{run.id[3:]}_{place}", place, run.tier.value, place, channel, "t", due, {})

    def _put(self, connection: Connection, run: Run) -> None:
        whose = {"enrolment_id": run.id, "lead_id": run.lead, "mailbox": run.mailbox}
        planned = [touches.row(p, **whose, urgency=run.tier.rank, now=self.now) for p in run.plan]
        touches.add(connection, planned)
        words = Draft("Hi", "Words.", (), "t", "1", "template")
        drafts.save(connection, {t["touch_id"]: words for t in planned}, now=self.now)

    # --- workers: a lease, the hand-over, the call, the record

    def _token(self) -> str:
        self.tokens.append(f"worker_{len(self.tokens)}")
        return self.tokens[-1]

    def _due(self) -> list[Line]:
        due = [t for t in self.lines.values() if t.state == "planned" and t.due <= self.now]
        return sorted(due, key=lambda t: (t.run.tier.rank, t.due, t.id))

    def _claim(self, connection: Connection, limit: int, token: str) -> list[Work]:
        found = touches.claim_due(connection, now=self.now, limit=limit, token=token, lease=LEASE)
        loaded = load(connection, [t["touch_id"] for t in found])
        return [Work(token, self.lines[t["touch_id"]], loaded[t["touch_id"]]) for t in found]

    def _leased(self, works: Iterable[Work]) -> None:
        for work in works:
            line = work.line
            line.state, line.reason, line.token, line.until = (
                "claimed",
                "leased",
                work.token,
                self.now + LEASE,
            )
            self.works.append(work)

    @rule(
        limit=st.integers(1, 4),
        whats=st.lists(WHAT, min_size=4, max_size=4),
        steps=st.sampled_from([0, 1, 2, 2, 3, 3]),
    )
    def claim(self, limit: int, whats: list[str], steps: int) -> None:
        """What is due and nothing else, most urgent first; and how far the worker comes before it stalls."""
        with transaction(self.engine) as connection:
            claimed = self._claim(connection, limit, self._token())
        assert [w.line.id for w in claimed] == [t.id for t in self._due()[:limit]]
        self._leased(claimed)
        for work, what in zip(claimed, whats, strict=False):
            for _ in range(steps):
                self._go_on(work, what)

    @precondition(lambda self: len(self._due()) > 1)
    @rule(first=st.integers(1, 3), second=st.integers(1, 3), first_dies=st.booleans())
    def claim_at_once(self, first: int, second: int, first_dies: bool) -> None:
        """Two claim while neither has committed: no touch goes to both (R3)."""
        due = [t.id for t in self._due()]
        with self.engine.connect() as one:
            mine = self._claim(one, first, self._token())
            with transaction(self.engine) as other:
                other.execute(_IMPATIENT)
                theirs = self._claim(other, second, self._token())
            one.rollback() if first_dies else one.commit()
        assert [w.line.id for w in mine] == due[:first]
        got = [w.line.id for w in theirs]
        assert got == [i for i in due[first:] if i in got][:second]
        self._leased(theirs)
        if not first_dies:
            self._leased(mine)

    @precondition(lambda self: self.works)
    @rule(data=st.data(), whats=st.lists(WHAT, min_size=1, max_size=3))
    def go_on(self, data: st.DataObject, whats: list[str]) -> None:
        """A worker takes its next steps, however long it has stalled."""
        work = data.draw(st.sampled_from(self.works))
        for what in whats:
            self._go_on(work, what)

    @precondition(lambda self: self.works)
    @rule(data=st.data(), what=WHAT)
    def go_on_too_late(self, data: st.DataObject, what: str) -> None:
        """The same after its lease has run out, whoever has noticed."""
        work = data.draw(st.sampled_from(self.works))
        self.now += timedelta(seconds=301)
        if data.draw(st.booleans()):
            self._expire()
        self._go_on(work, what)

    def _go_on(self, work: Work, what: str) -> None:
        """Its next step. Killed wherever it stands, what it was told is lost with it (R1)."""
        if work not in self.works:
            return
        if what == "dies":
            self.works.remove(work)
        elif what == "no words" and work.until is None:
            self._find_no_words(work)
        elif work.until is None:
            self._try_hand_over(work, asks=what == "asks a person")
        elif work.result is None:
            self._call(work, what)
        else:
            self._record(work)

    def _try_hand_over(self, work: Work, *, asks: bool) -> None:
        """By whoever holds the lease, where the enrolment and the cap let it; else nothing leaves."""
        line, run = work.line, work.line.run
        self.works.remove(work)
        with transaction(self.engine) as connection:
            mine = line.id in touches.lock_for_handover(
                connection, {line.id: work.token}, enrolments=[run.id], caps=[run.mailbox]
            )
            assert mine == (line.state == "claimed" and line.token == work.token)
            if not mine:
                return
            sent = gate.standing(connection, [], [], [run.mailbox], now=self.now).sent_24h
            counted, oldest = sent.get(run.mailbox, (0, self.now))
            if not run.live:
                self._end_mine(connection, work)
            elif run.state == "paused":
                self._defer(connection, work, TouchReason.PAUSED, self.now + timedelta(hours=1))
            elif line.channel is Channel.EMAIL and counted >= CAP:
                self._defer(connection, work, TouchReason.MAILBOX_CAP, oldest + timedelta(hours=24))
            elif asks and line.channel is Channel.EMAIL and not line.approved:
                assert _held(connection, line.id, work.token, self.now) == {line.id}
                line.becomes("in_review", "awaiting_review")
            else:
                self._hand_over(connection, work)

    def _hand_over(self, connection: Connection, work: Work) -> None:
        line, run = work.line, work.line.run
        task = line.channel is Channel.REP_TASK
        work.until = self.now if task else self.now + HANDOVER
        _handed_over(connection, line.id, work.token, self.now, work.until)
        line.state, line.reason, line.until = "handing_over", "in_flight", work.until
        line.handed, line.attempts = self.now, line.attempts + 1
        if not task:
            self.works.append(work)
            return
        sent = touches.Sent(line.id, run.id, work.token, SendResult(Outcome.ACCEPTED))
        assert settle_sent(connection, [sent], self.playbook, now=self.now) == {line.id}
        self._sent(line)

    def _end_mine(self, connection: Connection, work: Work) -> None:
        reason = TouchReason.ENROLMENT_ENDED
        assert touches.cancel_claimed(connection, work.line.id, work.token, reason, now=self.now)
        work.line.becomes("cancelled", reason.value, self.now)

    def _defer(self, connection: Connection, work: Work, reason: TouchReason, due: datetime) -> None:
        line = work.line
        allowed = line.token == work.token and line.state in ("claimed", "handing_over", "unknown")
        assert touches.defer(connection, line.id, work.token, reason, due) == allowed
        if allowed:
            line.becomes("planned", reason.value)
            line.due = due

    def _call(self, work: Work, what: str) -> None:
        """The provider is called for what this worker has handed over, and never later than it said (R1)."""
        assert work.until is not None
        if self.now >= work.until:
            self.works.remove(work)
            with transaction(self.engine) as connection:
                self._defer(connection, work, TouchReason.LEASE_EXPIRED, self.now)
            return
        row = next(r for r in self._read(_ALL) if r["touch_id"] == work.line.id)
        assert (row["state"], row["lease_token"]) == ("handing_over", work.token), "left on a lease alone"
        work.result, taken = CALLS.get(what, CALLS["accepted"])
        work.line.taken += taken

    def _record(self, work: Work) -> None:
        """The outcome, in time or long after others have settled the touch (R2)."""
        self.works.remove(work)
        with transaction(self.engine) as connection:
            said = self._settle(connection, work)
        assert said == self._settled(work)

    @precondition(lambda self: any(w.result for w in self.works))
    @rule(data=st.data())
    def record_while_leases_expire(self, data: st.DataObject) -> None:
        """What somebody is settling right now is left to them."""
        work = data.draw(st.sampled_from([w for w in self.works if w.result]))
        self.works.remove(work)
        self.now += timedelta(seconds=301)
        with self.engine.connect() as one:
            said = self._settle(one, work)
            with transaction(self.engine) as other:
                other.execute(_IMPATIENT)
                touches.expire(other, now=self.now)
            one.commit()
        expected = self._settled(work)
        assert said == expected
        self._expired()

    def _settle(self, connection: Connection, work: Work) -> str:
        assert work.result is not None
        return settle(connection, work.loaded, work.token, work.result, self.playbook, now=self.now)

    def _settled(self, work: Work) -> str:
        """What the model makes of an outcome."""
        line, result = work.line, work.result
        assert result is not None
        mine = line.token == work.token and line.state in ("handing_over", "unknown")
        if result.outcome is Outcome.AMBIGUOUS:
            if mine and line.state == "handing_over":
                line.becomes("unknown", "ambiguous", self.now)
            return "unknown"
        if not mine:
            return "late_outcome"
        if result.outcome is Outcome.ACCEPTED:
            self._sent(line)
            return "sent"
        attempt = work.loaded.touch["attempts"] + 1
        if result.outcome is Outcome.RETRY and (result.ours or attempt < MAX_ATTEMPTS):
            line.becomes("planned", "provider_retry")
            line.due = self.now + max(_backoff(attempt), timedelta(seconds=result.retry_after_s or 0))
            return "retry"
        reason = "rejected" if result.outcome is Outcome.REJECTED else "retries_exhausted"
        line.becomes("failed", reason, self.now)
        self._close(line.run, self.now)
        return f"failed:{reason}"

    def _sent(self, line: Line) -> None:
        line.becomes("sent", None, self.now)
        self._close(line.run, self.now + GAP)

    def _find_no_words(self, work: Work) -> None:
        """A draft that fails ends its touch once (R15), if it is still this worker's."""
        self.works.remove(work)
        line, reason = work.line, TouchReason.DRAFT_FAILED
        mine = line.token == work.token
        with transaction(self.engine) as connection:
            row = touches.record_failed(connection, line.id, work.token, reason, "x", now=self.now)
            assert (row is not None) == mine
            touches.close_if_done(connection, [line.run.id], self.now)
        if mine:
            line.becomes("failed", reason.value, self.now)
        self._close(line.run, self.now)

    # --- what goes on beside the workers

    @rule(seconds=st.sampled_from([60, 121, 301, 86_400]) | st.none(), noticed=st.booleans())
    def time_passes(self, seconds: int | None, noticed: bool) -> None:
        """Some, or until the next touch is due; and whether anybody looks at the leases then."""
        later = [t.due for t in self.lines.values() if t.state == "planned" and t.due > self.now]
        self.now = min(later, default=self.now) if seconds is None else self.now + timedelta(seconds=seconds)
        if noticed:
            self._expire()

    def _expire(self) -> None:
        with transaction(self.engine) as connection:
            released, lapsed = touches.expire(connection, now=self.now)
        assert (released, {t["touch_id"] for t in lapsed}) == self._expired()

    def _late(self) -> list[Line]:
        return [t for t in self.lines.values() if t.until is not None and t.until < self.now]

    def _expired(self) -> tuple[int, set[str]]:
        """A claim goes back; what was handed over may have left, so it never does (R1)."""
        late = self._late()
        claims = [t for t in late if t.state == "claimed"]
        lapsed = [t for t in late if t.state == "handing_over"]
        for line in claims:
            line.becomes("planned", "lease_expired")
        for line in lapsed:
            line.becomes("unknown", "ambiguous", self.now)
        return len(claims), {t.id for t in lapsed}

    @precondition(lambda self: any(t.state in ("handing_over", "unknown") for t in self.lines.values()))
    @rule(can_tell=st.booleans(), later=st.booleans())
    def reconcile(self, can_tell: bool, later: bool) -> None:
        """Receipts, then what the provider can tell, else a person: nothing unknown is forgotten (R2)."""
        self.now += timedelta(seconds=301 * later)
        self.provider.found = lambda key: _truth(self.lines[key]) if can_tell else None
        reconcile(self.engine, self.provider, self.playbook, now=self.now)
        self._expired()
        for line in [t for t in self.lines.values() if t.state == "unknown"]:
            if line.id in self.receipts or (can_tell and line.taken):
                self._sent(line)
            elif can_tell:
                line.becomes("planned", "provider_retry")
                line.due = self.now + _backoff(line.attempts)
        listed = {r["lead_id"] for r in self._read(_ON_A_LIST)}
        assert {t.run.lead for t in self.lines.values() if t.state == "unknown"} <= listed

    @precondition(lambda self: any(t.taken for t in self.lines.values()))
    @rule(data=st.data())
    def receipt(self, data: st.DataObject) -> None:
        """The provider's webhook tells of a message it has taken."""
        line = data.draw(st.sampled_from([t for t in self.lines.values() if t.taken]))
        self.receipts.add(line.id)
        given = {"touch_id": line.id}
        report = self.world.post(wire("email_delivered", None, at=TUESDAY, id=line.id, properties=given))
        with transaction(self.engine) as connection:
            connection.execute(_HANG_ON, {"lead": line.run.lead, "event": report.items[0].event_id})

    @precondition(lambda self: any(t.state == "unknown" for t in self.lines.values()))
    @rule(data=st.data(), gives_up=st.sampled_from([False, False, True]))
    def resolve(self, data: st.DataObject, gives_up: bool) -> None:
        """A person finds out what became of a touch, or gives up; only where nobody knows yet."""
        unknown = [t for t in self.lines.values() if t.state == "unknown"]
        line = data.draw(st.sampled_from(unknown * 3 + list(self.lines.values())))
        found = Resolution.ARRIVED if line.taken else Resolution.NOT_ARRIVED
        word = Resolution.GIVE_UP if gives_up else found
        if line.state != "unknown":
            with pytest.raises(LeadopsError, match="nothing to resolve"):
                resolve_touch(self.engine, self.playbook, line.id, word, "anna", now=self.now)
            return
        resolve_touch(self.engine, self.playbook, line.id, word, "anna", now=self.now)
        if word is Resolution.ARRIVED:
            self._sent(line)
        elif word is Resolution.NOT_ARRIVED:
            line.becomes("planned", "provider_retry")
            line.due = self.now
        else:
            line.becomes("failed", "ambiguous", self.now)
            self._close(line.run, self.now)

    @precondition(lambda self: any(t.state == "in_review" for t in self.lines.values()))
    @rule(data=st.data(), rejects=st.sampled_from([False, False, True]))
    def decide(self, data: st.DataObject, rejects: bool) -> None:
        """A person approves or rejects what waits; anything else is no longer theirs to decide."""
        waits = [t for t in self.lines.values() if t.state == "in_review"]
        line = data.draw(st.sampled_from(waits * 3 + list(self.lines.values())))
        was = line.state
        with transaction(self.engine) as connection:
            reviews.lock(connection, [line.id])
            say = _rejected if rejects else _approved
            assert say(connection, line.id, "", self.now) == ({line.id} if was == "in_review" else set())
            touches.close_if_done(connection, [line.run.id], self.now)
        if was == "in_review" and rejects:
            line.becomes("cancelled", "rejected_by_reviewer", self.now)
        elif was == "in_review":
            line.becomes("planned", "approved")
            line.due, line.approved = max(line.due, self.now), True
        self._close(line.run, self.now)

    @precondition(lambda self: any(r.live and self._under_way(r) for r in self.runs))
    @rule(data=st.data(), how=st.sampled_from(["stop", "pause", "pause for an hour"]))
    def interrupt(self, data: st.DataObject, how: str) -> None:
        """By an answer, or by a person for a while."""
        run = data.draw(st.sampled_from([r for r in self.runs if r.live and self._under_way(r)]))
        if how == "stop":
            self._stop(run)
        else:
            self._pause(run, self.now + timedelta(hours=1) if how != "pause" else None)

    def _stop(self, run: Run) -> None:
        """What was not handed over is cancelled, and pausing it is too late (R4)."""
        with transaction(self.engine) as connection:
            enrolments.end(connection, [run.id], EnrolmentState.OPTED_OUT, ExitReason.OPTED_OUT, now=self.now)
            touches.cancel_open(connection, [run.id], TouchReason.STOPPED, now=self.now)
            assert not enrolments.pause(connection, run.id, EnrolmentState.PAUSED, None)
        self._ended(run, "opted_out")
        for line in self._of(run):
            if line.state in NOT_HANDED_OVER:
                line.becomes("cancelled", "stopped", self.now)

    def _pause(self, run: Run, resume_at: datetime | None) -> None:
        """Its touches stay where they are (R17)."""
        with transaction(self.engine) as connection:
            assert enrolments.pause(connection, run.id, EnrolmentState.PAUSED, resume_at)
        run.state, run.resume_at = "paused", resume_at

    @precondition(lambda self: any(r.resume_at or r.finish_at for r in self.runs))
    @rule()
    def tend(self) -> None:
        """Pauses end, and enrolments with nothing left to send."""
        report = tend(self.world.house.outreach, now=self.now)
        resumed = [r for r in self.runs if r.state == "paused" and r.resume_at and r.resume_at <= self.now]
        for run in resumed:
            run.state, run.resume_at = "active", None
        done = [r for r in self.runs if r.live and r.finish_at is not None and r.finish_at <= self.now]
        for run in done:
            reached = any(t.state == "sent" for t in self._of(run))
            self._ended(run, "finished_no_reply" if reached else "failed")
        assert (report.counts["resumed"], report.counts["finished"]) == (len(resumed), len(done))

    @precondition(lambda self: any(t.state != "planned" for t in self.lines.values()))
    @rule(data=st.data())
    def meddle(self, data: st.DataObject) -> None:
        """Every step by who does not hold the touch, or at the wrong time, changes nothing (R3); nor does
        the same plan once more (R17).
        """
        state = data.draw(st.sampled_from(sorted({t.state for t in self.lines.values()} - {"planned"})))
        line = data.draw(st.sampled_from([t for t in self.lines.values() if t.state == state]))
        stale = data.draw(st.sampled_from(["nobody", *self.tokens]))
        with transaction(self.engine) as connection:
            self._put(connection, line.run)
            for token in (line.token or "nobody", stale):
                for name, (allowed, step) in _STEPS.items():
                    holds = name in _TOKENLESS or line.token == token
                    if not (holds and line.state in allowed):
                        assert not step(connection, line.id, token, self.now), (name, line)

    # --- what must hold

    @invariant()
    def it_holds(self) -> None:
        """After every step, from one look at the ledger."""
        with transaction(self.engine) as connection:
            found = {r["touch_id"]: r for r in rows(connection, _ALL)}
            runs = {r["enrolment_id"]: r for r in rows(connection, _RUNS)}
            counted = gate.standing(connection, [], [], MAILBOXES, now=self.now).sent_24h
            due = touches.due_count(connection, now=self.now)
        self._as_the_model_says(found)
        self._what_has_ended_stays(found)
        self._nothing_accepted_twice_or_planned_again()
        self._caps(counted)
        self._enrolments(runs)
        assert due == len(self._due())

    def _as_the_model_says(self, found: dict[str, dict[str, Any]]) -> None:
        shown = {i: {k: r[k] for k in self.lines[i].row()} for i, r in found.items()}
        assert shown == {i: t.row() for i, t in self.lines.items()}

    def _what_has_ended_stays(self, found: dict[str, dict[str, Any]]) -> None:
        """R15; what is not sent says why, and the CRM is told of what is."""
        for touch_id, row in found.items():
            if row["state"] in ENDED:
                self.over.setdefault(touch_id, row["whole"])
            assert self.over.get(touch_id, row["whole"]) == row["whole"]
            assert row["told"] == (row["state"] == "sent")
            assert row["reason"] is not None or row["state"] == "sent"

    def _nothing_accepted_twice_or_planned_again(self) -> None:
        """R1, R2: what the provider has is sent, in doubt, or given up by a person."""
        for line in self.lines.values():
            assert line.taken <= 1
            given_up = (line.state, line.reason) == ("failed", "ambiguous")
            assert not line.taken or given_up or line.state in COUNTED
            if line.state == "sent" and line.channel is Channel.EMAIL:
                assert line.taken == 1

    def _caps(self, counted: dict[str, tuple[int, datetime]]) -> None:
        """Brute force over what was or may have been accepted, on a rolling day; no task counts (R22)."""
        since = self.now - timedelta(hours=24)
        for mailbox in MAILBOXES:
            emails = [
                t for t in self.lines.values() if t.run.mailbox == mailbox and t.channel is Channel.EMAIL
            ]
            handed = [t.handed for t in emails if t.state in COUNTED and t.handed and t.handed > since]
            assert counted.get(mailbox) == ((len(handed), min(handed)) if handed else None)
            assert len(handed) <= CAP

    def _enrolments(self, found: dict[str, dict[str, Any]]) -> None:
        shown = {i: (r["state"], r["resume_at"], r["finish_at"]) for i, r in found.items()}
        assert shown == {r.id: (r.state, r.resume_at, r.finish_at) for r in self.runs}
        for run in self.runs:
            assert run.finish_at is None or not any(t.state in OPEN for t in self._of(run))

    # --- the words above

    @property
    def provider(self) -> Scripted:
        email = self.world.house.email
        assert isinstance(email, Scripted)
        return email

    def _of(self, run: Run) -> list[Line]:
        return [t for t in self.lines.values() if t.run is run]

    def _under_way(self, run: Run) -> bool:
        return any(t.state != "planned" for t in self._of(run))

    def _close(self, run: Run, at: datetime) -> None:
        """Where nothing is left to send, the enrolment finishes then."""
        if run.live and not any(t.state in OPEN for t in self._of(run)):
            run.finish_at = at

    def _ended(self, run: Run, state: str) -> None:
        run.state, run.finish_at, run.resume_at = state, None, None

    def _read(self, statement: Any) -> list[dict[str, Any]]:
        with transaction(self.engine) as connection:
            return rows(connection, statement)


_TABLES = (
    "reviews",
    "message_bodies",
    "message_drafts",
    "handoffs",
    "crm_writebacks",
    "event_payloads",
    "event_keys",
    "lead_events",
    "touches",
    "enrolments",
)
_EMPTY = [sql(f"delete from {table}") for table in _TABLES]
_IMPATIENT = sql("set local lock_timeout = '2s'")
_ALL = sql(
    """select touch_id, state, reason, lease_token, lease_until, due_at, attempts, handed_over_at, settled_at,
        t::text as whole, approved_digest is not null as approved,
        exists (select 1 from crm_writebacks where dedupe_key = 'touch:' || touch_id) as told
    from touches t"""
)
_RUNS = sql("select enrolment_id, state, resume_at, finish_at from enrolments")
_ON_A_LIST = sql("select lead_id from handoffs where acted_at is null")
_HANG_ON = sql("update lead_events set lead_id = :lead, pending_fold = false where event_id = :event")


def _handed_over(
    connection: Connection, touch_id: str, token: str, now: datetime, until: datetime | None = None
) -> None:
    given = [touches.HandOver(touch_id, token, "d")]
    touches.hand_over(connection, given, now=now, until=until or now, provider=Scripted.name)


def _held(connection: Connection, touch_id: str, token: str, now: datetime) -> set[str]:
    given = reviews.Held(touch_id, token, drafts.draft_id_of(touch_id), b"proof")
    return reviews.hold(connection, [given], TouchReason.AWAITING_REVIEW, now=now)


def _approved(connection: Connection, touch_id: str, _token: str, now: datetime) -> set[str]:
    return reviews.approve(connection, {touch_id: "digest"}, "anna", now=now)


def _rejected(connection: Connection, touch_id: str, _token: str, now: datetime) -> set[str]:
    return reviews.reject(connection, {touch_id: "digest"}, "anna", "no", now=now)


def _locked(connection: Connection, touch_id: str, token: str, _now: datetime) -> bool:
    run = _run_of(connection, touch_id)
    return bool(touches.lock_for_handover(connection, {touch_id: token}, enrolments=[run], caps=[]))


def _recorded_sent(connection: Connection, touch_id: str, token: str | None, now: datetime) -> Any:
    sent = touches.Sent(touch_id, _run_of(connection, touch_id), token, SendResult(Outcome.ACCEPTED))
    return touches.record_sent(connection, [sent], now=now)


def _run_of(connection: Connection, touch_id: str) -> str:
    return str(rows(connection, _RUN_OF, id=touch_id)[0]["enrolment_id"])


_RUN_OF = sql("select enrolment_id from touches where touch_id = :id")


# Each step of the ledger: the states from which it may be taken, and by whom it is tried here.
_STEPS: dict[str, tuple[tuple[str, ...], Any]] = {
    "hand over": (("claimed",), _handed_over),
    "lock": (("claimed",), _locked),
    "hold": (("claimed",), _held),
    "approve": (("in_review",), _approved),
    "reject": (("in_review",), _rejected),
    "defer": (
        ("claimed", "handing_over", "unknown"),
        lambda c, i, token, now: touches.defer(c, i, token, TouchReason.PROVIDER_RETRY, now),
    ),
    "cancel": (
        ("claimed",),
        lambda c, i, token, now: touches.cancel_claimed(c, i, token, TouchReason.STOPPED, now=now),
    ),
    "sent": (
        ("handing_over", "unknown"),
        lambda c, i, token, now: _recorded_sent(c, i, token, now),
    ),
    "failed": (
        ("claimed", "handing_over", "unknown"),
        lambda c, i, token, now: touches.record_failed(c, i, token, TouchReason.REJECTED, "x", now=now),
    ),
    "unknown": (
        ("handing_over",),
        lambda c, i, token, now: touches.record_unknown(c, i, token, "x", now=now),
    ),
    "receipt": (
        ("handing_over", "unknown"),
        lambda c, i, _, now: _recorded_sent(c, i, None, now),
    ),
    "not arrived": (
        ("unknown",),
        lambda c, i, _, now: touches.unknown_to_planned(
            c, i, due=now, reason=TouchReason.PROVIDER_RETRY, detail="x"
        ),
    ),
    "given up": (("unknown",), lambda c, i, _, now: touches.give_up_unknown(c, i, "x", now=now)),
}
_TOKENLESS = ("receipt", "not arrived", "given up", "approve", "reject")


def _truth(line: Line) -> SendResult:
    return SendResult(Outcome.ACCEPTED if line.taken else Outcome.RETRY)


def _backoff(attempt: int) -> timedelta:
    return timedelta(minutes=min(2 ** (attempt - 1), 60))


def _enrolment(run: Run, now: datetime) -> dict[str, Any]:
    return {
        "enrolment_id": run.id,
        "lead_id": run.lead,
        "state": "active",
        "source": "web",
        "tier_at_enrolment": run.tier.value,
        "variant": "a",
        "tier": run.tier.value,
        "sequence_version": "1",
        "mailbox": run.mailbox,
        "reply_token": f"token-{run.id}",
        "lead_event_id": f"event-{run.id}",
        "lead_event_at": now,
        "enrolled_at": now,
        "pending_plan": True,
    }


def _run(engine: Engine, folder: Path, examples: int, steps: int) -> None:
    loaded = playbook_with(delivery={"max_attempts": MAX_ATTEMPTS})
    world = World(house_of(engine, folder, email=Scripted(), loaded=loaded), folder)
    world.post(*[wire("page_viewed", address(i)) for i in PEOPLE])
    fold_pending(engine, world.house.playbook, world.house.keyring, now=world.now)
    leads = [r["lead_id"] for r in world.rows("select lead_id from leads order by lead_id")]
    run_state_machine_as_test(
        lambda: Ledger(world, leads), settings=settings(max_examples=examples, stateful_step_count=steps)
    )


def test_the_ledger_does_what_its_automaton_says(engine: Engine, tmp_path: Path) -> None:
    _run(engine, tmp_path, examples=22, steps=25)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_ledger_does_what_its_automaton_says_at_length(engine: Engine, tmp_path: Path) -> None:
    _run(engine, tmp_path, examples=400, steps=50)
