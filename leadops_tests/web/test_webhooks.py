"""SendGrid's webhooks over HTTP: what is not signed is not read, what is signed is not lost."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from leadops.providers.crm.port import RawRow
from leadops.providers.email.sendgrid_signature import INBOUND_BACK, Verifier
from leadops.web import webhooks
from leadops.web.app import create_app
from leadops.web.webhooks import EVENTS_PATH, INBOUND_PATH, MAX_EVENT_BYTES, MAX_INBOUND_BYTES, SendGrid
from leadops_tests.providers.email.sendgrid_keys import SIGNATURE, TIMESTAMP, KeyPair
from leadops_tests.web.serving import served

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
EVENT_KEYS, INBOUND_KEYS = KeyPair(), KeyPair()


@dataclass(frozen=True)
class Item:
    index: int
    event_id: str | None
    source_event_id: str | None
    duplicate: bool
    reason: str | None


@dataclass(frozen=True)
class Answer:
    items: list[Item]


@dataclass
class Rows:
    """An ingest stage without a database."""

    taken: list[RawRow] = field(default_factory=list)
    ids: set[Any] = field(default_factory=set)
    error: Exception | None = None

    def take_in(self, rows: list[RawRow]) -> Answer:
        if self.error is not None:
            raise self.error
        self.taken += rows
        return Answer([self._one(i, row) for i, row in enumerate(rows)])

    def _one(self, index: int, row: RawRow) -> Item:
        if row.event is None:
            return Item(index, None, None, False, row.error)
        known = row.event["id"] in self.ids
        self.ids.add(row.event["id"])
        return Item(index, "evt", row.event["id"], known, None)


@pytest.fixture
def rows() -> Rows:
    return Rows()


def ends(rows: Rows) -> SendGrid:
    return SendGrid(
        rows.take_in,
        Verifier(EVENT_KEYS.public, "LEADOPS_SENDGRID_EVENT_KEY"),
        Verifier(INBOUND_KEYS.public, "LEADOPS_SENDGRID_INBOUND_KEY", INBOUND_BACK),
        clock=lambda: NOW,
    )


def app_of(sendgrid: SendGrid) -> TestClient:
    app = create_app(lambda events: Answer([]), "key", lambda: True, sendgrid.routes())
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(rows: Rows) -> TestClient:
    return app_of(ends(rows))


def told(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "email": "canary@acme.example",
        "timestamp": int(NOW.timestamp()) - 60,
        "event": "delivered",
        "sg_event_id": f"e{number}",
        "leadops_touch_id": "tch_1",
    } | more


def post_events(client: TestClient, events: Any, **more: Any) -> httpx.Response:
    body = more.pop("body", None) or json.dumps(events).encode()
    headers = more.pop("headers", None) or EVENT_KEYS.signed(body, more.pop("at", NOW))
    return client.post(EVENTS_PATH, content=body, headers={"Content-Type": "application/json"} | headers)


def mail(*more: tuple[str, Any], **fields: str) -> tuple[bytes, str]:
    given = {
        "headers": "From: canary@acme.example\nMessage-ID: <m1@acme.example>\nIn-Reply-To: <x@y.example>\n",
        "subject": "Re: Hello",
        "text": "Yes",
    } | fields
    parts = [*((n, (None, v.encode())) for n, v in given.items()), *more]
    request = httpx.Request("POST", "http://x.example", files=parts)
    return request.read(), request.headers["content-type"]


def post_mail(client: TestClient, body: bytes, kind: str, at: datetime = NOW) -> httpx.Response:
    headers = INBOUND_KEYS.signed(body, at)
    return client.post(INBOUND_PATH, content=body, headers={"Content-Type": kind} | headers)


def test_signed_events_are_taken_in_and_counted(client: TestClient, rows: Rows) -> None:
    foreign = told(9) | {"leadops_touch_id": ""}
    answer = post_events(client, [told(1), foreign, told(2, event="deferred"), told(1), told(3, event="x")])
    assert answer.status_code == 200
    assert answer.json() == {"stored": 1, "duplicates": 1, "quarantined": 1, "ignored": 2}
    assert [r.event is not None for r in rows.taken] == [True, True, False]
    assert len(answer.headers["x-request-id"]) == 12


def test_what_says_nothing_to_us_needs_no_database(client: TestClient, rows: Rows) -> None:
    rows.error = RuntimeError("must not be asked")
    assert post_events(client, [told(event="deferred")]).json()["ignored"] == 1
    assert post_events(client, []).status_code == 200


@pytest.mark.parametrize("path", [EVENTS_PATH, INBOUND_PATH])
@pytest.mark.parametrize(
    "change",
    [{SIGNATURE: ""}, {TIMESTAMP: ""}, {SIGNATURE: "x"}, {TIMESTAMP: "1"}],
    ids=["no signature", "no time", "nonsense", "another time"],
)
def test_what_is_not_signed_is_not_parsed(
    client: TestClient, rows: Rows, path: str, change: dict[str, str]
) -> None:
    body = b"\x00 this is neither JSON nor a form"
    headers = (EVENT_KEYS if path == EVENTS_PATH else INBOUND_KEYS).signed(body, NOW) | change
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]
    assert not rows.taken


def test_each_webhook_has_a_key_of_its_own(client: TestClient, rows: Rows) -> None:
    body = json.dumps([told()]).encode()
    assert post_events(client, None, body=body, headers=INBOUND_KEYS.signed(body, NOW)).status_code == 403
    assert not rows.taken


def test_a_body_changed_on_the_way_is_refused(client: TestClient, rows: Rows) -> None:
    body = json.dumps([told()]).encode()
    headers = EVENT_KEYS.signed(body, NOW)
    assert post_events(client, None, body=body + b"\r\n", headers=headers).status_code == 403
    assert post_events(client, None, body=body + b"\r\n").status_code == 200


def test_a_late_delivery_is_taken_and_an_ancient_one_is_not(client: TestClient, rows: Rows) -> None:
    assert post_events(client, [told()], at=NOW - timedelta(hours=24)).status_code == 200
    assert post_events(client, [told()], at=NOW - timedelta(hours=25)).status_code == 403
    assert post_events(client, [told()], at=NOW + timedelta(minutes=4)).status_code == 200
    assert post_events(client, [told()], at=NOW + timedelta(minutes=6)).status_code == 403
    body, kind = mail()
    assert post_mail(client, body, kind, NOW - timedelta(days=3)).status_code == 200
    assert post_mail(client, body, kind, NOW - timedelta(days=4)).status_code == 403
    assert len(rows.taken) == 3


def test_a_webhook_that_is_not_set_up_says_what_to_set_and_is_told_again_later(rows: Rows) -> None:
    client = app_of(SendGrid(rows.take_in, clock=lambda: NOW))
    for path, name in (
        (EVENTS_PATH, "LEADOPS_SENDGRID_EVENT_KEY"),
        (INBOUND_PATH, "LEADOPS_SENDGRID_INBOUND_KEY"),
    ):
        answer = client.post(path, content=b"[]", headers=EVENT_KEYS.signed(b"[]", NOW))
        assert answer.status_code == 503
        assert name in answer.json()["error"]
    assert not rows.taken


@pytest.mark.parametrize("body", [b"{}", b"null", b"[", b"\xff", b"[" * 100_000, b'"x"', b"7"], ids=repr)
def test_events_come_as_a_list(client: TestClient, rows: Rows, body: bytes) -> None:
    assert post_events(client, None, body=body).status_code == 400
    assert not rows.taken


def test_other_methods_are_not_allowed(client: TestClient) -> None:
    for path in (EVENTS_PATH, INBOUND_PATH):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert client.request(method, path).status_code == 405


@pytest.mark.parametrize("path", [EVENTS_PATH, INBOUND_PATH])
def test_while_the_database_is_away_the_vendor_is_told_to_come_again(
    client: TestClient, rows: Rows, path: str
) -> None:
    def post() -> httpx.Response:
        return post_events(client, [told()]) if path == EVENTS_PATH else post_mail(client, *mail())

    rows.error = OperationalError("INSERT", {"email": "canary@acme.example"}, OSError("no route"))
    assert post().status_code == 503
    assert int(post().headers["retry-after"]) > 0
    rows.error = None
    assert post().json()["stored"] == 1


def test_nothing_personal_reaches_the_log_or_the_answer(
    client: TestClient, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = [post_events(client, [told(), told(2, event="canary")]), post_mail(client, *mail())]
        rows.error = RuntimeError("canary@acme.example")
        answers += [post_events(client, [told()]), post_mail(client, *mail(text="canary"))]
        bad = json.dumps([told()]).encode()
        answers.append(post_events(client, None, body=bad, headers=EVENT_KEYS.signed(b"canary", NOW)))
    assert [a.status_code for a in answers] == [200, 200, 500, 500, 403]
    assert "canary" not in caplog.text + "".join(a.text for a in answers)
    assert answers[2].headers["x-request-id"] in caplog.text


def test_a_mail_is_taken_in_and_its_files_are_not_read(client: TestClient, rows: Rows) -> None:
    body, kind = mail(("attachment1", ("notes.txt", b"canary")), ("attachment2", ("b.bin", bytes(3_000_000))))
    answer = post_mail(client, body, kind)
    assert answer.json() == {"stored": 1, "duplicates": 0, "quarantined": 0, "ignored": 0}
    assert rows.taken[0].event is not None
    assert rows.taken[0].event["properties"]["text"] == "Yes"
    assert post_mail(client, body, kind).json()["duplicates"] == 1


def test_a_signed_mail_that_is_no_form_is_kept_for_a_person(client: TestClient, rows: Rows) -> None:
    body, kind = mail()
    for given in ((body[:-8], kind), (b"nonsense", "text/plain"), (b"", kind)):
        assert post_mail(client, *given).json()["quarantined"] == 1
    assert [r.event for r in rows.taken] == [None] * 3
    assert rows.taken[0].raw["bytes"] == len(body) - 8


@pytest.fixture
def live(rows: Rows) -> Iterator[str]:
    app = create_app(lambda events: Answer([]), "key", lambda: True, ends(rows).routes())
    with served(app) as url:
        yield url


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize(
    ("path", "limit"), [(EVENTS_PATH, MAX_EVENT_BYTES), (INBOUND_PATH, MAX_INBOUND_BYTES)]
)
def test_the_longest_body(live: str, rows: Rows, path: str, limit: int, announced: bool) -> None:
    keys = EVENT_KEYS if path == EVENTS_PATH else INBOUND_KEYS

    def post(size: int) -> httpx.Response:
        if path == EVENTS_PATH:
            body, kind = json.dumps([told(pad="")]).encode(), "application/json"
            body = body[:-3] + b"x" * (size - len(body)) + body[-3:]
        else:
            spare = len(mail(("f", ("a.bin", b"")))[0])
            body, kind = mail(("f", ("a.bin", b"x" * (size - spare))))
        assert len(body) == size
        headers = {"Content-Type": kind} | keys.signed(body, NOW)
        content = body if announced else iter([body[: size // 2], body[size // 2 :]])
        return httpx.post(f"{live}{path}", content=content, headers=headers, timeout=60, trust_env=False)

    assert post(limit).json()["stored"] == 1
    assert len(rows.taken) == 1
    with contextlib.suppress(httpx.HTTPError):  # it may hang up while the rest is still being sent
        assert post(limit + 1).status_code == 413
    assert len(rows.taken) == 1


def test_a_stranger_is_answered_before_anything_is_read(live: str) -> None:
    import socket

    port = int(live.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        head = f"POST {INBOUND_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"
        sender.sendall(head.encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 403")


def test_a_slow_database_does_not_stop_health_checks(live: str, rows: Rows) -> None:
    body = json.dumps([told()]).encode()
    gate = threading.Event()
    taken = rows.take_in

    class Slow(Rows):
        def take_in(self, given: list[RawRow]) -> Answer:
            gate.wait(30)
            return taken(given)

    app = create_app(lambda events: Answer([]), "key", lambda: True, ends(Slow()).routes())
    with served(app) as url:
        answers: list[int] = []

        def post() -> None:
            headers = EVENT_KEYS.signed(body, NOW)
            answers.append(
                httpx.post(url + EVENTS_PATH, content=body, headers=headers, timeout=60).status_code
            )

        threads = [threading.Thread(target=post) for _ in range(webhooks.EVENT_THREADS + 4)]
        for thread in threads:
            thread.start()
        assert httpx.get(f"{url}/healthz", timeout=10, trust_env=False).status_code == 200
        gate.set()
        for thread in threads:
            thread.join(60)
        assert answers == [200] * len(threads)


def test_a_long_list_is_translated_whole() -> None:
    events = [told(n, event="click", url=f"https://acme.example/{n}", useragent="x") for n in range(2_000)]
    found, ignored = webhooks._event_rows(io.BytesIO(json.dumps(events).encode()), "", NOW)
    assert (len(found), ignored) == (2_000, 0)
