"""A mail that came in, however it is written, is an event that ingestion takes and `replies` understands."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring, cited_message_ids, cited_tokens
from leadops.domain.replies import Inbound, classify
from leadops.errors import BadInput
from leadops.providers.email.sendgrid_html import text_of
from leadops.providers.email.sendgrid_inbound import KEPT_HEADERS, decoded, translate
from leadops.terms import LeadEvent, ReplyClass

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
TOKEN = "k3yk3yk3yk3yk3yk3yk3yk3y"
REPLY_TO = f"reply+{TOKEN}@in.kestrel.example"
HEADERS = (
    "Received: from mail.acme.example by mx.sendgrid.net; Tue, 03 Mar 2026 14:00:01 +0000\n"
    "From: Anna Berg <anna@acme.example>\nTo: {to}\nSubject: Re: Your question\n"
    "Date: Tue, 03 Mar 2026 14:00:00 +0000\nMessage-ID: <answer-1@acme.example>\n"
    "In-Reply-To: <tch_1@kestrel.example>\nReferences: <tch_0@kestrel.example>\n <tch_1@kestrel.example>\n"
    'MIME-Version: 1.0\nContent-Type: text/plain; charset="UTF-8"\n{more}'
)


def form(
    text: str = "Yes, please.", *, to: str = REPLY_TO, more: str = "", **fields: Any
) -> dict[str, bytes]:
    """The parsed form; a field of None is left out."""
    given: dict[str, Any] = {
        "headers": HEADERS.format(to=to, more=more),
        "from": "Anna Berg <anna@acme.example>",
        "to": to,
        "subject": "Re: Your question",
        "text": text,
        "envelope": json.dumps({"to": [to], "from": "anna@acme.example"}),
        "charsets": json.dumps({"to": "UTF-8", "subject": "UTF-8", "from": "UTF-8", "text": "utf-8"}),
        "attachments": "0",
        "SPF": "pass",
    }
    found = {**given, **fields}
    return {n: v if isinstance(v, bytes) else str(v).encode() for n, v in found.items() if v is not None}


def raw(**headers: str) -> EmailMessage:
    """A message for `send_raw`."""
    message = EmailMessage()
    given = {
        "From": "Anna Berg <anna@acme.example>",
        "To": REPLY_TO,
        "Subject": "Re: Your question",
        "Date": "Tue, 03 Mar 2026 14:00:00 +0000",
        "Message-ID": "<answer-1@acme.example>",
        "In-Reply-To": "<tch_1@kestrel.example>",
    }
    for name, value in {**given, **{n.replace("_", "-"): v for n, v in headers.items()}}.items():
        message[name] = value
    return message


def raw_form(message: EmailMessage | bytes, **fields: Any) -> dict[str, bytes]:
    body = message if isinstance(message, bytes) else message.as_bytes()
    return form(headers=None, text=None, email=body, **fields)


def one(given: dict[str, bytes], now: datetime = NOW) -> LeadEvent:
    rows = translate(given, now)
    assert len(rows) == 1
    assert rows[0].event is not None
    return parse_event(rows[0].event, now=now, keyring=Keyring(b"test"))


def class_of(event: LeadEvent) -> ReplyClass:
    """As the stage does it."""
    p = event.properties
    inbound = Inbound(p["subject"], p["text"], p["headers"], event.contact.email or "")
    return classify(inbound, NOW, 14).reply_class


def test_an_answer_names_its_writer_its_thread_and_its_words() -> None:
    event = one(form())
    assert event.kind.value == "reply_received"
    assert (event.source, event.source_event_id) == ("sendgrid_inbound", "<answer-1@acme.example>")
    assert (event.contact.email, event.contact.name) == ("anna@acme.example", "Anna Berg")
    assert event.occurred_at == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)
    assert cited_tokens(event.properties) == [TOKEN]
    assert cited_message_ids(event.properties) == ["<tch_1@kestrel.example>", "<tch_0@kestrel.example>"]
    assert (event.properties["subject"], event.properties["text"]) == ("Re: Your question", "Yes, please.")
    assert event.properties["message_id"] == "<answer-1@acme.example>"
    assert class_of(event) is ReplyClass.POSITIVE


def test_the_whole_message_says_the_same_as_the_parsed_form() -> None:
    message = raw(References="<tch_0@kestrel.example> <tch_1@kestrel.example>")
    message.set_content("Yes, please.\n")
    event, parsed = one(raw_form(message)), one(form())
    assert event.properties["text"].strip() == parsed.properties["text"]
    for name in ("subject", "in_reply_to", "references", "to", "message_id"):
        assert event.properties[name] == parsed.properties[name]
    assert (event.kind, event.contact, event.event_id) == (parsed.kind, parsed.contact, parsed.event_id)


@pytest.mark.parametrize(
    ("to", "headers", "kind"),
    [
        (REPLY_TO, "", "reply_received"),
        ("hello@in.kestrel.example", "In-Reply-To: <tch_1@kestrel.example>\n", "reply_received"),
        ("hello@in.kestrel.example", "References: <tch_1@kestrel.example>\n", "reply_received"),
        ("hello@in.kestrel.example", "", "message_received"),
        ("reply+short@in.kestrel.example", "", "message_received"),
    ],
)
def test_an_answer_is_told_from_a_mail_out_of_the_blue(to: str, headers: str, kind: str) -> None:
    event = one(form("Hello", to=to, headers=f"From: a@acme.example\nTo: {to}\n{headers}", subject="Hello"))
    assert event.kind.value == kind
    assert event.properties.get("message") == ("Hello" if kind == "message_received" else None)


@pytest.mark.parametrize(
    "where", ["to", "cc", "envelope", "second of many", "quoted name", "delivered-to", "cc field alone"]
)
def test_the_reply_address_is_found_wherever_it_stands(where: str) -> None:
    mailbox, lines, envelope = "mara@kestrel.example", "", ["x@in.kestrel.example"]
    to = REPLY_TO if where == "to" else mailbox
    fields: dict[str, Any] = {}
    match where:
        case "cc":
            lines = f"Cc: boss@acme.example, {REPLY_TO.replace('reply', 'Reply')}\n"
        case "envelope":
            envelope = [mailbox, REPLY_TO]
        case "second of many":
            to = f"{mailbox}, {REPLY_TO}, c@acme.example"
        case "quoted name":
            to = f'"Mara, Kestrel" <{REPLY_TO}>'
        case "delivered-to":
            lines = f"Delivered-To: {REPLY_TO}\n"
        case "cc field alone":
            fields["cc"] = REPLY_TO
    head = f"From: a@acme.example\nTo: {to}\n{lines}"
    event = one(
        form(headers=head, to=to, envelope=json.dumps({"to": envelope, "from": "a@b.example"}), **fields)
    )
    assert cited_tokens(event.properties) == [TOKEN]
    assert "boss@" not in json.dumps(dict(event.properties)), "other recipients are nobody's business"


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", "Grüße aus Köln"),
        ("windows-1252", "„Schön“ – danke…"),
        ("iso-2022-jp", "興味があります"),
        ("gb18030", "请退订"),
        ("koi8-r", "Отпишите меня"),
        ("utf-8", "Zażółć 🙂"),
    ],
)
def test_fields_come_in_any_charset(charset: str, text: str) -> None:
    charsets = json.dumps({"text": charset, "subject": charset, "from": charset})
    head = "To: x@in.kestrel.example\nMessage-ID: <1@acme.example>\n"
    encoded = text.encode(charset)
    event = one(form(headers=head, text=encoded, subject=encoded, charsets=charsets, to=REPLY_TO))
    assert (event.properties["text"], event.properties["subject"]) == (text, text)
    message = b"From: a@acme.example\nMessage-ID: <2@acme.example>\nContent-Type: text/plain; charset="
    whole = message + charset.encode() + b"\nContent-Transfer-Encoding: 8bit\n\n" + encoded
    assert one(raw_form(whole)).properties["text"] == text


@pytest.mark.parametrize(
    ("raw_bytes", "charset", "text"),
    [
        ("Grüße".encode(), "us-ascii", "Grüße"),
        ("Grüße".encode("cp1252"), "utf-8", "Grüße"),
        ("Grüße".encode(), "no-such-charset", "Grüße"),
        ("Grüße".encode(), "rot13", "Grüße"),
        ("Grüße".encode(), "punycode", "Grüße"),
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode()[:3], "utf-8", "Gr"),
        (b"\x81\x8d", "ascii", "\ufffd\ufffd"),
    ],
)
def test_a_charset_that_lies_loses_nothing_else(raw_bytes: bytes, charset: str, text: str) -> None:
    assert decoded(raw_bytes, charset) == text


def test_an_encoded_subject_and_name_are_read() -> None:
    message = raw(Subject="Aw: Grüße – bitte abmelden", From="Jürgen Groß <j@acme.example>")
    message.set_content("Bitte abmelden")
    event = one(raw_form(message))
    assert event.properties["subject"] == "Aw: Grüße – bitte abmelden"
    assert event.contact.name == "Jürgen Groß"
    broken = raw_form(b"From: =?utf-8?Q?Anna=ZZ?= <a@acme.example>\nSubject: =?x-no?Q?Hi=20?=\n\nHello")
    assert one(broken).contact.email == "a@acme.example"


OUT_OF_OFFICE = "I am out of the office until March 20."


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Return-Path: <>",
        "Precedence: auto_reply",
        "X-Precedence: auto_reply",
        "X-Autoreply: yes",
        "X-Auto-Reply: yes",
        "X-Autorespond: vacation",
        "X-Autoresponder: yes",
        "X-Mail-Autoreply: 1",
        "X-Autogenerated: reply",
        "X-Failed-Recipients: a@acme.example",
    ],
)
def test_a_machines_answer_is_known_as_one_in_both_forms(header: str) -> None:
    name, _, value = header.partition(": ")
    message = raw(Subject="Your question")
    message.add_header(name, value)
    message.set_content(OUT_OF_OFFICE)
    parsed = form(OUT_OF_OFFICE, more=f"{header}\n", subject="Your question")
    for either in (raw_form(message, subject="Your question"), parsed):
        assert class_of(one(either)) is ReplyClass.OUT_OF_OFFICE


def test_the_null_sender_of_the_envelope_is_enough() -> None:
    envelope = json.dumps({"to": [REPLY_TO], "from": ""})
    assert class_of(one(form(OUT_OF_OFFICE, envelope=envelope))) is ReplyClass.OUT_OF_OFFICE
    assert class_of(one(form(OUT_OF_OFFICE))) is not ReplyClass.OUT_OF_OFFICE


def test_a_delivery_report_is_a_machines_and_its_own_words_are_read() -> None:
    report = (
        b"From: Mail Delivery System <mailer-daemon@acme.example>\nTo: " + REPLY_TO.encode() + b"\n"
        b"Subject: Undelivered Mail Returned to Sender\nMessage-ID: <dsn@acme.example>\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        b"--b\nContent-Type: text/plain\n\nIt could not be delivered.\n"
        b"--b\nContent-Type: message/delivery-status\n\nStatus: 5.1.1\n"
        b"--b\nContent-Type: message/rfc822\n\nSubject: ours\nContent-Type: text/plain\n\nunsubscribe\n"
        b"--b--\n"
    )
    event = one(raw_form(report))
    assert event.properties["text"].strip() == "It could not be delivered."
    assert class_of(event) is ReplyClass.AUTO


def test_only_headers_that_tell_a_machine_are_kept() -> None:
    event = one(form(more="X-Secret: canary\nList-Id: <news.acme.example>\nReply-To: canary@acme.example\n"))
    assert set(event.properties["headers"]) <= set(KEPT_HEADERS)
    assert event.properties["headers"]["list-id"] == "<news.acme.example>"
    assert "canary" not in json.dumps(dict(event.properties))


HTML = """<html><head><style>p{color:red}</style><title>x</title></head><body><p>Please <b>unsubscribe</b>
me.</p><div>Anna&nbsp;Berg<br>Acme &amp; Co</div><script>alert(1)</script><!-- canary <p> --><div
class="gmail_quote">On Tue, 3 Mar 2026 Mara wrote:<blockquote><p>Is that of interest?</p>
<p>Answer stop to end this.</p></blockquote></div></body></html>"""


def test_a_mail_in_html_alone_is_read_and_its_quote_stays_one() -> None:
    expected = "Please unsubscribe me.\n\nAnna Berg\nAcme & Co"
    event = one(form(text=None, html=HTML))
    assert event.properties["text"].startswith(expected)
    assert "> Answer stop to end this." in event.properties["text"].splitlines()
    assert not any(word in event.properties["text"] for word in ("alert", "color", "canary"))
    assert class_of(event) is ReplyClass.OPT_OUT
    message = raw()
    message.set_content(HTML, subtype="html")
    assert one(raw_form(message)).properties["text"] == event.properties["text"]
    harmless = HTML.replace("unsubscribe</b>\nme", "tell me more</b>")
    assert class_of(one(form(text=None, html=harmless))) is not ReplyClass.OPT_OUT


def test_the_plain_part_is_preferred_and_attachments_are_not_read() -> None:
    message = raw()
    message.set_content("Plain words")
    message.add_alternative("<p>Html words</p>", subtype="html")
    message.add_attachment("canary in a file", filename="notes.txt")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="a.pdf")
    event = one(raw_form(message))
    assert event.properties["text"].strip() == "Plain words"
    assert "canary" not in json.dumps(dict(event.properties))


@pytest.mark.parametrize(
    "given", [form(""), form(text=None), raw_form(b""), form(text="  \n", html="<p> </p>")]
)
def test_a_mail_without_words_is_not_lost(given: dict[str, bytes]) -> None:
    event = one(given)
    assert event.properties["text"].strip() == ""
    assert event.contact.email or cited_tokens(event.properties)


def test_without_a_message_id_the_mail_is_its_own_id() -> None:
    head = f"From: a@acme.example\nTo: {REPLY_TO}\n"
    one_mail, again = one(form(headers=head)), one(form(headers=head), NOW + timedelta(hours=3))
    assert one_mail.event_id == again.event_id
    assert one(form("Another", headers=head)).event_id != one_mail.event_id
    assert one_mail.properties["message_id"] == ""
    assert one(form(headers=head + f"Message-ID: <{'x' * 900}@acme.example>\n")).source_event_id.startswith(
        "digest:"
    )
    whole = raw_form(b"From: a@acme.example\n\nHello")
    assert one(whole).source_event_id.startswith("digest:")


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("Tue, 03 Mar 2026 09:00:00 -0500", datetime(2026, 3, 3, 14, 0, tzinfo=UTC)),
        ("Tue, 03 Mar 2026 14:00:00", datetime(2026, 3, 3, 14, 0, tzinfo=UTC)),
        ("Tue, 03 Mar 2026 18:00:00 +0000", NOW),
        ("Thu, 01 Jan 1970 00:00:00 +0000", NOW),
        ("Fri, 31 Dec 9999 23:59:59 -2359", NOW),
        ("yesterday", NOW),
        ("", NOW),
    ],
)
def test_a_wrong_clock_gets_no_reply_refused(date: str, found: datetime) -> None:
    event = one(
        form(headers=f"From: a@acme.example\nTo: {REPLY_TO}\nDate: {date}\nMessage-ID: <1@a.example>\n")
    )
    assert event.occurred_at == found


def test_a_mail_to_unsubscribe_opts_out_the_thread_and_the_writer() -> None:
    for subject in (
        f"unsubscribe {TOKEN}",
        f" Unsubscribe  {TOKEN} ".replace("  ", " "),
        f"unsubscribe+{TOKEN}",
    ):
        to = "unsubscribe@in.kestrel.example"
        head = f"From: Anna <anna@acme.example>\nTo: {to}\nMessage-ID: <u1@acme.example>\n"
        rows = translate(form("", headers=head, subject=subject, to=to), NOW)
        events = [parse_event(r.event, now=NOW, keyring=Keyring(b"t")) for r in rows if r.event]
        assert [e.kind.value for e in events] == ["opted_out", "opted_out"]
        assert cited_tokens(events[0].properties) == [TOKEN]
        assert events[0].contact.email is None
        assert (events[1].contact.email, cited_tokens(events[1].properties)) == ("anna@acme.example", [])
        assert events[0].event_id != events[1].event_id


@pytest.mark.parametrize(
    "subject",
    [f"Re: unsubscribe {TOKEN}", "unsubscribe", f"please unsubscribe {TOKEN}x x", "unsubscribe short"],
)
def test_what_only_looks_like_one_stays_a_message(subject: str) -> None:
    event = one(form("Hello", subject=subject))
    assert event.kind.value == "reply_received"


@pytest.mark.parametrize(
    "sender", ["", "no address", "<>", '"a@b" c', "a@b@c", "Anna <anna@acme.example", "=?utf-8?b?w7w=?="]
)
def test_a_sender_that_cannot_be_read_does_not_lose_a_reply(sender: str) -> None:
    event = one(form(headers=f"From: {sender}\nTo: {REPLY_TO}\nMessage-ID: <1@a.example>\n"))
    assert cited_tokens(event.properties) == [TOKEN]


def test_a_very_long_mail_is_cut_and_taken() -> None:
    event = one(form("word " * 200_000, subject="s" * 5_000, more="X-Autoreply: " + "y" * 5_000 + "\n"))
    assert len(event.properties["text"]) == 20_000
    name = one(
        form(headers=f"From: {'n' * 3000} <a@acme.example>\nTo: {REPLY_TO}\nMessage-ID: <1@a.example>\n")
    )
    assert name.contact.email == "a@acme.example"


HOSTILE = [
    b"<" * 200_000,
    b"<!--" * 50_000,
    b"<a " * 60_000,
    b"<blockquote>" * 16_000,
    b"&#" * 100_000,
    b"<![CDATA[" * 20_000,
    b"<p" + b" a=" * 60_000,
    b"</" * 100_000,
    b"<?" * 100_000,
]


@pytest.mark.parametrize("html", HOSTILE, ids=lambda h: h[:9].decode())
def test_hopeless_markup_takes_no_time_to_speak_of(html: bytes) -> None:
    began = time.perf_counter()
    text_of(html.decode())
    one(form(text=None, html=html))
    assert time.perf_counter() - began < 10


def test_what_only_looks_like_a_tag_is_text() -> None:
    assert text_of("a < b and 3 <4 <b>c</b><style>s</style>d<style>e") == "a < b and 3 <4 cde"


@pytest.mark.parametrize(
    "head",
    ["To: " + "a" * 60_000, "To: " + ("a@" * 30_000), "From: " + "<" * 60_000, "References: " + "<" * 60_000],
)
def test_hopeless_headers_take_no_time_to_speak_of(head: str) -> None:
    began = time.perf_counter()
    one(form(headers=f"{head}\nMessage-ID: <1@a.example>\n", to=REPLY_TO))
    assert time.perf_counter() - began < 5


FIELD = st.binary(max_size=60) | st.sampled_from(
    [
        b"{",
        b'{"to": 7}',
        b'{"text": "punycode"}',
        b"[]",
        b'{"from": ["x"]}',
        f"reply+{TOKEN}@x.example".encode(),
    ]
)
NAMES = ["headers", "text", "html", "from", "to", "cc", "subject", "envelope", "charsets", "email"]
PIECES = [
    b"From: ",
    b"a@b.example",
    b"\n",
    b"\n\n",
    b"Content-Type: multipart/mixed; boundary=x",
    b"--x",
    b"--x--",
]
PIECES += [
    b"Content-Type: text/plain; charset=\xff",
    b"Content-Transfer-Encoding: base64",
    b"=?utf-8?b?x?=",
    b"\xff",
]
PIECES += [
    b"Content-Type: message/rfc822",
    b"Subject: ",
    b"Date: 1 Jan 0",
    b"charset*0*=''%",
    b";",
    b'"',
    b"<",
    b">",
]
MIME = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=25).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), FIELD, max_size=8), st.none() | MIME)
def test_whatever_stands_in_the_mail_it_becomes_an_event(
    fields: dict[str, bytes], mime: bytes | None
) -> None:
    given_form = {**fields, **({"email": mime} if mime is not None else {})}
    for row in translate(given_form, NOW):
        assert row.event is not None
        try:
            parse_event(row.event, now=NOW, keyring=Keyring(b"test"))
        except BadInput as error:
            # Kept in quarantine. Nothing but that nobody can tell whose it is may be wrong with it.
            assert str(error).startswith("contact")  # noqa: PT017


def test_the_sandboxs_forms_are_understood() -> None:
    sandbox = pytest.importorskip("leadops.sandbox.sendgrid.inbound")
    made = sandbox.form_of(
        None,
        from_address="anna@acme.example",
        from_name="Anna Böhm",
        subject="Re: Your question",
        text="Yes, please.",
        at=NOW - timedelta(hours=1),
        message_id="<s1@acme.example>",
        headers={"Auto-Submitted": "auto-replied", "In-Reply-To": "<tch_1@kestrel.example>"},
        to=REPLY_TO,
    )
    event = one({name: value.encode() for name, value in made.items()})
    assert (event.kind.value, event.source_event_id) == ("reply_received", "<s1@acme.example>")
    assert (event.contact.name, event.occurred_at) == ("Anna Böhm", NOW - timedelta(hours=1))
    assert event.properties["headers"]["auto-submitted"] == "auto-replied"
    assert cited_tokens(event.properties) == [TOKEN]
