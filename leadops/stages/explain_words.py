"""Codes of the ledger said as a person says them: reasons, stops, exits. Pure; knows no database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leadops.domain.enriching import NOT_A_LEAD
from leadops.terms import (
    LIVE_ENROLMENT_STATES,
    Channel,
    EnrolmentState,
    ExitReason,
    Gate,
    TouchReason,
    TouchState,
)

TOUCH_REASON: Mapping[TouchReason, str] = {
    TouchReason.SCHEDULED: "it is planned for later",
    TouchReason.LEASED: "it is being prepared right now",
    TouchReason.OUTSIDE_WINDOW: "it is outside the hours in which this lead may be written to",
    TouchReason.MAILBOX_CAP: "the mailbox has sent all it may in 24 hours",
    TouchReason.DOMAIN_CAP: "the sending domain has sent all it may in 24 hours",
    TouchReason.MIN_GAP: "the lead was contacted too short a time ago",
    TouchReason.PENDING_INBOUND: "a message that may stop it is not processed yet",
    TouchReason.PREDECESSOR_UNKNOWN: "it is not known whether an earlier touch arrived",
    TouchReason.PREDECESSOR_PENDING: "an earlier touch is still to go",
    TouchReason.PAUSED: "it is paused",
    TouchReason.OUT_OF_OFFICE: "the lead is out of office",
    TouchReason.PROVIDER_RETRY: "the provider did not take it, and it is tried again",
    TouchReason.LEASE_EXPIRED: "the worker that held it went away, and it waits for the next one",
    TouchReason.RESUMED: "it was paused and waits for its new turn",
    TouchReason.APPROVED: "it was approved and waits for its turn",
    TouchReason.AWAITING_REVIEW: "it waits for a person to approve it",
    TouchReason.APPROVAL_VOID: "what was about to leave was not what was approved; a person looks again",
    TouchReason.STOPPED: "the lead was stopped",
    TouchReason.SUPPRESSED: "the lead or their company must not be contacted",
    TouchReason.ENROLMENT_ENDED: "the sequence had ended",
    TouchReason.TIER_RAISED: "the lead was moved up to a more urgent sequence",
    TouchReason.ALREADY_SENT: "this step had already gone to the same person under another record",
    TouchReason.NO_ADDRESS: "there is no e-mail address",
    TouchReason.REJECTED: "the provider refused it for good",
    TouchReason.REJECTED_BY_REVIEWER: "a person rejected it",
    TouchReason.DRAFT_FAILED: "no message could be written",
    TouchReason.RETRIES_EXHAUSTED: "the provider did not take it after all tries",
    TouchReason.AMBIGUOUS: "the call to the provider ended without an answer",
    TouchReason.IN_FLIGHT: "it is with the provider right now",
}

EXIT_REASON: Mapping[ExitReason, str] = {
    ExitReason.REPLIED: "the lead replied",
    ExitReason.OPTED_OUT: "the lead opted out",
    ExitReason.BOUNCED: "the address does not work",
    ExitReason.COMPLAINED: "the lead complained about a message",
    ExitReason.MEETING_BOOKED: "a meeting was booked",
    ExitReason.REP_TOOK_OVER: "a rep took over",
    ExitReason.DEAL_WON: "the deal was won",
    ExitReason.DEAL_LOST: "the deal was lost",
    ExitReason.LEFT_COMPANY: "the lead left the company",
    ExitReason.COMPLETED: "every step was done and nobody answered",
    ExitReason.MERGED: "the lead turned out to be another one that already had a sequence",
    ExitReason.DISPOSITION: "a rep decided about the lead",
    ExitReason.ALL_TOUCHES_FAILED: "no touch could be delivered",
    ExitReason.SUPPRESSED: "the lead or their company must not be contacted",
    ExitReason.NO_ADDRESS: "there is no e-mail address",
    ExitReason.TOO_OLD: "what they asked for is too long ago",
    ExitReason.COOLDOWN: "the last sequence is too short a time ago",
    ExitReason.TEST_OR_SPAM: "it is a test or spam",
    ExitReason.DISQUALIFIED: "the scorecard rules them out",
    ExitReason.REP_FIRST: "a rep has them from the first touch, and nothing is sent automatically",
}

HANDOFF_REASON: Mapping[str, str] = {
    "replied": "they replied: answer them",
    "meeting_booked": "they booked a meeting: prepare it",
    "lead_returned": "a known lead came back",
    "not_reached": "no message could be sent: reach them another way",
    "unknown_outcome": "check whether a message arrived",
    "unmatched_message": "somebody unknown wrote: read it",
    "rep_first": "a new lead that gets no automated message: be the first to reach them",
}

# Reasons a planned touch was put off for; while it waits for its new time they say more than "later".
_PUT_OFF = frozenset(TouchReason) - {
    TouchReason.SCHEDULED,
    TouchReason.LEASED,
    TouchReason.LEASE_EXPIRED,
    TouchReason.RESUMED,
    TouchReason.APPROVED,
}


def utc(at: datetime) -> str:
    """Minute precision, as the gates say it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def say_exit(code: str | None) -> str:
    """An exit reason (or why nobody is asked about a lead) in words; a code of a later version as it is."""
    if code == NOT_A_LEAD:
        return "they have not asked for anything"
    try:
        return EXIT_REASON[ExitReason(code or "")]
    except ValueError:
        return (code or "no reason recorded").replace("_", " ")


def say_reason(code: str | None) -> str:
    """A touch reason in words; a code of a later version as it is."""
    try:
        return TOUCH_REASON[TouchReason(code or "")]
    except ValueError:
        return (code or "no reason recorded").replace("_", " ")


def say_handoff(code: str) -> str:
    """Why a person has the lead, in words."""
    return HANDOFF_REASON.get(code, code.replace("_", " "))


def say_enrolment(row: Mapping[str, Any]) -> str:
    """The state of an enrolment in one sentence without a full stop."""
    state = EnrolmentState(row["state"])
    if state not in LIVE_ENROLMENT_STATES:
        return f"ended {utc(row['ended_at'])}: {say_exit(row['exit_reason'])}"
    until = f" until {utc(row['resume_at'])}" if row["resume_at"] else ""
    if state is EnrolmentState.PAUSED_OOO:
        return f"running, but waits: the lead is out of office{until}"
    if state is EnrolmentState.PAUSED:
        return f"running, but paused{until}"
    if row["finish_at"]:
        return f"nothing left to send; finishes {utc(row['finish_at'])} unless they answer"
    return "running; its touches are planned next" if row["pending_plan"] else "running"


def say_raised(row: Mapping[str, Any], *, by_score: bool) -> str | None:
    """What moved an enrolment up; None where it is in the tier it began in.

    ``by_score``: a score reached that tier since; only a person's click raises without one.
    """
    began = row["tier_at_enrolment"]
    if row["tier"] == began:
        return None
    return f"raised from {began}: {'their score rose' if by_score else 'they clicked'}"


def say_touch(
    touch: Mapping[str, Any], exit_reason: str | None, refusal: Gate | None, error: str | None
) -> str:
    """That a touch was sent, or "not sent because ...": as recorded where it is over, else the gate's word.

    ``refusal`` is the gate that decides at the moment asked about; ``exit_reason`` is its enrolment's.
    """
    state = TouchState(touch["state"])
    if state is TouchState.SENT:
        how = "given to a rep as a task" if touch["channel"] == Channel.REP_TASK else "sent"
        return f"{how} {utc(touch['handed_over_at'] or touch['settled_at'])}"
    if state in (TouchState.CANCELLED, TouchState.FAILED):
        return _over(touch, exit_reason)
    if state is TouchState.UNKNOWN:
        return (
            f"not known to be sent because {say_reason(TouchReason.AMBIGUOUS.value)}"
            f"{_when(' at', touch['handed_over_at'])}; it is never sent again by itself: look whether it "
            f"arrived, then leadops touches resolve {touch['touch_id']}"
        )
    if state is TouchState.HANDING_OVER:
        return f"not sent yet because {say_reason(TouchReason.IN_FLIGHT.value)}"
    if state is TouchState.CLAIMED:
        held = _when(" until", touch["lease_until"])
        return f"not sent yet because {say_reason(TouchReason.LEASED.value)} (held{held})"
    if state is TouchState.IN_REVIEW:
        since = _when(", since", touch["in_review_since"])
        look = f"leadops review show {touch['touch_id']}"
        return f"not sent yet because {say_reason(touch['reason'])}{since}: {look}"
    return _planned(touch, refusal, error)


def _when(word: str, at: datetime | None) -> str:
    return f"{word} {utc(at)}" if at else ""


def _over(touch: Mapping[str, Any], exit_reason: str | None) -> str:
    reason, detail = touch["reason"], touch["detail"]
    said = say_reason(reason)
    if reason in (TouchReason.STOPPED, TouchReason.ENROLMENT_ENDED) and exit_reason:
        said = say_exit(exit_reason)
    if detail and detail.startswith("given_up:"):
        said = "it is not known whether it arrived, and a person gave it up"
    return f"not sent because {said}{f' ({detail})' if detail else ''}{_when(';', touch['settled_at'])}"


def _planned(touch: Mapping[str, Any], refusal: Gate | None, error: str | None) -> str:
    recorded = touch["reason"]
    if error is not None:
        return f"not sent because {say_reason(recorded)}; what holds it now cannot be said: {error}"
    if refusal is None:
        return "not sent yet, but nothing holds it: it goes with the next pass"
    if refusal.retry_at is None:
        held = f"{say_reason(refusal.reason)} ({refusal.value})"
        return f"not sent because {held}; it is cancelled at its next turn"
    if refusal.reason is TouchReason.SCHEDULED and recorded in _PUT_OFF:
        tried = f" ({touch['detail']})" if touch["detail"] else ""
        return f"not sent because {say_reason(recorded)}{tried}; put off until {utc(touch['due_at'])}"
    if refusal.reason is TouchReason.SCHEDULED:
        return f"not sent because it is planned for {utc(refusal.retry_at)}"
    held = f"{say_reason(refusal.reason)} ({refusal.value})"
    return f"not sent because {held}; looked at again {utc(refusal.retry_at)}"
