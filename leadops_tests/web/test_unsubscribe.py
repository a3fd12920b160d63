"""The unsubscribe link as people, mail programs and link scanners meet it (R12, RFC 8058)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring, cited_tokens
from leadops.web.app import create_app
from leadops.web.unsubscribe import MAX_BYTES, Unsubscribe
from leadops_tests.web.serving import served

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
TOKEN = "k3yk3yk3yk3yk3yk3yk3yk3y"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CONFIRMED = {"confirm": "yes"}


@dataclass(frozen=True)
class Item:
    index: int = 0
    event_id: str | None = "evt"
    source_event_id: str | None = "id"
    duplicate: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    items: list[Item]


@dataclass
class Log:
    """What was stored, and what goes wrong."""

    events: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    reason: str | None = None
    known: Callable[[str], bool] = lambda token: token == TOKEN

    def is_known(self, token: str) -> bool:
        return self.known(token)

    def take_in(self, events: list[dict[str, Any]]) -> Answer:
        if self.error is not None:
            raise self.error
        self.events += events
        return Answer([Item(reason=self.reason)])


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def client(log: Log) -> Iterator[httpx.Client]:
    """A real client of a real server."""
    routes = Unsubscribe(log.is_known, log.take_in, lambda: NOW).routes()
    with (
        served(create_app(log.take_in, "key", lambda: True, routes)) as url,
        httpx.Client(base_url=url, timeout=20, trust_env=False) as made,
    ):
        yield made


def test_looking_changes_nothing(client: httpx.Client, log: Log) -> None:
    scanners: list[dict[str, str]] = [
        {},
        {"User-Agent": "Barracuda Sentinel (EE)"},
        {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5"},
        {"X-HTTP-Method-Override": "POST"},
    ]
    for headers in scanners:
        for method in ("GET", "HEAD"):
            answer = client.request(method, f"/u/{TOKEN}", headers=headers)
            assert answer.status_code == 200
            assert (answer.text == "") is (method == "HEAD")
    for query in ("?confirm=yes", "?List-Unsubscribe=One-Click", "?_method=POST"):
        assert client.get(f"/u/{TOKEN}{query}").status_code == 200
    assert not log.events


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_change_nothing(client: httpx.Client, log: Log, method: str) -> None:
    answer = client.request(method, f"/u/{TOKEN}", content=b"confirm=yes")
    assert answer.status_code == 405
    assert not log.events


@pytest.mark.parametrize("fields", [ONE_CLICK, CONFIRMED], ids=["one click", "button"])
@pytest.mark.parametrize("shape", ["urlencoded", "multipart"])
def test_a_post_that_means_it_opts_out(
    client: httpx.Client, log: Log, fields: dict[str, str], shape: str
) -> None:
    given: dict[str, Any] = (
        {"data": fields} if shape == "urlencoded" else {"files": {n: (None, v) for n, v in fields.items()}}
    )
    answer = client.post(f"/u/{TOKEN}", **given)
    assert answer.status_code == 200
    assert "unsubscribed" in answer.text
    assert "set-cookie" not in answer.headers
    assert len(log.events) == 1
    event = parse_event(log.events[0], now=NOW, keyring=Keyring(b"test"))
    assert (event.kind.value, event.source, event.occurred_at) == ("opted_out", "unsubscribe", NOW)
    assert cited_tokens(event.properties) == [TOKEN]
    assert event.contact.email is None
    assert event.properties["reason"] == ("one_click" if fields == ONE_CLICK else "page")
    assert TOKEN not in event.source_event_id


def test_the_link_can_be_used_again_and_is_one_event(client: httpx.Client, log: Log) -> None:
    for fields in (ONE_CLICK, CONFIRMED, ONE_CLICK):
        assert client.post(f"/u/{TOKEN}", data=fields).status_code == 200
    assert len({e["id"] for e in log.events}) == 1
    assert client.get(f"/u/{TOKEN}").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"data": {"confirm": "no"}},
        {"data": {"List-Unsubscribe": "one-click"}},
        {"data": {"list-unsubscribe": "One-Click"}},
        {"data": {"x": "y"}},
        {"json": {"confirm": "yes"}},
        {"content": b"confirm=yes"},
        {"content": b"confirm=yes", "headers": {"Content-Type": "text/plain"}},
        {"content": b"\xff\xfe", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": {"confirm": ["no", "yes"]}},
        {"params": {"confirm": "yes"}},
    ],
    ids=repr,
)
def test_any_other_post_changes_nothing_and_shows_the_button(
    client: httpx.Client, log: Log, given: dict[str, Any]
) -> None:
    answer = client.post(f"/u/{TOKEN}", **given)
    assert answer.status_code == 400
    assert '<form method="post">' in answer.text
    assert not log.events


def test_a_long_body_is_not_read(client: httpx.Client, log: Log) -> None:
    answer = client.post(f"/u/{TOKEN}", data={"x": "y" * MAX_BYTES, "confirm": "yes"})
    assert answer.status_code == 413
    assert not log.events


@pytest.mark.parametrize("token", ["no-such-token-of-ours", "short", "x" * 300, "%3Cscript%3E", "a b"])
def test_an_unknown_link_says_so_and_how_else(client: httpx.Client, log: Log, token: str) -> None:
    for answer in (client.get(f"/u/{token}"), client.post(f"/u/{token}", data=ONE_CLICK)):
        assert answer.status_code == 404
        assert "not known" in answer.text
        assert "<b>unsubscribe</b>" in answer.text
        assert "script" not in answer.text
    assert not log.events


def test_what_cannot_be_a_token_asks_no_database(client: httpx.Client, log: Log) -> None:
    asked: list[str] = []

    def known(token: str) -> bool:
        asked.append(token)
        return False

    log.known = known
    for token in ("short", "x" * 300, "a%00b" * 5, "%C3%BC" * 16):
        assert client.get(f"/u/{token}").status_code == 404
    assert not asked
    assert client.get(f"/u/{TOKEN}").status_code == 404
    assert asked == [TOKEN]


def test_the_page_holds_nothing_personal_and_nothing_from_elsewhere(client: httpx.Client) -> None:
    answer = client.get(f"/u/{TOKEN}")
    assert TOKEN not in answer.text
    assert "@" not in answer.text
    assert not re.search(r"<script|<img|<link|src=|url\(|https?://|\son\w+=", answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert answer.text.count("<button") == 1


def test_every_page_has_the_same_protection(client: httpx.Client, log: Log) -> None:
    answers = [client.get("/u/short"), client.post(f"/u/{TOKEN}"), client.post(f"/u/{TOKEN}", data=CONFIRMED)]
    log.error = RuntimeError
    answers.append(client.post(f"/u/{TOKEN}", data=CONFIRMED))
    assert [a.status_code for a in answers] == [404, 400, 200, 503]
    assert len({a.headers["content-security-policy"] for a in answers}) == 1
    assert {a.headers["cache-control"] for a in answers} == {"no-store"}


def test_while_the_database_is_away_the_person_is_told_the_truth(
    client: httpx.Client, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def away(token: str) -> bool:
        raise ConnectionRefusedError(token)

    log.known = away
    with caplog.at_level(logging.DEBUG):
        for answer in (client.get(f"/u/{TOKEN}"), client.post(f"/u/{TOKEN}", data=ONE_CLICK)):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "may not have been stored" in answer.text
    log.known, log.reason = (lambda _: True), "not accepted"
    assert client.post(f"/u/{TOKEN}", data=ONE_CLICK).status_code == 503
    said = [r.getMessage() for r in caplog.records if r.name.startswith(("leadops", "uvicorn", "asyncio"))]
    assert len(said) >= 5
    assert TOKEN not in "\n".join(said)
