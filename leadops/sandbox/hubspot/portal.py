"""The state of one simulated HubSpot account: records, their history, associations, owners, properties.

Whoever plays the people of the sandbox (reps, forms, meeting links) writes here directly; the HTTP side
(``http.py``) writes here too, after the checks the vendor makes. Ids are numbers as text, unique within
an object type only, and grow a digit early: whoever compares them as text is found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from leadops.sandbox.hubspot.index import Index
from leadops.sandbox.hubspot.schema import (
    CONTACTING,
    ENGAGEMENTS,
    OBJECT_TYPES,
    Property,
    created_name,
    groups,
    load_property,
    modified_name,
    standard,
)
from leadops.sandbox.hubspot.values import canonical, from_ms, stamp_ms, to_ms

FIRST_ID = 99_501
OWNERS = (
    {"id": "71001", "email": "ana.reyes@seller.example", "firstName": "Ana", "lastName": "Reyes"},
    {"id": "71002", "email": "ben.okafor@seller.example", "firstName": "Ben", "lastName": "Okafor"},
    {"id": "71003", "email": "chloe.martin@seller.example", "firstName": "Chloe", "lastName": "Martin"},
)


class Version(NamedTuple):
    """One value a property had. ``at_ms``: since when, milliseconds since 1970."""

    value: str | None
    at_ms: int
    source: str
    source_id: str


@dataclass(slots=True)
class Record:
    """One record. ``history``: versions of each property, oldest first. Do not write into it."""

    id: str
    object_type: str
    properties: dict[str, str | None]
    created_at: datetime
    updated_at: datetime
    history: dict[str, list[Version]] = field(default_factory=dict)


class TakenError(ValueError):
    """A value that must be unique is another record's. ``existing_id``: whose."""

    def __init__(self, object_type: str, name: str, existing_id: str) -> None:
        super().__init__(f"{object_type}.{name}: the value is that of record {existing_id}")
        self.object_type = object_type
        self.name = name
        self.existing_id = existing_id


class Portal:
    """One account. Not thread-safe by itself: callers hold the provider's lock or are alone."""

    def __init__(self, owners: Sequence[Mapping[str, str]] = OWNERS) -> None:
        self.activity_bumps = True
        self.owners: list[dict[str, str]] = [dict(each) for each in owners]
        self.properties: dict[str, dict[str, Property]] = {kind: standard(kind) for kind in OBJECT_TYPES}
        self.groups: dict[str, dict[str, str]] = {
            kind: {name: name for name in groups(kind)} for kind in OBJECT_TYPES
        }
        self.indexes: dict[str, Index] = {kind: Index() for kind in OBJECT_TYPES}
        self._records: dict[str, dict[str, Record]] = {kind: {} for kind in OBJECT_TYPES}
        self._next: dict[str, int] = dict.fromkeys(OBJECT_TYPES, FIRST_ID)
        self._unique: dict[tuple[str, str], dict[str, str]] = {("contacts", "email"): {}}
        self._links: dict[tuple[str, str], dict[str, dict[str, None]]] = {}

    # Reading

    def get(self, object_type: str, id: str) -> Record:
        """The record. Raises KeyError where there is none, or it was archived."""
        return self._records[object_type][id]

    def has(self, object_type: str, id: str) -> bool:
        return id in self._records[object_type]

    def records(self, object_type: str) -> Iterator[Record]:
        """All records of a type, in order of their making."""
        return iter(self._records[object_type].values())

    def count(self, object_type: str) -> int:
        return len(self._records[object_type])

    def find(self, object_type: str, **equals: str) -> list[Record]:
        """Records whose properties have these values, as they are now; in order of their making."""
        for name, value in equals.items():
            if (object_type, name) in self._unique:
                found = self.by_unique(object_type, name, value)
                rest = {key: each for key, each in equals.items() if key != name}
                return [found] if found is not None and _has(found, rest) else []
        return [record for record in self.records(object_type) if _has(record, equals)]

    def by_unique(self, object_type: str, name: str, value: str) -> Record | None:
        """The record with this value of a unique property. Raises KeyError where the property is none."""
        id_ = self._unique[object_type, name].get(value.strip().lower())
        return None if id_ is None else self._records[object_type][id_]

    def is_unique(self, object_type: str, name: str) -> bool:
        return (object_type, name) in self._unique

    def associated(self, object_type: str, id: str, other_type: str) -> list[str]:
        """Ids of the other type's records this one is associated with, oldest association first."""
        return list(self._links.get((object_type, id), {}).get(other_type, ()))

    # Writing

    def create(
        self,
        object_type: str,
        properties: Mapping[str, str | None],
        *,
        at: datetime,
        source: str = "CRM_UI",
        source_id: str = "",
        associations: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Make a record; its id. ``associations``: (other type, other id).

        Raises TakenError, KeyError for an unknown property or associated record, ValueError for a value
        of the wrong type.
        """
        values = self._canonical(object_type, properties)
        self.check_unique(object_type, None, values)
        for other, other_id in associations:
            self.get(other, other_id)
        number = self._next[object_type]
        self._next[object_type] = number + 1
        at_ms = to_ms(at)
        record = Record(str(number), object_type, {}, from_ms(at_ms), from_ms(at_ms))
        values |= {
            "hs_object_id": record.id,
            created_name(object_type): stamp_ms(at_ms),
            "hs_object_source": source,
            "hs_object_source_id": source_id or None,
        }
        self._records[object_type][record.id] = record
        self._write(record, values, at_ms, source, source_id)
        for other, other_id in associations:
            self.associate(object_type, record.id, other, other_id, at=at)
        return record.id

    def update(
        self,
        object_type: str,
        id: str,
        properties: Mapping[str, str | None],
        *,
        at: datetime,
        source: str = "CRM_UI",
        source_id: str = "",
    ) -> Record:
        """Write properties; blank clears one. The time of writing moves on even where nothing changes.

        Raises as ``create`` does, and KeyError for an unknown record.
        """
        record = self.get(object_type, id)
        values = self._canonical(object_type, properties)
        self.check_unique(object_type, id, values)
        self._write(record, values, max(to_ms(at), to_ms(record.updated_at)), source, source_id)
        return record

    def archive(self, object_type: str, id: str, *, at: datetime) -> None:
        """Put a record away: reads and searches no longer find it. Raises KeyError where there is none."""
        record = self._records[object_type].pop(id)
        for (kind, name), taken in self._unique.items():
            value = record.properties.get(name)
            if kind == object_type and value is not None:
                taken.pop(value.lower(), None)
        for other, ids in self._links.pop((object_type, id), {}).items():
            for other_id in ids:
                self._links[other, other_id][object_type].pop(id, None)
        self.indexes[object_type].wrote(int(id), None, max(to_ms(at), to_ms(record.updated_at)))

    def associate(
        self, object_type: str, id: str, other_type: str, other_id: str, *, at: datetime | None = None
    ) -> None:
        """Tie two records, both ways; twice is once. Raises KeyError where one does not exist.

        ``at``: an activity tied to a contact, company or deal at that moment moves its time of writing on:
        HubSpot notes there when something was last logged.
        """
        ends = (self.get(object_type, id), self.get(other_type, other_id))
        if other_id in self._links.get((object_type, id), {}).get(other_type, ()):
            return
        self._link(object_type, id, other_type, other_id)
        self._link(other_type, other_id, object_type, id)
        if at is not None and self.activity_bumps:
            for activity, about in (ends, ends[::-1]):
                if activity.object_type in ENGAGEMENTS and about.object_type not in ENGAGEMENTS:
                    self._note_activity(about, activity, at)

    def define(self, object_type: str, made: Property) -> None:
        """Add a property. Raises ValueError where the name is taken."""
        if made.name in self.properties[object_type]:
            raise ValueError(f"{object_type}.{made.name} exists")
        self.properties[object_type][made.name] = made
        if made.has_unique_value:
            self._unique[object_type, made.name] = {}

    def check_unique(self, object_type: str, id: str | None, values: Mapping[str, str | None]) -> None:
        """Raise TakenError where a value belongs to another record than ``id``."""
        for name, value in values.items():
            taken = self._unique.get((object_type, name))
            if taken is not None and value is not None:
                holder = taken.get(value.lower())
                if holder is not None and holder != id:
                    raise TakenError(object_type, name, holder)

    def _canonical(self, object_type: str, properties: Mapping[str, str | None]) -> dict[str, str | None]:
        known = self.properties[object_type]
        owners = [each["id"] for each in self.owners] if "hubspot_owner_id" in properties else ()
        values = {}
        for name, value in properties.items():
            if name not in known:
                raise KeyError(f"{object_type} has no property {name}")
            values[name] = canonical(known[name], value, owners)
        email = values.get("email")
        if object_type == "contacts" and email is not None:
            values["email"] = email.strip().lower()
        return values

    def _write(
        self, record: Record, values: dict[str, str | None], at_ms: int, source: str, source_id: str
    ) -> None:
        """A new version of what changed, and always of the time of writing."""
        before = record.properties
        for (kind, name), taken in self._unique.items():
            if kind == record.object_type and name in values:
                _move(taken, before.get(name), values[name], record.id)
        values[modified_name(record.object_type)] = stamp_ms(at_ms)
        for name, value in values.items():
            if name not in before or before[name] != value or name == modified_name(record.object_type):
                record.history.setdefault(name, []).append(Version(value, at_ms, source, source_id))
        # A new dict: the search index may still show the old one.
        record.properties = before | values
        record.updated_at = from_ms(at_ms)
        self.indexes[record.object_type].wrote(int(record.id), record.properties, at_ms)

    def _note_activity(self, about: Record, activity: Record, at: datetime) -> None:
        happened = activity.properties.get("hs_timestamp") or stamp_ms(to_ms(at))
        values: dict[str, str | None] = {"notes_last_updated": happened}
        if activity.object_type in CONTACTING:
            values["notes_last_contacted"] = happened
        self._write(about, values, max(to_ms(at), to_ms(about.updated_at)), "CALCULATED", "")

    def _link(self, object_type: str, id_: str, other_type: str, other_id: str) -> None:
        self._links.setdefault((object_type, id_), {}).setdefault(other_type, {})[other_id] = None

    # Keeping

    def dump(self) -> dict[str, Any]:
        """Everything, JSON-safe."""
        return {
            "activity_bumps": self.activity_bumps,
            "owners": self.owners,
            "properties": {
                kind: [each.dump() for each in known.values() if not each.is_hubspot_defined]
                for kind, known in self.properties.items()
            },
            "groups": self.groups,
            "next": self._next,
            "records": {
                kind: [
                    {
                        "id": record.id,
                        "properties": record.properties,
                        "created": to_ms(record.created_at),
                        "updated": to_ms(record.updated_at),
                        "history": {
                            name: [list(each) for each in past] for name, past in record.history.items()
                        },
                    }
                    for record in records.values()
                ]
                for kind, records in self._records.items()
            },
            "links": [
                [kind, id_, other, list(ids)]
                for (kind, id_), others in self._links.items()
                for other, ids in others.items()
            ],
        }

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> Portal:
        """The account ``dump`` wrote. What search had not caught up with then, it catches up with now."""
        portal = cls(dumped["owners"])
        portal.activity_bumps = dumped["activity_bumps"]
        for kind, custom in dumped["properties"].items():
            for each in custom:
                portal.define(kind, load_property(each))
        portal.groups = {kind: dict(names) for kind, names in dumped["groups"].items()}
        portal._next = dict(dumped["next"])
        for kind, records in dumped["records"].items():
            for each in records:
                portal._restore(kind, each)
        for kind, id_, other, ids in dumped["links"]:
            for other_id in ids:
                portal._link(kind, id_, other, other_id)
        return portal

    def _restore(self, object_type: str, dumped: Mapping[str, Any]) -> None:
        record = Record(
            dumped["id"],
            object_type,
            dict(dumped["properties"]),
            from_ms(dumped["created"]),
            from_ms(dumped["updated"]),
            {name: [Version(*each) for each in past] for name, past in dumped["history"].items()},
        )
        self._records[object_type][record.id] = record
        for (kind, name), taken in self._unique.items():
            value = record.properties.get(name)
            if kind == object_type and value is not None:
                taken[value.lower()] = record.id
        self.indexes[object_type].wrote(int(record.id), record.properties, dumped["updated"])


def _has(record: Record, equals: Mapping[str, str]) -> bool:
    return all(record.properties.get(name) == value for name, value in equals.items())


def _move(taken: dict[str, str], old: str | None, new: str | None, id_: str) -> None:
    """The unique value of a record goes from ``old`` to ``new``."""
    if old is not None:
        taken.pop(old.lower(), None)
    if new is not None:
        taken[new.lower()] = id_
