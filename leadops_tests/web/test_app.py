"""The HTTP contract of the ingestion service: each test names what a sender or a stranger would meet."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.testclient import TestClient

from leadops.errors import BadInput, LeadopsError
from leadops.store.engine import StoreError
from leadops.web.app import create_app, database_gone
from leadops.web.body import MAX_BYTES, MAX_EVENTS
from leadops.web.server import listen

KEY = "k3y-of-the-tests"
AUTH = {"Authorization": f"Bearer {KEY}"}


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
class MemoryLog:
    """An ingest stage without a database: unique on (source, id), bad events kept apart."""

    stored: dict[tuple[str, str], str] = field(default_factory=dict)
    kept_bad: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    error: Exception | None = None
    probe: Callable[[], bool] = lambda: True

    def ingest(self, events: list[dict[str, Any]]) -> Answer:
        if self.error is not None:
            raise self.error
        with self.lock:
            return Answer([self._one(index, event) for index, event in enumerate(events)])

    def _one(self, index: int, event: dict[str, Any]) -> Item:
        if not isinstance(event.get("source"), str) or "id" not in event:
            self.kept_bad.append(event)
            return Item(index, None, None, False, "source and id are required")
        key = (event["source"], event["id"])
        duplicate = key in self.stored
        event_id = self.stored.setdefault(key, f"ev_{len(self.stored)}")
        return Item(index, event_id, event["id"], duplicate, None)


@pytest.fixture
def store() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def client(store: MemoryLog) -> TestClient:
    app = create_app(store.ingest, KEY, lambda: store.probe())
    return TestClient(app, raise_server_exceptions=False)


def event(number: int = 1) -> dict[str, Any]:
    return {"source": "web", "id": f"e{number}", "kind": "form_submitted"}


def test_one_object_is_stored_and_its_id_returned(client: TestClient) -> None:
    response = client.post("/v1/events", json=event(), headers=AUTH)
    assert response.status_code == 202
    assert response.json() == {
        "stored": [{"id": "ev_0", "source_event_id": "e1", "duplicate": False}],
        "duplicates": 0,
        "quarantined": [],
    }


def test_one_bad_event_does_not_refuse_its_neighbours(client: TestClient, store: MemoryLog) -> None:
    bad = {"kind": "no source"}
    response = client.post("/v1/events", json=[event(1), bad, event(2), event(1)], headers=AUTH)
    assert response.status_code == 202
    assert response.json() == {
        "stored": [
            {"id": "ev_0", "source_event_id": "e1", "duplicate": False},
            {"id": "ev_1", "source_event_id": "e2", "duplicate": False},
            {"id": "ev_0", "source_event_id": "e1", "duplicate": True},
        ],
        "duplicates": 1,
        "quarantined": [{"index": 1, "reason": "source and id are required"}],
    }
    assert store.kept_bad == [bad]


def test_what_is_not_an_object_is_quarantined_and_kept_like_any_bad_event(
    client: TestClient, store: MemoryLog
) -> None:
    response = client.post("/v1/events", json=["text", event(), 7], headers=AUTH)
    assert response.status_code == 202
    assert [item["index"] for item in response.json()["quarantined"]] == [0, 2]
    assert store.kept_bad == [{"not_an_object": "text"}, {"not_an_object": 7}]


def test_only_bad_events_answer_422_and_are_kept(client: TestClient, store: MemoryLog) -> None:
    response = client.post("/v1/events", json=[{}, {}], headers=AUTH)
    assert response.status_code == 422
    assert [item["index"] for item in response.json()["quarantined"]] == [0, 1]
    assert len(store.kept_bad) == 2


@pytest.mark.parametrize(
    "header",
    [None, "", KEY, f"Basic {KEY}", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {KEY}x", "Bearer \xe9\xff"],
)
def test_without_the_key_nothing_is_read_or_stored(
    client: TestClient, store: MemoryLog, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = client.post("/v1/events", json=event(), headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert not store.stored


def test_scheme_name_may_be_written_in_any_case(client: TestClient) -> None:
    assert (
        client.post("/v1/events", json=event(), headers={"Authorization": f"bearer {KEY}"}).status_code == 202
    )


def test_an_empty_key_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="empty"):
        create_app(MemoryLog().ingest, "  ", lambda: True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'[{"source": "web"},]',
        b'{"source": NaN}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'"text"',
        b"null",
        b"[]",
        b"\xff\xfe\xfa",
    ],
    ids=["empty", "cut", "comma", "nan", "digits", "deep", "text", "null", "no events", "not utf-8"],
)
def test_malformed_json_refuses_the_whole_body(client: TestClient, store: MemoryLog, body: bytes) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}
    response = client.post("/v1/events", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]
    assert not store.kept_bad


def test_a_refusal_quotes_nothing_of_the_body(client: TestClient) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}
    body = b'{"email": "canary@example.com", oops}'
    assert "canary" not in client.post("/v1/events", content=body, headers=headers).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 202),
        ({"Content-Type": "application/vnd.crm+json"}, 202),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
def test_only_plain_json_is_read(client: TestClient, headers: dict[str, str], status: int) -> None:
    response = client.post("/v1/events", content=json.dumps(event()), headers={**AUTH, **headers})
    assert response.status_code == status


def test_the_most_events_a_request_may_hold(client: TestClient, store: MemoryLog) -> None:
    most = [event(n) for n in range(MAX_EVENTS)]
    assert client.post("/v1/events", json=[*most, event(-1)], headers=AUTH).status_code == 413
    assert not store.stored
    assert client.post("/v1/events", json=most, headers=AUTH).status_code == 202
    assert len(store.stored) == MAX_EVENTS


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_the_longest_body(client: TestClient, store: MemoryLog, announced: bool) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}

    def body(size: int) -> bytes | Iterator[bytes]:
        shell = json.dumps({**event(), "pad": ""}).encode()
        raw = shell[:-2] + b"x" * (size - len(shell)) + shell[-2:]
        return raw if announced else iter([raw[: size // 2], raw[size // 2 :]])

    assert client.post("/v1/events", content=body(MAX_BYTES + 1), headers=headers).status_code == 413
    assert not store.stored
    assert client.post("/v1/events", content=body(MAX_BYTES), headers=headers).status_code == 202


def unreachable() -> Exception:
    return OperationalError("INSERT ...", {"email": "canary@example.com"}, OSError("no route"))


def wrapped() -> Exception:
    try:
        try:
            raise unreachable()
        except OperationalError as error:
            raise LeadopsError("store.unreachable", "the database is unreachable") from error
    except LeadopsError as error:
        return error


@pytest.mark.parametrize(
    "error", [unreachable(), wrapped(), StoreError("db_unreachable", "?"), ConnectionRefusedError()]
)
def test_while_the_database_is_away_the_sender_is_told_to_come_again(
    client: TestClient, store: MemoryLog, error: Exception
) -> None:
    store.error = error
    response = client.post("/v1/events", json=event(), headers=AUTH)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    store.error = None
    assert client.post("/v1/events", json=event(), headers=AUTH).json()["duplicates"] == 0


def test_a_broken_rule_is_not_taken_for_an_absent_database() -> None:
    assert not database_gone(IntegrityError("INSERT ...", {}, ValueError("unique")))
    assert not database_gone(BadInput("event.kind", "unknown kind"))


def test_an_unexpected_error_answers_500_and_logs_no_personal_data(
    client: TestClient, store: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = RuntimeError("canary@example.com")
    with caplog.at_level(logging.DEBUG):
        response = client.post("/v1/events", json={**event(), "email": "canary@example.com"}, headers=AUTH)
    assert response.status_code == 500
    assert response.headers["x-request-id"] in caplog.text
    assert "canary" not in caplog.text + response.text


def test_health_needs_no_database_and_readiness_does(client: TestClient, store: MemoryLog) -> None:
    def broken() -> bool:
        raise ConnectionRefusedError

    for probe in (broken, lambda: False):
        store.probe = probe
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
    store.probe = lambda: True
    assert client.get("/readyz").json() == {"status": "ready"}


def test_other_paths_and_methods_answer_in_json(client: TestClient) -> None:
    assert client.get("/v1/events", headers=AUTH).json()["error"]
    assert client.get("/v1/events").status_code == 405
    assert client.post("/v2/events").status_code == 404
    assert client.post("/v2/events").json()["error"]


@pytest.fixture
def live(store: MemoryLog) -> Iterator[str]:
    """A real server on a free port of this machine."""
    app = create_app(store.ingest, KEY, lambda: True)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def test_a_hundred_simultaneous_posts_of_one_event_store_it_once(live: str, store: MemoryLog) -> None:
    def post(_: int) -> httpx.Response:
        return httpx.post(f"{live}/v1/events", json=event(), headers=AUTH, timeout=30, trust_env=False)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["duplicates"] for answer in answers) == 99
    assert {answer.json()["stored"][0]["id"] for answer in answers} == {"ev_0"}
    assert len(store.stored) == 1


def test_a_slow_database_does_not_stop_health_checks(live: str, store: MemoryLog) -> None:
    with store.lock, ThreadPoolExecutor(1) as pool:  # the lock holds every ingest back
        waiting = pool.submit(
            httpx.post, f"{live}/v1/events", json=event(), headers=AUTH, timeout=30, trust_env=False
        )
        assert httpx.get(f"{live}/healthz", timeout=10, trust_env=False).status_code == 200
        assert httpx.get(f"{live}/readyz", timeout=10, trust_env=False).status_code == 200
        assert not waiting.done()
        store.lock.release()
        assert waiting.result(30).status_code == 202
        store.lock.acquire()


def test_a_refused_upload_does_not_hang_the_sender(live: str) -> None:
    """A stranger announcing a gigabyte is answered before it is sent."""
    port = int(live.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sender.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 401")
