"""Who is who: the events of several records, parted into persons. Pure and order-insensitive.

Two events are one person's when they share an identity key (address, phone, CRM id), directly or
through others. A person may overrule: ``identity_merged`` joins the addresses it names,
``identity_split`` says the addresses it names are different people, whatever else links them. Of two
such decisions about the same two addresses the later one holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from leadops.terms import EventKind, LeadEvent

_STRENGTH = {"email": 0, "crm": 1, "phone": 2}


def primary_key(keys: Sequence[str]) -> str | None:
    """The key an event hangs on when its keys turn out to be different people's: address before CRM id."""
    return min(keys, key=_by_strength, default=None)


def _by_strength(key: str) -> tuple[int, str]:
    return _STRENGTH.get(key.partition(":")[0], 9), key


@dataclass(slots=True)
class _Groups:
    """Keys in groups, with pairs that must never meet."""

    apart: set[frozenset[str]]
    of: dict[str, int] = field(default_factory=dict)
    members: dict[int, set[str]] = field(default_factory=dict)

    def add(self, key: str) -> int:
        if key not in self.of:
            self.of[key] = len(self.of)
            self.members[self.of[key]] = {key}
        return self.of[key]

    def may_join(self, a: int, b: int) -> bool:
        if not self.apart:
            return True
        return not any(frozenset((x, y)) in self.apart for x in self.members[a] for y in self.members[b])

    def link(self, keys: Sequence[str]) -> None:
        """Join the groups of all keys to the first one's, but never two that must stay apart."""
        self.add(keys[0])
        for key in keys[1:]:
            other, first = self.add(key), self.of[keys[0]]
            if other != first and self.may_join(first, other):
                for moved in self.members.pop(other):
                    self.of[moved] = first
                    self.members[first].add(moved)


def _decided_apart(ordered: Sequence[LeadEvent], keys: Mapping[str, Sequence[str]]) -> set[frozenset[str]]:
    """Pairs of addresses that a person has parted and nobody has joined again since."""
    apart: set[frozenset[str]] = set()
    for event in ordered:
        named = sorted(k for k in keys.get(event.event_id, ()) if k.startswith("email:"))
        pairs = {frozenset(pair) for pair in combinations(named, 2)}
        if event.kind is EventKind.IDENTITY_SPLIT:
            apart |= pairs
        elif event.kind is EventKind.IDENTITY_MERGED:
            apart -= pairs
    return apart


@dataclass(frozen=True, slots=True)
class People:
    """``persons``: sets of event ids. ``owners``: identity key -> index of the person it is a key of."""

    persons: list[frozenset[str]]
    owners: dict[str, int]


def part(events: Sequence[LeadEvent], keys: Mapping[str, Sequence[str]]) -> People:
    """Part events into persons; the same for every order of ``events``.

    Args:
        events: no duplicates. With an event all others that share a key with it, and so on: people who
            have nothing in common do not influence each other.
        keys: event_id -> its identity keys (``keys.identity_keys``). An event without any stands alone.
    """
    ordered = sorted(events, key=lambda e: (e.occurred_at, e.event_id))
    groups = _Groups(_decided_apart(ordered, keys))
    # What a person has joined goes first: an automatic link must not take the place.
    for event in sorted(ordered, key=lambda e: e.kind is not EventKind.IDENTITY_MERGED):
        own = sorted(keys.get(event.event_id, ()), key=_by_strength)
        if own and event.kind is not EventKind.IDENTITY_SPLIT:
            groups.link(own)
    ids: dict[int | str, set[str]] = {}
    for event in events:
        key = primary_key(keys.get(event.event_id, ()))
        ids.setdefault(groups.add(key) if key is not None else event.event_id, set()).add(event.event_id)
    labels = sorted(ids, key=lambda label: min(ids[label]))
    place = {label: i for i, label in enumerate(labels)}
    owners = {key: place[group] for key, group in groups.of.items() if group in place}
    return People([frozenset(ids[label]) for label in labels], owners)
