"""Enrol, raise, refuse or leave."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from leadops.domain.enrolling import EnrolDecision, PastEnrolment, Verdict, decide
from leadops.domain.fold import fold
from leadops.playbook.loader import load
from leadops.terms import LeadEvent, ReplyClass, Tier
from leadops_tests.domain.events import NOW, event
from leadops_tests.house import PLAYBOOK

BOOK = load(PLAYBOOK).playbook


def decided(
    *events: LeadEvent,
    tier: Tier = Tier.WARM,
    past: tuple[PastEnrolment, ...] = (),
    suppressed: bool = False,
    now: datetime = NOW,
    classes: dict[str, ReplyClass] | None = None,
) -> EnrolDecision:
    return decide(fold(events, classes), tier, past, suppressed, BOOK, now)


def run(
    event_id: str = "before", days_ago: float = 1, ended: float | None = None, tier: Tier = Tier.WARM
) -> PastEnrolment:
    at = NOW - timedelta(days=days_ago)
    ended_at = None if ended is None else NOW - timedelta(days=ended)
    return PastEnrolment("enr_1", event_id, at, ended_at, tier, live=ended is None, tier_at_enrolment=tier)


def test_a_lead_is_enrolled_and_an_acquaintance_is_left() -> None:
    assert decided(event()).verdict is Verdict.ENROL
    assert decided(event("page_viewed")).verdict is Verdict.LEAVE


@pytest.mark.parametrize(
    ("events", "given", "reason"),
    [
        ([event(properties={"test": True})], {}, "test_or_spam"),
        ([event(hours=9), event("opted_out")], {}, "opted_out"),
        ([event()], {"suppressed": True}, "suppressed"),
        ([event(email="nobody", crm_id="1")], {}, "no_address"),
        ([event(hours=24 * 8)], {}, "too_old"),
        ([event()], {"past": (run(days_ago=40, ended=30),)}, "cooldown"),
    ],
)
def test_a_refusal_has_one_reason(events: list[LeadEvent], given: dict[str, Any], reason: str) -> None:
    decision = decided(*events, **given)
    assert decision.verdict is Verdict.REFUSE
    assert decision.reason is not None
    assert decision.reason.value == reason


def test_after_the_cooldown_a_new_lead_event_enrols_and_an_old_one_never_again() -> None:
    lead = event()
    assert decided(lead, past=(run(days_ago=120, ended=100),)).verdict is Verdict.ENROL
    assert decided(lead, past=(run(lead.event_id, 120, 100),)).verdict is Verdict.LEAVE
    assert decided(lead, past=(run(lead.event_id, 1, 0.5),)).verdict is Verdict.LEAVE


@pytest.mark.parametrize(
    ("has", "gets", "verdict"),
    [
        (Tier.COLD, Tier.HOT, Verdict.RAISE),
        (Tier.WARM, Tier.WARM, Verdict.LEAVE),
        (Tier.HOT, Tier.COLD, Verdict.LEAVE),
    ],
)
def test_a_running_sequence_is_only_ever_raised(has: Tier, gets: Tier, verdict: Verdict) -> None:
    assert decided(event(), tier=gets, past=(run(tier=has),)).verdict is verdict


def test_who_comes_back_to_a_person_is_given_to_that_person() -> None:
    won = event("deal_won", hours=9)
    assert decided(won, event(hours=2)).to_person
    assert not decided(won, event(hours=10)).to_person
    assert not decided(won, event(hours=2), event("rep_activity", hours=1)).to_person
    assert not decided(event("opted_out", hours=9), event(hours=2)).to_person
    assert not decided(won, event("opted_out", hours=5), event(hours=2)).to_person
    reply = event("reply_received", hours=9)
    assert decided(
        event(hours=20), reply, event(hours=2), classes={reply.event_id: ReplyClass.HUMAN}
    ).to_person


def test_who_can_only_be_called_is_given_to_a_person() -> None:
    decision = decided(event(email=None, phone="+4930901820"))
    assert decision.to_person
    assert decision.reason is not None
    assert decision.reason.value == "no_address"
