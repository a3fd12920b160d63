"""Should this lead be in a sequence now? Enrol, raise, refuse with a reason, or leave as it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from leadops.domain.sequencing import raised_tier, share_of
from leadops.playbook.model import Playbook
from leadops.terms import EventKind, ExitReason, LeadState, Tier

REP_FIRST = "rep_first"
"""The variant of who is a person's from the first touch."""


class Verdict(StrEnum):
    ENROL = "enrol"
    RAISE = "raise"
    REFUSE = "refuse"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class PastEnrolment:
    """One enrolment the lead has had. ``live`` ones hold the person's one place."""

    enrolment_id: str
    lead_event_id: str
    enrolled_at: datetime
    ended_at: datetime | None
    tier: Tier
    live: bool
    tier_at_enrolment: Tier


@dataclass(frozen=True, slots=True)
class EnrolDecision:
    """``reason`` for REFUSE; ``tier`` for RAISE. ``to_person``: a rep must see the lead because no sequence
    will."""

    verdict: Verdict
    reason: ExitReason | None = None
    enrolment_id: str | None = None
    tier: Tier | None = None
    to_person: bool = False


_LEAVE = EnrolDecision(Verdict.LEAVE)
_ASKS_FOR_A_PERSON = frozenset({EventKind.DEMO_REQUESTED, EventKind.MESSAGE_RECEIVED})
GONE = frozenset({ExitReason.OPTED_OUT, ExitReason.COMPLAINED, ExitReason.BOUNCED, ExitReason.LEFT_COMPANY})
"""Stops after which nobody is there to be written to."""


def decide(
    state: LeadState,
    tier: Tier,
    past: Sequence[PastEnrolment],
    suppressed: bool,
    playbook: Playbook,
    now: datetime,
    disqualified: bool = False,
) -> EnrolDecision:
    """The decision for one scored lead at ``now`` (aware UTC).

    A lead event that has been acted on once is never acted on again (R18): replaying the log enrols nobody.
    Who is ``disqualified`` by the scorecard enters nothing; who is being written to already stays where they
    are, no higher: a person may end that.
    """
    live = next((e for e in past if e.live), None)
    if live is not None:
        if disqualified:
            return _LEAVE
        higher = raised_tier(live.tier, _by_clicks(state, live, tier, playbook))
        if higher is None:
            return _LEAVE
        return EnrolDecision(Verdict.RAISE, enrolment_id=live.enrolment_id, tier=higher)
    if state.last_lead_event is None or state.last_lead_at is None:
        return _LEAVE
    if any(e.lead_event_id == state.last_lead_event for e in past):
        return _LEAVE
    reason = _why_not(state, state.last_lead_at, past, suppressed, playbook, now, disqualified=disqualified)
    if reason is None:
        return EnrolDecision(Verdict.ENROL)
    # Somebody a person is already dealing with came back: nobody else will answer them.
    # Unless that person has done something about them since.
    gone = any(s.reason in GONE for s in state.stops)
    returned = bool(state.stops) and not gone and all(state.last_lead_at > s.at for s in state.stops)
    by_phone = reason is ExitReason.NO_ADDRESS and state.phone is not None
    # Who asks for a person within the cooldown gets one, though no second sequence.
    asks = reason is ExitReason.COOLDOWN and state.last_lead_kind in _ASKS_FOR_A_PERSON
    return EnrolDecision(Verdict.REFUSE, reason, to_person=returned or by_phone or asks)


def _by_clicks(state: LeadState, live: PastEnrolment, tier: Tier, playbook: Playbook) -> Tier:
    """The tier of the score, or one above that of the enrolment where a person has clicked since.

    Once per enrolment, however often they click. An answer would have ended it.
    """
    clicked = state.last_human_click_at
    if not playbook.escalation.on_human_click or clicked is None or clicked <= live.enrolled_at:
        return tier
    above = next(t for t in Tier if t.rank == max(0, live.tier_at_enrolment.rank - 1))
    return min(tier, above, key=lambda t: t.rank)


def _why_not(
    state: LeadState,
    lead_at: datetime,
    past: Sequence[PastEnrolment],
    suppressed: bool,
    playbook: Playbook,
    now: datetime,
    *,
    disqualified: bool,
) -> ExitReason | None:
    rules = playbook.enrolment
    if state.is_test:
        return ExitReason.TEST_OR_SPAM
    if disqualified:
        return ExitReason.DISQUALIFIED
    if state.stop is not None:
        return state.stop.reason
    if suppressed:
        return ExitReason.SUPPRESSED
    if state.address is None:
        return ExitReason.NO_ADDRESS
    if now - lead_at > timedelta(days=rules.max_age_days):
        return ExitReason.TOO_OLD
    cooldown = timedelta(days=rules.cooldown_days)
    if any(now - (e.ended_at or e.enrolled_at) < cooldown for e in past):
        return ExitReason.COOLDOWN
    return None


def rep_first(lead_id: str, tier: Tier, source: str, playbook: Playbook) -> bool:
    """Whether the playbook's routing gives this lead to a person from the first touch.

    The first entry that fits decides; its share is by hash of the lead, the same on every call.
    """
    for route in playbook.routing:
        if (tier in route.tiers or not route.tiers) and (source in route.sources or not route.sources):
            return share_of(lead_id, "rep_first") < route.share
    return False
