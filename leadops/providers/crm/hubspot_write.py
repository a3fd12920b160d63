"""What we did, told to HubSpot: each action once, whatever is retried.

Every object carries its action's key in ``leadops_action_id``, a property whose values are unique: what is
there is left alone (a rep may have worked on it), what is not is made by an upsert on that key, so that two
tries at once make one object. Where an account refuses unique properties on activities, the object is looked
for by search before it is made. A contact's properties are set to values, which twice is once. Therefore no
failure here is ambiguous: whatever did not come back as done is tried again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leadops.providers.crm.hubspot_batch import Batches, Failure, Input
from leadops.providers.crm.hubspot_client import (
    ASSOCIATIONS,
    OBJECTS,
    PROPERTIES,
    CallError,
    Client,
    results_of,
)
from leadops.providers.crm.hubspot_contacts import Target, find_contacts
from leadops.providers.crm.hubspot_events import ACTION_ID, LEAD_ID, ms_of
from leadops.providers.crm.hubspot_read import BATCH, Owners, batches, read_records, texts
from leadops.providers.crm.hubspot_words import (
    action_of,
    contact_changes,
    email_properties,
    kind_of,
    note_properties,
    task_properties,
)
from leadops.providers.crm.port import Writeback, WritebackResult
from leadops.terms import Outcome

_KNOWN_KINDS = frozenset({"touch", "score", "enrolment", "task"})
_WORDS = {"emails": email_properties, "notes": note_properties, "tasks": task_properties}
_NEWER = {"score": "leadops_scored_at", "enrolment": "leadops_sequence_at"}
_REMEMBERED = 5_000
_DONE = Failure(Outcome.ACCEPTED, "")


@dataclass(frozen=True, slots=True)
class _Object:
    """One object to be: what, for whom. ``keys``: the dedupe keys of the items it serves."""

    action: str
    contact: Target
    properties: Mapping[str, str]
    keys: tuple[str, ...]


class Writer:
    """``clock`` gives seconds since the epoch. Thread-safe."""

    def __init__(self, client: Client, owners: Owners, clock: Callable[[], float]) -> None:
        self._client, self._owners, self._clock = client, owners, clock
        self._guard = threading.Lock()
        self._unique: dict[str, bool] = {}
        self._made: OrderedDict[str, str] = OrderedDict()

    def write(self, items: Sequence[Writeback]) -> list[WritebackResult]:
        """As the port says."""
        own = {item.dedupe_key: item for item in items}
        calls = Batches(self._client)
        outcomes: dict[str, list[Failure]] = {
            key: [] if item.kind in _KNOWN_KINDS else [Failure(Outcome.REJECTED, "crm_unknown_kind")]
            for key, item in own.items()
        }
        todo = [item for item in own.values() if item.kind in _KNOWN_KINDS]
        targets: dict[str, Target] = {}
        for key, found in find_contacts(self._client, calls, todo).items():
            if isinstance(found, Failure):
                outcomes[key].append(found)
            else:
                targets[key] = found
        todo = [item for item in todo if item.dedupe_key in targets]
        for done in (self._contacts(calls, todo, targets), *self._objects(calls, todo, targets)):
            for key, outcome in done.items():
                outcomes[key].append(outcome)
        return [_result(item.dedupe_key, outcomes[item.dedupe_key]) for item in items]

    def _contacts(
        self, calls: Batches, items: Sequence[Writeback], targets: Mapping[str, Target]
    ) -> dict[str, Failure]:
        """Scores and states of sequences; of several for one contact, the later ones win.

        Something older than what stands there (a retry) changes nothing.
        """
        changes: dict[str, dict[str, str]] = {}
        keys: dict[str, list[str]] = {}
        now = self._now()
        for item in items:
            change = contact_changes(item, now)
            if not change:
                continue
            target = targets[item.dedupe_key]
            mine = changes.setdefault(target.id, {})
            keys.setdefault(target.id, []).append(item.dedupe_key)
            newer = _NEWER[item.kind]
            if (ms_of(target.properties.get(newer)) or 0) <= (ms_of(change[newer]) or 0):
                mine |= change
            elif "leadops_opted_out" in change:
                mine["leadops_opted_out"] = "true"  # a withdrawal is never out of date
            if target.properties.get(LEAD_ID) != item.lead_id:
                mine[LEAD_ID] = item.lead_id
        inputs = [Input(f"u{i}", {"id": i, "properties": change}) for i, change in changes.items() if change]
        path = f"{OBJECTS}/contacts/batch/update"
        results = calls.write(path, inputs, lambda each: f"u{each.get('id')}")
        done: dict[str, Failure] = {}
        for contact_id, own in keys.items():
            got = results.get(f"u{contact_id}", _DONE)
            done |= dict.fromkeys(own, got if isinstance(got, Failure) else _DONE)
        return done

    def _objects(
        self, calls: Batches, items: Sequence[Writeback], targets: Mapping[str, Target]
    ) -> list[dict[str, Failure]]:
        found = []
        for object_type in _WORDS:
            mine = [i for i in items if kind_of(i) == object_type]
            if mine:
                found.append(self._of_type(calls, object_type, self._planned(calls, mine, targets)))
        return found

    def _planned(
        self, calls: Batches, items: Sequence[Writeback], targets: Mapping[str, Target]
    ) -> list[_Object]:
        """One object per action; the same action under two keys is one."""
        now = self._now()
        planned: dict[str, _Object] = {}
        for item in items:
            action = action_of(item)
            if (known := planned.get(action)) is not None:
                keys = (*known.keys, item.dedupe_key)
                planned[action] = _Object(action, known.contact, known.properties, keys)
                continue
            target, kind = targets[item.dedupe_key], kind_of(item)
            properties = {**_WORDS[kind](item, now), ACTION_ID: action}
            if kind == "tasks" and (owner := self._owner(calls, item, target)):
                properties["hubspot_owner_id"] = owner
            planned[action] = _Object(action, target, properties, (item.dedupe_key,))
        return list(planned.values())

    def _owner(self, calls: Batches, item: Writeback, target: Target) -> str | None:
        """The rep the task is for; where none is named, whoever owns the contact."""
        rep = item.payload.get("owner")
        if not isinstance(rep, str) or calls.broken:
            return target.properties.get("hubspot_owner_id")
        try:
            return self._owners.owner_of(rep)
        except CallError as error:
            calls.stop(error)
            return None

    def _of_type(self, calls: Batches, object_type: str, objects: Sequence[_Object]) -> dict[str, Failure]:
        """Find them, make what is missing, hang them on their contacts."""
        done: dict[str, Failure] = {}
        try:
            if calls.broken:
                return _for_each(objects, calls.broken)
            unique = self._is_unique(object_type)
            ids = self._there(object_type, objects, unique=unique)
        except CallError as error:
            failed = calls.stop(error, len(objects))
            if failed is not None:
                return _for_each(objects, failed)
            middle = len(objects) // 2
            halves = (objects[:middle], objects[middle:])
            return {k: f for half in halves for k, f in self._of_type(calls, object_type, half).items()}
        missing = [each for each in objects if each.action.lower() not in ids]
        for each, got in self._make(calls, object_type, missing, unique=unique):
            if isinstance(got, Failure):
                done |= dict.fromkeys(each.keys, got)
            else:
                ids[each.action.lower()] = got
        made = [each for each in objects if each.action.lower() in ids]
        return done | self._associate(calls, object_type, made, ids)

    def _is_unique(self, object_type: str) -> bool:
        """Whether HubSpot itself keeps action ids unique here. Raises CallError where setup was not run."""
        with self._guard:
            known = self._unique.get(object_type)
        if known is not None:
            return known
        try:
            found = self._client.get(f"{PROPERTIES}/{object_type}/{ACTION_ID}")
        except CallError as error:
            if error.status != 404:
                raise
            text = f"HubSpot's {object_type} have no {ACTION_ID}; run `leadops crm setup`."
            raise CallError("crm_setup", text, "setup", 404) from None
        with self._guard:
            self._unique[object_type] = found.get("hasUniqueValue") is True
            return self._unique[object_type]

    def _there(self, object_type: str, objects: Sequence[_Object], *, unique: bool) -> dict[str, str]:
        """action id in lower case -> id of the object that is there already. Raises CallError."""
        actions = [each.action for each in objects]
        if unique:
            known = read_records(self._client, object_type, actions, [], ACTION_ID)
            return {action: properties["id"] for action, properties in known.items()}
        found: dict[str, str] = {}
        for batch in batches(actions, BATCH):
            body = {
                "filterGroups": [
                    {
                        "filters": [
                            # The index holds text in lower case, and IN does not fold what it is given.
                            {
                                "propertyName": ACTION_ID,
                                "operator": "IN",
                                "values": [a.lower() for a in batch],
                            }
                        ]
                    }
                ],
                "sorts": [],
                "properties": [ACTION_ID],
                "limit": BATCH,
                "after": "0",
            }
            for each in results_of(self._client.search(object_type, body), object_type):
                action = texts(each.get("properties")).get(ACTION_ID, "")
                found.setdefault(action.lower(), str(each.get("id")))
        with self._guard:  # the search lags behind what this process has just made
            made = {a.lower(): self._made[k] for a in actions if (k := f"{object_type}:{a}") in self._made}
        return made | found

    def _make(
        self, calls: Batches, object_type: str, objects: Sequence[_Object], *, unique: bool
    ) -> list[tuple[_Object, str | Failure]]:
        verb = "upsert" if unique else "create"
        inputs = []
        for n, each in enumerate(objects):
            named = {"id": each.action, "idProperty": ACTION_ID} if unique else {}
            inputs.append(Input(f"{object_type}{n}", {**named, "properties": dict(each.properties)}))
        by_action = {each.action.lower(): f"{object_type}{n}" for n, each in enumerate(objects)}

        def name_of(result: Mapping[str, object]) -> str:
            return by_action.get(texts(result.get("properties")).get(ACTION_ID, "").lower(), "")

        results = calls.write(f"{OBJECTS}/{object_type}/batch/{verb}", inputs, name_of)
        made: list[tuple[_Object, str | Failure]] = []
        for n, each in enumerate(objects):
            got = results[f"{object_type}{n}"]
            made.append((each, got if isinstance(got, Failure) else str(got.get("id"))))
        if not unique:
            self._remember(object_type, made)
        return made

    def _remember(self, object_type: str, made: Sequence[tuple[_Object, str | Failure]]) -> None:
        with self._guard:
            for each, got in made:
                if isinstance(got, str):
                    self._made[f"{object_type}:{each.action}"] = got
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)

    def _associate(
        self, calls: Batches, object_type: str, objects: Sequence[_Object], ids: Mapping[str, str]
    ) -> dict[str, Failure]:
        """Hang the objects on their contacts; what hangs there already hangs there once."""
        traces = {each.action: f"{ids[each.action.lower()]}>{each.contact.id}" for each in objects}
        inputs = [
            Input(
                traces[each.action],
                {"from": {"id": ids[each.action.lower()]}, "to": {"id": each.contact.id}},
            )
            for each in objects
        ]
        path = f"{ASSOCIATIONS}/{object_type}/contacts/batch/associate/default"
        results = calls.write(path, inputs, _tie, traced=False)
        done: dict[str, Failure] = {}
        for each in objects:
            got = results[traces[each.action]]
            done |= dict.fromkeys(each.keys, got if isinstance(got, Failure) else _DONE)
        return done

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _tie(result: Mapping[str, object]) -> str:
    own, other = result.get("from"), result.get("to")
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        return f"{own.get('id')}>{other.get('id')}"
    return ""


def _for_each(objects: Sequence[_Object], failed: Failure) -> dict[str, Failure]:
    return {key: failed for each in objects for key in each.keys}


def _result(key: str, outcomes: Sequence[Failure]) -> WritebackResult:
    """Of the parts of one item: to be tried again while any part is, else refused, else done."""
    for wanted in (Outcome.RETRY, Outcome.REJECTED):
        for each in outcomes:
            if each.outcome is wanted:
                return WritebackResult(key, wanted, each.detail)
    return WritebackResult(key, Outcome.ACCEPTED)
