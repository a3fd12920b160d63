"""Who is who: the events of several records, parted into persons. Pure and order-insensitive.

Two events are one person's when they share an identity key (address, phone, CRM id), directly or
through others. A person may overrule: ``identity_merged`` joins the addresses it names,
``identity_split`` says the addresses it names are different people, from then on and for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from leadops.terms import EventKind, LeadEvent

_STRENGTH = {"email": 0, "crm": 1, "phone": 2}


def primary_key(keys: Sequence[str]) -> str | None:
    """The key an event hangs on when its keys turn out to be different people's: address before CRM id."""
    return min(keys, key=lambda k: (_STRENGTH.get(k.partition(":")[0], 9), k), default=None)


@dataclass(slots=True)
class _Groups:
    """Keys in groups, with pairs that must never meet."""

    of: dict[str, int] = field(default_factory=dict)
    members: dict[int, set[str]] = field(default_factory=dict)
    apart: set[frozenset[str]] = field(default_factory=set)
    _next: int = 0

    def add(self, key: str) -> int:
        if key not in self.of:
            self.of[key] = self._next
            self.members[self._next] = {key}
            self._next += 1
        return self.of[key]

    def may_join(self, a: int, b: int) -> bool:
        return not any(frozenset((x, y)) in self.apart for x in self.members[a] for y in self.members[b])

    def join(self, a: int, b: int) -> None:
        if a == b:
            return
        for key in self.members.pop(b):
            self.of[key] = a
            self.members[a].add(key)

    def link(self, keys: Sequence[str]) -> None:
        """Join the groups of all keys to the first one's, but never two that must stay apart."""
        first = self.add(keys[0])
        for key in keys[1:]:
            other = self.add(key)
            first = self.of[keys[0]]
            if other != first and self.may_join(first, other):
                self.join(first, other)

    def split(self, keys: Sequence[str]) -> None:
        for i, a in enumerate(keys):
            self.add(a)
            self.apart.update(frozenset((a, b)) for b in keys[i + 1 :])
        for key in keys[1:]:
            self.members[self.of[key]].discard(key)
            if not self.members[self.of[key]]:
                del self.members[self.of[key]]
            del self.of[key]
            self.add(key)

    def reconcile(self, keys: Sequence[str]) -> None:
        """A person says these are one: earlier splits between them no longer hold."""
        named = set(keys)
        self.apart = {pair for pair in self.apart if not pair <= named}
        self.link(keys)


def partition(events: Sequence[LeadEvent], keys: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """Part events into persons.

    Args:
        events: any order, no duplicates.
        keys: event_id -> its identity keys (``keys.identity_keys``). An event without any stands alone.

    Returns:
        Sets of event ids, each one person's; the same sets for every order of ``events``.
    """
    groups = _Groups()
    for event in sorted(events, key=lambda e: (e.occurred_at, e.event_id)):
        own = sorted(keys.get(event.event_id, ()), key=lambda k: (_STRENGTH.get(k.partition(":")[0], 9), k))
        if not own:
            continue
        if event.kind is EventKind.IDENTITY_SPLIT:
            groups.split([k for k in own if k.startswith("email:")])
        elif event.kind is EventKind.IDENTITY_MERGED:
            groups.reconcile(own)
        else:
            groups.link(own)
    persons: dict[object, set[str]] = {}
    for event in events:
        key = primary_key(keys.get(event.event_id, ()))
        label: object = groups.of[key] if key is not None else event.event_id
        persons.setdefault(label, set()).add(event.event_id)
    return sorted((frozenset(ids) for ids in persons.values()), key=min)


def keys_of_persons(
    events: Sequence[LeadEvent], keys: Mapping[str, Sequence[str]], persons: Sequence[frozenset[str]]
) -> dict[str, int]:
    """Which person (index into ``persons``) owns each identity key: the one whose event hangs on it first.

    A key shared by people who must stay apart belongs to the one who used it as primary key, else first.
    """
    owner: dict[str, tuple[tuple[bool, datetime, str], int]] = {}
    person_of = {event_id: i for i, ids in enumerate(persons) for event_id in ids}
    for event in events:
        own = keys.get(event.event_id, ())
        hang = primary_key(own)
        for key in own:
            claim = ((key != hang, event.occurred_at, event.event_id), person_of[event.event_id])
            if key not in owner or claim[0] < owner[key][0]:
                owner[key] = claim
    return {key: index for key, (_, index) in owner.items()}
