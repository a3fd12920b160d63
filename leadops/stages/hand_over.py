"""The step into handing_over: gates, bytes and keys of some touches in one commit, before their calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from leadops.domain import eligibility
from leadops.domain.headers import READING
from leadops.domain.keys import Keyring
from leadops.domain.mail import compose, dated, digest_of, message_id_for, unsubscribe_url
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook
from leadops.stages.facts import LoadedTouch, around, facts, load, mailbox_of
from leadops.stages.report import Report
from leadops.stages.settle import settle_sent
from leadops.store import crm, drafts, gate, reviews, touches
from leadops.store.engine import transaction
from leadops.terms import Channel, Draft, Gate, Outcome, SendResult, TouchReason

if TYPE_CHECKING:
    from leadops.stages.outreach import Outreach


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed touch with its words."""

    loaded: LoadedTouch
    token: str
    words: Draft
    review: bool = False
    """Whether a person must have approved its message."""

    @property
    def touch_id(self) -> str:
        return str(self.loaded.touch["touch_id"])

    @property
    def enrolment_id(self) -> str:
        return str(self.loaded.touch["enrolment_id"])

    @property
    def lead_id(self) -> str:
        return str(self.loaded.touch["lead_id"])

    @property
    def urgency(self) -> tuple[int, datetime, str]:
        """Smallest first."""
        touch = self.loaded.touch
        return touch["urgency"], touch["due_at"], touch["touch_id"]


@dataclass(frozen=True, slots=True)
class Handed:
    """A touch whose step into handing_over has committed: these bytes may leave until ``until``."""

    work: Work
    wire: bytes
    mailbox: str
    recipient: str
    until: datetime


def hand_over(
    house: Outreach, works: Sequence[Work], clock: Callable[[], datetime], report: Report
) -> list[Handed]:
    """What may leave once this has returned, which is after its commit; one of a lead at most.

    The locks first; then, in statements of their own, what the gates read (see ``store/gate.py``), and the
    time, because waiting for a lock takes some. Raises whatever goes wrong: then nothing of it has happened.
    """
    by_id = {work.touch_id: work for work in works}
    playbook, keyring = house.playbook, house.keyring
    with transaction(house.engine) as connection:
        gate.lock_shared(connection, {k for w in works for k in w.loaded.keys(keyring)})
        mine = touches.lock_for_handover(
            connection,
            {w.touch_id: w.token for w in works},
            enrolments={w.enrolment_id for w in works},
            caps={c for w in works for c in _cap_scope(playbook, w.loaded)},
        )
        report.count("lost_claim", len(by_id.keys() - mine))
        now = clock()
        loaded = load(connection, mine)
        stands = around(connection, loaded.values(), playbook, keyring, now=now)
        going: list[tuple[Work, LoadedTouch]] = []
        held: list[tuple[Work, LoadedTouch]] = []
        for touch_id in (w.touch_id for w in works if w.touch_id in mine):
            work, fresh = by_id[touch_id], loaded[touch_id]
            if not fresh.keys(keyring) <= work.loaded.keys(keyring):
                # The person changed since (a merge): the locks held are not all the locks needed.
                touches.defer(connection, touch_id, work.token, TouchReason.LEASED, now)
                report.count("deferred:leased")
                continue
            refusal = eligibility.verdict(eligibility.gates(facts(fresh, stands, playbook, keyring), now))
            if refusal is not None:
                refuse(connection, fresh.touch, work.token, refusal, now, report)
            elif Channel(fresh.touch["channel"]) is Channel.REP_TASK:
                _give_to_rep(connection, house, work, now, report)
            elif work.review and fresh.touch["approved_digest"] is None:
                held.append((work, fresh))
            else:
                stands = stands.after(fresh.touch["mailbox"], now)
                going.append((work, fresh))
        until = now + timedelta(seconds=playbook.delivery.handover_seconds)
        approved, void = _approved(connection, going, now)
        if void:
            going = [(work, fresh) for work, fresh in going if work.touch_id not in void]
        wires = _freeze(connection, house, going, approved, now, until) if going else {}
        _hold(connection, house, held, TouchReason.AWAITING_REVIEW, now, report)
        _hold(connection, house, list(void.values()), TouchReason.APPROVAL_VOID, now, report)
        return [
            Handed(work, wire, fresh.touch["mailbox"], _recipient(wire, fresh, keyring), until)
            for work, fresh in going
            if (wire := wires[work.touch_id])
        ]


def refuse(
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


def _cap_scope(playbook: Playbook, loaded: LoadedTouch) -> list[str]:
    """What must be counted alone: the mailbox, and its domain where that has a cap."""
    address = loaded.touch["mailbox"]
    domain = address.rpartition("@")[2]
    return [address, "@" + domain] if playbook.sender.domain_daily_cap else [address]


def _approved(
    connection: Connection, going: Sequence[tuple[Work, LoadedTouch]], now: datetime
) -> tuple[dict[str, bytes], dict[str, tuple[Work, LoadedTouch]]]:
    """Of touches that a person has approved: (touch_id -> the very bytes, those that have others by now)."""
    theirs = {w.touch_id: (w, fresh) for w, fresh in going if fresh.touch["approved_digest"] is not None}
    found: dict[str, bytes] = {}
    if not theirs:
        return found, {}
    for touch_id, kept in reviews.kept(connection, theirs).items():
        # Handed over before: those bytes, with the Date they had then.
        wire = kept.wire or (dated(kept.proof, now) if kept.proof else None)
        if wire is not None and digest_of(wire) == theirs[touch_id][1].touch["approved_digest"]:
            found[touch_id] = wire
    return found, {i: pair for i, pair in theirs.items() if i not in found}


def _hold(
    connection: Connection,
    house: Outreach,
    held: Sequence[tuple[Work, LoadedTouch]],
    reason: TouchReason,
    now: datetime,
    report: Report,
) -> None:
    """Their messages as they would leave now wait for a person."""
    if not held:
        return
    threads = _threads(connection, held)
    given = [
        reviews.Held(work.touch_id, work.token, made.draft_id, made.wire)
        for work, fresh in held
        if (made := _composed(house, work, fresh, threads.get(work.enrolment_id, []), now)).wire
    ]
    waiting = reviews.hold(connection, given, reason, now=now)
    for work, fresh in held:
        if work.touch_id not in waiting:
            raise _draft_gone(work)
        if reason is TouchReason.APPROVAL_VOID:
            touch = fresh.touch
            digests = {work.touch_id: touch["approved_digest"]}
            reviews.record(connection, digests, "void", touch["reviewed_by"], now=now)
        report.count("in_review" if reason is TouchReason.AWAITING_REVIEW else reason.value)
        report.lead_ids.add(work.lead_id)


def _threads(
    connection: Connection, works: Sequence[tuple[Work, LoadedTouch]]
) -> dict[str, list[tuple[str, str]]]:
    in_threads = {w.enrolment_id for w, fresh in works if fresh.message_ids}
    return drafts.threads(connection, in_threads) if in_threads else {}


def _draft_gone(work: Work) -> LeadopsError:
    return LeadopsError("draft_gone", f"touch {work.touch_id}: its draft is gone.")


def _freeze(
    connection: Connection,
    house: Outreach,
    going: Sequence[tuple[Work, LoadedTouch]],
    approved: Mapping[str, bytes],
    now: datetime,
    until: datetime,
) -> dict[str, bytes]:
    """touch_id -> its message's bytes, fixed for good: those ``approved``, else what is composed now."""
    threads = _threads(connection, going)
    given = [
        _composed(house, work, fresh, threads.get(work.enrolment_id, []), now, approved.get(work.touch_id))
        for work, fresh in going
    ]
    frozen = touches.hand_over(connection, given, now=now, until=until, provider=house.email.name)
    wires = {touch_id: wire for touch_id, wire in frozen.items() if wire is not None}
    for work, _ in going:
        if work.touch_id not in wires:
            raise _draft_gone(work)
        if wires[work.touch_id] != approved.get(work.touch_id, wires[work.touch_id]):
            raise LeadopsError("not_as_approved", f"touch {work.touch_id}: its bytes changed just now.")
    return wires


def _composed(
    house: Outreach,
    work: Work,
    fresh: LoadedTouch,
    thread: Sequence[tuple[str, str]],
    now: datetime,
    approved: bytes | None = None,
) -> touches.HandOver:
    touch = fresh.touch
    mailbox = mailbox_of(touch, house.playbook)
    message_id = touch["message_id"] or message_id_for(touch["touch_id"], mailbox.address.rpartition("@")[2])
    wire = approved or compose(
        touch_id=touch["touch_id"],
        draft=work.words,
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
    return touches.HandOver(work.touch_id, work.token, drafts.draft_id_of(work.touch_id), message_id, wire)


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


def _give_to_rep(connection: Connection, house: Outreach, work: Work, now: datetime, report: Report) -> None:
    """A step for a person: the task is the message, and both are recorded in one commit."""
    touch_id, words = work.touch_id, work.words
    given = touches.HandOver(touch_id, work.token, drafts.draft_id_of(touch_id))
    touches.hand_over(connection, [given], now=now, until=now, provider="rep_task")
    task = {"title": words.subject or "Next step", "text": words.body, "touch_id": touch_id}
    crm.enqueue(connection, [crm.Owed(f"task:{touch_id}", "task", work.lead_id, task)], now=now)
    sent = touches.Sent(touch_id, work.enrolment_id, work.token, SendResult(outcome=Outcome.ACCEPTED))
    settle_sent(connection, [sent], house.playbook, now=now)
    report.count("sent")
