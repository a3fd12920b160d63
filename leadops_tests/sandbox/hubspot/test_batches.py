"""Many records at a time: sizes, duplicates, and one that fails among others."""

from __future__ import annotations

from typing import Any

import pytest

from leadops_tests.sandbox.hubspot.account import OBJECTS, START, Account, ids, ms

KEY = "leadops_action_id"
PROPERTIES = "/crm/properties/2026-09"


def with_key(account: Account, object_type: str = "notes") -> None:
    """Give a type the property that makes writing twice the same as once."""
    group = account.ask("GET", f"{PROPERTIES}/{object_type}/groups").json["results"][0]["name"]
    body = {
        "name": KEY,
        "label": "Action",
        "type": "string",
        "fieldType": "text",
        "groupName": group,
        "hasUniqueValue": True,
    }
    assert account.post(f"{PROPERTIES}/{object_type}", body).status == 201


def note(key: str, *, body: str = "hello", trace: str | None = None, **more: Any) -> dict[str, Any]:
    """An input of an upsert."""
    made = {
        "id": key,
        "idProperty": KEY,
        "properties": {"hs_note_body": body, "hs_timestamp": ms(START)},
        **more,
    }
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def new_contact(email: str, trace: str | None = None, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"properties": {"email": email, **more}}
    return made if trace is None else {**made, "objectWriteTraceId": trace}


def test_upsert_makes_once_and_then_writes(account: Account) -> None:
    with_key(account)
    first = account.batch("notes", "upsert", [note("k1"), note("k2")])
    assert first.status == 200
    assert first.json["status"] == "COMPLETE"
    assert [each["new"] for each in first.json["results"]] == [True, True]
    second = account.batch("notes", "upsert", [note("k1", body="again"), note("k3")])
    assert [each["new"] for each in second.json["results"]] == [False, True]
    assert ids(second)[0] == ids(first)[0]
    assert account.portal.count("notes") == 3
    assert account.portal.find("notes", leadops_action_id="k1")[0].properties["hs_note_body"] == "again"


def test_upsert_by_email(account: Account) -> None:
    id_ = account.contact()
    inputs = [
        {"id": "ADA@customer.example", "idProperty": "email", "properties": {"firstname": "Ada"}},
        {"id": "ben@customer.example", "idProperty": "email", "properties": {"firstname": "Ben"}},
    ]
    said = account.batch("contacts", "upsert", inputs)
    assert [each["new"] for each in said.json["results"]] == [False, True]
    assert ids(said)[0] == id_
    assert account.portal.find("contacts", email="ben@customer.example")[0].properties["firstname"] == "Ben"


@pytest.mark.parametrize(
    "more",
    [
        {"associations": []},
        {"associations": [{"to": {"id": "1"}, "types": []}]},
        {"idProperty": None},
        {"idProperty": "hs_note_body"},
        {"idProperty": "nonsense"},
        {"id": None},
        {"id": 5},
        {"properties": None},
        {"properties": {"hs_note_body": 5}},
        {"objectWriteTraceId": 5},
        {"extra": 1},
    ],
)
def test_an_upsert_takes_four_fields(account: Account, more: dict[str, Any]) -> None:
    with_key(account)
    inputs = [note("k0"), note("k1") | more]
    assert account.batch("notes", "upsert", inputs).status == 400
    assert account.portal.count("notes") == 0


def test_where_activities_take_no_unique_properties() -> None:
    account = Account(options={"unique_engagement_properties": False})
    body = {
        "name": KEY,
        "label": "Action",
        "type": "string",
        "fieldType": "text",
        "groupName": "note",
        "hasUniqueValue": True,
    }
    assert account.post(f"{PROPERTIES}/notes", body).status == 400
    assert account.batch("notes", "upsert", [note("k1")]).status == 400
    assert account.post(f"{PROPERTIES}/notes", body | {"hasUniqueValue": False}).status == 201
    assert account.batch("notes", "upsert", [note("k1")]).status == 400
    with_key(account, "contacts")
    assert account.portal.count("notes") == 0


@pytest.mark.parametrize("verb", ["read", "create", "update", "upsert", "archive"])
def test_a_batch_has_at_most_a_hundred_inputs(account: Account, verb: str) -> None:
    with_key(account)
    made = [account.portal.create("notes", {}, at=START) for _ in range(101)]
    one: dict[str, Any] = {
        "read": lambda each: {"id": each},
        "archive": lambda each: {"id": each},
        "create": lambda each: {"properties": {"hs_timestamp": ms(START)}},
        "update": lambda each: {"id": each, "properties": {"hs_note_body": "x"}},
        "upsert": note,
    }
    inputs = [one[verb](each) for each in made]
    said = account.batch("notes", verb, inputs)
    assert said.status == 400
    assert "100" in said.json["message"]
    assert account.batch("notes", verb, inputs[:100]).status in (200, 201, 204)


@pytest.mark.parametrize("verb", ["read", "create", "update", "upsert", "archive"])
@pytest.mark.parametrize("body", [{}, {"inputs": []}, {"inputs": {}}, {"inputs": [1]}, {"input": []}])
def test_a_batch_has_inputs(account: Account, verb: str, body: dict[str, Any]) -> None:
    assert account.post(f"{OBJECTS}/contacts/batch/{verb}", body).status == 400


def test_one_record_comes_once_in_a_batch(account: Account) -> None:
    with_key(account)
    id_ = account.contact()
    same = [{"id": id_, "properties": {"firstname": name}} for name in "ab"]
    assert account.batch("contacts", "update", same).status == 400
    assert account.batch("contacts", "archive", [{"id": id_}, {"id": id_}]).status == 400
    assert account.batch("notes", "upsert", [note("k1", trace="1"), note("k1", trace="2")]).status == 400
    twice = [new_contact("ben@customer.example"), new_contact("Ben@customer.example")]
    assert account.batch("contacts", "create", twice).status == 400
    assert account.batch("notes", "upsert", [note("k1", trace="1"), note("k2", trace="1")]).status == 400
    assert account.portal.count("contacts") == 1
    assert account.portal.count("notes") == 0


def test_with_trace_ids_one_that_fails_does_not_keep_the_others_back(account: Account) -> None:
    with_key(account)
    inputs = [
        note("k1", trace="t1"),
        note("k2", trace="t2") | {"properties": {"hs_note_body": "no time"}},
        note("k3", trace="t3"),
    ]
    said = account.batch("notes", "upsert", inputs)
    assert (said.status, said.json["status"], said.json["numErrors"]) == (207, "COMPLETE", 1)
    assert [each["objectWriteTraceId"] for each in said.json["results"]] == ["t1", "t3"]
    (error,) = said.json["errors"]
    assert (error["status"], error["category"]) == ("error", "VALIDATION_ERROR")
    assert error["context"]["objectWriteTraceId"] == ["t2"]
    assert said.answer.problems
    assert account.portal.count("notes") == 2


def test_a_conflict_among_others(account: Account) -> None:
    id_ = account.contact()
    inputs = [new_contact("ada@customer.example", "t1"), new_contact("ben@customer.example", "t2")]
    said = account.batch("contacts", "create", inputs)
    assert said.status == 207
    (error,) = said.json["errors"]
    assert error["category"] == "CONFLICT"
    assert error["message"].endswith(f"Existing ID: {id_}")
    assert error["context"]["objectWriteTraceId"] == ["t1"]
    assert [each["objectWriteTraceId"] for each in said.json["results"]] == ["t2"]


def test_an_update_of_what_is_not_there_among_others(account: Account) -> None:
    id_ = account.contact()
    inputs = [
        {"id": "5", "properties": {"firstname": "X"}, "objectWriteTraceId": "t1"},
        {"id": id_, "properties": {"firstname": "Ada"}, "objectWriteTraceId": "t2"},
    ]
    said = account.batch("contacts", "update", inputs)
    assert said.status == 207
    assert [each["category"] for each in said.json["errors"]] == ["OBJECT_NOT_FOUND"]
    assert account.portal.get("contacts", id_).properties["firstname"] == "Ada"


def test_without_trace_ids_one_that_fails_fails_all(account: Account) -> None:
    account.contact()
    inputs = [new_contact("ben@customer.example"), new_contact("ada@customer.example")]
    assert account.batch("contacts", "create", inputs).status == 409
    inputs = [new_contact("ben@customer.example", "t1"), new_contact("c@customer.example", nope="1")]
    assert account.batch("contacts", "create", inputs).status == 400
    assert account.portal.count("contacts") == 1


def test_created_in_a_batch(account: Account) -> None:
    said = account.batch("contacts", "create", [new_contact(f"{name}@customer.example") for name in "ab"])
    assert said.status == 201
    assert ids(said) == [record.id for record in account.portal.records("contacts")]
    assert "numErrors" not in said.json


def test_reading_many_names_what_is_missing(account: Account) -> None:
    first, second = account.contact(), account.contact("ben@customer.example", firstname="Ben")
    both = account.batch("contacts", "read", [{"id": second}, {"id": first}], properties=["firstname"])
    assert both.status == 200
    assert ids(both) == [second, first]
    assert both.json["results"][0]["properties"]["firstname"] == "Ben"
    assert "email" not in both.json["results"][0]["properties"]
    some = account.batch("contacts", "read", [{"id": first}, {"id": "5"}], properties=["email"])
    assert some.status == 207
    assert ids(some) == [first]
    assert some.json["errors"][0]["context"] == {"ids": ["5"]}


def test_reading_many_by_a_unique_property(account: Account) -> None:
    id_ = account.contact()
    inputs = [{"id": "ada@customer.example"}]
    asked = {"properties": ["email"], "propertiesWithHistory": ["email"]}
    said = account.batch("contacts", "read", inputs, idProperty="email", **asked)
    assert ids(said) == [id_]
    assert said.json["results"][0]["propertiesWithHistory"]["email"][0]["sourceType"] == "CRM_UI"
    assert account.batch("contacts", "read", inputs, idProperty="company").status == 400


def test_archiving_many(account: Account) -> None:
    made = [account.contact(f"{name}@customer.example") for name in "abc"]
    said = account.batch("contacts", "archive", [{"id": made[0]}, {"id": made[2]}, {"id": "5"}])
    assert said.status == 204
    assert [record.id for record in account.portal.records("contacts")] == [made[1]]
