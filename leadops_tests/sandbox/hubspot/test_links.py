"""Associations: only between records that exist, of types that fit."""

from __future__ import annotations

from typing import Any

import pytest

from leadops_tests.sandbox.hubspot.account import OBJECTS, START, Account, ms

ASSOCIATIONS = "/crm/associations/2026-09"


def a_note(account: Account) -> str:
    return account.portal.create("notes", {"hs_note_body": "x"}, at=account.now)


def put(account: Account, from_type: str, id_: str, to_type: str, to_id: str) -> int:
    path = f"{OBJECTS}/{from_type}/{id_}/associations/default/{to_type}/{to_id}"
    return account.ask("PUT", path).status


def typed(to_id: str, type_id: Any, category: str = "HUBSPOT_DEFINED") -> dict[str, Any]:
    kind = {"associationCategory": category, "associationTypeId": type_id}
    return {"to": {"id": to_id}, "types": [kind]}


def test_a_default_association_goes_both_ways_and_once(account: Account) -> None:
    contact, note = account.contact(), a_note(account)
    assert put(account, "notes", note, "contacts", contact) == 200
    assert put(account, "notes", note, "contacts", contact) == 200
    assert account.portal.associated("contacts", contact, "notes") == [note]
    assert account.portal.associated("notes", note, "contacts") == [contact]


def test_both_ends_must_exist(account: Account) -> None:
    contact, note = account.contact(), a_note(account)
    assert put(account, "notes", "5", "contacts", contact) == 404
    assert put(account, "notes", note, "contacts", "5") == 404
    assert put(account, "notes", contact, "contacts", note + "0") == 404


def test_types_that_have_no_association(account: Account) -> None:
    note, other = a_note(account), a_note(account)
    assert put(account, "notes", note, "notes", other) == 400


def test_a_record_made_with_its_associations(account: Account) -> None:
    contact = account.contact()
    said = account.make("notes", {"hs_timestamp": ms(START)}, associations=[typed(contact, 202)])
    assert said.status == 201
    assert account.portal.associated("contacts", contact, "notes") == [said.json["id"]]
    read = account.read("notes", said.json["id"], associations="contacts").json
    assert read["associations"] == {"contacts": {"results": [{"id": contact, "type": "note_to_contact"}]}}


@pytest.mark.parametrize(
    "association",
    [typed("5", 202), typed("99501", 204), typed("99501", "202"), typed("99501", 202, "USER_DEFINED")],
)
def test_an_association_that_does_not_fit_makes_no_record(
    account: Account, association: dict[str, Any]
) -> None:
    assert account.contact() == "99501"
    said = account.make("notes", {"hs_timestamp": ms(START)}, associations=[association])
    assert said.status == 400
    assert account.portal.count("notes") == 0


def test_many_at_once_each_for_itself(account: Account) -> None:
    contact, note = account.contact(), a_note(account)
    inputs = [
        {"from": {"id": note}, "to": {"id": contact}},
        {"from": {"id": note}, "to": {"id": "5"}},
    ]
    path = f"{ASSOCIATIONS}/notes/contacts/batch/associate/default"
    said = account.post(path, {"inputs": inputs})
    assert (said.status, said.json["numErrors"]) == (207, 1)
    assert said.json["errors"][0]["context"] == {"fromObjectId": [note], "toObjectId": ["5"]}
    assert account.portal.associated("notes", note, "contacts") == [contact]
    assert account.post(path, {"inputs": inputs[:1]}).status == 200
    assert account.post(path, {"inputs": inputs[:1] * 101}).status == 400
    assert account.post(path, {"inputs": [{"from": {"id": note}, "to": contact}]}).status == 400


def test_many_with_their_types(account: Account) -> None:
    contact, note = account.contact(), a_note(account)
    path = f"{ASSOCIATIONS}/notes/contacts/batch/create"
    plain = {"from": {"id": note}, "to": {"id": contact}}
    assert account.post(path, {"inputs": [plain]}).status == 400
    assert account.post(path, {"inputs": [plain | {"types": typed("", 214)["types"]}]}).status == 400
    assert account.portal.associated("notes", note, "contacts") == []
    assert account.post(path, {"inputs": [plain | {"types": typed("", 202)["types"]}]}).status == 201
    assert account.portal.associated("notes", note, "contacts") == [contact]


def test_reading_who_is_tied_to_whom(account: Account) -> None:
    contact, lonely = account.contact(), account.contact("ben@customer.example")
    deal = account.portal.create("deals", {}, at=START, associations=[("contacts", contact)])
    path = f"{ASSOCIATIONS}/contacts/deals/batch/read"
    said = account.post(path, {"inputs": [{"id": contact}, {"id": lonely}]})
    assert said.status == 207
    (result,) = said.json["results"]
    assert result["from"] == {"id": contact}
    assert [each["toObjectId"] for each in result["to"]] == [deal]
    (error,) = said.json["errors"]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["context"]["fromObjectId"] == [lonely]
    assert account.post(path, {"inputs": [{"id": contact}]}).status == 200


def test_archiving_a_record_unties_it(account: Account) -> None:
    contact, note = account.contact(), a_note(account)
    put(account, "notes", note, "contacts", contact)
    account.ask("DELETE", f"{OBJECTS}/notes/{note}")
    assert account.portal.associated("contacts", contact, "notes") == []


def test_logging_an_activity_writes_to_the_contact(account: Account) -> None:
    """HubSpot notes on the contact when something was last logged: our own notes come back as changes."""
    contact = account.contact()
    account.pass_time(60)
    said = account.make("notes", {"hs_timestamp": ms(START)}, associations=[typed(contact, 202)])
    assert said.status == 201
    read = account.read("contacts", contact, propertiesWithHistory="notes_last_updated").json
    assert read["updatedAt"] == "2026-11-02T09:01:00.000Z"
    (version,) = read["propertiesWithHistory"]["notes_last_updated"]
    assert (version["value"], version["sourceType"]) == ("2026-11-02T09:00:00.000Z", "CALCULATED")


def test_that_can_be_off(account: Account) -> None:
    account.portal.activity_bumps = False
    contact = account.contact()
    account.pass_time(60)
    account.make("notes", {"hs_timestamp": ms(START)}, associations=[typed(contact, 202)])
    assert account.read("contacts", contact).json["updatedAt"] == "2026-11-02T09:00:00.000Z"
