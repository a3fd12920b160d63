"""Invariants of one lead: what must be true of it after every step. Each yields what is wrong, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import holidays

from leadops.simulator.records import MACHINES
from leadops.simulator.seen import Row, Seen, committed
from leadops.terms import EventKind, Tier, TouchReason, TouchState

if TYPE_CHECKING:
    from leadops.playbook.model import Window
    from leadops.simulator.simulation import Simulation

_REASONS: dict[str, frozenset[str | None]] = {
    TouchState.PLANNED: frozenset(
        {
            TouchReason.SCHEDULED,
            TouchReason.OUTSIDE_WINDOW,
            TouchReason.MAILBOX_CAP,
            TouchReason.DOMAIN_CAP,
            TouchReason.MIN_GAP,
            TouchReason.PENDING_INBOUND,
            TouchReason.PREDECESSOR_UNKNOWN,
            TouchReason.PREDECESSOR_PENDING,
            TouchReason.PAUSED,
            TouchReason.OUT_OF_OFFICE,
            TouchReason.PROVIDER_RETRY,
            TouchReason.LEASE_EXPIRED,
            TouchReason.LEASED,
            TouchReason.RESUMED,
            TouchReason.APPROVED,
        }
    ),
    TouchState.CLAIMED: frozenset({TouchReason.LEASED}),
    TouchState.IN_REVIEW: frozenset({TouchReason.AWAITING_REVIEW, TouchReason.APPROVAL_VOID}),
    TouchState.HANDING_OVER: frozenset({TouchReason.IN_FLIGHT}),
    TouchState.SENT: frozenset({None}),
    TouchState.UNKNOWN: frozenset({TouchReason.AMBIGUOUS}),
    TouchState.FAILED: frozenset(
        {TouchReason.REJECTED, TouchReason.DRAFT_FAILED, TouchReason.RETRIES_EXHAUSTED, TouchReason.AMBIGUOUS}
    ),
    TouchState.CANCELLED: frozenset(
        {
            TouchReason.STOPPED,
            TouchReason.SUPPRESSED,
            TouchReason.ENROLMENT_ENDED,
            TouchReason.TIER_RAISED,
            TouchReason.ALREADY_SENT,
            TouchReason.NO_ADDRESS,
            TouchReason.REJECTED_BY_REVIEWER,
        }
    ),
}
"""State of a touch -> reasons it may bear (R34): a partition of everything that was not sent."""

_FINAL = frozenset({TouchState.SENT, TouchState.CANCELLED, TouchState.FAILED})
_NOT_HANDED_OVER = frozenset({TouchState.PLANNED, TouchState.CLAIMED, TouchState.IN_REVIEW})
_PROVIDER_HAS = frozenset({TouchState.SENT})
_PROVIDER_MAY_HAVE = frozenset({TouchState.SENT, TouchState.UNKNOWN, TouchState.HANDING_OVER})


def one_live_enrolment(run: Simulation, seen: Seen) -> Iterator[str]:
    """However often somebody comes (R18, R19)."""
    del run
    if len(seen.live) > 1:
        yield f"{len(seen.live)} live enrolments"


def one_message_per_step(run: Simulation, seen: Seen) -> Iterator[str]:
    """By the vendor's own record: per touch, and per step of whatever ran at the same time for the person."""
    ran = {e["enrolment_id"]: e for e in seen.enrolments}
    by_step: dict[tuple[str, int], list[Row]] = {}
    for touch in seen.touches:
        mails = len(run.records.mails_of.get(touch["touch_id"], ()))
        if mails > 1:
            yield f"touch {touch['touch_id']} is {mails} messages at the vendor"
        if mails:
            by_step.setdefault((touch["sequence"], touch["step"]), []).append(touch)
    for (sequence, step), touches in by_step.items():
        for first, second in pairwise(touches):
            one, two = ran[first["enrolment_id"]], ran[second["enrolment_id"]]
            began = max(one["enrolled_at"], two["enrolled_at"])
            merged = seen.lead["merged_at"]
            if _runs_at(one, began) and _runs_at(two, began) and (merged is None or _later(second, merged)):
                yield f"step {sequence} {step} reached the person from two enrolments at once"


def _runs_at(enrolment: Row, at: datetime) -> bool:
    return enrolment["enrolled_at"] <= at and (enrolment["ended_at"] is None or enrolment["ended_at"] > at)


def _later(touch: Row, than: datetime) -> bool:
    return committed(touch["handed_over_at"]) > than


def ledger_and_vendor_agree(run: Simulation, seen: Seen) -> Iterator[str]:
    """At every moment, not only in the end: what the ledger says for certain is so (P1, R2)."""
    for touch in seen.touches:
        if touch["channel"] != "email":
            continue
        mails = run.records.mails_of.get(touch["touch_id"], ())
        state = TouchState(touch["state"])
        lost = state is TouchState.FAILED and touch["reason"] == TouchReason.AMBIGUOUS
        if state in _PROVIDER_HAS and not mails:
            yield f"touch {touch['touch_id']} is sent, and the vendor has never taken it"
        if mails and state not in _PROVIDER_MAY_HAVE and not lost:
            yield f"touch {touch['touch_id']} is {state.value}, and the vendor has taken it"


def nothing_after_a_stop(run: Simulation, seen: Seen) -> Iterator[str]:
    """By commits: the stop's, and the one into handing_over. A request already on the wire may land."""
    del run
    received = {e["event_id"]: e["received_at"] for e in seen.events}
    for stop in seen.lead["stops"] or ():
        at = received.get(stop["event_id"])
        for touch in seen.touches:
            handed = touch["handed_over_at"]
            if at is None or handed is None or handed <= at:
                continue
            if seen.lead["merged_at"] is not None and handed <= seen.lead["merged_at"]:
                continue  # before two turned out to be one, the stop of the one said nothing of the other
            yield f"touch {touch['touch_id']} was handed over {handed - at} after {stop['reason']}"


def only_what_was_approved_leaves(run: Simulation, seen: Seen) -> Iterator[str]:
    """Where a person decides: nothing without their word, and to the byte what they were shown (R24)."""
    if not run.plan.review:
        return
    for touch in seen.touches:
        for call in run.records.calls_of.get(touch["touch_id"], ()):
            approved = run.records.approved.get(touch["touch_id"])
            if approved is None:
                yield f"touch {touch['touch_id']} left and nobody had approved it"
            elif approved != call.body:
                yield f"touch {touch['touch_id']} left with other bytes than were approved"


def every_unsent_touch_says_why(run: Simulation, seen: Seen) -> Iterator[str]:
    """With a reason its state may have (P5, R34)."""
    del run
    for touch in seen.touches:
        if touch["reason"] not in _REASONS[touch["state"]]:
            yield f"touch {touch['touch_id']} is {touch['state']} because {touch['reason']}"


def ledger_moves_as_said(run: Simulation, seen: Seen) -> Iterator[str]:
    """What has ended does not move again; only what is unknown may turn out to be something."""
    for touch in seen.touches:
        was = run.records.states.get(touch["touch_id"])
        if was is None or was[0] == touch["state"]:
            continue
        if was[0] in _FINAL:
            yield f"touch {touch['touch_id']} went from {was[0]} ({was[1]}) to {touch['state']}"
        if was[0] == TouchState.UNKNOWN and touch["state"] in (TouchState.CLAIMED, TouchState.CANCELLED):
            yield f"touch {touch['touch_id']} went from unknown to {touch['state']}"


def what_was_decided_stays(run: Simulation, seen: Seen) -> Iterator[str]:
    """Attribution, variant and mailbox of an enrolment, a touch's time as planned (R24, R25, R31)."""
    fixed = [
        (e["enrolment_id"], ("source", "tier_at_enrolment", "variant", "mailbox", "reply_token"), e)
        for e in seen.enrolments
    ]
    fixed += [
        (t["touch_id"], ("first_due_at", "position", "sequence", "step", "mailbox"), t) for t in seen.touches
    ]
    for row_id, names, row in fixed:
        now = {name: row[name] for name in names}
        was = run.records.first_seen.setdefault(row_id, now)
        for name in names:
            if was[name] != now[name]:
                yield f"{name} of {row_id} was {was[name]} and is {now[name]}"


def thread_is_kept(run: Simulation, seen: Seen) -> Iterator[str]:
    """One sender, one subject, and each message cites the one before as it stood on the wire (R10, R25)."""
    for enrolment in seen.enrolments:
        mails = [
            (t, mail)
            for t in seen.mailed
            if t["enrolment_id"] == enrolment["enrolment_id"]
            for mail in run.records.mails_of.get(t["touch_id"], ())[:1]
        ]
        for (before, first), (touch, mail) in pairwise(mails):
            if mail.from_address != first.from_address:
                yield f"touch {touch['touch_id']} came from another mailbox than the thread"
            if _bare(mail.subject) != _bare(first.subject):
                yield f"touch {touch['touch_id']} changed the subject of the thread"
            cites = mail.headers.get("In-Reply-To", "")
            known = run.records.processed_at.get(before["touch_id"])
            calls = run.records.calls_of.get(touch["touch_id"], [])
            if (
                known is not None
                and calls
                and known < calls[0].begun_at
                and _folded(seen, before, calls[0].begun_at)
            ):
                if cites != first.smtp_id:
                    yield f"touch {touch['touch_id']} cites {cites}, on the wire was {first.smtp_id}"
            elif not cites:
                yield f"touch {touch['touch_id']} cites nothing"


def _folded(seen: Seen, before: Row, at: datetime) -> bool:
    """Whether the wire's Message-ID had reached the ledger: it is folded a while after it came."""
    del seen
    return before["message_id"] is not None and committed(before["settled_at"]) < at - timedelta(hours=1)


def _bare(subject: str) -> str:
    return subject.removeprefix("Re: ")


def windows_are_kept(run: Simulation, seen: Seen) -> Iterator[str]:
    """Where the person really is: the vendor got each request on a day and at an hour the playbook allows."""
    playbook = run.loaded.playbook
    for touch in seen.mailed:
        sequence = playbook.sequences[Tier(touch["sequence"])]
        window = playbook.window_for(sequence, first=touch["step"] == 1)
        for call in run.records.calls_of.get(touch["touch_id"], ()):
            person = run.person_at(call.to_address)
            if person is not None and not _open(window, call.begun_at, person.zone, person.country):
                local = call.begun_at.astimezone(ZoneInfo(person.zone))
                yield f"touch {touch['touch_id']} left at {local:%a %H:%M} in {person.zone}"


def _open(window: Window, at: datetime, zone: str, country: str) -> bool:
    local = at.astimezone(ZoneInfo(zone))
    if local.strftime("%a").lower() not in window.days:
        return False
    if window.skip_holidays and local.date() in _holidays(country, local.year):
        return False
    clock = local.time()
    return (window.start is None or window.start <= clock) and (window.end is None or clock < window.end)


def _holidays(country: str, year: int) -> Any:
    try:
        return holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return ()


def gaps_are_kept(run: Simulation, seen: Seen) -> Iterator[str]:
    """Two messages to one person are never closer than the sequence says (R21)."""
    playbook = run.loaded.playbook
    handed = [t for t in seen.touches if t["handed_over_at"] is not None]
    for before, touch in pairwise(handed):
        gap = timedelta(hours=playbook.sequences[Tier(touch["sequence"])].min_gap_hours)
        apart = touch["handed_over_at"] - before["handed_over_at"]
        merged = seen.lead["merged_at"]
        if apart < gap and (merged is None or _later(touch, merged)):
            yield f"touch {touch['touch_id']} left {apart} after the one before"


def bytes_are_frozen(run: Simulation, seen: Seen) -> Iterator[str]:
    """A retry carries what was written first (R1)."""
    for touch in seen.touches:
        calls = run.records.calls_of.get(touch["touch_id"], ())
        if len({c.body for c in calls}) > 1:
            yield f"touch {touch['touch_id']} was tried with different bytes"


def nobody_is_left_to_nobody(run: Simulation, seen: Seen) -> Iterator[str]:
    """Terminal, scheduled, or on a person's list: nobody waits for nothing (P3, R32)."""
    del run
    lead = seen.lead
    if not seen.at_rest or lead["became_lead_at"] is None or lead["parked"]:
        return
    if not seen.enrolments and lead["not_enrolled_reason"] is None:
        yield "is neither enrolled nor told why not"
    for enrolment in seen.live:
        ahead = enrolment["pending_plan"] or enrolment["finish_at"] or enrolment["resume_at"]
        open_ones = [
            t
            for t in seen.touches
            if t["enrolment_id"] == enrolment["enrolment_id"] and t["state"] not in _FINAL
        ]
        if not ahead and not open_ones:
            yield f"enrolment {enrolment['enrolment_id']} is {enrolment['state']} with nothing ahead"
    ended = {e["enrolment_id"] for e in seen.enrolments} - {e["enrolment_id"] for e in seen.live}
    for touch in seen.touches:
        if touch["enrolment_id"] in ended and touch["state"] in _NOT_HANDED_OVER:
            yield f"touch {touch['touch_id']} is {touch['state']} in an enrolment that has ended"


def who_answered_has_a_person(run: Simulation, seen: Seen) -> Iterator[str]:
    """An answer or a booking is on a rep's list, with owner and time (R32)."""
    reps = {rep.id for rep in run.loaded.playbook.handoff.reps}
    for handoff in seen.handoffs:
        if handoff["owner"] not in reps or handoff["sla_due_at"] < handoff["created_at"]:
            yield f"handoff {handoff['handoff_id']} has no owner or no time"
    asks = {s["reason"] for s in seen.lead["stops"] or ()} & {"replied", "meeting_booked"}
    if seen.at_rest and asks and seen.lead["opted_out_at"] is None and not seen.handoffs:
        yield f"{min(asks)} and nobody was given the lead"


def withdrawals_are_for_good(run: Simulation, seen: Seen) -> Iterator[str]:
    """Who opted out or bounced is live nowhere (R11, R12, R14, R19)."""
    del run
    gone = seen.lead["opted_out_at"] or seen.lead["hard_bounced_at"]
    if gone and seen.at_rest and seen.live:
        yield f"withdrew at {gone} and is live"


def machines_stop_nothing(run: Simulation, seen: Seen) -> Iterator[str]:
    """An absence note or an acknowledgement is no answer; an answer of a person is one (R7, R7b, R8)."""
    stops = {s["event_id"] for s in seen.lead["stops"] or ()}
    for event in seen.events:
        came = run.records.came.get(event["event_id"])
        if came is None or event["class"] is None:
            continue
        if came.truth in MACHINES and event["event_id"] in stops:
            yield f"event {event['event_id']} ({came.truth}) stopped the lead"
        if came.truth in _PEOPLE and event["class"] not in _HUMAN:
            yield f"event {event['event_id']} ({came.truth}) was taken for {event['class']}"


_PEOPLE = frozenset({"interested", "question", "not_interested", "opt_out"})
_HUMAN = frozenset({"human", "positive", "negative", "opt_out"})


def bots_decide_nothing(run: Simulation, seen: Seen) -> Iterator[str]:
    """No more clicks count than people made (R13)."""
    came = run.records.came
    clicks = [e["event_id"] for e in seen.events if e["kind"] == EventKind.EMAIL_CLICKED]
    if any(i not in came for i in clicks):
        return  # whoever took it in died before saying so; the vendor tells it again
    people = sum(came[i].truth == "click:human" for i in clicks)
    counted = seen.lead["human_clicks"] or 0
    if counted > people:
        yield f"{counted} clicks count, people made {people}"
