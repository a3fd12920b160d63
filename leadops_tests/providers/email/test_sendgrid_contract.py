"""The adapter against the vendor's own description, and against the sandbox that keeps it, over HTTP."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from leadops.domain import mail
from leadops.errors import UsageError
from leadops.providers.email.sendgrid import SendGrid
from leadops.sandbox.frame import Answer, Ask, Provider
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops.terms import Draft, Outcome, SendResult
from leadops_tests.domain.test_mail import SENDER, compose
from leadops_tests.providers.email.sendgrid_servers import (
    KEY,
    Api,
    answer_problems,
    need_description,
    request_problems,
)

MESSAGES = 400
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORDS = (
    *("call", "Grüße", "🎉", "مرحبا", "שלום", "你好", "naïve", "--", "=", ".", "..", "From", "a@b.example"),
    *("https://x.example/?a=1&b=<c>", "O'Neil", '"quoted"', "{{x}}", "%s", "\\", "\t", "<b>bold</b>", ""),
)
NAMES = (
    None,
    "Zoë O'Neil",
    "Müller",
    "王小明",
    "Anna Maria",
    "محمد",
    "José 🎉",
    "Lindqvist, Mara",
    "x" * 200,
)


def clock() -> datetime:
    return NOW


def some(chance: random.Random, most: int) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(1, most))).strip() or "x"


def messages(count: int) -> Iterator[tuple[str, bytes]]:
    """(touch id, wire bytes), the same on every run: first ones, follow-ups, with and without a link."""
    chance = random.Random(2026)
    for n in range(count):
        touch = f"tch_{n}"
        body = "\n".join(some(chance, 60) for _ in range(chance.randint(1, 12))) + "long" * chance.choice(
            (0, 999)
        )
        thread = tuple(f"<{n}.{i}@mail.northwind.example>" for i in range(chance.choice((0, 0, 1, 3, 9))))
        yield (
            touch,
            compose(
                touch_id=touch,
                draft=Draft(some(chance, 25).replace("\t", " ").strip() or "x", body, (), "t", "v", "w"),
                to_address=f"lead{n}@company{n}.example",
                to_name=chance.choice(NAMES),
                thread=thread,
                message_id=mail.message_id_for(touch, "mail.northwind.example"),
                unsubscribe_url=chance.choice((None, f"https://hooks.northwind.example/u/{n}")),
            ),
        )


class Noted(Provider):
    """Hands every request on, and keeps what was asked and answered."""

    name = "sendgrid"

    def __init__(self, inner: Provider) -> None:
        super().__init__(clock)
        self.inner = inner
        self.refuse: int | None = None
        self.pairs: list[tuple[Ask, Answer]] = []

    def handle(self, ask: Ask) -> Answer:
        found = self.inner.answer(ask) if self.refuse is None else self.refusal(self.refuse)
        self.pairs.append((ask, found))
        return found

    def refusal(self, status: int) -> Answer:
        return self.inner.refusal(status)


def raw(url: str, body: Any, key: str = KEY, method: str = "POST") -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = Request(url, data, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    asked.method = method
    try:
        with urlopen(asked, timeout=10) as found:
            return int(found.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_every_request_and_answer_keeps_the_official_description(
    record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    need_description()
    noted = Noted(SendGridSandbox(clock, KEY))
    with Api(provider=noted) as api:
        plain, tracking = (SendGrid(KEY, api.url, 10, track, track) for track in (False, True))
        for n, (touch, wire) in enumerate(messages(MESSAGES)):
            to = f"lead{n}@company{n}.example"
            found = (tracking if n % 3 else plain).send(touch, "mara@mail.northwind.example", to, wire)
            assert found.outcome is Outcome.ACCEPTED, (n, found)
        made = api.check()
        # What the vendor refuses, asked by hand; the adapter makes none of it.
        good = api.bodies[0]
        refused = Counter(raw(api.url + "/v3/mail/send", body) for body in broken(good))
        assert refused == {400: len(list(broken(good)))}
        refused[raw(api.url + "/v3/mail/send", good, key="other")] += 1
        refused[raw(api.url + "/v3/mail/send", good, method="PUT")] += 1
        for status in (403, 404, 413, 429, 500):
            noted.refuse = status
            refused[raw(api.url + "/v3/mail/send", good)] += 1
        del api.requests[made:]
    statuses: Counter[int] = Counter()
    for _, told in noted.pairs:
        problems = answer_problems(told.status, told.headers, told.body)
        assert not problems, (told, problems)
        statuses[told.status] += problems is not None
    assert made == MESSAGES
    assert statuses[202] == MESSAGES
    assert set(statuses) >= {202, 400, 401, 403, 404, 405, 413, 429, 500}
    record_property("requests_validated", made)
    record_property("answers_validated", statuses.total())
    with capsys.disabled():
        sys.stdout.write(f"\n[sendgrid-mail.json] kept by {made} requests, {statuses.total()} answers\n")


def broken(good: dict[str, Any]) -> Iterator[Any]:
    """Requests that are not what they should be."""
    yield b"{"
    yield b"[]"
    yield {}
    for name in ("personalizations", "from", "subject", "content"):
        yield {k: v for k, v in good.items() if k != name}
    person = good["personalizations"][0]
    yield {**good, "personalizations": []}
    yield {**good, "personalizations": [{**person, "to": []}]}
    yield {**good, "personalizations": [{**person, "to": [{"email": "nobody"}]}]}
    yield {**good, "personalizations": [{**person, "custom_args": {"leadops_touch_id": 1}}]}
    yield {**good, "custom_args": "text"}
    yield {**good, "headers": {"Reply-To": "a@b.example"}}
    yield {**good, "headers": {"X-A": "a\r\nBcc: b@c.example"}}
    yield {**good, "content": [{"type": "text/plain", "value": " "}]}
    yield {**good, "categories": ["x"] * 11}


def test_the_check_of_requests_can_fail() -> None:
    """Where it went lenient, every count above would be worth nothing."""
    need_description()
    noted = Noted(SendGridSandbox(clock, KEY))
    with Api(provider=noted) as api:
        assert SendGrid(KEY, api.url).send("k", *PEOPLE, compose()).outcome is Outcome.ACCEPTED
    good = json.loads(noted.pairs[0][0].body)
    assert request_problems(good) == []
    for wrong in (
        {**good, "reply_too": {"email": "a@b.example"}},
        {**good, "from": "mara@mail.northwind.example"},
        {**good, "reply_to": {"email": "nobody"}},
        {**good, "personalizations": [{"to": good["personalizations"][0]["to"], "custom_arg": {}}]},
        {**good, "tracking_settings": {"click_tracking": {"enable": "no"}}},
        {k: v for k, v in good.items() if k != "personalizations"},
    ):
        assert request_problems(wrong) != []
    assert answer_problems(400, {"content-type": "application/json"}, b'{"errors": "no"}') != []
    assert answer_problems(202, {}, b"hello") != []


PEOPLE = ("mara@mail.northwind.example", "zoe@acme.example")


def test_what_arrives_is_what_was_frozen() -> None:
    """R10: a follow-up still cites what it follows when the vendor has it."""
    sandbox = SendGridSandbox(clock, KEY)
    thread = ("<tch_0@mail.northwind.example>", "<JQtrNr0IRR@ismtpd0004p1iad1.sendgrid.net>")
    link = "https://hooks.northwind.example/u/tok_123"
    with Api(provider=sandbox) as api:
        found = SendGrid(KEY, f"{api.url}/sendgrid").send(
            "tch_1", *PEOPLE, compose(thread=thread, unsubscribe_url=link)
        )
    (taken,) = sandbox.mailroom.accepted
    assert found == SendResult(Outcome.ACCEPTED, provider_ref=taken.x_message_id)
    assert (taken.key, taken.from_address, taken.to_address, taken.to_name) == (
        "tch_1",
        *PEOPLE,
        "Zoë O'Neil",
    )
    assert taken.reply_to == f"reply+tok_123@{SENDER.reply_domain}"
    assert taken.headers["In-Reply-To"] == thread[-1]
    assert taken.headers["References"] == " ".join(thread)
    assert taken.headers["List-Unsubscribe"].startswith(f"<{link}>, <mailto:")
    assert taken.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (taken.html, taken.opens_tracked, taken.clicks_tracked) == (None, False, False)
    assert taken.text.endswith(f" {link}\n")


def test_a_message_id_of_ours_stands_where_the_vendor_keeps_it() -> None:
    sandbox = SendGridSandbox(clock, KEY, keeps_message_id=True)
    with Api(provider=sandbox) as api:
        SendGrid(KEY, api.url).send("tch_1", *PEOPLE, compose())
    assert sandbox.mailroom.accepted[0].smtp_id == "<tch_1@mail.northwind.example>"


def test_what_the_vendor_refuses_has_its_outcome() -> None:
    for given, key, outcome, detail in (
        ({}, "other", Outcome.RETRY, "sendgrid_key"),
        ({"scopes": ["mail.batch.read"]}, KEY, Outcome.RETRY, "sendgrid_forbidden"),
        ({"verified": ["else.example"]}, KEY, Outcome.RETRY, "sendgrid_forbidden"),
        ({"rate_limit": 0}, KEY, Outcome.RETRY, "sendgrid_429"),
    ):
        with Api(provider=SendGridSandbox(clock, KEY, **given)) as api:
            provider = SendGrid(key, api.url, clock=lambda: NOW.timestamp())
            found = provider.send("k", *PEOPLE, compose())
            assert (found.outcome, found.detail) == (outcome, detail)


def test_the_check_asks_what_the_key_may_do() -> None:
    with Api(provider=SendGridSandbox(clock, KEY)) as api:
        SendGrid(KEY, api.url).check()
        with pytest.raises(UsageError, match="LEADOPS_SENDGRID_KEY"):
            SendGrid("other", api.url).check()
    with (
        Api(provider=SendGridSandbox(clock, KEY, scopes=["stats.read"])) as api,
        pytest.raises(UsageError, match=r"mail\.send"),
    ):
        SendGrid(KEY, api.url).check()
