"""Due touches -> drafted -> gated -> handed over -> recorded. The only stage that lets anything leave.

Two commits frame every call: before it, the step into handing_over with the frozen bytes; after it,
the outcome. A crash between them leaves ``handing_over``, which becomes ``unknown`` and is never sent
again by itself (R1, R2).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from leadops.domain import eligibility
from leadops.domain.headers import READING
from leadops.domain.keys import Keyring
from leadops.domain.mail import compose, message_id_for, unsubscribe_url
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook, Template
from leadops.providers.crm.port import RawRow
from leadops.providers.email.port import EmailPort
from leadops.providers.llm.port import SlotWriter
from leadops.stages.again import PASSING
from leadops.stages.drafting import code_of, write_drafts
from leadops.stages.facts import LoadedTouch, around, facts, load, mailbox_of
from leadops.stages.handing import Due, hand_off
from leadops.stages.ingest import ingest
from leadops.stages.report import Report
from leadops.stages.settle import settle, tell_sent
from leadops.stages.stops import ended
from leadops.store import crm, drafts, enrolments, gate, touches
from leadops.store.engine import TEXTS, StoreError, rows, sql, transaction
from leadops.terms import (
    Channel,
    Draft,
    EventKind,
    ExitReason,
    Gate,
    Outcome,
    SendResult,
    TouchReason,
    stable_id,
)

Clock = Callable[[], datetime]
_TRIES = 3
_AGAIN_SOON = timedelta(minutes=1)


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


@dataclass(slots=True)
class OutreachReport:
    """The two halves of one batch."""

    drafts: Report = field(default_factory=lambda: Report("draft"))
    dispatches: Report = field(default_factory=lambda: Report("dispatch"))

    def absorb(self, other: OutreachReport) -> None:
        """Add a later batch."""
        self.drafts.absorb(other.drafts)
        self.dispatches.absorb(other.dispatches)


def send_due(house: Outreach, clock: Clock, *, limit: int = 100) -> OutreachReport:
    """Take up to ``limit`` due touches, most urgent first, through to their outcome.

    Counts of ``dispatches``: claimed, sent, deferred:REASON, cancelled:REASON, retry, failed:REASON,
    unknown, lost_claim. One touch that fails never stops the others.
    """
    report = OutreachReport()
    now = clock()
    token = stable_id("lease", now.isoformat(), house.fresh())
    lease = timedelta(seconds=house.playbook.delivery.lease_seconds)
    with transaction(house.engine) as connection:
        claimed = touches.claim_due(connection, now=now, limit=limit, token=token, lease=lease)
    report.dispatches.count("claimed", len(claimed))
    if claimed:
        ready = _screen(house, claimed, token, now, report)
        written, failed = write_drafts(
            house.engine, house.templates, house.writer, ready, now=now, report=report.drafts
        )
        for touch_id, code in failed.items():
            _fail(house, ready[touch_id].touch, token, code, now, report.dispatches)
        for touch_id, words in written.items():
            _one(house, ready[touch_id], words, token, clock, report.dispatches)
    with transaction(house.engine) as connection:
        report.dispatches.pending = touches.due_count(connection, now=clock())
    return report


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
            _refuse(connection, touch, token, refusal, now, report.dispatches)
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


def _refuse(
    connection: Connection,
    touch: Mapping[str, Any],
    token: str,
    refusal: Gate,
    now: datetime,
    report: Report,
) -> None:
    """Defer or cancel. The enrolment is locked already."""
    reason = refusal.reason or TouchReason.STOPPED
    if refusal.retry_at is not None:
        mine = touches.defer(connection, touch["touch_id"], token, reason, refusal.retry_at)
        report.count(f"deferred:{reason.value}" if mine else "lost_claim")
        return
    mine = touches.cancel_claimed(connection, touch["touch_id"], token, reason, now=now)
    touches.close_if_done(connection, [touch["enrolment_id"]], now)
    report.count(f"cancelled:{reason.value}" if mine else "lost_claim")


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


@dataclass(frozen=True, slots=True)
class _Handed:
    """A touch whose step into handing_over has committed: these bytes may leave until ``until``."""

    wire: bytes
    mailbox: str
    recipient: str
    until: datetime


def _one(
    house: Outreach, loaded: LoadedTouch, words: Draft, token: str, clock: Clock, report: Report
) -> None:
    """One touch: gate and hand-over in one commit, the call, the outcome in another."""
    touch_id = loaded.touch["touch_id"]
    try:
        handed = _hand_over(house, loaded, words, token, clock, report)
    except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
        _not_handed_over(house, loaded, token, code_of(error, "compose"), clock(), report)
        return
    if handed is None:
        return
    if clock() >= handed.until:
        # Asleep since the commit: by now others may have taken it for unknown, so it must not leave.
        with transaction(house.engine) as connection:
            touches.defer(connection, touch_id, token, TouchReason.LEASE_EXPIRED, clock())
        report.count("deferred:lease_expired")
        return
    try:
        result = house.email.send(touch_id, handed.mailbox, handed.recipient, handed.wire)
    except Exception as error:  # noqa: BLE001 - a broken adapter says nothing about whether bytes left
        result = SendResult(Outcome.AMBIGUOUS, detail=f"adapter_{type(error).__name__}")
    _record(house, loaded, token, result, clock, report)
    if result.outcome is Outcome.ACCEPTED:
        report.answered.add(loaded.touch["lead_id"])
    if result.outcome is Outcome.REJECTED and (status := _ADDRESS_FAULT.search(result.detail)):
        _tell_bounce(house, touch_id, handed.recipient, status[0], clock())
    report.lead_ids.add(loaded.touch["lead_id"])


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


def _not_handed_over(
    house: Outreach, loaded: LoadedTouch, token: str, code: str, now: datetime, report: Report
) -> None:
    """The hand-over was rolled back: nothing has left. Try again soon, or fail this one touch."""
    if code == "db_unreachable":
        raise StoreError(code, "The database does not answer; is it running?")
    if not code.startswith(PASSING):
        _fail(house, loaded.touch, token, code, now, report)
        return
    with transaction(house.engine) as connection:
        touch_id, due = loaded.touch["touch_id"], now + _AGAIN_SOON
        touches.defer(connection, touch_id, token, TouchReason.LEASE_EXPIRED, due, code)
    report.count(f"deferred:{TouchReason.LEASE_EXPIRED.value}")


def _record(
    house: Outreach, loaded: LoadedTouch, token: str, result: SendResult, clock: Clock, report: Report
) -> None:
    """The outcome, in a commit of its own; what cannot be recorded becomes unknown, the others go on."""
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            with transaction(house.engine) as connection:
                what = settle(connection, loaded, token, result, house.playbook, now=clock())
        except StoreError as error:
            if error.code == "db_unreachable":
                raise
            if error.code.startswith(PASSING) and not last:
                continue
            report.parked[loaded.touch["touch_id"]] = error.code
            what = "unrecorded"
        report.count(what)
        return


def _recipient(wire: bytes, fresh: LoadedTouch, keyring: Keyring) -> str:
    """The address in the frozen bytes: a retry goes where the message says, whatever the lead's is now.

    Raises:
        LeadopsError: ``address_moved``: it is no longer this person's, so the gates have not looked at it.
    """
    to = BytesHeaderParser(policy=READING).parsebytes(wire)["To"]
    address = str(to.addresses[0].addr_spec)
    if keyring.email(address) not in fresh.keys(keyring):
        raise LeadopsError(
            "address_moved", f"touch {fresh.touch['touch_id']}: its address is not the lead's."
        )
    return address


def _hand_over(
    house: Outreach, loaded: LoadedTouch, words: Draft, token: str, clock: Clock, report: Report
) -> _Handed | None:
    """What may leave once this has committed, or None where it may not.

    The locks first; then, in statements of their own, what the gates read (see ``store/gate.py``), and
    the time, because waiting for a lock takes some.
    """
    touch_id = loaded.touch["touch_id"]
    with transaction(house.engine) as connection:
        gate.lock_shared(connection, loaded.keys(house.keyring))
        enrolment_id, caps = loaded.touch["enrolment_id"], _cap_scope(house.playbook, loaded)
        if not touches.lock_for_handover(connection, touch_id, token, enrolment_id=enrolment_id, caps=caps):
            report.count("lost_claim")
            return None
        now = clock()
        fresh = load(connection, [touch_id])[touch_id]
        if not fresh.keys(house.keyring) <= loaded.keys(house.keyring):
            # The person changed since (a merge): the locks held are not all the locks needed.
            touches.defer(connection, touch_id, token, TouchReason.LEASED, now)
            report.count("deferred:leased")
            return None
        stands = around(connection, [fresh], house.playbook, house.keyring, now=now)
        found = facts(fresh, stands, house.playbook, house.keyring)
        refusal = eligibility.verdict(eligibility.gates(found, now))
        if refusal is not None:
            _refuse(connection, fresh.touch, token, refusal, now, report)
            return None
        if Channel(fresh.touch["channel"]) is Channel.REP_TASK:
            _give_to_rep(connection, house, fresh, words, token, now, report)
            return None
        until = now + timedelta(seconds=house.playbook.delivery.handover_seconds)
        wire = _freeze(connection, house, fresh, words, token, now, until)
        return _Handed(wire, fresh.touch["mailbox"], _recipient(wire, fresh, house.keyring), until)


def _cap_scope(playbook: Playbook, loaded: LoadedTouch) -> list[str]:
    """What must be counted alone: the mailbox, and its domain where that has a cap."""
    address = loaded.touch["mailbox"]
    domain = address.rpartition("@")[2]
    return [address, "@" + domain] if playbook.sender.domain_daily_cap else [address]


def _freeze(
    connection: Connection,
    house: Outreach,
    fresh: LoadedTouch,
    words: Draft,
    token: str,
    now: datetime,
    until: datetime,
) -> bytes:
    touch = fresh.touch
    mailbox = mailbox_of(touch, house.playbook)
    message_id = touch["message_id"] or message_id_for(touch["touch_id"], mailbox.address.rpartition("@")[2])
    mailed = drafts.threads(connection, [touch["enrolment_id"]]) if fresh.message_ids else {}
    thread = mailed.get(touch["enrolment_id"], [])
    wire = compose(
        touch_id=touch["touch_id"],
        draft=words,
        to_address=fresh.state.address or "",
        to_name=fresh.state.name,
        mailbox=mailbox,
        sender=house.playbook.sender,
        reply_token=fresh.reply_token,
        message_id=message_id,
        thread=tuple(m for m, _ in thread),
        date=now,
        unsubscribe_url=unsubscribe_url(house.public_url, fresh.reply_token) if house.public_url else None,
    )
    frozen = touches.hand_over(
        connection,
        touch["touch_id"],
        token,
        now=now,
        until=until,
        draft_id=drafts.draft_id_of(touch["touch_id"]),
        message_id=message_id,
        provider=house.email.name,
        wire=wire,
    )
    if frozen is None:
        raise LeadopsError("draft_gone", f"touch {touch['touch_id']}: its draft is gone.")
    return frozen


def _give_to_rep(
    connection: Connection,
    house: Outreach,
    fresh: LoadedTouch,
    words: Draft,
    token: str,
    now: datetime,
    report: Report,
) -> None:
    """A step for a person: the task is the message, and both are recorded in one commit."""
    touch = fresh.touch
    touches.hand_over(
        connection,
        touch["touch_id"],
        token,
        now=now,
        until=now,
        draft_id=drafts.draft_id_of(touch["touch_id"]),
        message_id=None,
        provider="rep_task",
    )
    task = {"title": words.subject or "Next step", "text": words.body, "touch_id": touch["touch_id"]}
    crm.enqueue(connection, [crm.Owed(f"task:{touch['touch_id']}", "task", touch["lead_id"], task)], now=now)
    result = SendResult(outcome=Outcome.ACCEPTED)
    settled = touches.record_sent(connection, touch, token, result, now=now)
    if settled is not None:
        tell_sent(connection, settled, house.playbook, now=now)
    report.count("sent")


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
