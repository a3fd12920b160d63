"""The sandbox refuses what the vendors refuse: these fail when it goes lenient."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadops.sandbox.enrichment import (
    ApolloSandbox,
    ClearbitSandbox,
    Company,
    Directory,
    Person,
    SelfHostedSandbox,
)
from leadops.sandbox.frame import Answer, Ask, Provider

KEY = "k-1"
NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
HEADERS = {
    "x-api-key": KEY,
    "content-type": "application/json",
    "authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
}
MATCH, BULK, COMPANY = "/api/v1/people/match", "/api/v1/people/bulk_match", "/api/v1/organizations/enrich"


def directory() -> Directory:
    known = Directory()
    known.add(Company("acme.com", "Acme", "machinery", 12, "Germany", "DE"), Person("a@acme.com", "VP"))
    return known


def ask(
    provider: Provider,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: Any = None,
    **headers: str,
) -> Answer:
    given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return provider.answer(Ask(method, path, given, query or {}, data))


@pytest.fixture
def apollo() -> ApolloSandbox:
    return ApolloSandbox(lambda: NOW, KEY, directory=directory())


def details(n: int) -> dict[str, Any]:
    return {"details": [{"email": f"a{i}@acme.com"} for i in range(n)]}


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("POST", MATCH, {"email": "a@acme.com"}, None, 200),
        ("POST", MATCH, {}, {"email": "a@acme.com"}, 422),
        ("POST", MATCH, {"email": "a@acme.com"}, {}, 422),
        ("POST", MATCH, {"emial": "a@acme.com"}, None, 422),
        ("POST", MATCH, {"email": "nobody"}, None, 422),
        ("POST", MATCH, {"email": "a@acme.com", "api_key": KEY}, None, 422),
        ("POST", MATCH, {"email": "a@acme.com", "reveal_phone_number": "true"}, None, 400),
        ("GET", MATCH, {"email": "a@acme.com"}, None, 405),
        ("POST", BULK, {}, details(10), 200),
        ("POST", BULK, {}, details(11), 422),
        ("POST", BULK, {}, details(0), 422),
        ("POST", BULK, {"email": "a@acme.com"}, details(1), 422),
        ("POST", BULK, {}, {"details": [{"emial": "x"}]}, 422),
        ("POST", BULK, {}, {"details": [{"email": 3}]}, 422),
        ("POST", BULK, {}, [], 422),
        ("POST", BULK, {}, b"{", 400),
        ("GET", COMPANY, {"domain": "acme.com"}, None, 200),
        ("GET", COMPANY, {}, None, 422),
        ("GET", COMPANY, {"domain": "a@acme.com"}, None, 422),
        ("POST", COMPANY, {"domain": "acme.com"}, None, 405),
        ("POST", "/api/v1/people/search", {}, None, 404),
    ],
)
def test_apollo(
    apollo: ApolloSandbox, method: str, path: str, query: dict[str, str], body: Any, status: int
) -> None:
    assert ask(apollo, method, path, query, body).status == status
    assert ask(apollo, method, path, query, body, x_api_key="other").status in (401, 404, 405)


def test_apollo_takes_the_key_in_its_own_header_and_bodies_as_json(apollo: ApolloSandbox) -> None:
    bearer = ask(apollo, "POST", MATCH, {"email": "a@acme.com"}, x_api_key="", authorization=f"Bearer {KEY}")
    assert bearer.status == 401
    assert ask(apollo, "POST", BULK, {}, details(1), content_type="text/plain").status == 415


def test_apollo_charges_for_who_is_found_and_counts_bulk_requests(apollo: ApolloSandbox) -> None:
    found = json.loads(
        ask(apollo, "POST", BULK, {}, {"details": [{"email": "a@acme.com"}, {"email": "b@x.com"}]}).body
    )
    assert (found["credits_consumed"], found["missing_records"]) == (1, 1)
    assert found["matches"][1] is None
    assert json.loads(ask(apollo, "POST", MATCH, {"email": "b@x.com"}).body) == {"person": None}
    assert apollo.credits_used == 1
    apollo.bulk_per_minute = 2
    assert [ask(apollo, "POST", BULK, {}, details(1)).status for _ in range(3)] == [200, 200, 429]
    apollo.clock = lambda: NOW + timedelta(seconds=61)
    assert ask(apollo, "POST", BULK, {}, details(1)).status == 200


@pytest.mark.parametrize(
    ("method", "query", "authorization", "status"),
    [
        ("GET", {"email": "a@acme.com"}, None, 200),
        ("GET", {"email": "a@nowhere.org"}, None, 404),
        ("GET", {"email": "nobody"}, None, 422),
        ("GET", {}, None, 422),
        ("POST", {"email": "a@acme.com"}, None, 405),
        ("GET", {"email": "a@acme.com"}, f"Bearer {KEY}", 401),
        ("GET", {"email": "a@acme.com"}, "Basic " + base64.b64encode(f":{KEY}".encode()).decode(), 401),
        ("GET", {"email": "a@acme.com"}, "Basic " + base64.b64encode(f"{KEY}:x".encode()).decode(), 401),
        ("GET", {"email": "a@acme.com"}, "Basic ?", 401),
    ],
)
def test_clearbit(method: str, query: dict[str, str], authorization: str | None, status: int) -> None:
    vendor = ClearbitSandbox(lambda: NOW, KEY, directory=directory())
    given = {} if authorization is None else {"authorization": authorization}
    assert ask(vendor, method, "/v2/combined/find", query, **given).status == status


def test_clearbit_that_does_not_know_yet_says_so_once() -> None:
    vendor = ClearbitSandbox(lambda: NOW, KEY, directory=directory())
    vendor.pending.add("a@acme.com")
    statuses = [ask(vendor, "GET", "/v2/combined/find", {"email": "a@acme.com"}).status for _ in range(2)]
    assert statuses == [202, 200]


@pytest.mark.parametrize(
    ("method", "query", "key", "status"),
    [
        ("GET", {"domain": "acme.com"}, KEY, 200),
        ("GET", {"domain": "nowhere.org"}, KEY, 404),
        ("GET", {"domain": "acme.com"}, "other", 401),
        ("GET", {"domain": "acme.com", "email": "a@acme.com"}, KEY, 422),
        ("GET", {}, KEY, 422),
        ("POST", {"domain": "acme.com"}, KEY, 405),
    ],
)
def test_own_service(method: str, query: dict[str, str], key: str, status: int) -> None:
    vendor = SelfHostedSandbox(lambda: NOW, KEY, directory=directory())
    assert ask(vendor, method, "/", query, authorization=f"Bearer {key}").status == status


def test_whoever_is_made_up_is_the_same_every_time() -> None:
    one, other = Directory(invents=True), Directory(invents=True)
    domains = [f"company{i}.example" for i in range(50)]
    assert [one.company(d) for d in domains] == [other.company(d) for d in domains]
    assert 20 < sum(one.company(d) is not None for d in domains) < 48
    assert Directory().company(domains[0]) is None
