"""What SendGrid is asked is what the frozen bytes say; what its answers mean is decided once. Pure."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadops.domain import mail, slots
from leadops.errors import BadInput
from leadops.playbook.model import Mailbox
from leadops.providers.email.sendgrid_request import (
    LONGEST_WAIT_S,
    addresses_of,
    errors_of,
    html_of,
    mail_of,
    pause_s,
    result_of,
    wait_s,
)
from leadops.stages import outreach
from leadops.terms import Draft, Outcome, SendResult
from leadops_tests.domain.test_mail import DRAFT, MAILBOX, SENDER, compose
from leadops_tests.providers.email.sendgrid_servers import errors, request_problems

LINK = "https://hooks.northwind.example/u/tok_123"
NOW = 1_800_000_000.0


def asked(key: str = "tch_1", track: bool = False, **changed: Any) -> dict[str, Any]:
    body = mail_of(key, compose(**changed), track_opens=track, track_clicks=track)
    assert request_problems(body) == []
    return body


def test_a_request_says_what_the_message_says_and_nothing_else() -> None:
    thread = ("<tch_0@mail.northwind.example>", "<JQtrNr0IRR@ismtpd0004p1iad1.sendgrid.net>")
    assert asked(thread=thread, unsubscribe_url=LINK) == {
        "personalizations": [
            {
                "to": [{"email": "zoe@acme.example", "name": "Zoë O'Neil"}],
                "custom_args": {"leadops_touch_id": "tch_1"},
            }
        ],
        "from": {"email": "mara@mail.northwind.example", "name": "Mara Lindqvist"},
        "reply_to": {"email": "reply+tok_123@reply.northwind.example"},
        "subject": "A short call",
        "headers": {
            "Message-ID": "<tch_1@mail.northwind.example>",
            "In-Reply-To": "<JQtrNr0IRR@ismtpd0004p1iad1.sendgrid.net>",
            "References": " ".join(thread),
            "List-Unsubscribe": (
                f"<{LINK}>, <mailto:unsubscribe@northwind.example?subject=unsubscribe%20tok_123>"
            ),
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "X-Leadops-Touch": "tch_1",
        },
        "content": [
            {
                "type": "text/plain",
                "value": mail.body_text(DRAFT, MAILBOX, SENDER, LINK),
            }
        ],
        "categories": ["leadops"],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }


def test_a_first_message_cites_nobody() -> None:
    assert set(asked()["headers"]) == {"Message-ID", "List-Unsubscribe", "X-Leadops-Touch"}


def test_a_long_thread_gets_through_on_one_line() -> None:
    thread = tuple(f"<{letter * 120}@eu-west-1.provider.example>" for letter in "abcdefghij")
    headers = asked(thread=thread)["headers"]
    assert headers["References"] == " ".join(thread)
    assert headers["In-Reply-To"] == thread[-1]


VISIBLE = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))


@given(
    subject=st.text(VISIBLE, min_size=1, max_size=300),
    body=st.text(max_size=2000),
    name=st.text(VISIBLE, max_size=40),
)
@example("🎉 שלום עולם — مرحبا", "שלום\n\n" + "ا" * 3000 + " 🎉\n.\n..dots\nFrom here", "王小明")
@example("a" * 300, "word " * 500 + "=20=\n=?utf-8?q?x?=\tend ", "👩‍💻 Zoë")
def test_subject_body_and_names_survive_the_trip(subject: str, body: str, name: str) -> None:
    draft = Draft(subject, body, (), "t", "v", "w")
    mailbox = Mailbox(address=MAILBOX.address, name=name, daily_cap=1)
    try:
        wire = compose(draft=draft, mailbox=mailbox, to_name=name)
    except BadInput:
        return
    found = mail_of("k", wire)
    assert request_problems(found) == []
    assert found["subject"] == subject.strip()
    assert found["content"] == [{"type": "text/plain", "value": mail.body_text(draft, mailbox, SENDER)}]
    if name.isascii() or len(name.encode()) <= 45:
        assert found["from"].get("name", "") == name.strip()
    person = found["personalizations"][0]["to"][0]
    assert person["email"] == "zoe@acme.example"
    assert person.get("name", name) in (name, slots.clean(name, 60))


@given(st.text(max_size=500))
def test_the_same_bytes_make_the_same_request(body: str) -> None:
    wire = compose(draft=Draft("S", body, (), "t", "v", "w"))
    assert json.dumps(mail_of("k", wire)) == json.dumps(mail_of("k", wire))


@pytest.mark.parametrize("name", ["Lindqvist, Mara", "Mara; Lindqvist"])
def test_a_name_that_would_make_it_drop_the_message_is_left_out(name: str) -> None:
    """sendgrid-python#291: a comma in To is taken for the end of an address, in From it is not."""
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = f'"{name}" <zoe@acme.example>'
    message["From"] = f'"{name}" <mara@mail.northwind.example>'
    message["Reply-To"], message["Subject"] = "r@x.example", "S"
    message.set_content("Hello")
    found = mail_of("k", message.as_bytes())
    assert found["personalizations"][0]["to"] == [{"email": "zoe@acme.example"}]
    assert found["from"] == {"email": "mara@mail.northwind.example", "name": name}
    assert addresses_of(found) == ("mara@mail.northwind.example", "zoe@acme.example")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        compose().replace(b"To: ", b"X-To: ", 1),
        compose().replace(b"<zoe@acme.example>", b"<zoe@acme.example>, b@acme.example"),
        compose().replace(b"Date: ", b"Cc: b@acme.example\r\nDate: "),
        compose().replace(b"Date: ", b"Bcc: b@acme.example\r\nDate: "),
        compose().replace(b"Reply-To: ", b'Reply-To: "\r\nX-A: '),
        compose().replace(b"Reply-To: ", b"Reply-To: a@[\r\nX-A: "),
        compose().replace(b"Reply-To: ", b"Reply-To: =?utf-8?q?=0D?= <a@b.example>\r\nX-A: "),
        compose().replace(b"text/plain", b"text/html"),
        compose().replace(b"utf-8", b"utf-16"),
        compose().partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    ],
)
def test_bytes_that_are_no_message_of_ours_are_refused_without_naming_anybody(raw: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        mail_of("k", raw)
    assert caught.value.code == "sendgrid_unreadable"
    assert "acme" not in str(caught.value)


PIECES = [
    b"\r\n",
    b"=?utf-8?q?",
    b"?=",
    b"<",
    b">",
    b",",
    b'"',
    b"@",
    b"\xff",
    b":",
    b";",
    b"(",
    b"",
    b"\x00",
]


def test_bytes_that_were_harmed_anywhere_are_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(1)
    outcomes: Counter[str] = Counter()
    whole = compose()
    for _ in range(600):
        raw = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 6)] = chance.choice(PIECES)
        try:
            mail_of("k", bytes(raw))
            outcomes["read"] += 1
        except BadInput as error:
            outcomes[error.code] += 1
    assert set(outcomes) == {"read", "sendgrid_unreadable"}


# --- HTML, only where something is tracked


@pytest.mark.parametrize(
    ("opens", "clicks", "types"),
    [
        (False, False, ["text/plain"]),
        (True, False, ["text/plain", "text/html"]),
        (False, True, ["text/plain", "text/html"]),
    ],
)
def test_html_is_made_where_something_is_tracked(opens: bool, clicks: bool, types: list[str]) -> None:
    found = mail_of("k", compose(), track_opens=opens, track_clicks=clicks)
    assert [part["type"] for part in found["content"]] == types
    assert found["tracking_settings"]["open_tracking"] == {"enable": opens}
    # Links in the plain text are never rewritten.
    assert found["tracking_settings"]["click_tracking"] == {"enable": clicks, "enable_text": False}
    assert request_problems(found) == []


def test_opting_out_is_no_click() -> None:
    draft = Draft("S", "See https://northwind.example/demo?a=1&b=2.", (), "t", "v", "w")
    html = asked(track=True, draft=draft, unsubscribe_url=LINK)["content"][1]["value"]
    shown = "https://northwind.example/demo?a=1&amp;b=2"
    assert f'<p>See <a href="{shown}">{shown}</a>.</p>' in html
    assert f'<a clicktracking="off" href="{LINK}">{LINK}</a>' in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hi\n\nthere\nyou\n", "<p>Hi</p>\n<p>there<br>\nyou</p>"),
        ("<b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#x27;</p>"),
        (
            "(http://x.example/a), http://y.example!",
            '<p>(<a href="http://x.example/a">http://x.example/a</a>),'
            ' <a href="http://y.example">http://y.example</a>!</p>',
        ),
        ("javascript:alert(1) a@b.example", "<p>javascript:alert(1) a@b.example</p>"),
        (
            "http://x.example/<script>",
            '<p><a href="http://x.example/">http://x.example/</a>&lt;script&gt;</p>',
        ),
        ("\n \n", ""),
    ],
)
def test_html_is_the_text_in_paragraphs_with_its_links(text: str, html: str) -> None:
    assert html_of(text) == html


class Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"href", "clicktracking"}

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text() | st.text("<>&\"'/ahref=: \nhttps", max_size=60))
def test_html_says_the_same_words_and_has_no_other_tags(text: str) -> None:
    read = Read()
    read.feed(html_of(text))
    read.close()
    assert read.tags <= {"p", "br", "a"}
    assert "".join(read.text.split()) == "".join(text.split())


# --- answers (what statuses come to: test_sendgrid.py, over sockets)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"retry-after": " 120 "}, 120),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "86400"}, LONGEST_WAIT_S),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT", "Date": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ({"Retry-After": "Fri, 15 Jan 2026 08:01:00 GMT"}, 1),
        ({"X-RateLimit-Reset": "1800000060"}, 60),
        ({"x-ratelimit-reset": "1800000060", "date": "Fri, 15 Jan 2027 07:59:00 GMT"}, 120),
        ({"X-RateLimit-Reset": "1800000060", "Retry-After": "5"}, 5),
        ({"X-RateLimit-Reset": "1799999000"}, 1),
        ({"X-RateLimit-Reset": "9" * 400}, None),
        ({"X-RateLimit-Reset": "99999999999"}, LONGEST_WAIT_S),
        ({"X-RateLimit-Reset": "nan"}, None),
    ],
)
@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_server_says_when_to_come_back(
    status: int, headers: dict[str, str], expected: float | None
) -> None:
    assert result_of(status, headers, b"", NOW).retry_after_s == expected
    assert wait_s(500, headers, NOW) is None


def test_only_an_allowance_of_nothing_makes_us_wait() -> None:
    reset = {"X-RateLimit-Reset": "1800000060"}
    assert pause_s(202, {"X-RateLimit-Remaining": "0", **reset}, NOW) == 60
    assert pause_s(400, {"x-ratelimit-remaining": "0", **reset}, NOW) == 60
    assert pause_s(202, {"X-RateLimit-Remaining": "1", **reset}, NOW) == 0
    assert pause_s(202, reset, NOW) == 0
    assert pause_s(202, {"X-RateLimit-Remaining": "0"}, NOW) == 0
    assert pause_s(429, {"Retry-After": "7"}, NOW) == 7
    assert pause_s(429, {}, NOW) == 0
    assert pause_s(503, {"Retry-After": "7"}, NOW) == 0


ADDRESS = "personalizations.0.to.0.email"
NO_ADDRESS = "Does not contain a valid address."


def refused(*found: tuple[str | None, str]) -> SendResult:
    listed = [{"field": where, "message": message, "help": None} for where, message in found]
    return result_of(400, {}, json.dumps({"errors": listed}).encode(), NOW)


@pytest.mark.parametrize(
    ("found", "hard"),
    [
        ([(ADDRESS, NO_ADDRESS)], True),
        ([(ADDRESS, NO_ADDRESS), (ADDRESS, NO_ADDRESS)], True),
        ([(ADDRESS, NO_ADDRESS), ("subject", "The subject is required.")], False),
        ([(ADDRESS, "The to email parameter is required.")], False),
        ([(ADDRESS, "Invalid type. Expected: string, given: array.")], False),
        ([("personalizations.0.to", "... at least one email object with a valid email address.")], False),
        ([("from.email", NO_ADDRESS)], False),
        ([("reply_to.email", NO_ADDRESS)], False),
        ([(None, NO_ADDRESS)], False),
        ([], False),
    ],
)
def test_only_a_refusal_of_the_address_itself_is_a_hard_bounce(
    found: list[tuple[str | None, str]], hard: bool
) -> None:
    """R14: whatever else is wrong is ours, and says nothing about the lead."""
    result = refused(*found)
    assert result.outcome is Outcome.REJECTED
    told = outreach._ADDRESS_FAULT.search(result.detail)
    assert (told is not None) is hard
    assert told is None or told[0] == "5.1.3"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ERRORS = st.fixed_dictionaries({"errors": st.lists(st.fixed_dictionaries({"field": JSON, "message": JSON}))})


@given(
    status=st.integers(100, 999),
    body=st.binary()
    | JSON.map(lambda v: json.dumps(v).encode())
    | ERRORS.map(lambda v: json.dumps(v).encode()),
    headers=st.dictionaries(
        st.sampled_from(
            ["Retry-After", "X-RateLimit-Reset", "X-RateLimit-Remaining", "Date", "X-Message-Id"]
        ),
        st.text(max_size=20),
    ),
)
def test_any_answer_has_an_outcome_with_a_plain_code(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    result = result_of(status, headers, body, NOW)
    assert re.fullmatch(r"[a-z0-9_.]{0,120}", result.detail)
    assert "5.1." not in result.detail
    assert result.retry_after_s is None or 1 <= result.retry_after_s <= LONGEST_WAIT_S
    assert 0 <= pause_s(status, headers, NOW) <= LONGEST_WAIT_S
    # R2: these and no others may ever be sent again.
    assert (result.outcome is Outcome.RETRY) is (status in (401, 403, 407, 408, 429, 503))
    assert (result.outcome is Outcome.ACCEPTED) is (status == 202)
    assert (result.outcome is Outcome.REJECTED) is (
        400 <= status < 500 and result.outcome is not Outcome.RETRY
    )


@pytest.mark.parametrize(
    "where",
    [
        "zoe@acme.example",
        "Zoe",
        "personalizations.0.to.zoe",
        "headers.X-Zoë O'Neil",
        "5.1.1",
        "personalizations.5.1.1",
        "personalizations.٠.to",
        "to." * 500 + "to",
        "a" * 5000,
        "",
        ".",
        "0 ",
    ],
)
def test_the_servers_own_words_never_become_a_detail(where: str) -> None:
    assert refused((where, "about zoe@acme.example")).detail == "sendgrid_400"


def test_errors_are_read_where_there_are_any() -> None:
    assert errors_of(json.dumps(errors("No ", "from")).encode()) == [("from", "no")]
    for other in (b"", b"{", b"[]", b'{"errors": 1}', b'{"errors": [1]}', b"[" * 100_000, b"\xff"):
        assert errors_of(other) == []
