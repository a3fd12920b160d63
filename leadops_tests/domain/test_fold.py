"""What is known of a person from the set of their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic_core import PydanticSerializationError

from leadops.domain.fold import bounce_type, digest_of, fold, state_from_json, state_to_json
from leadops.terms import Contact, ExitReason, LeadEvent, LeadState, ReplyClass
from leadops_tests.domain.events import event


def classed(events: list[LeadEvent], kind: ReplyClass) -> Mapping[str, ReplyClass]:
    return {e.event_id: kind for e in events if e.kind.value in ("reply_received", "message_received")}


def disposed(word: str, hours: float) -> LeadEvent:
    return event("disposition", hours=hours, properties={"disposition": word})


def bounce(hours: float, **properties: Any) -> LeadEvent:
    return event("email_bounced", hours=hours, properties=properties)


def reasons(state: LeadState) -> list[str]:
    return [s.reason.value for s in state.stops]


def test_a_person_known_by_engagement_only_is_no_lead() -> None:
    state = fold([event("page_viewed"), event("email_opened")])
    assert state.became_lead_at is None
    assert state.last_lead_event is None
    assert (state.page_views, state.human_clicks) == (1, 0)


def test_the_first_lead_event_says_the_source_and_where_mail_goes() -> None:
    first = event("form_submitted", "Anna+Demo@Acme.example", hours=9, properties={"source": "Ads"})
    later = event("demo_requested", "anna.new@acme.example", hours=2, properties={"source": "web"})
    state = fold([later, first])
    assert state.address == "Anna+Demo@acme.example"
    assert state.emails == ("anna@acme.example", "anna.new@acme.example")
    assert (state.source, state.became_lead_event, state.last_lead_event) == (
        "Ads",
        first.event_id,
        later.event_id,
    )
    assert state.domain == "acme.example"


@pytest.mark.parametrize(
    ("given", "found"), [({}, "(blank)"), ({"source": " "}, "(blank)"), ({"source": "unknown"}, "unknown")]
)
def test_a_blank_source_is_a_value_of_its_own(given: dict[str, Any], found: str) -> None:
    assert fold([event(properties=given)]).source == found


def test_the_latest_word_on_a_contact_field_holds_and_a_reps_note_changes_none() -> None:
    events = [
        event(hours=9, name="Anna Old", title="Analyst"),
        event("lead_updated", hours=5, title="VP"),
        event("rep_activity", hours=1, name="Rep Smith", title="Rep"),
    ]
    state = fold(events)
    assert (state.name, state.first_name, state.title) == ("Anna Old", "Anna", "VP")


def test_a_date_only_lead_is_marked() -> None:
    state = fold([event(at="2026-03-02"), event("page_viewed", hours=1)])
    assert state.lead_day_precision
    assert not fold([event(hours=1)]).lead_day_precision


def test_what_was_written_in_starts_a_lead_and_a_reply_does_not() -> None:
    wrote = event("message_received", properties={"message": "Can I see it?"})
    assert fold([wrote], {wrote.event_id: ReplyClass.NEW_LEAD}).became_lead_at == wrote.occurred_at
    assert fold([wrote], {wrote.event_id: ReplyClass.HUMAN}).became_lead_at is None
    assert fold([wrote]).stop is None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("opted_out", "opted_out"),
        ("email_complained", "complained"),
        ("meeting_booked", "meeting_booked"),
        ("rep_activity", "rep_took_over"),
        ("deal_won", "deal_won"),
        ("deal_lost", "deal_lost"),
    ],
)
def test_each_stop_names_its_reason(kind: str, reason: str) -> None:
    assert reasons(fold([event(hours=9), event(kind, hours=1)])) == [reason]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (ReplyClass.HUMAN, ["replied"]),
        (ReplyClass.POSITIVE, ["replied"]),
        (ReplyClass.NEGATIVE, ["replied"]),
        (ReplyClass.OPT_OUT, ["opted_out"]),
        (ReplyClass.LEFT_COMPANY, ["left_company"]),
        (ReplyClass.AUTO, []),
        (ReplyClass.OUT_OF_OFFICE, []),
        (ReplyClass.OWN_COPY, []),
    ],
)
def test_only_what_a_person_wrote_stops(found: ReplyClass, reason: list[str]) -> None:
    events = [event(hours=9), event("reply_received", hours=1)]
    assert reasons(fold(events, classed(events, found))) == reason


def test_recycling_lifts_what_came_before_it_and_never_a_withdrawal() -> None:
    events = [
        event(hours=9),
        event("reply_received", hours=8),
        event("rep_activity", hours=7),
        event("deal_lost", hours=6),
    ]
    human = classed(events, ReplyClass.HUMAN)
    assert len(fold(events, human).stops) == 3
    assert fold([*events, disposed("recycle", 5)], human).stop is None
    assert reasons(fold([*events, disposed("recycle", 7.5)], human)) == ["rep_took_over", "deal_lost"]
    for kind in ("opted_out", "email_complained"):
        gone = [*events, event(kind, hours=8.5), disposed("recycle", 5)]
        assert len(fold(gone, human).stops) == 1
    left = fold([*events, disposed("recycle", 5)], classed(events, ReplyClass.LEFT_COMPANY))
    assert reasons(left) == ["left_company"]


def test_other_dispositions_stop_and_a_withdrawal_is_the_decisive_one() -> None:
    state = fold([event(hours=9), disposed("not_now", 8), event("opted_out", hours=1)])
    assert reasons(state) == ["opted_out", "disposition"]
    assert state.stop is not None
    assert state.stop.reason is ExitReason.OPTED_OUT


def test_soft_bounces_count_only_in_a_row() -> None:
    softs = [bounce(h, bounce="soft", id=str(h)) for h in (9, 8, 7)]
    assert fold([event(hours=10), *softs[:2]]).hard_bounced_at is None
    assert reasons(fold([event(hours=10), *softs])) == ["bounced"]
    between = event("email_delivered", hours=7.5)
    assert fold([event(hours=10), *softs, between]).stop is None
    assert fold([event(hours=10), *softs, between]).consecutive_soft_bounces == 1
    assert reasons(fold([event(hours=10), *softs], soft_bounces_to_suppress=4)) == []
    assert reasons(fold([*softs[:1], bounce(1, status="5.1.1")])) == ["bounced"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"status": "5.1.1"}, "hard"),
        ({"status": "550 5.1.1 no such user"}, "hard"),
        ({"status": "5.7.1", "bounce": "hard"}, "block"),
        ({"status": "550 5.7.26 unauthenticated", "bounce": "hard"}, "block"),
        ({"status": "4.2.2", "bounce": "hard"}, "soft"),
        ({"status": "421"}, "soft"),
        ({"status": "550"}, "hard"),
        ({"bounce": " Hard "}, "hard"),
        ({"bounce": "block"}, "block"),
        ({"bounce": "weird"}, "soft"),
        ({"bounce": 7, "status": {"a": 1}}, "soft"),
        ({}, "soft"),
    ],
)
def test_a_bounce_is_the_contacts_fault_only_where_its_status_says_so(
    given: dict[str, Any], found: str
) -> None:
    assert bounce_type(bounce(1, **given)) == found


def test_the_senders_fault_never_counts_against_the_contact() -> None:
    blocks = [bounce(h, status="5.7.1") for h in (9, 8, 7, 6)]
    assert fold([event(hours=10), *blocks]).stop is None


@pytest.mark.parametrize(
    ("actor", "counted"), [("human", 1), ("bot", 0), ("unknown", 0), (None, 0), (True, 0)]
)
def test_only_clicks_known_to_be_a_persons_count(actor: Any, counted: int) -> None:
    state = fold([event(hours=9), event("email_clicked", hours=1, properties={"actor": actor})])
    assert state.human_clicks == counted
    assert (state.last_engagement_at == event(hours=1).occurred_at) is bool(counted)


def test_the_first_human_contact_is_a_reply_or_a_call_that_was_answered() -> None:
    missed = event("rep_activity", hours=6, properties={"outcome": "voicemail"})
    answered = event("rep_activity", hours=5, properties={"outcome": "connected"})
    assert fold([event(hours=9), missed]).first_human_contact_at is None
    assert fold([event(hours=9), missed, answered]).first_human_contact_at == answered.occurred_at


def test_one_test_or_spam_event_marks_the_person() -> None:
    assert fold([event(hours=9), event(hours=1, properties={"spam": True})]).is_test
    assert not fold([event(properties={"test": "false"})]).is_test


def test_consent_is_the_latest_word_on_each_point() -> None:
    state = fold(
        [event(hours=9, consent={"mail": True, "basis": "form"}), event(hours=1, consent={"mail": False})]
    )
    assert state.consent == {"mail": False, "basis": "form"}


def test_the_state_survives_json_and_its_digest_does_not_depend_on_how() -> None:
    state = fold([event(hours=9, phone="+4930901820", consent={"a": [1, {"b": None}]}), event("opted_out")])
    as_json = state_to_json(state)
    assert state_from_json(as_json) == state
    assert digest_of(as_json) == digest_of(dict(reversed(list(as_json.items()))))


def test_a_state_of_wrong_types_is_not_written() -> None:
    crafted: Any = {"a": 1}
    bad = LeadEvent(
        **{f: getattr(event(), f) for f in LeadEvent.__dataclass_fields__}
        | {"contact": Contact(company=crafted)}
    )
    with pytest.raises(PydanticSerializationError):
        state_to_json(fold([bad]))
    with pytest.raises(ValueError, match="at least one"):
        fold([])
