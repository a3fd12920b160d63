"""Who is who, while events, merges and splits arrive in any order (R19, R26)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from leadops.domain.identity import part
from leadops.domain.keys import identity_keys
from leadops.terms import EventKind, LeadEvent
from leadops_tests.domain.events import KEYRING, event

Person = frozenset[str]

NAMES = st.sampled_from("abc")
SOME_NAMES = st.lists(NAMES, min_size=2, max_size=3, unique=True)
# Few moments, so that several events share one and many come late.
HOURS = st.integers(1, 5)
EMAILS = {n: f"{n}@acme.example" for n in "abc"}
EMAIL_KEYS = {n: str(KEYRING.email(e)) for n, e in EMAILS.items()}


class Identity(RuleBasedStateMachine):
    """The events heard of so far, in the order they came in."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, LeadEvent] = {}
        self.keys: dict[str, list[str]] = {}

    # --- what may come in

    @rule(
        name=st.none() | NAMES,
        crm_id=st.none() | st.sampled_from("12"),
        phone=st.none() | st.sampled_from(["+4930901820", "+49 30 901821"]),
        hours=HOURS,
    )
    def told(self, name: str | None, crm_id: str | None, phone: str | None, hours: int) -> None:
        """Anything a form, a CRM or a call says; possibly of nobody that can be named."""
        cited = {} if name or crm_id or phone else {"properties": {"touch_id": "tch_1"}}
        email = EMAILS.get(name or "")
        self._come_in(self._event("lead_updated", email, hours, crm_id=crm_id, phone=phone, **cited))

    @rule(names=SOME_NAMES, hours=HOURS)
    def joined(self, names: list[str], hours: int) -> None:
        self._come_in(self._decision("identity_merged", names, hours))

    @rule(names=SOME_NAMES, hours=HOURS)
    def parted(self, names: list[str], hours: int) -> None:
        self._come_in(self._decision("identity_split", names, hours))

    @rule(name=NAMES, crm_id=st.sampled_from("12"))
    def told_last(self, name: str, crm_id: str) -> None:
        """Something that happened after everything else: nothing that was settled moves."""
        newest = self._event("lead_updated", EMAILS[name], 0, crm_id=crm_id)
        before = self._persons()
        self._add(newest)
        assert _torn(before, self._persons()) == []
        self._take_back(newest)

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def told_again(self, data: st.DataObject) -> None:
        """The same words a second time, from another form: they are the same person's."""
        one = self.events[data.draw(st.sampled_from(sorted(self.events)))]
        if one.kind is EventKind.LEAD_UPDATED and self.keys[one.event_id]:
            again = self._event("lead_updated", one.contact.email, 0, **_ids(one))
            self._add(again)
            assert any({one.event_id, again.event_id} <= p for p in self._persons())
            self._take_back(again)

    def _come_in(self, new: LeadEvent) -> None:
        """Nobody is torn apart by an event where no person has parted anybody.

        Where somebody is parted, what both have named goes to who named it first: news of an earlier moment
        may move it, and so may a merge, which goes first.
        """
        before = self._persons()
        self._add(new)
        if not self._standing_splits():
            assert _torn(before, self._persons()) == []

    # --- what must hold

    @invariant()
    def the_order_of_arrival_makes_no_difference(self) -> None:
        arrived = list(self.events)
        shuffled = random.Random(len(arrived)).sample(arrived, len(arrived))
        found, owners = self._persons(), self._part(arrived).owners
        for other in (arrived[::-1], sorted(arrived), shuffled):
            again = self._part(other)
            assert again.persons == found
            assert again.owners == owners

    @invariant()
    def every_event_is_exactly_one_persons(self) -> None:
        assert sorted(i for p in self._persons() for i in p) == sorted(self.events)

    @invariant()
    def without_a_decision_who_shares_a_key_is_one_and_nobody_else(self) -> None:
        if not any(e.kind is not EventKind.LEAD_UPDATED for e in self.events.values()):
            assert set(self._persons()) == set(_linked(self.keys))

    @invariant()
    def who_is_joined_by_hand_is_one_where_nobody_is_parted(self) -> None:
        """Then a merge is a link like any other; where a split stands, it may be in its way."""
        if not self._decided(EventKind.IDENTITY_SPLIT):
            assert set(self._persons()) == set(_linked(self.keys))

    @invariant()
    def a_split_keeps_the_named_apart(self) -> None:
        """Until they are joined again later: also what hangs on their addresses only."""
        owners = self._part(self.events).owners
        for one, other in self._standing_splits():
            assert EMAIL_KEYS[one] not in owners or owners[EMAIL_KEYS[one]] != owners.get(EMAIL_KEYS[other])
            for person in self._persons():
                named = {_strongest(self.keys[i]) for i in person}
                assert not {EMAIL_KEYS[one], EMAIL_KEYS[other]} <= named

    @invariant()
    def one_address_or_only_id_is_one_person(self) -> None:
        """Whatever was parted: two events that hang on the same key are never two people's."""
        hanging: dict[str, set[int]] = {}
        for place, person in enumerate(self._persons()):
            for event_id in person:
                if key := _strongest(self.keys[event_id]):
                    hanging.setdefault(key, set()).add(place)
        assert all(len(places) == 1 for places in hanging.values())

    @invariant()
    def the_owner_of_a_key_has_what_hangs_on_it(self) -> None:
        found = self._part(self.events)
        for event_id, own in self.keys.items():
            if key := _strongest(own):
                assert event_id in found.persons[found.owners[key]]

    @invariant()
    def nobody_is_kept_apart_without_a_reason(self) -> None:
        """What one event names is two people's only where a split stands between the two (R19)."""
        owners = self._part(self.events).owners
        between = {
            frozenset((owners.get(EMAIL_KEYS[one]), owners.get(EMAIL_KEYS[other])))
            for one, other in self._standing_splits()
        }
        for event_id, own in self.keys.items():
            if self.events[event_id].kind is not EventKind.IDENTITY_SPLIT:
                places = {owners[k] for k in own if k in owners}
                hangs_on = owners.get(_strongest(own) or "")
                assert all(frozenset((hangs_on, p)) in between for p in places if p != hangs_on)

    @invariant()
    def people_who_share_nothing_do_not_influence_each_other(self) -> None:
        """What the fold rests on: it looks at those only who are linked with what has come in."""
        alone = [p for ids in _linked(self.keys) for p in self._part(ids).persons]
        assert set(alone) == set(self._persons())

    # --- the words above

    def _event(self, kind: str, email: str | None, hours: int, **given: Any) -> LeadEvent:
        return event(kind, email, hours=hours, id=str(len(self.events)), **given)

    def _decision(self, kind: str, names: list[str], hours: int) -> LeadEvent:
        return self._event(kind, None, hours, properties={"emails": [EMAILS[n] for n in names]})

    def _add(self, new: LeadEvent) -> None:
        self.events[new.event_id] = new
        self.keys[new.event_id] = identity_keys(new, KEYRING)

    def _take_back(self, last: LeadEvent) -> None:
        del self.events[last.event_id], self.keys[last.event_id]

    def _part(self, ids: Iterable[str]) -> Any:
        return part([self.events[i] for i in ids], self.keys)

    def _persons(self) -> list[Person]:
        found: list[Person] = self._part(self.events).persons
        return found

    def _decided(self, *kinds: EventKind) -> list[LeadEvent]:
        """Decisions of these kinds in the order in which they were taken."""
        taken = [e for e in self.events.values() if e.kind in kinds]
        return sorted(taken, key=lambda e: (e.occurred_at, e.event_id))

    def _standing_splits(self) -> list[tuple[str, str]]:
        """Pairs of names whose latest decision is to be two people."""
        latest = {
            pair: e.kind
            for e in self._decided(EventKind.IDENTITY_MERGED, EventKind.IDENTITY_SPLIT)
            for pair in combinations(sorted(n for n in EMAILS if EMAILS[n] in e.properties["emails"]), 2)
        }
        return [pair for pair, kind in latest.items() if kind is EventKind.IDENTITY_SPLIT]


def _strongest(keys: Iterable[str]) -> str | None:
    """What an event hangs on: its address before its CRM id before its phone."""
    return min(keys, key=lambda k: (("email", "crm", "phone").index(k.partition(":")[0]), k), default=None)


def _ids(one: LeadEvent) -> dict[str, Any]:
    return {"crm_id": one.contact.crm_id, "phone": one.contact.phone}


def _torn(before: Iterable[Person], after: Iterable[Person]) -> list[Person]:
    """People of before who are no longer within one person."""
    now = list(after)
    return [p for p in before if not any(p <= q for q in now)]


def _linked(keys: dict[str, list[str]]) -> list[Person]:
    """Events in groups that share a key, directly or through others, decisions and all."""
    groups: list[tuple[set[str], set[str]]] = []
    for event_id, own in keys.items():
        ids, carried = {event_id}, set(own)
        for group in [g for g in groups if g[1] & carried]:
            groups.remove(group)
            ids |= group[0]
            carried |= group[1]
        groups.append((ids, carried))
    return [frozenset(ids) for ids, _ in groups]


def test_people_stay_who_they_are_whatever_comes_in() -> None:
    run_state_machine_as_test(Identity, settings=settings(max_examples=200, stateful_step_count=20))


@pytest.mark.full
def test_people_stay_who_they_are_whatever_comes_in_at_length() -> None:
    run_state_machine_as_test(Identity, settings=settings(max_examples=1500, stateful_step_count=30))
