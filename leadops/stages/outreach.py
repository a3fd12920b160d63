"""Due touches -> drafted -> gated -> handed over -> recorded. The only stage that lets anything leave.

Two commits frame every call: before it, the step into handing_over with the frozen bytes; after it,
the outcome. A crash between them leaves ``handing_over``, which becomes ``unknown`` and is never sent
again by itself (R1, R2).

One thread decides and records. Calls run beside it (``stages/beside.py``): while one message is written
another is handed over and a third is sent, and what came of several calls meanwhile shares a commit. No
more is handed over than calls can begin at once.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from leadops.domain import eligibility
from leadops.domain.keys import Keyring
from leadops.domain.modes import Mode
from leadops.playbook.model import Playbook, Template
from leadops.providers.crm.port import RawRow
from leadops.providers.email.port import EmailPort
from leadops.providers.llm.port import SlotWriter, WrittenSlots
from leadops.stages import drafting, hand_over
from leadops.stages.again import PASSING
from leadops.stages.beside import Beside, Inline, Tell
from leadops.stages.drafting import ToWrite, code_of
from leadops.stages.facts import LoadedTouch, around, facts, load
from leadops.stages.hand_over import Handed, Work
from leadops.stages.handing import Due, hand_off
from leadops.stages.ingest import ingest
from leadops.stages.modes import mode_now
from leadops.stages.report import Report
from leadops.stages.settle import settle, settle_sent
from leadops.stages.stops import ended
from leadops.store import crm, enrolments, touches
from leadops.store.engine import TEXTS, StoreError, rows, sql, transaction
from leadops.terms import Draft, EventKind, ExitReason, Outcome, SendResult, TouchReason, stable_id

Clock = Callable[[], datetime]
_TRIES = 3
_AGAIN_SOON = timedelta(minutes=1)
HANDED_AT_ONCE = 16
"""Hand-overs in one commit, at most: they hold the same locks until it."""


@dataclass(frozen=True, slots=True)
class Outreach:
    """What this stage works with; one per process."""

    engine: Engine
    playbook: Playbook
    templates: Mapping[str, Template]
    keyring: Keyring
    writer: SlotWriter
    email: EmailPort
    public_url: str | None = None
    fresh: Callable[[], str] = lambda: uuid.uuid4().hex
    """A word nobody has said before: part of each lease's token."""
    beside: Callable[[], Beside] = Inline
    worker: str | None = None
    """Of a process whose life the database sees (``store/runners.py``): its claims end with it."""

    def lease_token(self, now: datetime) -> str:
        token = stable_id("lease", now.isoformat(), self.fresh())
        return f"{self.worker}~{token}" if self.worker else token


@dataclass(slots=True)
class OutreachReport:
    """The two halves of one batch. ``mode``: whether its messages wait for a person, and why."""

    drafts: Report = field(default_factory=lambda: Report("draft"))
    dispatches: Report = field(default_factory=lambda: Report("dispatch"))
    mode: Mode | None = None

    def absorb(self, other: OutreachReport) -> None:
        """Add a later batch."""
        self.drafts.absorb(other.drafts)
        self.dispatches.absorb(other.dispatches)
        self.mode = other.mode or self.mode


def send_due(house: Outreach, clock: Clock, *, limit: int = 100) -> OutreachReport:
    """Take up to ``limit`` due touches, most urgent first, through to their outcome.

    Counts of ``dispatches``: claimed, sent, in_review, approval_void, deferred:REASON, cancelled:REASON,
    retry, failed:REASON, unknown, lost_claim. One touch that fails never stops the others.
    """
    batch = _Batch(house, clock, limit, house.beside())
    try:
        batch.run()
    except BaseException:
        # What is on its way arrives all the same; what we are told of it should not be forgotten.
        with suppress(Exception):
            batch.record(batch.beside.close())
        raise
    batch.beside.close()
    with transaction(house.engine) as connection:
        batch.report.dispatches.pending = touches.due_count(connection, now=clock())
    return batch.report


@dataclass(frozen=True, slots=True)
class _Words:
    """What a writer told: a touch's slots, or a code."""

    touch_id: str
    slots: WrittenSlots | str


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a call; None: it was not made, for its time was over."""

    handed: Handed
    result: SendResult | None

    @property
    def is_accepted(self) -> bool:
        return self.result is not None and self.result.outcome is Outcome.ACCEPTED


@dataclass(slots=True)
class _Batch:
    """Touches on their way from claim to outcome."""

    house: Outreach
    clock: Clock
    left: int  # how many may still be claimed
    beside: Beside
    report: OutreachReport = field(default_factory=OutreachReport)
    writing: dict[str, ToWrite] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    ready: dict[str, Work] = field(default_factory=dict)  # have words, wait for their turn
    calling: int = 0
    unrecorded: list[_Answer] = field(default_factory=list)  # where recording was interrupted: done again

    def run(self) -> None:
        """Until everything claimed has an outcome."""
        while True:
            if self.left > 0 and 2 * len(self.writing) < (room := self._room()):
                self._claim(min(self.left, room - len(self.writing)))
            while self._hand_over():
                pass
            if self.writing or self.calling:
                self._listen()
            elif self.left <= 0:
                return

    def _room(self) -> int:
        """No more than the writer takes at once: what waits for it would run into its deadline."""
        return self.house.writer.at_once if self.beside.at_once > 1 else self.left

    # Claimed ------------------------------------------------------------------------------------------

    def _claim(self, limit: int) -> None:
        house, now, report = self.house, self.clock(), self.report
        token = house.lease_token(now)
        lease = timedelta(seconds=house.playbook.delivery.lease_seconds)
        with transaction(house.engine) as connection:
            claimed = touches.claim_due(connection, now=now, limit=limit, token=token, lease=lease)
            if claimed:
                report.mode = report.mode or mode_now(connection, house.playbook, now=now)
        report.dispatches.count("claimed", len(claimed))
        self.left = self.left - len(claimed) if len(claimed) == limit else 0
        if not claimed:
            return
        screened = _screen(house, claimed, token, now, report)
        found = drafting.words_for(house.engine, house.templates, screened, report.drafts)
        self.tokens |= dict.fromkeys(screened, token)
        for touch_id, code in found.failed.items():
            _fail(house, screened[touch_id].touch, token, code, now, report.dispatches)
        self.ready |= {i: self._work(screened[i], token, words) for i, words in found.written.items()}
        self.writing |= found.to_write
        if found.to_write:
            requests = [w.request for w in found.to_write.values()]
            self.beside.write(
                lambda tell: drafting.write(house.writer, requests, lambda i, slots: tell(_Words(i, slots)))
            )

    # Told ---------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        told = self.beside.told()
        self.record(told)
        filled = {t.touch_id: t.slots for t in told if isinstance(t, _Words)}
        if filled:
            self._written(filled)

    def record(self, told: Sequence[Any]) -> None:
        """What came of calls, among what was told."""
        answers = [t for t in told if isinstance(t, _Answer)]
        self.calling -= len(answers)
        self.unrecorded += answers
        _record(self.house, self.unrecorded, self.clock, self.report.dispatches)
        self.unrecorded = []

    def _written(self, filled: Mapping[str, WrittenSlots | str]) -> None:
        now = self.clock()
        asked = {i: self.writing.pop(i) for i in list(self.writing) if i in filled}
        filled = {i: filled[i] for i in asked}  # in the order they were claimed in, whoever told first
        words, failed = drafting.save(self.house.engine, asked, filled, now=now, report=self.report.drafts)
        for touch_id, code in failed.items():
            touch, token = asked[touch_id].loaded.touch, self.tokens[touch_id]
            _fail(self.house, touch, token, code, now, self.report.dispatches)
        self.ready |= {i: self._work(asked[i].loaded, self.tokens[i], w) for i, w in words.items()}

    def _work(self, loaded: LoadedTouch, token: str, words: Draft) -> Work:
        return Work(loaded, token, words, review=self.report.mode is not None and self.report.mode.review)

    # Handed over --------------------------------------------------------------------------------------

    def _hand_over(self) -> bool:
        """As many as calls can begin now; whether there were any."""
        free = self.beside.at_once - self.calling
        works = self._next(min(free, HANDED_AT_ONCE)) if free > 0 else []
        if not works:
            return False
        handed, failed = _handed_over(self.house, works, self.clock, self.report.dispatches)
        for one in handed:
            self.calling += 1
            self.beside.call(lambda tell, one=one: _call(self.house, one, self.clock, tell))  # type: ignore[misc]
        for work, error in failed:
            code = code_of(error, "compose")
            _not_handed_over(self.house, work, code, self.clock(), self.report.dispatches)
        return True

    def _next(self, limit: int) -> list[Work]:
        """The most urgent that have words, one of a lead: its next touch depends on what becomes of this."""
        found: dict[str, Work] = {}
        for work in sorted(self.ready.values(), key=lambda w: w.urgency):
            found.setdefault(work.lead_id, work)
            if len(found) == limit:
                break
        for work in found.values():
            del self.ready[work.touch_id]
        return list(found.values())


def _handed_over(
    house: Outreach, works: Sequence[Work], clock: Clock, report: Report
) -> tuple[list[Handed], list[tuple[Work, Exception]]]:
    """All in one commit; where one of them makes it fail, each in its own: (handed over, what failed)."""
    handed: list[Handed] = []
    failed: list[tuple[Work, Exception]] = []
    groups = [works]
    while groups:
        group = groups.pop(0)
        said = Report(report.stage)
        try:
            handed += hand_over.hand_over(house, group, clock, said)
        except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
            away = isinstance(error, StoreError) and error.code == "db_unreachable"
            if len(group) == 1 or away:
                failed += [(work, error) for work in group]
            else:
                groups += [[work] for work in group]
            continue
        report.absorb(replace(said, pending=report.pending))
    return handed, failed


def _call(house: Outreach, handed: Handed, clock: Clock, tell: Tell) -> None:
    """Make the call, unless its time is over: by then others may have taken it for unknown."""
    if clock() >= handed.until:
        tell(_Answer(handed, None))
        return
    try:
        result = house.email.send(handed.work.touch_id, handed.mailbox, handed.recipient, handed.wire)
    except Exception as error:  # noqa: BLE001 - a broken adapter says nothing about whether bytes left
        result = SendResult(Outcome.AMBIGUOUS, detail=f"adapter_{type(error).__name__}")
    tell(_Answer(handed, result))


def _screen(
    house: Outreach,
    claimed: Sequence[Mapping[str, Any]],
    token: str,
    now: datetime,
    report: OutreachReport,
) -> dict[str, LoadedTouch]:
    """Send back at once what a gate refuses already, before anything is spent on words."""
    ready, refused, failed = {}, [], []
    with transaction(house.engine) as connection:
        loaded = _load_each(connection, [t["touch_id"] for t in claimed])
        stands = around(connection, loaded.values(), house.playbook, house.keyring, now=now)
        for touch in claimed:
            touch_id = touch["touch_id"]
            try:
                found = facts(loaded[touch_id], stands, house.playbook, house.keyring)
                refusal = eligibility.verdict(eligibility.gates(found, now))
            except SQLAlchemyError:
                raise
            except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
                failed.append((touch, code_of(error, "gate")))
                continue
            if refusal is None:
                ready[touch_id] = loaded[touch_id]
            else:
                refused.append((touch, refusal))
    for touch, refusal in refused:
        with transaction(house.engine) as connection:
            touches.lock_enrolment(connection, touch["enrolment_id"])
            hand_over.refuse(connection, touch, token, refusal, now, report.dispatches)
    for touch, code in failed:
        _fail(house, touch, token, code, now, report.dispatches)
    return ready


def _load_each(connection: Connection, touch_ids: Sequence[str]) -> dict[str, LoadedTouch]:
    """All at once; where what is known of one lead cannot be read, the others one by one."""
    try:
        return load(connection, touch_ids)
    except ValueError:
        found: dict[str, LoadedTouch] = {}
        for touch_id in touch_ids:
            with suppress(ValueError):
                found |= load(connection, [touch_id])
        return found


def _fail(
    house: Outreach, touch: Mapping[str, Any], token: str, code: str, now: datetime, report: Report
) -> None:
    touch_id, enrolment_id = touch["touch_id"], touch["enrolment_id"]
    with transaction(house.engine) as connection:
        touches.lock_enrolment(connection, enrolment_id)
        reason = TouchReason.DRAFT_FAILED
        mine = touches.record_failed(connection, touch_id, token, reason, code, now=now) is not None
        touches.close_if_done(connection, [enrolment_id], now)
    if mine:
        report.parked[touch_id] = code
    report.count(f"failed:{reason.value}" if mine else "lost_claim")


def _not_handed_over(house: Outreach, work: Work, code: str, now: datetime, report: Report) -> None:
    """The hand-over was rolled back: nothing has left. Try again soon, or fail this one touch."""
    if code == "db_unreachable":
        raise StoreError(code, "The database does not answer; is it running?")
    if not code.startswith(PASSING):
        _fail(house, work.loaded.touch, work.token, code, now, report)
        return
    with transaction(house.engine) as connection:
        due = now + _AGAIN_SOON
        touches.defer(connection, work.touch_id, work.token, TouchReason.LEASE_EXPIRED, due, code)
    report.count(f"deferred:{TouchReason.LEASE_EXPIRED.value}")


# Recorded -----------------------------------------------------------------------------------------------


def _record(house: Outreach, answers: Sequence[_Answer], clock: Clock, report: Report) -> None:
    """The outcomes: what was accepted in one commit, anything else each in its own."""
    accepted = [a for a in answers if a.is_accepted]
    if len(accepted) > 1 and (settled := _record_sent(house, accepted, clock)) is not None:
        for answer in accepted:
            report.count("sent" if answer.handed.work.touch_id in settled else "late_outcome")
            _tell(house, answer, clock, report)
        answers = [a for a in answers if not a.is_accepted]
    for answer in answers:
        if answer.result is None:
            _defer_late(house, answer.handed.work, clock, report)
        else:
            _record_one(house, answer.handed.work, answer.result, clock, report)
            _tell(house, answer, clock, report)


def _record_sent(house: Outreach, accepted: Sequence[_Answer], clock: Clock) -> set[str] | None:
    """The touches that this settled; None where it could not be done for all of them at once."""
    sent = [
        touches.Sent(work.touch_id, work.enrolment_id, work.token, a.result)
        for a in accepted
        if a.result is not None and (work := a.handed.work)
    ]
    try:
        with transaction(house.engine) as connection:
            return settle_sent(connection, sent, house.playbook, now=clock())
    except StoreError as error:
        if error.code == "db_unreachable":
            raise
        return None


def _record_one(house: Outreach, work: Work, result: SendResult, clock: Clock, report: Report) -> None:
    """What cannot be recorded becomes unknown, the others go on."""
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            with transaction(house.engine) as connection:
                what = settle(connection, work.loaded, work.token, result, house.playbook, now=clock())
        except StoreError as error:
            if error.code == "db_unreachable":
                raise
            if error.code.startswith(PASSING) and not last:
                continue
            report.parked[work.touch_id] = error.code
            what = "unrecorded"
        report.count(what)
        return


def _defer_late(house: Outreach, work: Work, clock: Clock, report: Report) -> None:
    """Asleep since the commit: nothing has left."""
    with transaction(house.engine) as connection:
        touches.defer(connection, work.touch_id, work.token, TouchReason.LEASE_EXPIRED, clock())
    report.count(f"deferred:{TouchReason.LEASE_EXPIRED.value}")


def _tell(house: Outreach, answer: _Answer, clock: Clock, report: Report) -> None:
    work, result = answer.handed.work, answer.result
    assert result is not None
    if result.outcome is Outcome.ACCEPTED:
        report.answered.add(work.lead_id)
    if result.outcome is Outcome.REJECTED and (status := _ADDRESS_FAULT.search(result.detail)):
        _tell_bounce(house, work.touch_id, answer.handed.recipient, status[0], clock())
    report.lead_ids.add(work.lead_id)


_ADDRESS_FAULT = re.compile(r"5\.1\.\d+")


def _tell_bounce(house: Outreach, touch_id: str, recipient: str, status: str, now: datetime) -> None:
    """A refusal that is about the address (5.1.x) is a hard bounce, told at the door (R14)."""
    event = {
        "source": house.email.name,
        "id": f"refused:{touch_id}",
        "kind": EventKind.EMAIL_BOUNCED,
        "occurred_at": now.isoformat(),
        "contact": {"email": recipient},
        "properties": {"bounce": "hard", "status": status, "touch_id": touch_id},
    }
    row = RawRow(event=event, error=None, raw=event, where="hand-over")
    ingest(house.engine, [row], now=now, keyring=house.keyring)


# Ended --------------------------------------------------------------------------------------------------

_ENDED = sql(
    "select enrolment_id, lead_id, state, exit_reason from enrolments where enrolment_id = any(:ids)",
    ids=TEXTS,
)


def tend(house: Outreach, *, now: datetime, limit: int = 500) -> Report:
    """End pauses whose time is up and finish enrolments with nothing left to send. Counts both.

    Somebody of whose touches none could be sent is given to a rep: nobody else will answer them.
    """
    report = Report("tend")
    with transaction(house.engine) as connection:
        report.count("resumed", len(enrolments.resume_due(connection, now=now)))
        finished = enrolments.finish_due(connection, now=now, limit=limit)
        over = rows(connection, _ENDED, ids=sorted(e["enrolment_id"] for e in finished))
        reached = {e["enrolment_id"] for e in over if e["exit_reason"] == ExitReason.COMPLETED}
        told = [ended(e["lead_id"], e["enrolment_id"], e["state"], e["exit_reason"], now) for e in over]
        crm.enqueue(connection, told, now=now)
        due = [
            Due(e["lead_id"], e["enrolment_id"], "not_reached", e["enrolment_id"])
            for e in finished
            if e["enrolment_id"] not in reached
        ]
        hand_off(connection, due, house.playbook, now=now)
        report.count("finished", len(finished))
    return report
