"""Whatever a client sends: an answer of the vendor's kind, never a crash; what is refused leaves nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from leadops_tests.sandbox.hubspot.account import (
    OBJECTS,
    START,
    Account,
    ascending,
    ms,
    one_filter,
    search_body,
)

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e300,
    "",
    "x",
    "_",
    "9" * 5000,
    [],
    {},
    [1],
    [[]],
    [None],
    {"a": 1},
)
TYPED = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]
LINK = {"from": {"id": "99501"}, "to": {"id": "99501"}, "types": TYPED}
ASSOCIATIONS = "/crm/associations/2026-09/notes/contacts/batch"
BODIES: dict[str, tuple[str, str, Any]] = {
    "search": (
        "POST",
        f"{OBJECTS}/contacts/search",
        search_body()
        | {
            "query": "ada",
            "sorts": ascending("createdate"),
            "properties": ["email"],
            "filterGroups": [
                *one_filter("createdate", "BETWEEN", value="0", highValue=ms(START)),
                *one_filter("email", "IN", values=["ada@customer.example"]),
                *one_filter("associations.note", "EQ", value="99501"),
            ],
        },
    ),
    "create": (
        "POST",
        f"{OBJECTS}/notes",
        {
            "properties": {"hs_timestamp": ms(START), "hs_note_body": "x"},
            "associations": [{"to": {"id": "99501"}, "types": TYPED}],
            "objectWriteTraceId": "t",
        },
    ),
    "update": (
        "PATCH",
        f"{OBJECTS}/contacts/99501",
        {"properties": {"closedate": ms(START), "annualrevenue": "5", "hs_lead_status": "OPEN"}},
    ),
    "email": (
        "POST",
        f"{OBJECTS}/emails",
        {"properties": {"hs_timestamp": ms(START), "hs_email_headers": '{"from": {}, "to": [{}]}'}},
    ),
    "batch/create": (
        "POST",
        f"{OBJECTS}/contacts/batch/create",
        {"inputs": [{"properties": {"email": "new@customer.example"}, "objectWriteTraceId": "t"}]},
    ),
    "batch/upsert": (
        "POST",
        f"{OBJECTS}/contacts/batch/upsert",
        {
            "inputs": [
                {
                    "id": "ada@customer.example",
                    "idProperty": "email",
                    "properties": {"phone": "1"},
                    "objectWriteTraceId": "t",
                }
            ]
        },
    ),
    "batch/update": (
        "POST",
        f"{OBJECTS}/contacts/batch/update",
        {"inputs": [{"id": "ada@customer.example", "idProperty": "email", "properties": {"phone": "1"}}]},
    ),
    "batch/read": (
        "POST",
        f"{OBJECTS}/contacts/batch/read",
        {
            "inputs": [{"id": "ada@customer.example"}],
            "idProperty": "email",
            "properties": ["email"],
            "propertiesWithHistory": ["email"],
        },
    ),
    "batch/archive": ("POST", f"{OBJECTS}/contacts/batch/archive", {"inputs": [{"id": "99501"}]}),
    "associate": ("POST", f"{ASSOCIATIONS}/create", {"inputs": [LINK]}),
    "associations": ("POST", f"{ASSOCIATIONS}/read", {"inputs": [{"id": "99501"}]}),
    "property": (
        "POST",
        "/crm/properties/2026-09/contacts",
        {
            "name": "leadops_tier",
            "label": "Tier",
            "type": "enumeration",
            "fieldType": "select",
            "groupName": "contactinformation",
            "hasUniqueValue": False,
            "options": [{"label": "A", "value": "a"}],
        },
    ),
    "group": ("POST", "/crm/properties/2026-09/contacts/groups", {"name": "leadops", "label": "leadops"}),
}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every place inside a JSON value."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    made = copy.deepcopy(value)
    at = made
    for key in way[:-1]:
        at = at[key]
    at[way[-1]] = new
    return made


def an_account() -> Account:
    account = Account()
    contact = account.contact()
    account.portal.create("notes", {}, at=START, associations=[("contacts", contact)])
    return account


@pytest.mark.parametrize("name", BODIES)
def test_the_plain_body_is_answered(name: str) -> None:
    method, path, body = BODIES[name]
    assert an_account().ask(method, path, body).status in (200, 201, 204)


@pytest.mark.parametrize("name", BODIES)
def test_anything_in_any_place(name: str) -> None:
    method, path, body = BODIES[name]
    untouched = an_account().portal.dump()
    for way in places(body):
        for odd in ODD:
            account = an_account()
            sent = replaced(body, way, odd)
            said = account.ask(method, path, sent)
            assert said.status in (200, 201, 204, 207, 400, 404), (sent, said.json)
            if said.status >= 400:
                assert said.json["status"] == "error"
                assert account.portal.dump() == untouched, sent


@pytest.mark.parametrize("raw", [b'{"properties": {"firstname": "\\ud800"}}', b"[" * 100_000])
def test_json_that_is_no_text(raw: bytes) -> None:
    account = an_account()
    assert account.ask("POST", f"{OBJECTS}/contacts", raw=raw).status == 400
    assert account.portal.count("contacts") == 1


def test_a_pair_of_surrogates_is_text() -> None:
    raw = json.dumps({"properties": {"firstname": "Ada 😀"}}).encode()
    assert b"\\ud83d" in raw
    said = an_account().ask("POST", f"{OBJECTS}/contacts", raw=raw)
    assert said.json["properties"]["firstname"] == "Ada 😀"
