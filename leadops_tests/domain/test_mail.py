from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain import mail, slots
from leadops.errors import BadInput
from leadops.playbook.model import Mailbox, Sender, Template
from leadops.terms import Draft

MAILBOX = Mailbox(address="mara@mail.northwind.example", name="Mara Lindqvist", daily_cap=200)
SENDER = Sender(
    mailboxes=(MAILBOX,),
    reply_domain="reply.northwind.example",
    unsubscribe_mailto="unsubscribe@northwind.example",
    signature="Best regards,\n{{mailbox_name}}\n",
    postal_address="Northwind Analytics, 12 Example Street",
)
DRAFT = Draft(
    subject="A short call",
    body="Hi Zoë,\n\nshall we talk?",
    slots=(),
    template="hot_1",
    template_version="v1",
    writer="template",
)
DATE = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def compose(**changed: Any) -> bytes:
    arguments: dict[str, Any] = {
        "touch_id": "tch_1",
        "draft": DRAFT,
        "to_address": "zoe@acme.example",
        "to_name": "Zoë O'Neil",
        "mailbox": MAILBOX,
        "sender": SENDER,
        "reply_token": "tok_123",
        "message_id": "<tch_1@mail.northwind.example>",
        "thread": (),
        "date": DATE,
    }
    return mail.compose(**(arguments | changed))


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(raw: bytes) -> str:
    return str(parsed(raw).get_content()).replace("\r\n", "\n")


def header_lines(raw: bytes) -> list[str]:
    return raw.split(b"\r\n\r\n", 1)[0].decode("ascii").split("\r\n")


def test_every_header_says_what_it_should() -> None:
    found = parsed(compose())
    assert str(found["From"]) == "Mara Lindqvist <mara@mail.northwind.example>"
    assert str(found["To"]) == "Zoë O'Neil <zoe@acme.example>"
    assert found["Reply-To"] == "reply+tok_123@reply.northwind.example"
    assert found["Subject"] == "A short call"
    assert found["Date"].datetime == DATE
    assert found["Message-ID"] == "<tch_1@mail.northwind.example>"
    assert found["X-Leadops-Touch"] == "tch_1"
    assert found["List-Unsubscribe"] == (
        "<mailto:unsubscribe@northwind.example?subject=unsubscribe%20tok_123>"
    )
    assert found["In-Reply-To"] is None
    assert found["References"] is None
    assert not found.defects


def test_the_body_is_followed_by_signature_postal_address_and_opt_out() -> None:
    found = parsed(compose())
    assert found.get_content_type() == "text/plain"
    assert found.get_content_charset() == "utf-8"
    assert text_of(compose()) == (
        "Hi Zoë,\n\nshall we talk?\n\nBest regards,\nMara Lindqvist\n\n"
        "Northwind Analytics, 12 Example Street\n"
        "Prefer not to hear from us? Reply 'unsubscribe' or write to unsubscribe@northwind.example.\n"
    )


def test_the_opt_out_words_of_the_playbook_are_used() -> None:
    sender = SENDER.model_copy(update={"opt_out": "Stop: unsubscribe@northwind.example"})
    assert text_of(compose(sender=sender)).endswith("\nStop: unsubscribe@northwind.example\n")


def test_same_arguments_same_bytes() -> None:
    assert compose() == compose()
    elsewhere = DATE.astimezone(timezone(timedelta(hours=5)))
    assert compose(date=elsewhere) == compose()
    assert compose(date=DATE + timedelta(seconds=1)) != compose()


def test_lines_end_in_crlf_and_are_short_ascii() -> None:
    long = DRAFT.body + "\n\n" + "word " * 300 + "ß" * 2000
    raw = compose(draft=Draft("A" * 70 + " " + "ü" * 200, long, (), "t", "v", "w"))
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(len(li) <= 78 for li in raw.split(b"\r\n") if not li.startswith(b"List-Unsubscribe: "))
    found = parsed(raw)
    assert found["Subject"] == "A" * 70 + " " + "ü" * 200
    assert "ß" * 2000 in found.get_content()


@given(subject=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=300))
def test_any_subject_survives_the_trip(subject: str) -> None:
    if not subject.strip() or "=?" in subject:
        return
    raw = compose(draft=Draft(subject, "b", (), "t", "v", "w"))
    assert parsed(raw)["Subject"] == subject.strip()
    assert raw.isascii()


def test_a_line_that_begins_with_from_or_a_dot_stays() -> None:
    draft = Draft("S", "From here on\n.\n..dots\n", (), "t", "v", "w")
    assert text_of(compose(draft=draft)).startswith("From here on\n.\n..dots\n")


# --- threads (R10)


def test_a_follow_up_cites_its_predecessor_and_the_whole_chain_under_one_subject() -> None:
    first = Template(name="a", subject="A short call", body="One", version="1")
    follow = Template(name="b", subject="", body="Two", version="1")
    chain: tuple[str, ...] = ()
    thread_subject = None
    for number in range(6):
        draft = slots.draft(follow if chain else first, (), thread_subject)
        message_id = mail.message_id_for(f"tch_{number}", "mail.northwind.example")
        found = parsed(compose(draft=draft, message_id=message_id, thread=chain))
        if chain:
            assert found["In-Reply-To"] == chain[-1]
            assert tuple(found["References"].split()) == chain
            assert found["Subject"] == "Re: A short call"
        else:
            assert found["Subject"] == "A short call"
        assert str(found["From"]) == "Mara Lindqvist <mara@mail.northwind.example>"
        # The next step may be given either the first subject or the last one.
        thread_subject = draft.subject
        chain += (message_id,)


def test_ids_longer_than_a_line_stay_readable() -> None:
    chain = tuple(f"<{letter * 120}@eu-west-1.provider.example>" for letter in "abc")
    raw = compose(thread=chain)
    assert b"=?" not in raw.split(b"To:")[0]
    found = parsed(raw)
    assert tuple(found["References"].split()) == chain
    assert found["In-Reply-To"] == chain[-1]
    assert all(any(one in line for line in header_lines(raw)) for one in chain)


def test_an_id_told_twice_is_cited_once() -> None:
    chain = ("<a@x.example>", "<b@x.example>", "<a@x.example>")
    assert parsed(compose(thread=chain))["References"].split() == ["<a@x.example>", "<b@x.example>"]


def test_list_unsubscribe_is_never_folded() -> None:
    sender = SENDER.model_copy(update={"unsubscribe_mailto": f"{'stop-' * 30}now@northwind.example"})
    raw = compose(sender=sender, reply_token="t" * 190)
    (at,) = [i for i, line in enumerate(header_lines(raw)) if line.startswith("List-Unsubscribe:")]
    assert header_lines(raw)[at].endswith(f"%20{'t' * 190}>")
    assert not header_lines(raw)[at + 1].startswith((" ", "\t"))


# --- one click (RFC 8058)

LINK = "https://hooks.northwind.example/u/tok_123"
MAILTO = "<mailto:unsubscribe@northwind.example?subject=unsubscribe%20tok_123>"


def test_a_link_to_opt_out_is_offered_beside_the_address_on_one_line() -> None:
    raw = compose(unsubscribe_url=LINK)
    assert f"List-Unsubscribe: <{LINK}>, {MAILTO}" in header_lines(raw)
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in header_lines(raw)
    assert not parsed(raw).defects


def test_without_a_link_there_is_no_one_click() -> None:
    raw = compose()
    assert f"List-Unsubscribe: {MAILTO}" in header_lines(raw)
    assert parsed(raw)["List-Unsubscribe-Post"] is None
    assert "http" not in text_of(raw)


def test_the_last_line_says_how_to_stop_and_then_offers_the_link() -> None:
    last = text_of(compose(unsubscribe_url=LINK)).rstrip("\n").split("\n")[-1]
    assert last == f"{SENDER.opt_out_line} {LINK}"
    assert text_of(compose(unsubscribe_url=LINK)).replace(f" {LINK}", "") == text_of(compose())


@pytest.mark.parametrize("public", ["https://hooks.northwind.example", "https://hooks.northwind.example//"])
def test_the_link_is_made_of_the_public_address_and_the_token(public: str) -> None:
    assert mail.unsubscribe_url(public, "tok_123") == LINK


def test_the_line_of_a_long_link_is_not_folded_and_one_too_long_is_refused() -> None:
    longest = 998 - len("List-Unsubscribe: <>, ") - len(MAILTO)
    fits = "https://x.example/".ljust(longest, "u")
    raw = compose(unsubscribe_url=fits)
    assert f"List-Unsubscribe: <{fits}>, {MAILTO}" in header_lines(raw)
    assert max(map(len, raw.split(b"\r\n"))) == 998
    with pytest.raises(BadInput):
        compose(unsubscribe_url=fits + "u")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "hooks.northwind.example/u/t",
        "ftp://x.example/u/t",
        "javascript:alert(1)",
        "https://x.example/u/t>, <mailto:evil@x.example",
        "https://x.example/u/a,b",
        "https://x.example/u/a b",
        "https://x.example/u/\r\nBcc: evil@x.example",
        "https://müller.example/u/t",
        'https://x.example/"',
        "https://x.example/\x7f",
        "https://",
    ],
)
def test_a_link_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(BadInput) as caught:
        compose(unsubscribe_url=bad)
    assert caught.value.code == "invalid_header"
    assert "LEADOPS_PUBLIC_URL" in str(caught.value)
    assert "evil" not in str(caught.value)


def test_message_id_is_made_of_the_touch() -> None:
    assert mail.message_id_for("tch_1", "Mail.Northwind.example") == "<tch_1@mail.northwind.example>"


@pytest.mark.parametrize(
    ("touch", "domain"),
    [("a b", "x.example"), ("a\r\n", "x.example"), ("a", "x\n.example"), ("", "x"), ("a", "")],
)
def test_a_message_id_of_anything_else_is_refused(touch: str, domain: str) -> None:
    with pytest.raises(BadInput):
        mail.message_id_for(touch, domain)


# --- injection

INJECTIONS = [
    "x\r\nBcc: evil@x.example",
    "x\nBcc: y",
    "x\rBcc: y",
    "x\u2028Bcc: y",
    "=?utf-8?q?x=0D=0ABcc:y?=",
]


@pytest.mark.parametrize("bad", INJECTIONS)
@pytest.mark.parametrize(
    "changed",
    [
        lambda bad: {"to_address": f"{bad}@acme.example"},
        lambda bad: {"to_address": f"a@{bad}"},
        lambda bad: {"touch_id": bad},
        lambda bad: {"reply_token": bad},
        lambda bad: {"message_id": f"<{bad}@x.example>"},
        lambda bad: {"thread": ("<a@x.example>", f"<{bad}@x.example>")},
        lambda bad: {"draft": Draft(bad, "b", (), "t", "v", "w")},
        lambda bad: {"mailbox": MAILBOX.model_copy(update={"name": bad})},
        lambda bad: {"mailbox": MAILBOX.model_copy(update={"address": f"{bad}@x.example"})},
    ],
)
def test_a_header_cannot_be_smuggled_in(bad: str, changed: Any) -> None:
    with pytest.raises(BadInput) as caught:
        compose(**changed(bad))
    assert caught.value.code in {"invalid_header", "address_not_ascii"}
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [*INJECTIONS, "Evil <evil@x.example>", "{{x}}", "", None, 'a "b', "win a prize"]
)
def test_a_name_that_is_no_name_is_left_out(name: str | None) -> None:
    found = parsed(compose(to_name=name))
    assert str(found["To"]) == "zoe@acme.example"
    assert found["Bcc"] is None


@given(name=st.none() | st.text(max_size=70), body=st.text(max_size=200))
def test_any_name_and_body_give_one_recipient_and_the_same_headers(name: str | None, body: str) -> None:
    raw = compose(to_name=name, draft=Draft("S", body, (), "t", "v", "w"))
    found = parsed(raw)
    (address,) = found["To"].addresses
    assert address.addr_spec == "zoe@acme.example"
    assert address.display_name in ("", slots.clean(name, 60))
    assert found.keys() == parsed(compose()).keys()


@pytest.mark.parametrize(
    "name", ["Lindqvist, Mara", "Jürgen Müller", "Müller, Jürgen (Sales)", 'Mara "M" L', "王小明"]
)
def test_any_mailbox_name_survives_the_trip(name: str) -> None:
    found = parsed(compose(mailbox=MAILBOX.model_copy(update={"name": name})))
    (address,) = found["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, MAILBOX.address)


def test_an_international_domain_is_written_in_ascii() -> None:
    assert parsed(compose(to_address="a@müller.example"))["To"].addresses[0].domain == "xn--mller-kva.example"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"to_address": "jürgen@acme.example"}, "address_not_ascii"),
        ({"to_address": "nobody"}, "invalid_header"),
        ({"to_address": "a@b, c@d.example"}, "invalid_header"),
        ({"to_address": "<a@b.example>"}, "invalid_header"),
        ({"to_address": "a@" + "ü" * 80 + ".example"}, "invalid_header"),
        ({"message_id": "no-brackets@x.example"}, "invalid_header"),
        ({"thread": ("",)}, "invalid_header"),
        ({"draft": Draft(" ", "b", (), "t", "v", "w")}, "invalid_header"),
        ({"date": datetime(2026, 3, 2, 9)}, "naive_date"),
    ],
)
def test_what_cannot_be_sent_is_refused_without_naming_the_person(changed: dict[str, Any], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        compose(**changed)
    assert caught.value.code == code
    assert "acme" not in str(caught.value)
