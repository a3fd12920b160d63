"""Owners and properties."""

from __future__ import annotations

from typing import Any

import pytest

from leadops_tests.sandbox.hubspot.account import Account, ids

OWNERS = "/crm/owners/2026-09"
CONTACTS = "/crm/properties/2026-09/contacts"
PLAIN = {
    "name": "leadops_tier",
    "label": "Tier",
    "type": "string",
    "fieldType": "text",
    "groupName": "contactinformation",
}


def test_owners(account: Account) -> None:
    said = account.ask("GET", OWNERS).json
    assert [each["id"] for each in said["results"]] == ["71001", "71002", "71003"]
    one = account.ask("GET", OWNERS, query={"email": "Ben.Okafor@seller.example"}).json["results"]
    assert [(each["id"], each["firstName"]) for each in one] == [("71002", "Ben")]
    assert account.ask("GET", OWNERS, query={"email": "nobody@seller.example"}).json["results"] == []
    assert account.ask("GET", f"{OWNERS}/71003").json["email"] == "chloe.martin@seller.example"
    assert account.ask("GET", f"{OWNERS}/5").status == 404


def test_owners_a_page_at_a_time(account: Account) -> None:
    said = account.ask("GET", OWNERS, query={"limit": "2"})
    after = said.json["paging"]["next"]["after"]
    rest = account.ask("GET", OWNERS, query={"limit": "2", "after": after})
    assert ids(said) + ids(rest) == ["71001", "71002", "71003"]
    assert "paging" not in rest.json
    assert account.ask("GET", OWNERS, query={"limit": "501"}).status == 400


def test_an_owner_of_the_world_is_known_to_the_api(account: Account) -> None:
    account.portal.owners = [{"id": "9", "email": "z@seller.example", "firstName": "Z", "lastName": "Y"}]
    assert account.make("contacts", {"hubspot_owner_id": "9"}).status == 201
    assert account.make("contacts", {"hubspot_owner_id": "71001"}).status == 400


def test_standard_properties_say_what_they_take(account: Account) -> None:
    status = account.ask("GET", f"{CONTACTS}/hs_lead_status").json
    assert status["type"] == "enumeration"
    assert "UNQUALIFIED" in [each["value"] for each in status["options"]]
    assert account.ask("GET", f"{CONTACTS}/createdate").json["modificationMetadata"]["readOnlyValue"]
    assert account.ask("GET", f"{CONTACTS}/nonsense").status == 404
    names = [each["name"] for each in account.ask("GET", CONTACTS).json["results"]]
    assert {"email", "message", "recent_conversion_event_name", "hs_email_optout"} <= set(names)


def test_a_property_is_made_once_and_then_written(account: Account) -> None:
    assert account.make("contacts", {"leadops_tier": "A"}).status == 400
    said = account.post(CONTACTS, PLAIN)
    assert (said.status, said.json["hubspotDefined"]) == (201, False)
    again = account.post(CONTACTS, PLAIN)
    assert (again.status, again.json["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert account.make("contacts", {"leadops_tier": "A"}).status == 201


@pytest.mark.parametrize(
    "more",
    [
        {"name": "Leadops"},
        {"name": "hs_leadops"},
        {"name": "1tier"},
        {"name": None},
        {"label": None},
        {"type": "text"},
        {"fieldType": "string"},
        {"groupName": "nowhere"},
        {"groupName": None},
        {"type": "enumeration", "fieldType": "select"},
        {"type": "enumeration", "fieldType": "select", "options": [{"label": "A"}]},
        {"type": "enumeration", "fieldType": "select", "options": [{"label": "A", "value": "a"}] * 2},
        {"options": [{"label": "A", "value": "a"}]},
        {"hasUniqueValue": "true"},
        {"type": "datetime", "fieldType": "date", "hasUniqueValue": True},
        {"unique": True},
        {"displayOrder": float("nan")},
    ],
)
def test_a_property_the_vendor_would_not_make(account: Account, more: dict[str, Any]) -> None:
    assert account.post(CONTACTS, PLAIN | more).status == 400
    assert account.ask("GET", f"{CONTACTS}/leadops_tier").status == 404


def test_a_choice_is_held_to_its_options(account: Account) -> None:
    options = [{"label": "Hot", "value": "hot"}, {"label": "Cold", "value": "cold"}]
    made = PLAIN | {"type": "enumeration", "fieldType": "select", "options": options}
    assert account.post(CONTACTS, made).status == 201
    assert account.make("contacts", {"leadops_tier": "hot"}).status == 201
    assert account.make("contacts", {"leadops_tier": "Hot"}).codes == ["INVALID_OPTION"]


def test_unique_values_are_held_to_it(account: Account) -> None:
    account.post(CONTACTS, PLAIN | {"hasUniqueValue": True})
    first = account.make("contacts", {"leadops_tier": "one"}).json["id"]
    said = account.make("contacts", {"leadops_tier": "ONE"})
    assert (said.status, said.json["category"]) == (409, "CONFLICT")
    assert first in said.json["message"]
    assert account.read("contacts", "one", idProperty="leadops_tier").json["id"] == first


def test_ten_properties_with_unique_values(account: Account) -> None:
    made = [
        account.post(CONTACTS, PLAIN | {"name": f"key_{number}", "hasUniqueValue": True}).status
        for number in range(11)
    ]
    assert made == [201] * 10 + [400]


def test_groups(account: Account) -> None:
    path = f"{CONTACTS}/groups"
    assert account.post(path, {"name": "leadops", "label": "leadops"}).status == 201
    assert account.post(path, {"name": "leadops", "label": "leadops"}).status == 409
    assert account.post(path, {"name": "Lead Ops", "label": "x"}).status == 400
    assert account.post(path, {"name": "other"}).status == 400
    assert account.ask("GET", f"{path}/leadops").json["label"] == "leadops"
    assert account.ask("GET", f"{path}/nonsense").status == 404
    assert "leadops" in [each["name"] for each in account.ask("GET", path).json["results"]]
    assert account.post(CONTACTS, PLAIN | {"groupName": "leadops"}).status == 201
