"""Only what SendGrid signed, and not long ago, is let in; the vendor's own helper is the oracle."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sendgrid.helpers.eventwebhook import EventWebhook

from leadops.errors import UsageError
from leadops.providers.email.sendgrid_signature import (
    AHEAD,
    EVENTS_BACK,
    INBOUND_BACK,
    SignatureError,
    Verifier,
)
from leadops_tests.providers.email.sendgrid_keys import SIGNATURE, TIMESTAMP, KeyPair

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
BODY = '[{"email":"anna@acme.example","event":"öffnen"}]\r\n'.encode()
KEYS = KeyPair()
VERIFIER = Verifier(KEYS.public, "LEADOPS_SENDGRID_EVENT_KEY")


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def refused(headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> str:
    with pytest.raises(SignatureError) as refusal:
        VERIFIER.verify(lower(headers), body, now)
    return refusal.value.code


def test_what_is_signed_is_let_in_and_the_vendors_helper_agrees() -> None:
    headers = KEYS.signed(BODY, NOW)
    VERIFIER.verify(lower(headers), BODY, NOW)
    oracle = EventWebhook(KEYS.public)
    assert oracle.verify_signature(BODY.decode(), headers[SIGNATURE], headers[TIMESTAMP])
    assert not oracle.verify_signature(BODY.decode() + " ", headers[SIGNATURE], headers[TIMESTAMP])
    assert refused(headers, BODY + b" ") == "signature"


def test_the_example_the_vendor_publishes_with_its_helper_is_verified() -> None:
    """Key, body, signature and timestamp of sendgrid-python's test of EventWebhook (MIT)."""
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNN"
        "RaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    signature = (
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    )
    body = (
        '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        '"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        '"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        '"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )
    stamp = "1600112502"
    assert EventWebhook(key).verify_signature(body, signature, stamp)
    at = datetime.fromtimestamp(int(stamp), UTC)
    headers = {SIGNATURE: signature, TIMESTAMP: stamp}
    Verifier(key, "KEY").verify(lower(headers), body.encode(), at)
    with pytest.raises(SignatureError):
        Verifier(key, "KEY").verify(lower(headers), body.encode()[:-2], at)


def test_a_body_in_pieces_is_the_same_body_and_need_not_be_text() -> None:
    body = bytes(range(256)) * 100
    headers = KEYS.signed(body, NOW)
    check = VERIFIER.begin(lower(headers), NOW)
    for start in range(0, len(body), 777):
        check.update(body[start : start + 777])
    check.verify()


@pytest.mark.parametrize(
    ("age", "let_in"),
    [
        (timedelta(0), True),
        (EVENTS_BACK, True),
        (EVENTS_BACK + timedelta(seconds=1), False),
        (-AHEAD, True),
        (-AHEAD - timedelta(seconds=1), False),
    ],
)
def test_too_old_and_too_far_ahead_are_both_refused(age: timedelta, let_in: bool) -> None:
    headers = KEYS.signed(BODY, NOW - age)
    if let_in:
        VERIFIER.verify(lower(headers), BODY, NOW)
    else:
        assert refused(headers) == "stale"


def test_mail_may_come_three_days_late() -> None:
    headers = lower(KEYS.signed(BODY, NOW - timedelta(days=3)))
    Verifier(KEYS.public, "KEY", INBOUND_BACK).verify(headers, BODY, NOW)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({SIGNATURE: ""}, "unsigned"),
        ({TIMESTAMP: ""}, "unsigned"),
        ({SIGNATURE: "not base64!"}, "signature"),
        ({SIGNATURE: "ümlaut"}, "signature"),
        ({SIGNATURE: "QUJD"}, "signature"),
        ({SIGNATURE: "A" * 100_000}, "signature"),
        ({TIMESTAMP: "soon"}, "timestamp"),
        ({TIMESTAMP: "-1"}, "timestamp"),
        ({TIMESTAMP: "١٢٣"}, "timestamp"),
        ({TIMESTAMP: "9" * 400}, "timestamp"),
        ({TIMESTAMP: str(int(NOW.timestamp()) * 1000)}, "timestamp"),
        ({TIMESTAMP: str(int(NOW.timestamp()) + 1)}, "signature"),
        ({TIMESTAMP: "0" + str(int(NOW.timestamp()))}, "signature"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_is_not_signed_is_refused(change: dict[str, str], code: str) -> None:
    assert refused(KEYS.signed(BODY, NOW) | change) == code


def test_another_key_and_another_body_are_refused() -> None:
    assert refused(KeyPair().signed(BODY, NOW)) == "signature"
    assert refused(KEYS.signed(b"[]", NOW)) == "signature"
    with pytest.raises(SignatureError):
        VERIFIER.begin({}, NOW)


def test_a_key_may_be_pasted_with_its_frame_and_line_ends() -> None:
    framed = f"-----BEGIN PUBLIC KEY-----\n{KEYS.public[:64]}\n{KEYS.public[64:]}\n-----END PUBLIC KEY-----\n"
    Verifier(framed, "KEY").verify(lower(KEYS.signed(BODY, NOW)), BODY, NOW)


@pytest.mark.parametrize(
    "key",
    ["", "nonsense", "SG.abc", base64.b64encode(b"x" * 91).decode(), KeyPair(ec.SECP384R1()).public, "ü"],
    ids=["empty", "no base64", "api key", "no key", "another curve", "no ascii"],
)
def test_what_is_no_key_is_refused_at_start_and_names_the_setting(key: str) -> None:
    with pytest.raises(UsageError, match="LEADOPS_SENDGRID_EVENT_KEY"):
        Verifier(key, "LEADOPS_SENDGRID_EVENT_KEY")
