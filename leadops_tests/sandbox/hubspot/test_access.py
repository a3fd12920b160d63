"""Who may ask, where, how often; and how a refusal looks."""

from __future__ import annotations

import json

import pytest

from leadops_tests.sandbox.hubspot.account import OBJECTS, TOKEN, Account, search_body

CONTACTS = f"{OBJECTS}/contacts"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN, f"bearer{TOKEN}", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_answered(account: Account, given: str | None) -> None:
    said = account.ask("GET", CONTACTS, headers={} if given is None else {"authorization": given})
    assert (said.status, said.json["category"]) == (401, "INVALID_AUTHENTICATION")
    assert said.answer.problems


def test_an_error_has_the_vendors_shape(account: Account) -> None:
    first, second = (account.read("contacts", "1").json for _ in range(2))
    assert first["status"] == "error"
    assert first["category"] == "OBJECT_NOT_FOUND"
    assert first["message"]
    assert len(first["correlationId"]) == 36
    assert first["correlationId"] != second["correlationId"]


def test_missing_scopes_are_named() -> None:
    account = Account(options={"scopes": {"crm.objects.contacts.read"}})
    assert account.ask("GET", CONTACTS).status == 200
    said = account.make("contacts", {"email": "ada@customer.example"})
    assert (said.status, said.json["category"]) == (403, "MISSING_SCOPES")
    assert said.json["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    assert account.portal.count("contacts") == 0
    assert account.ask("GET", "/crm/owners/2026-09").status == 403
    assert account.ask("GET", "/crm/properties/2026-09/contacts").status == 403
    assert account.ask("GET", f"{OBJECTS}/deals").status == 403
    assert account.ask("GET", f"{OBJECTS}/tasks").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts",
        "/crm/v4/objects/contacts",
        "/crm/objects/v3/contacts",
        "/crm/objects/2025-09/contacts",
        "/crm/objects/contacts",
        "/crm/objects/2026-09/contacts/",
        "/contacts/v1/lists/all/contacts/all",
        "/crm/objects/2026-09/contacts/batch/merge",
        "/",
    ],
)
def test_only_date_versions_exist(account: Account, path: str) -> None:
    said = account.ask("GET", path)
    assert said.status == 404
    assert said.answer.problems


def test_the_version_before_still_answers(account: Account) -> None:
    assert account.ask("GET", "/crm/objects/2026-03/contacts").status == 200


def test_a_method_an_address_does_not_have(account: Account) -> None:
    assert account.ask("PUT", CONTACTS, {"properties": {}}).status == 405
    assert account.ask("GET", f"{CONTACTS}/search").status == 405
    assert account.ask("PATCH", f"{CONTACTS}/batch", {"properties": {"firstname": "A"}}).status == 404


def test_an_unknown_object_type(account: Account) -> None:
    said = account.ask("GET", f"{OBJECTS}/people")
    assert (said.status, said.json["message"]) == (400, "Unable to infer object type from: people")


def test_a_type_goes_by_its_singular_and_its_id_too(account: Account) -> None:
    id_ = account.contact()
    assert account.read("contact", id_).json["id"] == account.read("0-1", id_).json["id"] == id_


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_must_say_it_is_json(account: Account, kind: str | None) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"} | ({"content-type": kind} if kind else {})
    body = json.dumps({"properties": {"email": "ada@customer.example"}}).encode()
    assert account.ask("POST", CONTACTS, headers=headers, raw=body).status == 415
    assert account.portal.count("contacts") == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"[1", b'{"properties": NaN}', b"\xff\xfe"])
def test_a_body_must_be_json(account: Account, raw: bytes) -> None:
    said = account.ask("POST", CONTACTS, raw=raw)
    assert (said.status, said.json["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [[], "text", 1, None])
def test_a_body_must_be_an_object(account: Account, body: object) -> None:
    assert account.ask("POST", CONTACTS, raw=json.dumps(body).encode()).status == 400


def test_a_query_parameter_the_vendor_does_not_have_is_noted(account: Account) -> None:
    said = account.ask("GET", CONTACTS, query={"hapikey": "x", "limit": "5"})
    assert said.status == 200
    assert said.answer.problems == ("query parameter hapikey is not the vendor's",)


def test_what_is_right_has_no_problems(account: Account) -> None:
    id_ = account.contact()
    assert account.read("contacts", id_, properties="email").answer.problems == ()
    assert account.search().answer.problems == ()
    assert account.read("contacts", "404").answer.problems == ()


def test_the_sixth_search_of_a_second_is_refused() -> None:
    account = Account(options={"limits": True})
    for _ in range(5):
        assert account.search().status == 200
        account.pass_time(0.1)
    said = account.search()
    assert (said.status, said.json["policyName"]) == (429, "SECONDLY")
    assert said.answer.problems
    account.pass_time(0.49)
    assert account.search().status == 429
    account.pass_time(0.01)
    assert account.search().status == 200
    assert account.search().status == 429


def test_searches_of_all_types_count_together() -> None:
    account = Account(options={"limits": True})
    kinds = ["contacts", "deals", "tasks", "notes", "meetings"]
    assert [account.search(kind).status for kind in kinds] == [200] * 5
    assert account.search("calls").status == 429
    assert account.ask("GET", CONTACTS).status == 200


def test_190_requests_in_ten_seconds() -> None:
    account = Account(options={"limits": True})
    said = [account.ask("GET", CONTACTS) for _ in range(191)]
    assert [each.status for each in said] == [200] * 190 + [429]
    assert said[-1].json["policyName"] == "TEN_SECONDLY_ROLLING"
    assert said[-1].answer.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    headers = said[0].answer.headers
    assert headers["X-HubSpot-RateLimit-Max"] == "190"
    assert headers["X-HubSpot-RateLimit-Remaining"] == "189"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "649999"
    account.pass_time(10)
    assert account.ask("GET", CONTACTS).status == 200


def test_the_day_has_a_limit_and_ends() -> None:
    account = Account(options={"limits": True, "requests_per_day": 2})
    assert [account.ask("GET", CONTACTS).status for _ in range(3)] == [200, 200, 429]
    assert account.ask("GET", CONTACTS).json["policyName"] == "DAILY"
    account.pass_time(24 * 3600)
    assert account.ask("GET", CONTACTS).status == 200


def test_answers_of_search_do_not_speak_of_limits() -> None:
    account = Account(options={"limits": True})
    assert not [name for name in account.search().answer.headers if "RateLimit" in name]


def test_limits_can_be_off() -> None:
    account = Account()
    assert {account.search().status for _ in range(50)} == {200}
    account.sandbox.options.limits = True
    assert {account.search().status for _ in range(50)} == {200, 429}


@pytest.mark.parametrize(
    ("status", "member", "value"),
    [
        (400, "category", "VALIDATION_ERROR"),
        (401, "category", "INVALID_AUTHENTICATION"),
        (403, "category", "MISSING_SCOPES"),
        (404, "category", "OBJECT_NOT_FOUND"),
        (409, "category", "CONFLICT"),
        (422, "category", "VALIDATION_ERROR"),
        (429, "policyName", "TEN_SECONDLY_ROLLING"),
        (500, "category", "INTERNAL_ERROR"),
    ],
)
def test_errors_made_on_purpose_look_like_the_vendors(
    account: Account, status: int, member: str, value: str
) -> None:
    made = account.sandbox.refusal(status)
    assert made.status == status
    assert json.loads(made.body)[member] == value


def test_the_edge_answers_503_in_html(account: Account) -> None:
    made = account.sandbox.refusal(503)
    assert made.headers["content-type"].startswith("text/html")
    assert made.body.startswith(b"<html>")


def test_exchanges_are_kept_with_what_was_wrong(account: Account) -> None:
    account.post(f"{CONTACTS}/search", search_body() | {"limit": 201})
    kept = account.sandbox.exchanges[-1]
    assert kept.status == 400
    assert "limit" in kept.problems[0]
