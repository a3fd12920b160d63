"""The SDK against a server that does as told: each thing that can happen, and the one outcome it has.

A wrong AMBIGUOUS costs a person's time, a wrong RETRY a second mail. Nothing here is mocked.
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leadops.errors import UsageError
from leadops.providers.email.sendgrid import SendGrid
from leadops.terms import Outcome, SendResult
from leadops_tests.domain.test_mail import compose
from leadops_tests.providers.email.sendgrid_servers import (
    ACCEPTED,
    KEY,
    Api,
    Play,
    answer,
    deaf_port,
    errors,
)
from leadops_tests.providers.email.servers import free_port

SHORT_S = 0.4
FROM, TO = "mara@mail.northwind.example", "zoe@acme.example"
WIRE = compose()
RETRY, REJECTED, AMBIGUOUS, SENT = Outcome.RETRY, Outcome.REJECTED, Outcome.AMBIGUOUS, Outcome.ACCEPTED


def adapter(api: Api, timeout_s: float = 5, **given: Any) -> SendGrid:
    return SendGrid(KEY, api.url, timeout_s, **given)


def send(provider: SendGrid, key: str = "tch_1", wire: bytes = WIRE) -> SendResult:
    return provider.send(key, FROM, TO, wire)


def said(status: int, **headers: str) -> Play:
    return Play(answer(status, errors("no"), **headers))


NGINX = "<html><head><title>413 Request Entity Too Large</title></head></html>"
BAD_TO = errors("Does not contain a valid address.", "personalizations.0.to.0.email")

TABLE: list[tuple[str, Play, Outcome, str, float | None]] = [
    ("accepted", Play(), SENT, "", None),
    ("accepted, no id", Play(answer(202)), SENT, "", None),
    ("accepted, with a body", Play(answer(202, "{]")), SENT, "", None),
    ("200: validated, not sent", Play(answer(200)), AMBIGUOUS, "sendgrid_200", None),
    ("200: somebody's page", Play(answer(200, "<html>Welcome!</html>")), AMBIGUOUS, "sendgrid_200", None),
    ("204", Play(answer(204)), AMBIGUOUS, "sendgrid_204", None),
    ("302", Play(answer(302, Location="/elsewhere")), AMBIGUOUS, "sendgrid_302", None),
    ("400", said(400), REJECTED, "sendgrid_400", None),
    (
        "400 field",
        Play(answer(400, errors("no", "content.0.value"))),
        REJECTED,
        "sendgrid_400_content.0.value",
        None,
    ),
    (
        "400 address",
        Play(answer(400, BAD_TO)),
        REJECTED,
        "sendgrid_400_personalizations.0.to.0.email_5.1.3",
        None,
    ),
    ("400 no JSON", Play(answer(400, "<html>")), REJECTED, "sendgrid_400", None),
    ("401", said(401), RETRY, "sendgrid_key", None),
    ("401 credits", Play(answer(401, errors("Maximum credits exceeded"))), RETRY, "sendgrid_credits", None),
    ("403", said(403), RETRY, "sendgrid_forbidden", None),
    ("404", said(404), REJECTED, "sendgrid_404", None),
    ("405", said(405), REJECTED, "sendgrid_405", None),
    ("408", said(408), RETRY, "sendgrid_408", None),
    ("409", said(409), REJECTED, "sendgrid_409", None),
    ("413 nginx", Play(answer(413, NGINX, Content_Type="text/html")), REJECTED, "sendgrid_413", None),
    ("415", said(415), REJECTED, "sendgrid_415", None),
    ("422", said(422), REJECTED, "sendgrid_422", None),
    ("429 told", said(429, Retry_After="120"), RETRY, "sendgrid_429", 120),
    ("429 untold", said(429), RETRY, "sendgrid_429", None),
    ("500", said(500), AMBIGUOUS, "sendgrid_500", None),
    ("501", said(501), AMBIGUOUS, "sendgrid_501", None),
    ("502", Play(answer(502, "<html>")), AMBIGUOUS, "sendgrid_502", None),
    ("503", said(503), RETRY, "sendgrid_503", None),
    ("503 told", said(503, Retry_After="7"), RETRY, "sendgrid_503", 7),
    ("504", said(504), AMBIGUOUS, "sendgrid_504", None),
    ("599", said(599), AMBIGUOUS, "sendgrid_599", None),
    ("no HTTP", Play(b"220 mail.example ESMTP\r\n"), AMBIGUOUS, "unreadable", None),
    ("no status", Play(b"HTTP/1.1 what\r\n\r\n"), AMBIGUOUS, "unreadable", None),
    ("no answer, closed", Play(b""), AMBIGUOUS, "connection_lost", None),
    ("no answer, reset", Play(b"", reset=True), AMBIGUOUS, "connection_lost", None),
    ("nothing read, closed", Play(b"", reads=False), AMBIGUOUS, "connection_lost", None),
    ("nothing read, silent", Play(b"", reads=False, hang=True), AMBIGUOUS, "timeout", None),
    ("silent", Play(b"", hang=True), AMBIGUOUS, "timeout", None),
    ("silent in the head", Play(cut=30, hang=True), AMBIGUOUS, "timeout", None),
    ("silent in the body", Play(answer(400, BAD_TO), cut=-9, hang=True), AMBIGUOUS, "timeout", None),
    ("a byte now and then", Play(drip=0.15), AMBIGUOUS, "timeout", None),
]


@pytest.mark.parametrize(
    ("play", "outcome", "detail", "retry_after_s"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_the_server_does_has_one_outcome(
    play: Play, outcome: Outcome, detail: str, retry_after_s: float | None
) -> None:
    waits = play.hang or play.drip
    with Api([play]) as api:
        began = time.monotonic()
        result = send(adapter(api, SHORT_S if waits else 5))
        assert (result.outcome, result.detail, result.retry_after_s) == (outcome, detail, retry_after_s)
        # The whole exchange has a deadline, not each byte of it.
        assert time.monotonic() - began < 3
        assert api.connections == 1
        assert len(api.requests) == int(play.reads)


@pytest.mark.parametrize(
    "whole", [ACCEPTED, answer(400, BAD_TO), answer(429, errors("no"), Retry_After="900")]
)
def test_an_answer_cut_at_any_byte_is_no_answer(whole: bytes) -> None:
    """http.client takes half a head for a whole one: half an id, a Retry-After of 90 for 900."""
    with Api([Play(whole, cut=at) for at in range(len(whole))]) as api:
        provider = adapter(api)
        found = {(r.outcome, r.retry_after_s) for r in (send(provider) for _ in range(len(whole)))}
        assert found == {(AMBIGUOUS, None)}
        assert len(api.requests) == len(whole)


def test_what_never_came_to_a_connection_is_retry(tmp_path: Path) -> None:
    assert send(SendGrid(KEY, f"http://127.0.0.1:{free_port()}")) == SendResult(RETRY, detail="refused")
    assert send(SendGrid(KEY, "http://no-such-host.invalid")) == SendResult(RETRY, detail="dns")
    port, waiting = deaf_port()
    try:
        assert send(SendGrid(KEY, f"http://127.0.0.1:{port}", SHORT_S)) == SendResult(RETRY, detail="timeout")
    finally:
        for one in waiting:
            one.close()


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(tmp_path: Path) -> None:
    with Api(tls=self_signed(tmp_path)) as api:
        assert send(adapter(api)) == SendResult(RETRY, detail="tls")
        assert api.requests == []
    with Api([Play(b"", reads=False)]) as plain:
        found = send(SendGrid(KEY, f"https://127.0.0.1:{plain.port}", 2))
        assert found.outcome is RETRY
        assert found.detail in ("tls", "connection_lost")


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    plays = [
        Play(),
        Play(b""),
        Play(cut=20),
        Play(drip=0.15),
        Play(b"", hang=True),
        said(429, Retry_After="9"),
    ]
    with Api(plays, tls=self_signed(tmp_path)) as api:
        trust = ssl.create_default_context(cafile=tmp_path / "server.pem")
        found = [send(adapter(api, SHORT_S, tls=trust)) for _ in range(6)]
        assert [(r.outcome, r.detail) for r in found] == [
            (SENT, ""),
            (AMBIGUOUS, "connection_lost"),
            (AMBIGUOUS, "connection_lost"),
            (AMBIGUOUS, "timeout"),
            (AMBIGUOUS, "timeout"),
            (RETRY, "sendgrid_429"),
        ]
        assert len(api.requests) == 6


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_key_follows_nobody_elsewhere(status: int) -> None:
    with Api() as elsewhere, Api([Play(answer(status, Location=elsewhere.url + "/v3/mail/send"))]) as api:
        assert send(adapter(api)).outcome is AMBIGUOUS
        assert elsewhere.connections == 0


def test_a_message_goes_out_under_any_prefix() -> None:
    with Api() as api:
        for base in (api.url, f"{api.url}/sendgrid/", f"{api.url}/v3", f" {api.url} "):
            provider = SendGrid(f" {KEY}\n", base)
            assert send(provider) == SendResult(SENT, "JQtrNr0IRR-slAi2eCUMSg")
        assert [r.path for r in api.requests] == [
            "/v3/mail/send",
            "/sendgrid/v3/mail/send",
            "/v3/mail/send",
            "/v3/mail/send",
        ]
        assert {(r.method, r.headers["authorization"]) for r in api.requests} == {("POST", f"Bearer {KEY}")}
        assert {r.headers["content-type"] for r in api.requests} == {"application/json"}


@pytest.mark.parametrize(
    ("key", "base"),
    [
        ("", None),
        ("  ", None),
        ("SG.a\r\nX-Evil: 1", None),
        ("SG. a", None),
        ("SG.ä", None),
        (KEY, "file:///etc/passwd"),
        (KEY, "ftp://127.0.0.1"),
        (KEY, "api.sendgrid.com"),
        (KEY, "http://"),
        (KEY, "http://127.0.0.1:none"),
        (KEY, "http://[::1"),
    ],
)
def test_settings_that_cannot_work_reach_nobody_and_are_the_senders_trouble(
    key: str, base: str | None
) -> None:
    with Api() as api:
        provider = SendGrid(key, api.url if base is None else base)
        assert send(provider) == SendResult(RETRY, detail="misconfigured", ours=True)
        with pytest.raises(UsageError, match="LEADOPS_SENDGRID_KEY") as caught:
            provider.check()
        assert "SG." not in str(caught.value)
        assert api.connections == 0


def test_it_writes_only_to_whom_the_bytes_say() -> None:
    with Api() as api:
        provider = adapter(api)
        elsewhere = SendResult(REJECTED, detail="bad_address")
        assert provider.send("k", FROM, "other@acme.example", WIRE) == elsewhere
        assert provider.send("k", "other@mail.northwind.example", TO, WIRE) == elsewhere
        assert provider.send("k", FROM, TO, b"\x00\xff") == SendResult(REJECTED, detail="sendgrid_unreadable")
        assert api.connections == 0


# --- the allowance


class Hand:
    """A clock in the test's hand, unix seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "used_up",
    [
        Play(answer(202, X_RateLimit_Remaining="0", X_RateLimit_Reset="1800000060")),
        Play(answer(429, X_RateLimit_Remaining="0", X_RateLimit_Reset="1800000060")),
        Play(answer(429, Retry_After="60")),
    ],
)
def test_once_the_allowance_is_used_up_no_thread_calls_before_it_is_renewed(used_up: Play) -> None:
    clock = Hand()
    with Api([used_up, Play()]) as api:
        provider = adapter(api, clock=clock)
        send(provider)
        clock.now += 20
        found = together(6, lambda n: send(provider, f"tch_{n}"))
        assert found == [SendResult(RETRY, detail="sendgrid_paused", retry_after_s=40, ours=True)] * 6
        assert api.connections == 1
        clock.now += 40
        assert send(provider).outcome is SENT
        assert api.connections == 2


def test_an_allowance_that_is_left_or_a_limit_that_is_odd_stops_nobody_for_long() -> None:
    clock = Hand()
    plays = [
        Play(answer(202, X_RateLimit_Remaining="1", X_RateLimit_Reset="1800000060")),
        Play(answer(202, X_RateLimit_Remaining="0")),
        Play(answer(202, X_RateLimit_Remaining="0", X_RateLimit_Reset="1799999999")),
        Play(answer(202, X_RateLimit_Remaining="none", X_RateLimit_Reset="soon")),
        Play(answer(202, X_RateLimit_Remaining="0", X_RateLimit_Reset="999999999999")),
    ]
    with Api(plays) as api:
        provider = adapter(api, clock=clock)
        assert [send(provider).outcome for _ in range(6)] == [SENT] * 5 + [RETRY]
        clock.now += 3600
        assert send(provider).outcome is SENT


class Turning(Hand):
    """A clock that is asked by several threads, and told to one of them late."""

    def __call__(self) -> float:
        self.now -= 1
        return self.now


def test_where_no_limit_is_told_a_thread_that_read_the_clock_earlier_is_not_held_up() -> None:
    with Api() as api:
        provider = adapter(api, clock=Turning())
        assert [send(provider).outcome for _ in range(3)] == [SENT] * 3


def together(count: int, work: Callable[[int], SendResult]) -> list[SendResult]:
    results: list[SendResult] = []
    threads = [threading.Thread(target=lambda n=n: results.append(work(n))) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_threads_share_it_and_each_message_keeps_its_key() -> None:
    with Api() as api:
        provider = adapter(api)
        found = together(24, lambda n: send(provider, f"tch_{n}", compose(touch_id=f"tch_{n}")))
        assert [r.outcome for r in found] == [SENT] * 24
        told = {
            b["personalizations"][0]["custom_args"]["leadops_touch_id"]: b["headers"]["X-Leadops-Touch"]
            for b in api.bodies
        }
        assert told == {f"tch_{n}": f"tch_{n}" for n in range(24)}


# --- what is told


def test_neither_the_key_nor_a_person_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK writes both at DEBUG."""
    with caplog.at_level(logging.DEBUG), Api([said(400), Play()]) as api:
        provider = adapter(api)
        send(provider)
        send(provider)
    assert len(api.requests) == 2
    logged = "\n".join(r.getMessage() for r in caplog.records)
    assert KEY not in logged
    assert "acme" not in logged


def test_nothing_can_be_looked_up() -> None:
    assert SendGrid(KEY).look_up("tch_1") is None


def test_a_good_key_passes_the_check() -> None:
    with Api([Play(answer(200, {"scopes": ["mail.batch.create", "mail.send"]}))]) as api:
        adapter(api).check()
        assert [(r.method, r.path) for r in api.requests] == [("GET", "/v3/scopes")]


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (Play(answer(200, {"scopes": ["stats.read"]})), "mail.send"),
        (Play(answer(200, {"scopes": "mail.send"})), "not SendGrid"),
        (Play(answer(200, "<html>")), "not SendGrid"),
        (Play(answer(200, "[]")), "not SendGrid"),
        (said(401), "LEADOPS_SENDGRID_KEY"),
        (said(403), "mail.send"),
        (said(404), "LEADOPS_SENDGRID_URL"),
        (said(418), "LEADOPS_SENDGRID_URL"),
        (said(302), "LEADOPS_SENDGRID_URL"),
        (said(429), "try again"),
        (said(500), "try again"),
        (Play(b"", hang=True), "LEADOPS_SENDGRID_TIMEOUT_S"),
        (Play(b""), "LEADOPS_SENDGRID_URL"),
        (Play(b"hello\r\n\r\n"), "LEADOPS_SENDGRID_URL"),
    ],
)
def test_the_check_says_what_to_do(play: Play, says: str) -> None:
    with Api([play]) as api:
        with pytest.raises(UsageError, match=says) as caught:
            adapter(api, SHORT_S).check()
        assert KEY not in str(caught.value)
        assert caught.value.code == "sendgrid_unusable"


def test_the_check_says_so_where_nobody_answers() -> None:
    for base in (f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid"):
        with pytest.raises(UsageError, match="LEADOPS_SENDGRID_URL"):
            SendGrid(KEY, base).check()
