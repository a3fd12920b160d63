from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.eligibility import TouchFacts, gates, verdict
from leadops.domain.timing import Zone, is_open, next_open
from leadops.playbook.model import Window
from leadops.terms import Channel, EnrolmentState, ExitReason, Gate, StopFact, TouchReason, TouchState

NOW = datetime(2026, 9, 2, 10, 0, tzinfo=UTC)  # a Wednesday
OFFICE = Window(days=("mon", "tue", "wed", "thu", "fri"), start=time(9), end=time(17))
ORDER = [
    "enrolment_live",
    "no_stop",
    "not_suppressed",
    "has_address",
    "no_pending_inbound",
    "predecessor_settled",
    "not_paused",
    "due",
    "min_gap",
    "window",
    "mailbox_cap",
    "domain_cap",
]
CLEAR = TouchFacts(
    channel=Channel.EMAIL,
    due_at=NOW - timedelta(minutes=1),
    enrolment_state=EnrolmentState.ACTIVE,
    window=OFFICE,
    zone=Zone("UTC", "given"),
    country=None,
    min_gap=timedelta(hours=48),
    last_touch_at=NOW - timedelta(days=3),
    mailbox_sent_24h=3,
    mailbox_cap=200,
    domain_cap=400,
)


def decided(now: datetime = NOW, **changed: object) -> Gate | None:
    return verdict(gates(replace(CLEAR, **changed), now))  # type: ignore[arg-type]


def named(name: str, now: datetime = NOW, **changed: object) -> Gate:
    return next(g for g in gates(replace(CLEAR, **changed), now) if g.name == name)  # type: ignore[arg-type]


def test_a_clear_touch_passes_every_gate_and_shows_every_value():
    evaluated = gates(CLEAR, NOW)
    assert verdict(evaluated) is None
    assert [g.name for g in evaluated] == ORDER
    assert all(g.passed and g.value and g.reason is None and g.retry_at is None for g in evaluated)
    assert named("mailbox_cap").value == "3 of 200 in 24 h"


@pytest.mark.parametrize(
    ("changed", "gate", "reason"),
    [
        ({"enrolment_state": EnrolmentState.FINISHED_REPLIED}, "enrolment_live", TouchReason.ENROLMENT_ENDED),
        ({"is_outgrown": True}, "enrolment_live", TouchReason.TIER_RAISED),
        ({"lead_stop": StopFact(ExitReason.REPLIED, "evt_1", NOW)}, "no_stop", TouchReason.STOPPED),
        ({"suppressed_by": "complained"}, "not_suppressed", TouchReason.SUPPRESSED),
        ({"has_address": False}, "has_address", TouchReason.NO_ADDRESS),
    ],
)
def test_what_is_over_is_terminal(changed, gate, reason):
    found = decided(**changed, paused=True, due_at=NOW + timedelta(days=9))
    assert (found.name, found.reason, found.retry_at) == (gate, reason, None)


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("changed", "gate", "reason", "retry_at"),
    [
        ({"blocking_events": 1}, "no_stop", TouchReason.PENDING_INBOUND, NOW + MINUTE),
        ({"pending_inbound": 2}, "no_pending_inbound", TouchReason.PENDING_INBOUND, NOW + MINUTE),
        (
            {"predecessor_states": (TouchState.SENT, TouchState.UNKNOWN)},
            "predecessor_settled",
            TouchReason.PREDECESSOR_UNKNOWN,
            NOW + HOUR,
        ),
        (
            {"predecessor_states": (TouchState.CLAIMED,)},
            "predecessor_settled",
            TouchReason.PREDECESSOR_PENDING,
            NOW + 5 * MINUTE,
        ),
        ({"paused": True}, "not_paused", TouchReason.PAUSED, NOW + HOUR),
        (
            {"enrolment_state": EnrolmentState.PAUSED, "resume_at": NOW + 7 * HOUR},
            "not_paused",
            TouchReason.PAUSED,
            NOW + 7 * HOUR,
        ),
        (
            {"enrolment_state": EnrolmentState.PAUSED_OOO, "resume_at": NOW - HOUR},
            "not_paused",
            TouchReason.OUT_OF_OFFICE,
            NOW + MINUTE,
        ),
        ({"due_at": NOW + HOUR}, "due", TouchReason.SCHEDULED, NOW + HOUR),
        ({"last_touch_at": NOW - 47 * HOUR}, "min_gap", TouchReason.MIN_GAP, NOW + HOUR),
        (
            {"last_touch_at": NOW - 40 * HOUR},
            "min_gap",
            TouchReason.MIN_GAP,
            datetime(2026, 9, 3, 9, 0, tzinfo=UTC),
        ),
        (
            {"mailbox_sent_24h": 200, "mailbox_oldest_24h": NOW - 20 * HOUR},
            "mailbox_cap",
            TouchReason.MAILBOX_CAP,
            NOW + 4 * HOUR,
        ),
        (
            {"mailbox_sent_24h": 201, "mailbox_oldest_24h": NOW - 24 * HOUR},
            "mailbox_cap",
            TouchReason.MAILBOX_CAP,
            NOW + MINUTE,
        ),
        (
            {"domain_sent_24h": 400, "domain_oldest_24h": NOW - 23 * HOUR},
            "domain_cap",
            TouchReason.DOMAIN_CAP,
            NOW + HOUR,
        ),
    ],
)
def test_what_settles_by_itself_is_deferred_to_when_it_may_have(changed, gate, reason, retry_at):
    found = decided(**changed)
    assert (found.name, found.reason, found.retry_at) == (gate, reason, retry_at)


def test_the_window_is_judged_now_when_the_due_time_has_passed():
    night = datetime(2026, 9, 2, 22, 0, tzinfo=UTC)
    found = decided(now=night, due_at=NOW)  # the due time was inside the window
    assert (found.name, found.reason) == ("window", TouchReason.OUTSIDE_WINDOW)
    assert found.retry_at == datetime(2026, 9, 3, 9, 0, tzinfo=UTC)


def test_the_window_is_judged_at_the_due_time_when_that_is_still_to_come():
    saturday = datetime(2026, 9, 5, 12, 0, tzinfo=UTC)
    found = named("window", due_at=saturday)
    assert not found.passed
    assert found.retry_at == datetime(2026, 9, 7, 9, 0, tzinfo=UTC)


def test_of_several_deferrals_the_latest_decides():
    found = decided(paused=True, pending_inbound=1, mailbox_sent_24h=200, mailbox_oldest_24h=NOW - HOUR)
    assert found.name == "mailbox_cap"
    assert found.retry_at == NOW + 23 * HOUR


def test_a_bounced_address_closes_email_but_not_the_call_by_a_rep():
    assert decided(suppressed_by="bounced").reason is TouchReason.SUPPRESSED
    task = {"channel": Channel.REP_TASK, "has_address": False, "mailbox_sent_24h": 999}
    assert decided(suppressed_by="bounced", **task) is None
    assert decided(suppressed_by="opted_out", **task).reason is TouchReason.SUPPRESSED


def test_a_stop_and_an_unclassified_message_hold_every_channel():
    assert decided(channel=Channel.REP_TASK, pending_inbound=1).reason is TouchReason.PENDING_INBOUND
    assert decided(channel=Channel.REP_TASK, blocking_events=1).reason is TouchReason.PENDING_INBOUND


def test_no_domain_cap_means_none():
    assert named("domain_cap", domain_cap=None, domain_sent_24h=10**6).passed


around = st.integers(-4 * 24 * 60, 10 * 24 * 60).map(lambda m: NOW + timedelta(minutes=m))
facts_of_any_kind = st.builds(
    TouchFacts,
    channel=st.sampled_from(Channel),
    due_at=around,
    enrolment_state=st.sampled_from(EnrolmentState),
    window=st.sampled_from([OFFICE, Window()]),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"]).map(lambda z: Zone(z, "given")),
    country=st.sampled_from([None, "DE"]),
    min_gap=st.integers(0, 100).map(lambda h: timedelta(hours=h)),
    lead_stop=st.none() | st.just(StopFact(ExitReason.OPTED_OUT, "evt_1", NOW)),
    blocking_events=st.integers(0, 2),
    pending_inbound=st.integers(0, 2),
    suppressed_by=st.none() | st.sampled_from(["bounced", "opted_out"]),
    has_address=st.booleans(),
    predecessor_states=st.lists(st.sampled_from(TouchState), max_size=3).map(tuple),
    last_touch_at=st.none() | around,
    mailbox_sent_24h=st.integers(0, 6),
    mailbox_oldest_24h=st.none() | around,
    mailbox_cap=st.integers(1, 6),
    domain_sent_24h=st.integers(0, 6),
    domain_cap=st.none() | st.integers(1, 6),
    domain_oldest_24h=st.none() | around,
    paused=st.booleans(),
    resume_at=st.none() | around,
)


@given(facts_of_any_kind)
@settings(max_examples=400, deadline=None)
def test_every_refusal_has_one_reason_and_every_deferral_a_later_look(facts):
    evaluated = gates(facts, NOW)
    assert [g.name for g in evaluated] == ORDER
    for gate in evaluated:
        assert gate.value
        assert gate.passed == (gate.reason is None)
        assert gate.retry_at is None or (not gate.passed and gate.retry_at > NOW)
    found = verdict(evaluated)
    refused = [g for g in evaluated if not g.passed]
    assert (found is None) == (not refused)
    if found is None:
        assert facts.due_at <= NOW
        assert is_open(facts.window, NOW, facts.zone.name, facts.country)
    elif any(g.retry_at is None for g in refused):
        assert found is next(g for g in refused if g.retry_at is None)
    else:
        assert found.retry_at == max(g.retry_at for g in refused)
    assert gates(facts, NOW) == evaluated


@given(facts_of_any_kind)
@settings(max_examples=200, deadline=None)
def test_looking_again_at_the_retry_of_time_gates_leads_to_an_open_window(facts):
    quiet = replace(
        facts,
        channel=Channel.REP_TASK,
        enrolment_state=EnrolmentState.ACTIVE,
        lead_stop=None,
        blocking_events=0,
        pending_inbound=0,
        suppressed_by=None,
        predecessor_states=(),
        paused=False,
    )
    at = NOW
    for _ in range(4):
        found = verdict(gates(quiet, at))
        if found is None:
            break
        at = found.retry_at
    assert verdict(gates(quiet, at)) is None
    earliest = max(NOW, quiet.due_at)
    if quiet.last_touch_at is not None:
        earliest = max(earliest, quiet.last_touch_at + quiet.min_gap)
    assert at == next_open(quiet.window, earliest, quiet.zone.name, quiet.country)
