"""One test per thing the vendor refuses: each fails when the sandbox goes lenient."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leadops.sandbox.sendgrid import rules
from leadops_tests.sandbox.sendgrid.asks import KEY, NOON, Clock, ask, errors, message, sandbox, send, sent

PERSON = {"email": "anna@acme.example"}
OTHERS = [{"email": f"p{n}@acme.example"} for n in range(1001)]
PLAIN = {"type": "text/plain", "value": "x"}
SOON = int(NOON.timestamp())


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in message().items() if key != name}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    # name: (request, field the error names)
    "no sender": (without("from"), "from"),
    "a sender without address": (message(**{"from": {"name": "Sam"}}), "from.email"),
    "a sender that is no address": (message(**{"from": {"email": "sam at seller"}}), "from.email"),
    "no personalizations": (without("personalizations"), "personalizations"),
    "empty personalizations": (message(personalizations=[]), "personalizations"),
    "nobody to send to": (message(one={"to": []}), "personalizations.0.to"),
    "a recipient that is no address": (
        message(one={"to": [{"email": "anna"}]}),
        "personalizations.0.to.0.email",
    ),
    "a recipient as text": (message(one={"to": ["anna@acme.example"]}), "personalizations.0.to.0"),
    "the same recipient twice": (message(one={"to": [PERSON, PERSON]}), "personalizations.0"),
    "the same in to and cc": (message(one={"cc": [PERSON]}), "personalizations.0"),
    "the same in bcc, other case": (
        message(one={"bcc": [{"email": "ANNA@acme.example"}]}),
        "personalizations.0",
    ),
    "1001 personalizations": (message(personalizations=[{"to": [p]} for p in OTHERS]), "personalizations"),
    "1001 recipients": (message(one={"to": OTHERS}), "personalizations"),
    "no subject": (without("subject"), "subject"),
    "an empty subject": (message(subject=""), "subject"),
    "a blank subject": (message(subject="  "), "subject"),
    "no content": (without("content"), "content"),
    "empty content": (message(content=[]), "content"),
    "an empty part": (message(content=[{"type": "text/plain", "value": ""}]), "content.0.value"),
    "a blank part": (message(content=[{"type": "text/plain", "value": "\n"}]), "content.0.value"),
    "a part without type": (message(content=[{"value": "x"}]), "content.0.type"),
    "a type with a charset": (
        message(content=[{**PLAIN, "type": "text/plain; charset=utf-8"}]),
        "content.0.type",
    ),
    "html before text": (message(content=[{"type": "text/html", "value": "x"}, PLAIN]), "content"),
    "something else before text": (
        message(content=[{"type": "text/calendar", "value": "x"}, PLAIN]),
        "content",
    ),
    "a header that is no text": (message(headers={"X-A": 1}), "headers.X-A"),
    "a header beyond ascii": (message(headers={"X-A": "Grüße"}), "headers.X-A"),
    "a header with a line break": (message(headers={"X-A": "a\r\nBcc: b@c.example"}), "headers.X-A"),
    "custom_args as text": (message(custom_args='{"a": "b"}'), "custom_args"),
    "a custom_arg that is a number": (message(custom_args={"a": 1}), "custom_args.a"),
    "a custom_arg that is a number, per person": (
        message(one={"custom_args": {"a": 1}}),
        "personalizations.0.custom_args.a",
    ),
    "custom_args over 10,000 bytes": (message(custom_args={"a": "é" * 5000}), "custom_args"),
    "custom_args over 10,000 bytes, per person": (
        message(one={"custom_args": {"a": "x" * 10_000}}),
        "personalizations.0.custom_args",
    ),
    "11 categories": (message(categories=[str(n) for n in range(11)]), "categories"),
    "a category twice": (message(categories=["a", "a"]), "categories"),
    "a long category": (message(categories=["x" * 256]), "categories.0"),
    "send_at in 73 hours": (message(send_at=SOON + 73 * 3600), "send_at"),
    "send_at in milliseconds": (message(send_at=SOON * 1000), "send_at"),
    "send_at as text": (message(send_at="tomorrow"), "send_at"),
    "send_at with a fraction": (message(send_at=SOON + 0.5), "send_at"),
    "send_at too far, per person": (message(one={"send_at": SOON + 73 * 3600}), "personalizations.0.send_at"),
    "reply_to and reply_to_list": (message(reply_to_list=[PERSON]), "reply_to"),
    "an unknown batch": (message(batch_id="nope"), "batch_id"),
    "two bypasses": (
        message(
            mail_settings={
                "bypass_list_management": {"enable": True},
                "bypass_spam_management": {"enable": True},
            }
        ),
        "mail_settings",
    ),
    "an attachment that is not base64": (
        message(attachments=[{"content": "?!", "filename": "a"}]),
        "attachments.0.content",
    ),
    "tracking as a word": (
        message(tracking_settings={"open_tracking": {"enable": "no"}}),
        "tracking_settings.open_tracking.enable",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_vendors_shape_and_nothing_is_accepted(name: str) -> None:
    vendor = sandbox()
    request, field = REFUSED[name]
    answer = send(vendor, request)
    assert answer.status == 400
    assert field in [error["field"] for error in errors(answer)]
    assert all(set(error) == {"message", "field", "help"} and error["message"] for error in errors(answer))
    assert any(problem.startswith(f"{field}: ") for problem in answer.problems)
    assert vendor.mailroom.accepted == []


@pytest.mark.parametrize("name", sorted(rules.RESERVED_HEADERS))
@pytest.mark.parametrize("where", ["message", "person"])
def test_reserved_headers_are_refused(name: str, where: str) -> None:
    vendor = sandbox()
    headers = {"headers": {name.title(): "x"}}
    answer = send(vendor, message(**headers) if where == "message" else message(one=headers))
    assert answer.status == 400
    assert errors(answer)[0]["message"] == "Header can not be one of the reserved keys."
    assert vendor.mailroom.accepted == []


def test_the_reserved_headers_are_those_the_vendor_names() -> None:
    named = "x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from subject"
    assert frozenset((*named.split(), "reply-to", "cc", "bcc")) == rules.RESERVED_HEADERS


ACCEPTED: dict[str, dict[str, Any]] = {
    "as leadops sends it": message(),
    "text alone": message(content=[PLAIN]),
    "html alone": message(content=[{"type": "text/html", "value": "<p>x</p>"}]),
    "1000 recipients": message(one={"to": OTHERS[:1000]}),
    "10 categories": message(categories=[str(n) for n in range(10)]),
    "custom_args as an object": message(custom_args={"a": "b"}),
    "a subject per person only": {
        **without("subject"),
        "personalizations": [{"to": [PERSON], "subject": "Hi"}],
    },
    "a template without words": {**without("content"), "template_id": "d-1"},
    "send_at in 71 hours": message(send_at=SOON + 71 * 3600),
    "threading headers": message(
        headers={"In-Reply-To": "<a@b>", "References": "<a@b>", "Message-ID": "<c@d>"}
    ),
    "one-click unsubscribe": message(headers={"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_vendor_takes_is_taken(name: str) -> None:
    vendor = sandbox()
    answer = send(vendor, ACCEPTED[name])
    assert (answer.status, answer.body) == (202, b"")
    people = sum(len(one["to"]) for one in ACCEPTED[name]["personalizations"])
    assert len(vendor.mailroom.accepted) == people
    assert answer.headers["x-message-id"] == vendor.mailroom.accepted[0].x_message_id


@pytest.mark.parametrize("given", ["", "Bearer wrong", KEY, f"bearer {KEY}", f"Bearer {KEY} "])
def test_only_the_bearer_key_is_let_in(given: str) -> None:
    vendor = sandbox()
    answer = send(vendor, authorization=given)
    assert answer.status == 401
    wrong = "The provided authorization grant is invalid, expired, or revoked"
    assert errors(answer) == [
        {"message": wrong if given else "authorization required", "field": None, "help": None}
    ]
    assert vendor.mailroom.accepted == []


def test_a_key_without_the_permission_is_refused() -> None:
    vendor = sandbox(scopes=["suppression.read"])
    assert send(vendor).status == 403
    assert ask(vendor, "GET", "/v3/suppression/bounces").status == 200
    assert json.loads(ask(vendor, "GET", "/v3/scopes").body) == {"scopes": ["suppression.read"]}


@pytest.mark.parametrize(
    "given", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_another_content_type_is_refused(given: str) -> None:
    vendor = sandbox()
    assert send(vendor, content_type=given).status == 415
    assert send(vendor, content_type="application/json; charset=utf-8").status == 202


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"x"'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert send(sandbox(), body).status == 400


@pytest.mark.parametrize(
    ("sender", "status"),
    [
        ("sam@seller.example", 202),
        ("SAM@Seller.Example", 202),
        ("solo@gmail.com", 202),
        ("eve@gmail.com", 403),
        ("sam@sub.seller.example", 403),
    ],
)
def test_only_verified_senders(sender: str, status: int) -> None:
    vendor = sandbox(verified=["seller.example", "solo@gmail.com"])
    answer = send(vendor, message(**{"from": {"email": sender}}))
    assert answer.status == status
    if status == 403:
        assert errors(answer)[0]["field"] == "from"
        assert "verified Sender Identity" in errors(answer)[0]["message"]
    assert send(vendor, message(one={"from": {"email": "eve@other.example"}})).status == 403


def test_more_than_30_megabytes_are_refused_with_a_page_of_nginx() -> None:
    vendor = sandbox()
    attachment = {"content": "QUJD" * (8 * 1024 * 1024), "filename": "a.bin"}
    answer = send(vendor, message(attachments=[attachment]))
    assert answer.status == 413
    assert answer.headers["content-type"] == "text/html"
    assert b"<center>nginx</center>" in answer.body
    assert vendor.mailroom.accepted == []


def test_sandbox_mode_answers_200_and_accepts_nothing() -> None:
    vendor = sandbox()
    answer = send(vendor, message(mail_settings={"sandbox_mode": {"enable": True}}))
    assert (answer.status, vendor.mailroom.accepted) == (200, [])
    assert "x-message-id" not in answer.headers
    bad = message(mail_settings={"sandbox_mode": {"enable": True}}, subject="")
    assert send(vendor, bad).status == 400


def test_beyond_the_rate_limit_429_without_retry_after_until_the_window_ends() -> None:
    clock = Clock()
    vendor = sandbox(clock=clock, rate_limit=2)
    first, second, third = (send(vendor) for _ in range(3))
    assert [first.status, second.status, third.status] == [202, 202, 429]
    assert [a.headers["x-ratelimit-remaining"] for a in (first, second, third)] == ["1", "0", "0"]
    assert int(third.headers["x-ratelimit-reset"]) == SOON + 60
    assert third.headers["x-ratelimit-limit"] == "2"
    assert "retry-after" not in third.headers
    assert len(vendor.mailroom.accepted) == 2
    clock.later(seconds=60)
    assert send(vendor).status == 202


def test_there_is_no_idempotency() -> None:
    vendor = sandbox()
    headers = {"idempotency_key": "k"}
    made = {send(vendor, **headers).headers["x-message-id"] for _ in range(3)}
    assert len(made) == 3
    assert len(vendor.mailroom.accepted) == 3


def test_messages_cannot_be_looked_up_unless_it_was_bought() -> None:
    query = {"query": "unique_args['leadops_touch_id']=\"t-1\"", "limit": "10"}
    vendor = sandbox()
    sent(vendor)
    assert ask(vendor, "GET", "/v3/messages", query=query).status == 404
    bought = sandbox(activity_addon=True)
    mail = sent(bought)
    bought.mailroom.event(mail, "delivered", NOON)
    found = json.loads(ask(bought, "GET", "/v3/messages", query=query).body)["messages"]
    assert [(one["msg_id"], one["status"]) for one in found] == [(mail.sg_message_id, "delivered")]
    assert ask(bought, "GET", "/v3/messages", query={**query, "query": "status=1 OR 1"}).status == 400
    assert ask(bought, "GET", "/v3/messages", query={"query": query["query"]}).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/mail/send", 405),
        ("PUT", "/v3/mail/send", 405),
        ("GET", "/v3/nothing", 404),
        ("POST", "/v3/mail/sendx", 404),
        ("GET", "/v3/user/scheduled_sends/x", 404),
        ("GET", "/", 404),
    ],
)
def test_only_what_the_vendor_offers(method: str, path: str, status: int) -> None:
    assert ask(sandbox(), method, path).status == status


def test_batch_ids_are_those_handed_out() -> None:
    vendor = sandbox()
    made = json.loads(ask(vendor, "POST", "/v3/mail/batch").body)["batch_id"]
    assert send(vendor, message(batch_id=made)).status == 202
    assert ask(vendor, "GET", f"/v3/mail/batch/{made}").status == 200
    assert ask(vendor, "GET", "/v3/mail/batch/other").status == 400


def test_without_the_description_the_other_rules_hold() -> None:
    vendor = sandbox(validate=False)
    assert send(vendor).status == 202
    assert send(vendor, message(one={"to": [PERSON, PERSON]})).status == 400
    assert [send(vendor, request).status for request in ({}, without("from"), message(one={"to": [{}]}))] == [
        400
    ] * 3
    assert len(vendor.mailroom.accepted) == 1


def test_a_listener_that_fails_is_no_refusal_of_the_vendor() -> None:
    vendor = sandbox()

    def fail(_mail: object) -> None:
        raise ValueError("a mistake in the world")

    vendor.mailroom.on_mail = fail
    with pytest.raises(ValueError, match="a mistake in the world"):
        send(vendor)
