"""Webhooks come twice and in any order: the same set of events is the same state (R26)."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.fold import digest_of, fold, state_to_json
from leadops.terms import INBOUND_KINDS, EventKind, LeadEvent, ReplyClass
from leadops_tests.domain.events import event

PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "actor": st.sampled_from(["human", "bot", "unknown"]),
    "bounce": st.sampled_from(["hard", "soft", "block"]),
    "status": st.sampled_from(["5.1.1", "4.2.2", "5.7.1", "550 5.7.1"]),
    "outcome": st.sampled_from(["connected", "voicemail"]),
    "source": st.sampled_from(["ads", "", "unknown"]),
    "owner": st.sampled_from(["rep-amelia", "x"]),
    "message": st.text(max_size=5),
    "test": st.booleans(),
}
CONTACT: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["Anna", "Anna Berg", "Berg, Anna"]),
    "first_name": st.just("Anna"),
    "title": st.sampled_from(["VP", "Analyst"]),
    "country": st.sampled_from(["US", "de", "Germany"]),
    "phone": st.sampled_from(["+4930901820", "12"]),
    "company_size": st.integers(0, 9),
    "crm_id": st.sampled_from("12"),
}
KINDS = [k for k in EventKind if not k.value.startswith("identity")]


@st.composite
def one(draw: st.DrawFn) -> LeadEvent:
    kind = draw(st.sampled_from(KINDS))
    properties = draw(st.fixed_dictionaries({}, optional=PROPERTIES))
    if kind is EventKind.DISPOSITION:
        properties["disposition"] = draw(st.sampled_from(["recycle", "not_now", "interested"]))
    # Few moments, so that many events share one.
    when: dict[str, Any] = {"hours": draw(st.integers(0, 4))} if draw(st.booleans()) else {"at": "2026-03-02"}
    email = draw(st.sampled_from(["anna@acme.example", "Anna+x@acme.example", "anna@gmail.com"]))
    consent = draw(st.dictionaries(st.sampled_from("ab"), st.booleans()))
    contact = draw(st.fixed_dictionaries({}, optional=CONTACT))
    given_id = str(draw(st.integers(0, 99)))
    return event(kind.value, email, properties=properties, consent=consent, id=given_id, **when, **contact)


@settings(max_examples=120, deadline=None)
@given(st.lists(one(), min_size=1, max_size=15, unique_by=lambda e: e.event_id), st.integers(), st.data())
def test_any_order_and_any_repetition_is_the_same_state(
    events: list[LeadEvent], seed: int, data: st.DataObject
) -> None:
    inbound = [e.event_id for e in events if e.kind in INBOUND_KINDS]
    classes = {i: data.draw(st.sampled_from(ReplyClass)) for i in inbound}
    chance = random.Random(seed)
    again = events + chance.choices(events, k=chance.randrange(6))
    chance.shuffle(again)
    state, other = fold(events, classes), fold(again, classes)
    assert state == other
    assert digest_of(state_to_json(state)) == digest_of(state_to_json(other))


@settings(max_examples=80, deadline=None)
@given(st.lists(one(), min_size=1, max_size=12, unique_by=lambda e: e.event_id), one())
def test_no_later_event_takes_a_withdrawal_back(events: list[LeadEvent], more: LeadEvent) -> None:
    gone = event("opted_out", id="gone", hours=2)
    assert fold([*events, gone]).opted_out_at is not None
    state = fold([*events, gone, more])
    assert state.opted_out_at is not None
    assert any(s.event_id == gone.event_id for s in state.stops)
