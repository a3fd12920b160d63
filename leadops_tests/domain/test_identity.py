"""Who is who."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.identity import part, primary_key
from leadops.domain.keys import identity_keys
from leadops.terms import LeadEvent
from leadops_tests.domain.events import KEYRING, event, persons

A, B, C = "anna@acme.example", "bob@acme.example", "cleo@acme.example"


def joined(*emails: str, hours: float = 1, kind: str = "identity_merged") -> LeadEvent:
    return event(kind, None, hours=hours, properties={"emails": list(emails)})


def parted(*emails: str, hours: float = 1) -> LeadEvent:
    return joined(*emails, hours=hours, kind="identity_split")


def together(events: list[LeadEvent], one: LeadEvent, other: LeadEvent) -> bool:
    return any({one.event_id, other.event_id} <= ids for ids in persons(events))


@pytest.mark.parametrize("second", ["Anna+x@Acme.example", "ANNA@ACME.EXAMPLE", "Anna <anna@acme.example>"])
def test_spellings_forms_and_sources_are_one_person(second: str) -> None:
    events = [
        event(email=A),
        event(email=second, source="crm", crm_id="1"),
        event("lead_updated", None, source="crm", crm_id="1"),
    ]
    assert len(persons(events)) == 1


def test_links_are_transitive() -> None:
    events = [
        event(email=A, crm_id="1"),
        event(email=B, crm_id="1"),
        event(email=B, phone="+4930901820"),
        event(email=C, phone="+49 30 901820"),
    ]
    assert len(persons(events)) == 1


def test_the_same_id_in_two_sources_is_two_people() -> None:
    assert len(persons([event(email=A, crm_id="1"), event(email=B, crm_id="1", source="crm")])) == 2


def test_a_split_holds_against_links_before_and_after_it() -> None:
    a, b = event(email=A, crm_id="1", hours=9), event(email=B, crm_id="1", hours=8)
    assert together([a, b], a, b)
    split, later = parted(A, B, hours=7), event(email=B, crm_id="1", hours=6)
    assert not together([a, b, split, later], a, b)
    assert together([a, b, split, later], b, later)


def test_what_each_of_the_parted_brought_goes_with_them() -> None:
    a, b = event(email=A, crm_id="1", hours=9), event(email=B, crm_id="2", hours=8)
    link = event("lead_updated", None, crm_id="2", phone="+4930901820", hours=7)
    wrong = event(email=A, phone="+4930901820", hours=6)
    split = parted(A, B, hours=5)
    only_id = event("rep_activity", None, crm_id="2", hours=1)
    events = [a, b, link, wrong, split, only_id]
    assert together([a, b, link, wrong], a, b)
    assert together(events, b, only_id)
    assert not together(events, a, only_id)


@pytest.mark.parametrize("linked", [{}, {"crm_id": "1"}])
def test_the_later_of_two_decisions_holds(linked: dict[str, Any]) -> None:
    a, b = event(email=A, hours=9, **linked), event(email=B, hours=8, **linked)
    assert together([a, b, parted(A, B, hours=5), joined(A, B, hours=4)], a, b)
    assert not together([a, b, joined(A, B, hours=5), parted(A, B, hours=4)], a, b)


def test_who_was_joined_by_hand_is_one_though_they_share_nothing() -> None:
    a, b, c = event(email=A), event(email=B), event(email=C)
    assert together([a, b, c, joined(A, B), joined(B, C)], a, c)


def test_an_event_without_identity_stands_alone() -> None:
    clicks = [event("email_clicked", None, id=str(i), properties={"touch_id": "t"}) for i in range(3)]
    assert len(persons(clicks)) == 3
    assert primary_key([]) is None


def test_every_key_of_a_person_is_owned_by_them_and_by_nobody_else() -> None:
    events = [event(email=A, crm_id="1"), event(email=B, crm_id="1"), parted(A, B)]
    keys = {e.event_id: identity_keys(e, KEYRING) for e in events}
    people = part(events, keys)
    owner = people.owners
    a, b = KEYRING.email(A), KEYRING.email(B)
    assert a is not None
    assert b is not None
    assert owner[a] != owner[b]
    for event_id, own in keys.items():
        key = primary_key(own)
        assert key is not None
        assert event_id in people.persons[owner[key]]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["form", "form", "form", "merge", "split"]),
        st.sets(st.sampled_from("abcde"), min_size=2, max_size=3),
        st.none() | st.sampled_from("123"),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=12,
)


def built(drawn: list[tuple[str, set[str], str | None, int]]) -> list[LeadEvent]:
    events = {}
    for i, (kind, names, crm_id, hours) in enumerate(drawn):
        emails = [f"{n}@acme.example" for n in sorted(names)]
        made = (
            event(email=emails[0], id=str(i), hours=hours, **({"crm_id": crm_id} if crm_id else {}))
            if kind == "form"
            else joined(*emails, hours=hours, kind=f"identity_{'merged' if kind == 'merge' else 'split'}")
        )
        events[made.event_id] = made
    return list(events.values())


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.integers())
def test_order_and_strangers_make_no_difference(drawn: Any, seed: int) -> None:
    events = built(drawn)
    found = persons(events)
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)
    assert persons(shuffled) == found
    stranger = event(email="zoe@other.example")
    assert [p for p in persons([*events, stranger]) if stranger.event_id not in p] == found
    assert sorted(i for p in found for i in p) == sorted(e.event_id for e in events)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_nobody_parted_is_ever_together(drawn: Any) -> None:
    events = built(drawn)
    last: dict[frozenset[str], str] = {}
    for e in sorted(events, key=lambda e: (e.occurred_at, e.event_id)):
        if e.kind.value.startswith("identity"):
            emails = sorted(e.properties["emails"])
            last |= {frozenset((x, y)): e.kind.value for x in emails for y in emails if x < y}
    by_email = {e.contact.email: e for e in events if e.contact.email}
    for pair, kind in last.items():
        x, y = sorted(pair)
        if kind == "identity_split" and x in by_email and y in by_email:
            assert not together(events, by_email[x], by_email[y])
