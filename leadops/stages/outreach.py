"""Due touches -> drafted -> gated -> handed over -> recorded. The only stage that lets anything leave.

Two commits frame every call: before it, the step into handing_over with the frozen bytes; after it,
the outcome. A crash between them leaves ``handing_over``, which becomes ``unknown`` and is never sent
again by itself (R1, R2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain import eligibility
from leadops.domain.keys import Keyring
from leadops.domain.mail import compose, message_id_for
from leadops.domain.slots import draft, evidence_of
from leadops.errors import BadInput, LeadopsError
from leadops.playbook.model import Playbook, Template
from leadops.providers.email.port import EmailPort
from leadops.providers.llm.port import SlotWriter
from leadops.stages import enrich as enrichment
from leadops.stages.facts import LoadedTouch, facts, load, mailbox_of
from leadops.stages.report import Report
from leadops.stages.settle import settle, tell_sent
from leadops.store import crm, drafts, enrolments, gate, touches
from leadops.store.engine import transaction
from leadops.terms import Channel, Draft, Gate, Outcome, SendResult, TouchReason, stable_id

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Outreach:
    """What this stage works with; one per process."""

    engine: Engine
    playbook: Playbook
    templates: Mapping[str, Template]
    keyring: Keyring
    writer: SlotWriter
    email: EmailPort


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
    token = stable_id("lease", now.isoformat(), _unique())
    lease = timedelta(seconds=house.playbook.delivery.lease_seconds)
    with transaction(house.engine) as connection:
        claimed = touches.claim_due(connection, now=now, limit=limit, token=token, lease=lease)
    report.dispatches.count("claimed", len(claimed))
    if claimed:
        ready = _screen(house, [t["touch_id"] for t in claimed], token, now, report)
        written = _write_drafts(house, ready, token, now, report)
        for touch_id, words in written.items():
            _one(house, ready[touch_id], words, token, clock, report.dispatches)
    with transaction(house.engine) as connection:
        report.dispatches.pending = touches.due_count(connection, now=clock())
    return report


def _unique() -> str:
    import uuid

    return uuid.uuid4().hex


def _screen(
    house: Outreach, touch_ids: Sequence[str], token: str, now: datetime, report: OutreachReport
) -> dict[str, LoadedTouch]:
    """Send back at once what a gate refuses already, before anything is spent on words."""
    ready = {}
    with transaction(house.engine) as connection:
        loaded = load(connection, touch_ids)
        for touch_id in touch_ids:
            try:
                found = facts(connection, loaded[touch_id], house.playbook, house.keyring, now=now)
                refusal = eligibility.verdict(eligibility.gates(found, now))
            except LeadopsError as error:
                _fail(connection, loaded[touch_id], token, error.code, now, report.dispatches)
                continue
            if refusal is None:
                ready[touch_id] = loaded[touch_id]
            else:
                _refuse(connection, loaded[touch_id], token, refusal, now, report.dispatches)
    return ready


def _refuse(
    connection: Connection, loaded: LoadedTouch, token: str, refusal: Gate, now: datetime, report: Report
) -> None:
    reason = refusal.reason or TouchReason.STOPPED
    touch_id = loaded.touch["touch_id"]
    if refusal.retry_at is not None:
        touches.defer(connection, touch_id, token, reason, refusal.retry_at)
        report.count(f"deferred:{reason.value}")
    else:
        touches.cancel_claimed(connection, touch_id, token, reason, now=now)
        touches.close_if_done(connection, [loaded.touch["enrolment_id"]], now)
        report.count(f"cancelled:{reason.value}")


def _fail(
    connection: Connection, loaded: LoadedTouch, token: str, code: str, now: datetime, report: Report
) -> None:
    touch_id = loaded.touch["touch_id"]
    touches.record_failed(connection, touch_id, token, TouchReason.DRAFT_FAILED, code, now=now)
    touches.close_if_done(connection, [loaded.touch["enrolment_id"]], now)
    report.parked[touch_id] = code
    report.count(f"failed:{TouchReason.DRAFT_FAILED.value}")


def _write_drafts(
    house: Outreach, ready: Mapping[str, LoadedTouch], token: str, now: datetime, report: OutreachReport
) -> dict[str, Draft]:
    """Words for each touch, in the order given; one that has words keeps them."""
    if not ready:
        return {}
    with transaction(house.engine) as connection:
        written = drafts.of_touches(connection, ready)
        evidence = enrichment.evidence_of(connection, sorted({t.touch["lead_id"] for t in ready.values()}))
        threads = drafts.threads(connection, {t.touch["enrolment_id"] for t in ready.values()})
    new: dict[str, Draft] = {}
    failed: dict[str, str] = {}
    for touch_id, loaded in ready.items():
        if touch_id in written:
            report.drafts.count("kept")
            continue
        thread = threads.get(loaded.touch["enrolment_id"], [])
        try:
            new[touch_id] = _draft_one(house, loaded, evidence[loaded.touch["lead_id"]], thread)
        except LeadopsError as error:
            failed[touch_id] = error.code
        except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
            failed[touch_id] = f"draft_{type(error).__name__}"
    with transaction(house.engine) as connection:
        drafts.save(connection, new, now=now)
        for touch_id, code in failed.items():
            _fail(connection, ready[touch_id], token, code, now, report.dispatches)
        written |= drafts.of_touches(connection, new)
    _count_drafts(report.drafts, new, ready)
    return {i: written[i] for i in ready if i in written}


def _count_drafts(report: Report, new: Mapping[str, Draft], ready: Mapping[str, LoadedTouch]) -> None:
    report.count("drafted", len(new))
    for touch_id, words in new.items():
        report.count("neutral_slots", sum(s.evidence == "neutral" for s in words.slots))
        report.count("evidence_slots", sum(s.evidence != "neutral" for s in words.slots))
        report.count("tokens", words.tokens)
        report.lead_ids.add(ready[touch_id].touch["lead_id"])


def _draft_one(
    house: Outreach, loaded: LoadedTouch, evidence: Mapping[str, Any], thread: Sequence[tuple[str, str]]
) -> Draft:
    template = house.templates.get(loaded.touch["template"])
    if template is None:
        raise BadInput("template_gone", f"touch {loaded.touch['touch_id']}: its template is gone.")
    filled = house.writer.write(template, evidence_of(loaded.state, evidence))
    subject = thread[0][1] if thread else None
    if subject is not None:
        # A raised enrolment begins another sequence but stays in its thread (R10).
        template = template.model_copy(update={"subject": ""})
    return draft(
        template,
        filled.slots,
        subject,
        writer=house.writer.name,
        tokens=filled.tokens,
        cost=filled.cost_usd,
    )


def _one(
    house: Outreach, loaded: LoadedTouch, words: Draft, token: str, clock: Clock, report: Report
) -> None:
    """One touch: gate and hand-over in one commit, the call, the outcome in another."""
    touch_id = loaded.touch["touch_id"]
    try:
        wire = _hand_over(house, loaded, words, token, clock(), report)
    except LeadopsError as error:
        if error.code.startswith("db_"):
            raise
        with transaction(house.engine) as connection:
            _fail(connection, loaded, token, error.code, clock(), report)
        return
    if wire is None:
        return
    address = loaded.state.address or ""
    result = house.email.send(touch_id, loaded.touch["mailbox"], address, wire)
    with transaction(house.engine) as connection:
        settle(connection, loaded, token, result, house.playbook, now=clock(), report=report)
    report.lead_ids.add(loaded.touch["lead_id"])


def _hand_over(
    house: Outreach, loaded: LoadedTouch, words: Draft, token: str, now: datetime, report: Report
) -> bytes | None:
    """The frozen bytes that may leave once this has committed, or None where they may not.

    The locks first; then, in statements of their own, what the gates read (see ``store/gate.py``).
    """
    touch_id = loaded.touch["touch_id"]
    with transaction(house.engine) as connection:
        gate.lock_shared(connection, loaded.keys(house.keyring))
        touches.lock_caps(connection, _cap_scope(house.playbook, loaded))
        if touches.lock_claimed(connection, touch_id, token) is None:
            report.count("lost_claim")
            return None
        fresh = load(connection, [touch_id])[touch_id]
        if not fresh.keys(house.keyring) <= loaded.keys(house.keyring):
            # The person changed since (a merge): the locks held are not all the locks needed.
            touches.defer(connection, touch_id, token, TouchReason.LEASED, now)
            report.count("deferred:leased")
            return None
        found = facts(connection, fresh, house.playbook, house.keyring, now=now)
        refusal = eligibility.verdict(eligibility.gates(found, now))
        if refusal is not None:
            _refuse(connection, fresh, token, refusal, now, report)
            return None
        if Channel(fresh.touch["channel"]) is Channel.REP_TASK:
            _give_to_rep(connection, house, fresh, words, token, now, report)
            return None
        return _freeze(connection, house, fresh, words, token, now)


def _cap_scope(playbook: Playbook, loaded: LoadedTouch) -> list[str]:
    """What must be counted alone: the mailbox, and its domain where that has a cap."""
    address = loaded.touch["mailbox"]
    domain = address.rpartition("@")[2]
    return [address, "@" + domain] if playbook.sender.domain_daily_cap else [address]


def _freeze(
    connection: Connection, house: Outreach, fresh: LoadedTouch, words: Draft, token: str, now: datetime
) -> bytes:
    touch = fresh.touch
    mailbox = mailbox_of(touch, house.playbook)
    message_id = touch["message_id"] or message_id_for(touch["touch_id"], mailbox.address.rpartition("@")[2])
    thread = drafts.threads(connection, [touch["enrolment_id"]]).get(touch["enrolment_id"], [])
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
    )
    draft_id = drafts.draft_id_of(touch["touch_id"])
    touches.hand_over(
        connection,
        touch["touch_id"],
        token,
        now=now,
        until=now + timedelta(seconds=house.playbook.delivery.handover_seconds),
        draft_id=draft_id,
        message_id=message_id,
        provider=house.email.name,
    )
    return drafts.freeze(connection, draft_id, wire)


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
        message_id="",
        provider="rep_task",
    )
    task = {"title": words.subject or "Next step", "text": words.body, "touch_id": touch["touch_id"]}
    crm.enqueue(connection, [crm.Owed(f"task:{touch['touch_id']}", "task", touch["lead_id"], task)], now=now)
    result = SendResult(outcome=Outcome.ACCEPTED)
    settled = touches.record_sent(connection, touch["touch_id"], token, result, now=now)
    if settled is not None:
        tell_sent(connection, settled, house.playbook, now=now)
    report.count("sent")


def tend(house: Outreach, *, now: datetime, limit: int = 500) -> Report:
    """End pauses whose time is up and finish enrolments with nothing left to send. Counts both."""
    report = Report("tend")
    with transaction(house.engine) as connection:
        report.count("resumed", len(enrolments.resume_due(connection, now=now)))
        finished = enrolments.finish_due(connection, now=now, limit=limit)
        told = [
            crm.Owed(
                f"enrolment:{e['enrolment_id']}:ended",
                "enrolment",
                e["lead_id"],
                {"enrolment_id": e["enrolment_id"], "state": "finished_no_reply", "at": now.isoformat()},
            )
            for e in finished
        ]
        crm.enqueue(connection, told, now=now)
        report.count("finished", len(finished))
    return report
