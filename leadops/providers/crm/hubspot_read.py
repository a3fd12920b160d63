"""Reading records of HubSpot in batches: by id, with history, with the contacts they hang on; and owners."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from leadops.playbook.model import Rep
from leadops.providers.crm.hubspot_activities import Person
from leadops.providers.crm.hubspot_client import (
    ASSOCIATIONS,
    OBJECTS,
    OWNERS,
    CallError,
    Client,
    results_of,
)
from leadops.providers.crm.hubspot_events import Found, Version, ms_of

BATCH = 100
BATCH_WITH_HISTORY = 50
_OWNERS_KNOWN_S = 600.0
_MOST_PAGES = 50
T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """``items`` in lists of at most ``size``."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def texts(given: Any) -> dict[str, str]:
    """Properties as text; null is left out."""
    if not isinstance(given, dict):
        return {}
    return {str(k): v if isinstance(v, str) else str(v) for k, v in given.items() if v is not None}


def versions_of(given: Any) -> dict[str, list[Version]]:
    """``propertiesWithHistory`` of a record, oldest version first."""
    found: dict[str, list[Version]] = {}
    for name, listed in given.items() if isinstance(given, dict) else ():
        rows = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        dated = [
            Version(str(each.get("value") or "").strip(), at, str(each.get("sourceType") or ""))
            for each in rows
            if (at := ms_of(each.get("timestamp"))) is not None
        ]
        found[str(name)] = sorted(dated, key=lambda v: v.at)
    return found


def read_records(
    client: Client, object_type: str, ids: Sequence[str], names: Sequence[str], id_property: str | None = None
) -> dict[str, dict[str, str]]:
    """Properties by record id; what is not there is left out. Raises CallError.

    ``id_property``: ``ids`` are values of it, and so are the keys of what comes back (in lower case).
    """
    found: dict[str, dict[str, str]] = {}
    for batch in batches(dict.fromkeys(ids), BATCH):
        body: dict[str, Any] = {
            "inputs": [{"id": i} for i in batch],
            "properties": sorted({*names, *([id_property] if id_property else [])}),
            "propertiesWithHistory": [],
        }
        if id_property:
            body["idProperty"] = id_property
        for each in _read(client, object_type, body):
            properties = texts(each.get("properties")) | {"id": str(each.get("id") or "")}
            key = properties.get(id_property, "").lower() if id_property else properties["id"]
            found[key] = properties
    return found


def _read(client: Client, object_type: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    path = f"{OBJECTS}/{object_type}/batch/read"
    try:
        return results_of(client.post(path, body), path)
    except CallError as error:
        if error.status == 404 and error.blame == "refused":
            return []  # none of them is there
        raise


def with_history(
    client: Client, object_type: str, found: Sequence[Found], names: Sequence[str]
) -> dict[str, Found]:
    """The same records as they are now, with the history of ``names``; without those that are gone."""
    modified = {each.id: each.modified for each in found}
    read: dict[str, Found] = {}
    for batch in batches(modified, BATCH_WITH_HISTORY):
        body = {
            "inputs": [{"id": i} for i in batch],
            "properties": list(names),
            "propertiesWithHistory": list(names),
        }
        for each in _read(client, object_type, body):
            record_id = str(each.get("id") or "")
            if record_id in modified:
                history = versions_of(each.get("propertiesWithHistory"))
                properties = texts(each.get("properties"))
                read[record_id] = Found(record_id, modified[record_id], properties, history)
    return read


def people_of(client: Client, object_type: str, ids: Sequence[str]) -> dict[str, list[Person]]:
    """record id -> the contacts it is associated with, in order of their ids. Raises CallError."""
    path = f"{ASSOCIATIONS}/{object_type}/contacts/batch/read"
    tied: dict[str, set[str]] = {}
    for batch in batches(dict.fromkeys(ids), BATCH):
        body = {"inputs": [{"id": i} for i in batch]}
        for each in results_of(client.post(path, body), path):
            own = each.get("from")
            if isinstance(own, dict):
                tied.setdefault(str(own.get("id")), set()).update(_ends(each.get("to")))
    contacts = sorted({i for found in tied.values() for i in found}, key=_by_number)
    known = read_records(client, "contacts", contacts, ["email"]) if contacts else {}
    return {
        record_id: [Person(i, known[i].get("email", "")) for i in sorted(found, key=_by_number) if i in known]
        for record_id, found in tied.items()
    }


def _ends(given: Any) -> set[str]:
    listed = given if isinstance(given, list) else []
    ids = (each.get("toObjectId") or each.get("id") for each in listed if isinstance(each, dict))
    return {str(i) for i in ids if i}


def _by_number(record_id: str) -> tuple[int, str]:
    return (int(record_id) if record_id.isdigit() else 0, record_id)


class Owners:
    """Who owns what: HubSpot's owner ids and our reps', joined by email address. Asked for now and then.

    A key that may not read owners is no reason to stop: nothing has an owner then.
    """

    def __init__(self, client: Client, reps: Sequence[Rep]) -> None:
        self._client = client
        self._email_of = {rep.id: rep.email.lower() for rep in reps}
        self._rep_of = {rep.email.lower(): rep.id for rep in reps}
        self._guard = threading.Lock()
        self._until = 0.0
        self._by_id: dict[str, str] = {}

    def reps(self) -> Mapping[str, str]:
        """HubSpot's owner id -> rep id. Raises CallError."""
        return {i: self._rep_of[e] for i, e in self._known().items() if e in self._rep_of}

    def owner_of(self, rep: str) -> str | None:
        """HubSpot's owner id of a rep (id or email), None where they are no user there. Raises CallError."""
        email = self._email_of.get(rep, rep).lower()
        return next((i for i, e in self._known().items() if e == email), None)

    def _known(self) -> Mapping[str, str]:
        with self._guard:
            if time.monotonic() >= self._until:
                try:
                    self._by_id = dict(self._read())
                except CallError as error:
                    if error.blame not in ("scope", "refused"):
                        raise
                    self._by_id = {}
                self._until = time.monotonic() + _OWNERS_KNOWN_S
            return self._by_id

    def _read(self) -> Iterator[tuple[str, str]]:
        query = {"limit": "100"}
        for _ in range(_MOST_PAGES):
            answer = self._client.get(OWNERS, query)
            for each in results_of(answer, OWNERS):
                if each.get("id") and each.get("email"):
                    yield str(each["id"]), str(each["email"]).lower()
            after = next_page(answer)
            if after is None:
                return
            query = {"limit": "100", "after": after}


def next_page(answer: Mapping[str, Any]) -> str | None:
    """Where the next page begins, None on the last one."""
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if after else None
