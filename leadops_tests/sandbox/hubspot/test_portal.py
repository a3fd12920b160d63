"""The account as the people of the sandbox write to it, and keeping it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from leadops.sandbox.hubspot import Portal, Property, TakenError
from leadops_tests.sandbox.hubspot.account import START, Account, ids

HOUR = timedelta(hours=1)


def test_people_write_what_the_api_may_not() -> None:
    portal = Portal()
    id_ = portal.create(
        "contacts",
        {
            "email": "Ada@Customer.example",
            "recent_conversion_date": START.isoformat(),
            "recent_conversion_event_name": "Request a demo",
            "hs_analytics_source": "ORGANIC_SEARCH",
            "num_conversion_events": "1",
        },
        at=START,
        source="FORM",
    )
    record = portal.get("contacts", id_)
    assert record.created_at == record.updated_at == START
    assert record.properties["recent_conversion_date"] == "2026-11-02T09:00:00.000Z"
    assert record.properties["hs_object_source"] == "FORM"
    assert portal.find("contacts", email="ada@customer.example") == [record]
    assert portal.find("contacts", hs_analytics_source="ORGANIC_SEARCH") == [record]
    assert portal.find("contacts", email="ada@customer.example", firstname="X") == []


@pytest.mark.parametrize(
    ("properties", "error"),
    [({"nonsense": "1"}, KeyError), ({"hs_lead_status": "?"}, ValueError), ({"phone": "1"}, None)],
)
def test_their_mistakes_are_found_too(properties: dict[str, str], error: type[Exception] | None) -> None:
    portal = Portal()
    if error is None:
        portal.create("contacts", properties, at=START)
        return
    with pytest.raises(error):
        portal.create("contacts", properties, at=START)
    assert portal.count("contacts") == 0


def test_an_email_is_taken() -> None:
    portal = Portal()
    id_ = portal.create("contacts", {"email": "ada@customer.example"}, at=START)
    with pytest.raises(TakenError) as caught:
        portal.create("contacts", {"email": "ADA@customer.example"}, at=START)
    assert caught.value.existing_id == id_


def test_an_association_with_nobody() -> None:
    portal = Portal()
    with pytest.raises(KeyError):
        portal.create("deals", {}, at=START, associations=[("contacts", "5")])
    assert portal.count("deals") == 0


def test_ids_grow_a_digit_and_are_unique_within_a_type_only() -> None:
    portal = Portal()
    contacts = [portal.create("contacts", {}, at=START) for _ in range(600)]
    deal = portal.create("deals", {}, at=START)
    assert deal in contacts
    assert len(set(contacts)) == 600
    assert sorted(contacts) != sorted(contacts, key=int)


def test_the_time_of_writing_never_goes_back() -> None:
    portal = Portal()
    id_ = portal.create("contacts", {}, at=START)
    portal.update("contacts", id_, {"firstname": "Ada"}, at=START - HOUR)
    assert portal.get("contacts", id_).updated_at == START


def full(account: Account) -> None:
    portal = account.portal
    portal.define(
        "notes",
        Property(
            "leadops_action_id", "Action", group="note", has_unique_value=True, is_hubspot_defined=False
        ),
    )
    portal.define("deals", Property("tier", "Tier", options=(("a", "A"),), is_hubspot_defined=False))
    portal.groups["contacts"]["leadops"] = "leadops"
    portal.owners.append({"id": "9", "email": "z@seller.example", "firstName": "Z", "lastName": "Y"})
    contact = account.contact(hubspot_owner_id="9")
    account.pass_time(60)
    portal.update("contacts", contact, {"firstname": "Ada"}, at=account.now, source="FORM", source_id="f")
    portal.create("notes", {"leadops_action_id": "k"}, at=account.now, associations=[("contacts", contact)])
    gone = account.contact("gone@customer.example")
    portal.archive("contacts", gone, at=account.now)


def test_an_account_survives_being_written_down(account: Account) -> None:
    full(account)
    loaded = Portal.load(json.loads(json.dumps(account.portal.dump())))
    assert loaded.dump() == account.portal.dump()
    before = account.search(properties=["email", "firstname"], limit=100).json
    account.sandbox.portal = loaded
    assert account.search(properties=["email", "firstname"], limit=100).json == before
    assert account.make("contacts", {"email": "ada@customer.example"}).status == 409
    assert account.make("notes", {"leadops_action_id": "k", "hs_timestamp": "0"}).status == 409
    assert loaded.associated("contacts", "99501", "notes") == ["99501"]
    assert account.contact("new@customer.example") == "99503"


def test_a_loaded_account_and_the_first_go_their_own_ways(account: Account) -> None:
    full(account)
    loaded = Portal.load(account.portal.dump())
    loaded.update("contacts", "99501", {"firstname": "Else"}, at=account.now)
    loaded.owners.clear()
    assert account.portal.get("contacts", "99501").properties["firstname"] == "Ada"
    assert account.portal.owners


def test_what_happens_later_is_not_found_yet(account: Account) -> None:
    """The simulated past may be written ahead of the clock."""
    id_ = account.portal.create("contacts", {}, at=account.now + HOUR)
    assert ids(account.search()) == []
    account.pass_time(3600)
    assert ids(account.search()) == [id_]


def test_a_property_is_defined_once() -> None:
    portal = Portal()
    with pytest.raises(ValueError, match="email"):
        portal.define("contacts", Property("email", "Email", has_unique_value=True))
