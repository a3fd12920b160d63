"""Records one at a time: what a write must look like, what it leaves, what an answer carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from leadops.sandbox.hubspot.schema import ENGAGEMENTS
from leadops_tests.sandbox.hubspot.account import OBJECTS, START, Account, Said, ids, ms

NOTE = {"hs_timestamp": ms(START), "hs_note_body": "called"}


def test_a_new_contact(account: Account) -> None:
    said = account.make("contacts", {"email": "Ada@Customer.Example", "firstname": "Ada"})
    assert said.status == 201
    assert said.json["createdAt"] == said.json["updatedAt"] == "2026-11-02T09:00:00.000Z"
    assert said.json["properties"] == {
        "email": "ada@customer.example",
        "firstname": "Ada",
        "createdate": "2026-11-02T09:00:00.000Z",
        "lastmodifieddate": "2026-11-02T09:00:00.000Z",
        "hs_object_id": said.json["id"],
    }


@pytest.mark.parametrize(
    ("object_type", "properties", "code"),
    [
        ("contacts", {"emial": "ada@customer.example"}, "PROPERTY_DOESNT_EXIST"),
        ("contacts", {"email": "ada at customer"}, "INVALID_EMAIL"),
        ("contacts", {"email": "ada@customer"}, "INVALID_EMAIL"),
        ("contacts", {"email": "a b@customer.example"}, "INVALID_EMAIL"),
        ("contacts", {"hs_lead_status": "new"}, "INVALID_OPTION"),
        ("contacts", {"lifecyclestage": "Lead"}, "INVALID_OPTION"),
        ("contacts", {"hubspot_owner_id": "1"}, "INVALID_OWNER_ID"),
        ("contacts", {"annualrevenue": "much"}, "INVALID_LONG"),
        ("contacts", {"annualrevenue": "nan"}, "INVALID_LONG"),
        ("contacts", {"closedate": "tomorrow"}, "INVALID_DATE"),
        ("contacts", {"createdate": "1767225600000"}, "READ_ONLY_VALUE"),
        ("contacts", {"lastmodifieddate": "1767225600000"}, "READ_ONLY_VALUE"),
        ("contacts", {"hs_object_id": "7"}, "READ_ONLY_VALUE"),
        ("contacts", {"recent_conversion_date": "1767225600000"}, "READ_ONLY_VALUE"),
        ("contacts", {"recent_conversion_event_name": "Demo"}, "READ_ONLY_VALUE"),
        ("contacts", {"num_conversion_events": "1"}, "READ_ONLY_VALUE"),
        ("contacts", {"hs_analytics_source": "OFFLINE"}, "READ_ONLY_VALUE"),
        ("contacts", {"hs_email_optout": "true"}, "READ_ONLY_VALUE"),
        ("tasks", {"hs_task_status": "DONE"}, "INVALID_OPTION"),
        ("tasks", {"hs_task_priority": "URGENT"}, "INVALID_OPTION"),
        ("tasks", {"hs_createdate": "1767225600000"}, "READ_ONLY_VALUE"),
        ("emails", {"hs_email_direction": "OUTBOUND"}, "INVALID_OPTION"),
        ("emails", {"hs_email_status": "DELIVERED"}, "INVALID_OPTION"),
        ("emails", {"hs_email_headers": "to: ada"}, "INVALID_JSON"),
        ("emails", {"hs_email_headers": "[]"}, "INVALID_JSON"),
        ("emails", {"hs_email_from_email": "ana@seller.example"}, "READ_ONLY_VALUE"),
        ("calls", {"hs_call_status": "DONE"}, "INVALID_OPTION"),
        ("calls", {"hs_call_disposition": "Connected"}, "INVALID_OPTION"),
        ("calls", {"hs_call_duration": "1 min"}, "INVALID_LONG"),
        ("meetings", {"hs_meeting_outcome": "DONE"}, "INVALID_OPTION"),
        ("meetings", {"hs_meeting_start_time": "2026-13-01T10:00:00Z"}, "INVALID_DATE"),
        ("communications", {"hs_communication_channel_type": "FAX"}, "INVALID_OPTION"),
        ("deals", {"dealstage": "won"}, "INVALID_OPTION"),
        ("deals", {"amount": "12,000"}, "INVALID_LONG"),
    ],
)
def test_a_value_a_property_does_not_take(
    account: Account, object_type: str, properties: dict[str, str], code: str
) -> None:
    stamped = {"hs_timestamp": ms(START)} if object_type in ENGAGEMENTS else {}
    said = account.make(object_type, stamped | properties)
    assert (said.status, said.json["category"], said.codes) == (400, "VALIDATION_ERROR", [code])
    assert said.json["message"].startswith('Property values were not valid: [{"isValid":false')
    assert said.json["errors"][0]["context"] == {"propertyName": [*properties]}
    assert said.answer.problems
    assert account.portal.count(object_type) == 0


def test_all_that_is_wrong_is_named_at_once(account: Account) -> None:
    said = account.make("contacts", {"nope": "1", "email": "x", "hs_lead_status": "?"})
    assert sorted(said.codes) == ["INVALID_EMAIL", "INVALID_OPTION", "PROPERTY_DOESNT_EXIST"]


def test_the_same_checks_on_an_update_and_nothing_is_written(account: Account) -> None:
    id_ = account.contact()
    before = dict(account.portal.get("contacts", id_).properties)
    account.pass_time(5)
    said = account.write("contacts", id_, {"firstname": "Ada", "hs_lead_status": "nope"})
    assert (said.status, said.codes) == (400, ["INVALID_OPTION"])
    assert account.portal.get("contacts", id_).properties == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"property": {}},
        {"properties": {"firstname": "A"}, "id": "1"},
        {"properties": {"firstname": 1}},
        {"properties": {"firstname": None}},
        {"properties": {"firstname": True}},
        {"properties": ["firstname"]},
        {"properties": {"firstname": "A"}, "objectWriteTraceId": 5},
        {"properties": {"firstname": "A"}, "associations": {}},
        {"properties": {"firstname": "A"}, "associations": [{"to": {"id": "1"}}]},
        {"properties": {"firstname": "A"}, "associations": [{"to": "1", "types": []}]},
    ],
)
def test_a_body_with_other_fields_or_types(account: Account, body: dict[str, Any]) -> None:
    assert account.post(f"{OBJECTS}/contacts", body).status == 400
    assert account.portal.count("contacts") == 0


def test_an_update_of_nothing(account: Account) -> None:
    assert account.write("contacts", account.contact(), {}).status == 400


def test_an_update_takes_no_associations(account: Account) -> None:
    id_ = account.contact()
    body = {"properties": {"firstname": "A"}, "associations": []}
    assert account.ask("PATCH", f"{OBJECTS}/contacts/{id_}", body).status == 400


@pytest.mark.parametrize("object_type", sorted(ENGAGEMENTS))
def test_activities_need_their_time(account: Account, object_type: str) -> None:
    said = account.make(object_type, {"hubspot_owner_id": "71001"})
    assert said.status == 400
    assert said.json["errors"][0]["context"] == {"properties": ["hs_timestamp"]}
    assert account.make(object_type, {"hs_timestamp": "2026-11-02T09:00:00Z"}).status == 201


def test_the_need_of_a_time_is_an_option() -> None:
    assert Account(options={"needs_timestamp": False}).make("notes", {"hs_note_body": "x"}).status == 201


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1793610000123", "2026-11-02T09:00:00.123Z"),
        ("2026-11-02T10:00:00+01:00", "2026-11-02T09:00:00.000Z"),
        ("2026-11-02T09:00:00.123456Z", "2026-11-02T09:00:00.123Z"),
    ],
)
def test_a_moment_is_kept_in_one_form(account: Account, given: str, kept: str) -> None:
    said = account.make("notes", {"hs_timestamp": given})
    assert said.json["properties"]["hs_timestamp"] == kept


def test_an_email_belongs_to_one_contact(account: Account) -> None:
    id_ = account.contact("ada@customer.example")
    said = account.make("contacts", {"email": "ADA@customer.example"})
    assert (said.status, said.json["category"]) == (409, "CONFLICT")
    assert said.json["message"] == f"Contact already exists. Existing ID: {id_}"
    other = account.contact("ben@customer.example")
    assert account.write("contacts", other, {"email": "ada@customer.example"}).status == 409
    assert account.write("contacts", id_, {"email": "ada@customer.example"}).status == 200
    assert account.write("contacts", id_, {"email": "ada@new.example"}).status == 200
    assert account.write("contacts", other, {"email": "ada@customer.example"}).status == 200


def test_the_email_of_an_archived_contact_is_free(account: Account) -> None:
    id_ = account.contact()
    assert account.ask("DELETE", f"{OBJECTS}/contacts/{id_}").status == 204
    assert account.make("contacts", {"email": "ada@customer.example"}).status == 201


def test_an_archived_record_is_gone(account: Account) -> None:
    id_ = account.contact()
    assert ids(account.search()) == [id_]
    account.ask("DELETE", f"{OBJECTS}/contacts/{id_}")
    assert account.read("contacts", id_).status == 404
    assert account.write("contacts", id_, {"firstname": "A"}).status == 404
    assert account.ask("DELETE", f"{OBJECTS}/contacts/{id_}").status == 404
    assert ids(account.search()) == ids(account.ask("GET", f"{OBJECTS}/contacts")) == []


def test_every_write_moves_the_time_of_writing(account: Account) -> None:
    id_ = account.contact(firstname="Ada")
    account.pass_time(1.5)
    said = account.write("contacts", id_, {"firstname": "Ada"})
    assert said.json["properties"]["lastmodifieddate"] == said.json["updatedAt"] == "2026-11-02T09:00:01.500Z"
    assert said.json["createdAt"] == "2026-11-02T09:00:00.000Z"


def test_history_says_who_wrote(account: Account) -> None:
    id_ = account.portal.create("contacts", {"firstname": "Ada"}, at=START, source="FORM", source_id="f-1")
    account.pass_time(60)
    account.write("contacts", id_, {"firstname": "Adele", "lastname": "K"})
    account.pass_time(60)
    account.write("contacts", id_, {"firstname": "Adele"})
    said = account.read("contacts", id_, propertiesWithHistory="firstname,lastmodifieddate")
    history = said.json["propertiesWithHistory"]
    assert history["firstname"] == [
        {
            "value": "Adele",
            "timestamp": "2026-11-02T09:01:00.000Z",
            "sourceType": "INTEGRATION",
            "sourceId": "1048576",
        },
        {
            "value": "Ada",
            "timestamp": "2026-11-02T09:00:00.000Z",
            "sourceType": "FORM",
            "sourceId": "f-1",
        },
    ]
    written = [(each["timestamp"], each["sourceType"]) for each in history["lastmodifieddate"]]
    assert written == [
        ("2026-11-02T09:02:00.000Z", "INTEGRATION"),
        ("2026-11-02T09:01:00.000Z", "INTEGRATION"),
        ("2026-11-02T09:00:00.000Z", "FORM"),
    ]


def test_only_what_is_asked_for_is_answered(account: Account) -> None:
    id_ = account.contact(firstname="Ada", phone="+49 30 123")
    asked = account.read("contacts", id_, properties="phone,company,nonsense").json["properties"]
    assert asked == {
        "phone": "+49 30 123",
        "company": None,
        "createdate": "2026-11-02T09:00:00.000Z",
        "lastmodifieddate": "2026-11-02T09:00:00.000Z",
        "hs_object_id": id_,
    }
    usual = account.read("contacts", id_).json["properties"]
    assert sorted(usual) == [
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname",
    ]  # fmt: skip


def test_activities_have_their_own_names_for_times(account: Account) -> None:
    id_ = account.make("notes", NOTE).json["id"]
    said = account.read("notes", id_).json
    assert sorted(said["properties"]) == ["hs_createdate", "hs_lastmodifieddate", "hs_object_id"]
    assert "propertiesWithHistory" not in said


def test_a_blank_value_clears(account: Account) -> None:
    id_ = account.contact(phone="1")
    account.write("contacts", id_, {"phone": ""})
    assert account.read("contacts", id_, properties="phone").json["properties"]["phone"] is None


def test_reading_and_writing_by_a_unique_property(account: Account) -> None:
    id_ = account.contact()
    assert account.read("contacts", "Ada@customer.example", idProperty="email").json["id"] == id_
    assert account.read("contacts", "nobody@customer.example", idProperty="email").status == 404
    said = account.read("contacts", "Ada", idProperty="firstname")
    assert (said.status, said.codes) == (400, ["INVALID_ID_PROPERTY"])
    path = f"{OBJECTS}/contacts/ada@customer.example"
    body = {"properties": {"firstname": "Ada"}}
    assert account.ask("PATCH", path, body, query={"idProperty": "email"}).json["id"] == id_


def test_the_headers_of_an_email_fill_its_ends(account: Account) -> None:
    headers = (
        '{"from":{"email":"ana@seller.example","firstName":"Ana"},"to":[{"email":"ada@customer.example"}]}'
    )
    said = account.make("emails", {"hs_timestamp": ms(START), "hs_email_headers": headers})
    wanted = "hs_email_from_email,hs_email_from_firstname,hs_email_to_email,hs_email_to_lastname"
    read = account.read("emails", said.json["id"], properties=wanted).json["properties"]
    assert [read[name] for name in wanted.split(",")] == [
        "ana@seller.example", "Ana", "ada@customer.example", None,
    ]  # fmt: skip


def test_listing_gives_every_record_once(account: Account) -> None:
    made = [account.contact(f"a{number}@customer.example") for number in range(25)]
    seen: list[str] = []
    query = {"limit": "10"}
    while True:
        said = account.ask("GET", f"{OBJECTS}/contacts", query=query)
        seen += ids(said)
        if "paging" not in said.json:
            break
        query["after"] = said.json["paging"]["next"]["after"]
    assert seen == made


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "51", "propertiesWithHistory": "email"}],
)
def test_a_list_has_a_longest_page(account: Account, query: dict[str, str]) -> None:
    assert account.ask("GET", f"{OBJECTS}/contacts", query=query).status == 400


def test_a_list_may_be_a_hundred_long(account: Account) -> None:
    assert account.ask("GET", f"{OBJECTS}/contacts", query={"limit": "100"}).status == 200


def test_rules_of_an_administrator_are_enforced() -> None:
    def needs_phone(object_type: str, properties: Mapping[str, str | None]) -> str | None:
        if object_type == "contacts" and properties.get("hs_lead_status") and not properties.get("phone"):
            return "A phone number is needed for a lead status"
        return None

    account = Account(options={"validation_rules": [needs_phone]})
    refused: Said = account.make("contacts", {"email": "ada@customer.example", "hs_lead_status": "OPEN"})
    assert (refused.status, refused.json["category"]) == (400, "VALIDATION_ERROR")
    assert "phone number" in refused.json["message"]
    id_ = account.make("contacts", {"email": "ada@customer.example", "phone": "1"}).json["id"]
    assert account.write("contacts", id_, {"hs_lead_status": "OPEN"}).status == 200
    assert account.write("contacts", id_, {"phone": ""}).status == 400
    said = account.batch(
        "contacts",
        "update",
        [{"id": id_, "properties": {"phone": ""}, "objectWriteTraceId": "t"}],
    )
    assert said.status == 207
    assert account.portal.get("contacts", id_).properties["phone"] == "1"
