"""The signed webhook poster against a real listener; the vendor's own helper checks the signatures."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from python_multipart.multipart import parse_form
from sendgrid.helpers.eventwebhook import EventWebhook

from leadops.runtime.ports import free_port
from leadops.sandbox.sendgrid import Mailroom
from leadops.sandbox.webhooks import SIGNATURE, TIMESTAMP, Webhooks, new_key_pair, public_key_of, sign
from leadops_tests.sandbox.sendgrid.asks import NOON, sandbox, sent

PRIVATE, PUBLIC = new_key_pair()
EVENTS = [
    {"event": "delivered", "email": "anna@acme.example", "note": "Grüße", "sg_event_id": str(n)}
    for n in range(3)
]


class Listener:
    """An application's endpoint. ``statuses``: what the next requests are answered; then 204."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.gate.wait(10)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = outer.statuses.pop(0) if outer.statuses else 204
                outer.requests.append((self.path, headers, body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def poster(url: str, **options: float) -> Webhooks:
    return Webhooks(f"{url}/events", f"{url}/inbound", PRIVATE, PRIVATE, **{"first_wait_s": 0.05, **options})


def test_events_arrive_as_one_array_signed_as_the_vendor_signs(listener: Listener) -> None:
    hooks = poster(listener.url)
    hooks.post_events(EVENTS)
    assert hooks.wait_idle(10)
    ((path, headers, body),) = listener.requests
    assert (path, headers["content-type"]) == ("/events", "application/json")
    assert json.loads(body) == EVENTS
    assert body.endswith(b"\r\n")
    signature, timestamp = headers[SIGNATURE.lower()], headers[TIMESTAMP.lower()]
    assert abs(int(timestamp) - time.time()) < 60
    vendor = EventWebhook(PUBLIC)
    assert vendor.verify_signature(body.decode(), signature, timestamp)
    assert not vendor.verify_signature(body.decode(), signature, str(int(timestamp) + 1))
    assert not vendor.verify_signature(body.decode().replace("anna", "eve"), signature, timestamp)
    assert not EventWebhook(new_key_pair()[1]).verify_signature(body.decode(), signature, timestamp)
    hooks.close()


def test_an_inbound_message_arrives_as_a_signed_form(listener: Listener) -> None:
    vendor = sandbox()
    room: Mailroom = vendor.mailroom
    form = room.inbound(
        sent(vendor), from_address="anna@acme.example", from_name="Änna", text="Grüße\nAnna", at=NOON
    )
    hooks = poster(listener.url)
    hooks.post_inbound(form)
    assert hooks.wait_idle(10)
    ((path, headers, body),) = listener.requests
    assert path == "/inbound"
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    fields: dict[str, str] = {}

    class Whole:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            part, self.data = self.data[:size], self.data[size:]
            return part

    given = {"Content-Type": headers["content-type"].encode(), "Content-Length": str(len(body)).encode()}
    parse_form(
        given,
        Whole(body),
        lambda f: fields.__setitem__(f.field_name.decode(), (f.value or b"").decode()),
        lambda _: None,
    )
    assert fields == form
    assert EventWebhook(PUBLIC).verify_signature(
        body.decode(), headers[SIGNATURE.lower()], headers[TIMESTAMP.lower()]
    )
    hooks.close()


def test_our_keys_and_signatures_are_plain_ecdsa_p256() -> None:
    key = serialization.load_der_public_key(base64.b64decode(PUBLIC))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert public_key_of(PRIVATE) == PUBLIC
    made = base64.b64decode(sign(PRIVATE, "1600112492", b"body"))
    key.verify(made, b"1600112492body", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(made, b"1600112492body!", ec.ECDSA(hashes.SHA256()))


def test_what_is_not_taken_is_posted_again_with_the_same_body(listener: Listener) -> None:
    listener.statuses = [500, 404, 302, 429]
    hooks = poster(listener.url)
    hooks.post_events(EVENTS)
    assert hooks.wait_idle(20)
    bodies = {body for _, _, body in listener.requests}
    assert (len(listener.requests), len(bodies)) == (5, 1)
    vendor = EventWebhook(PUBLIC)
    for _, headers, body in listener.requests:
        assert vendor.verify_signature(body.decode(), headers[SIGNATURE.lower()], headers[TIMESTAMP.lower()])
    counted = hooks.counters
    assert (counted.posted, counted.delivered, counted.refused, counted.given_up) == (5, 1, 4, 0)
    hooks.close()


def test_an_application_that_is_not_there_yet_gets_it_when_it_comes() -> None:
    port = free_port()
    hooks = poster(f"http://127.0.0.1:{port}")
    hooks.post_events(EVENTS)
    assert not hooks.wait_idle(0.3)
    late = Listener(port)
    assert hooks.wait_idle(20)
    assert json.loads(late.requests[0][2]) == EVENTS
    late.close()
    hooks.close()


def wait_for(done: Callable[[], bool], hooks: Webhooks) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        hooks.wait_idle(0.02)


def test_one_that_is_refused_keeps_nobody_else_waiting(listener: Listener) -> None:
    listener.statuses = [500]
    hooks = poster(listener.url, first_wait_s=3600.0)
    hooks.post_events(EVENTS[:1])
    wait_for(lambda: hooks.counters.refused == 1, hooks)
    hooks.post_inbound({"text": "x"})
    hooks.post_events(EVENTS[1:])
    wait_for(lambda: hooks.counters.delivered == 2, hooks)
    assert sorted(path for path, _, _ in listener.requests) == ["/events", "/events", "/inbound"]
    assert not hooks.wait_idle(0)
    hooks.close()


def test_it_is_given_up_in_the_end(listener: Listener) -> None:
    listener.statuses = [500] * 100
    hooks = poster(listener.url, retry_for_s=0.4)
    hooks.post_events(EVENTS)
    assert hooks.wait_idle(10)
    assert (hooks.counters.given_up, hooks.counters.delivered) == (1, 0)
    assert len(listener.requests) >= 3
    hooks.close()


def test_the_caller_never_waits_and_what_gathers_meanwhile_leaves_together(listener: Listener) -> None:
    listener.gate.clear()
    hooks = poster(listener.url)
    hooks.post_events([{"n": -1}])
    wait_for(lambda: hooks.counters.posted == 1, hooks)
    began = time.monotonic()
    for n in range(250):
        hooks.post_events([{"n": n}])
    assert time.monotonic() - began < 1
    listener.gate.set()
    assert hooks.wait_idle(20)
    sizes = [len(json.loads(body)) for _, _, body in listener.requests]
    assert sizes == [1, 100, 100, 50]
    said = [event["n"] for _, _, body in listener.requests for event in json.loads(body)]
    assert said == [-1, *range(250)]
    hooks.close()


def test_without_a_key_nothing_is_signed_and_without_an_address_nothing_is_posted(listener: Listener) -> None:
    hooks = Webhooks(f"{listener.url}/events", None)
    hooks.post_events(EVENTS)
    hooks.post_inbound({"text": "x"})
    assert hooks.wait_idle(10)
    ((path, headers, _),) = listener.requests
    assert path == "/events"
    assert SIGNATURE.lower() not in headers
    hooks.close()


def test_wrong_keys_and_addresses_are_told_at_once() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="P-256"):
        Webhooks("http://127.0.0.1/", None, other.decode())
    with pytest.raises(ValueError):
        Webhooks("http://127.0.0.1/", None, "no key")
    with pytest.raises(ValueError, match="http"):
        Webhooks("127.0.0.1:8400/x", None)
