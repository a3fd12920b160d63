"""What was accepted, what the vendor says about it, what people answer, and whom it no longer mails."""

from __future__ import annotations

import json
from datetime import timedelta
from email.parser import HeaderParser
from email.policy import default

import pytest

from leadops.sandbox.sendgrid import Mail, Mailroom
from leadops.sandbox.sendgrid.events import KINDS
from leadops.sandbox.sendgrid.mail import drafts_of
from leadops_tests.sandbox.sendgrid.asks import NOON, Clock, ask, message, sandbox, send, sent

PLAIN = [{"type": "text/plain", "value": "See https://seller.example/t. Bye"}]


def test_an_accepted_message_has_everything_that_was_sent() -> None:
    vendor = sandbox(keeps_message_id=True)
    heard: list[Mail] = []
    vendor.mailroom.on_mail = heard.append
    mail = sent(vendor, categories=["first"])
    assert heard == [mail]
    assert (mail.key, mail.custom_args) == ("t-1", {"leadops_touch_id": "t-1"})
    assert (mail.from_address, mail.from_name) == ("sam@seller.example", "Sam Seller")
    assert (mail.to_address, mail.to_name) == ("anna@acme.example", "Anna")
    assert mail.reply_to == "reply+tok@in.seller.example"
    assert (mail.subject, mail.text) == ("Your request", "Hello Anna, see https://seller.example/a.")
    assert mail.links == ("https://seller.example/a?x=1&y=2",)
    assert (mail.smtp_id, mail.headers["List-Unsubscribe"]) == (
        "<m1@seller.example>",
        "<https://seller.example/u>",
    )
    assert (mail.at, mail.categories, mail.dropped) == (NOON, ("first",), None)


def test_every_recipient_is_a_message_of_one_request() -> None:
    vendor = sandbox()
    one = {"cc": [{"email": "cc@acme.example"}], "bcc": [{"email": "bcc@acme.example"}]}
    answer = send(vendor, message(one=one))
    mails = vendor.mailroom.accepted
    assert [mail.to_address for mail in mails] == ["anna@acme.example", "cc@acme.example", "bcc@acme.example"]
    assert {mail.x_message_id for mail in mails} == {answer.headers["x-message-id"]}
    assert len({mail.sg_message_id for mail in mails}) == len({mail.smtp_id for mail in mails}) == 3


def test_the_message_id_is_rewritten_unless_it_is_kept() -> None:
    mail = sent(sandbox())
    assert mail.smtp_id.startswith(f"<{mail.x_message_id}@geopod-ismtpd-")
    assert mail.headers["Message-ID"] == "<m1@seller.example>"


@pytest.mark.parametrize(
    ("content", "settings", "opens", "clicks"),
    [
        (None, {}, True, True),
        (None, {"open_tracking": {"enable": False}, "click_tracking": {"enable": False}}, False, False),
        (PLAIN, {"open_tracking": {"enable": True}, "click_tracking": {"enable": True}}, False, False),
        (PLAIN, {"click_tracking": {"enable": True, "enable_text": True}}, False, True),
    ],
)
def test_what_is_tracked(
    content: list[dict[str, str]] | None, settings: dict[str, object], opens: bool, clicks: bool
) -> None:
    changes = {"content": content} if content else {}
    mail = sent(sandbox(), tracking_settings=settings, **changes)
    assert (mail.opens_tracked, mail.clicks_tracked) == (opens, clicks)
    if content:
        assert mail.links == ("https://seller.example/t",)


def test_untracked_mail_has_no_opens_and_clicks() -> None:
    vendor = sandbox(tracks_by_default=False)
    mail = sent(vendor)
    for kind in ("open", "click"):
        with pytest.raises(ValueError, match="not tracked"):
            vendor.mailroom.event(mail, kind, NOON)  # type: ignore[arg-type]


COMMON = {"email", "timestamp", "event", "sg_event_id", "sg_message_id", "leadops_touch_id"}
WIRE = {"smtp-id", "ip", "tls"}
FIELDS = {
    "processed": {"smtp-id"},
    "delivered": {*WIRE, "response"},
    "deferred": {*WIRE, "response", "attempt"},
    "bounce": {*WIRE, "type", "status", "reason", "bounce_classification"},
    "dropped": {"smtp-id", "reason", "status"},
    "open": {"useragent", "ip", "sg_machine_open", "sg_content_type"},
    "click": {"useragent", "ip", "url", "url_offset"},
    "spamreport": set(),
    "unsubscribe": set(),
    "group_unsubscribe": {"useragent", "ip", "url", "asm_group_id"},
    "group_resubscribe": {"useragent", "ip", "url", "asm_group_id"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_has_the_vendors_shape(kind: str) -> None:
    vendor = sandbox()
    mail = sent(vendor)
    made = vendor.mailroom.event(mail, kind, NOON + timedelta(seconds=1.9))  # type: ignore[arg-type]
    assert set(made) == COMMON | FIELDS[kind]
    assert made["timestamp"] == int(NOON.timestamp()) + 1
    assert (made["event"], made["email"], made["leadops_touch_id"]) == (kind, "anna@acme.example", "t-1")
    assert made["sg_message_id"].startswith(f"{mail.x_message_id}.")
    assert made.get("smtp-id", mail.smtp_id) == mail.smtp_id
    assert json.loads(json.dumps([made])) == [made]


def test_custom_args_never_stand_over_the_vendors_fields() -> None:
    vendor = sandbox()
    mail = sent(vendor, custom_args={"event": "delivered", "email": "x@y.example"})
    made = vendor.mailroom.event(mail, "bounce", NOON)
    assert (made["event"], made["email"]) == ("bounce", "anna@acme.example")


@pytest.mark.parametrize(
    ("more", "kind", "listed"),
    [
        ({}, "bounce", "bounces"),
        ({"status": "5.1.1", "reason": "550 no such user"}, "bounce", "bounces"),
        ({"type": "blocked"}, "blocked", "blocks"),
        ({"status": "4.2.2", "reason": "452 mailbox full"}, "blocked", "blocks"),
    ],
)
def test_hard_and_soft_bounces(more: dict[str, str], kind: str, listed: str) -> None:
    vendor = sandbox()
    made = vendor.mailroom.event(sent(vendor), "bounce", NOON, **more)
    assert made["type"] == kind
    assert {**made, **more} == made
    found = json.loads(ask(vendor, "GET", f"/v3/suppression/{listed}").body)
    assert [(entry["email"], entry["reason"]) for entry in found] == [("anna@acme.example", made["reason"])]


def test_event_ids_are_unique_and_the_same_on_every_run() -> None:
    def run() -> list[str]:
        vendor = sandbox()
        mails = [sent(vendor) for _ in range(3)]
        kinds = ("processed", "open", "open", "click", "click", "click")
        return [vendor.mailroom.event(m, kind, NOON)["sg_event_id"] for m in mails for kind in kinds]  # type: ignore[arg-type]

    first = run()
    assert run() == first
    assert len(set(first)) == 18


def test_a_restart_at_another_moment_makes_other_ids() -> None:
    before = sent(sandbox())
    after = sent(sandbox(clock=Clock(NOON + timedelta(seconds=1))))
    assert before.sg_message_id != after.sg_message_id


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("bounce", {}, "Bounced Address"),
        ("unsubscribe", {}, "Unsubscribed Address"),
        ("spamreport", {}, "Spam Reporting Address"),
        ("dropped", {"reason": "Invalid"}, "Invalid"),
    ],
)
def test_mail_to_a_suppressed_address_is_accepted_and_dropped(
    kind: str, more: dict[str, str], reason: str
) -> None:
    vendor = sandbox()
    vendor.mailroom.event(sent(vendor), kind, NOON, **more)  # type: ignore[arg-type]
    again = sent(vendor, one={"to": [{"email": "Anna@ACME.example"}]})
    assert again.dropped == reason
    first = vendor.mailroom.event(again, "processed", NOON)
    assert (first["event"], first["reason"]) == ("dropped", reason)
    # Whatever a careless world asks for: one event, which a reader of sg_event_id sees once.
    assert vendor.mailroom.event(again, "delivered", NOON)["sg_event_id"] == first["sg_event_id"]
    assert sent(vendor, one={"to": [{"email": "bob@acme.example"}]}).dropped is None
    bypassed = sent(vendor, mail_settings={"bypass_list_management": {"enable": True}})
    assert bypassed.dropped is None


@pytest.mark.parametrize("kind", ["deferred", "delivered", "open", "click", "processed"])
def test_other_events_suppress_nobody(kind: str) -> None:
    vendor = sandbox()
    vendor.mailroom.event(sent(vendor), kind, NOON)  # type: ignore[arg-type]
    vendor.mailroom.event(sent(vendor), "bounce", NOON, type="blocked")
    assert sent(vendor).dropped is None


def test_a_group_unsubscribe_drops_mail_of_that_group_only() -> None:
    vendor = sandbox()
    vendor.mailroom.event(sent(vendor, asm={"group_id": 4}), "group_unsubscribe", NOON)
    assert sent(vendor, asm={"group_id": 4}).dropped == "Unsubscribed Address"
    assert sent(vendor, asm={"group_id": 5}).dropped is None
    assert sent(vendor).dropped is None


def test_the_suppression_lists_are_paged_and_filtered() -> None:
    vendor = sandbox()
    for n in range(5):
        mail = sent(vendor, one={"to": [{"email": f"p{n}@acme.example"}]})
        vendor.mailroom.event(mail, "bounce", NOON + timedelta(minutes=n))

    def listed(**query: str) -> list[str]:
        answer = ask(vendor, "GET", "/v3/suppression/bounces", query=query)
        return [entry["email"][:2] for entry in json.loads(answer.body)]

    assert listed() == ["p4", "p3", "p2", "p1", "p0"]
    assert listed(limit="2", offset="1") == ["p3", "p2"]
    assert listed(start_time=str(int(NOON.timestamp()) + 180)) == ["p4", "p3"]
    assert listed(email="P1@") == ["p1"]
    assert ask(vendor, "GET", "/v3/suppression/bounces", query={"limit": "501"}).status == 400
    assert ask(vendor, "GET", "/v3/suppression/bounces", query={"limit": "x"}).status == 400
    one = ask(vendor, "GET", "/v3/asm/suppressions/global/p1@acme.example")
    assert json.loads(one.body) == {}


def test_a_reply_is_the_vendors_form_and_continues_the_thread() -> None:
    vendor = sandbox()
    mail = sent(vendor, headers={"References": "<a@b> <c@d>", "In-Reply-To": "<c@d>"})
    form = vendor.mailroom.inbound(
        mail, from_address="anna@acme.example", from_name="Änna Ö", text="Ja, gern!", at=NOON
    )
    assert set(form) == {
        "headers",
        "dkim",
        "to",
        "from",
        "subject",
        "text",
        "sender_ip",
        "envelope",
        "attachments",
        "charsets",
        "SPF",
    }
    assert all(isinstance(value, str) for value in form.values())
    assert (form["to"], form["subject"], form["text"]) == (
        "reply+tok@in.seller.example",
        "Re: Your request",
        "Ja, gern!",
    )
    assert json.loads(form["envelope"]) == {
        "to": ["reply+tok@in.seller.example"],
        "from": "anna@acme.example",
    }
    assert json.loads(form["charsets"])["text"] == "UTF-8"
    headers = HeaderParser(policy=default).parsestr(form["headers"])
    assert headers["In-Reply-To"] == mail.smtp_id
    assert headers["References"].split() == ["<a@b>", "<c@d>", mail.smtp_id]
    assert headers["From"].addresses[0].display_name == "Änna Ö"
    assert headers["Date"].datetime == NOON
    assert form["headers"].isascii()


def test_a_reply_to_a_reply_has_one_re_and_a_subject_of_ones_own_stays() -> None:
    room = Mailroom()
    room.accept(drafts_of(message(subject="Re: Your request")), NOON)
    mail = room.accepted[0]
    who = {"from_address": "a@b.example", "from_name": "", "text": "x", "at": NOON}
    assert room.inbound(mail, **who)["subject"] == "Re: Your request"  # type: ignore[arg-type]
    assert room.inbound(mail, subject="Out of office", **who)["subject"] == "Out of office"  # type: ignore[arg-type]


def test_headers_of_an_inbound_message_are_added_replaced_or_taken_away() -> None:
    vendor = sandbox()
    form = vendor.mailroom.inbound(
        sent(vendor),
        from_address="anna@acme.example",
        from_name="Anna",
        text="away",
        at=NOON,
        headers={"Auto-Submitted": "auto-replied", "Return-Path": "<>", "In-Reply-To": "", "References": ""},
    )
    headers = HeaderParser(policy=default).parsestr(form["headers"])
    assert headers["Auto-Submitted"] == "auto-replied"
    assert "In-Reply-To" not in headers
    assert json.loads(form["envelope"])["from"] == ""


def test_mail_out_of_the_blue_needs_a_recipient() -> None:
    room = Mailroom()
    who = {"from_address": "a@b.example", "from_name": "A", "text": "x", "at": NOON, "subject": "Hi"}
    form = room.inbound(None, to="sales@seller.example", **who)  # type: ignore[arg-type]
    assert (form["to"], form["subject"]) == ("sales@seller.example", "Hi")
    assert "In-Reply-To" not in form["headers"]
    with pytest.raises(ValueError, match="recipient"):
        room.inbound(None, **who)  # type: ignore[arg-type]


def test_a_dump_brings_everything_back() -> None:
    vendor = sandbox()
    mail = sent(vendor)
    vendor.mailroom.event(mail, "open", NOON)
    vendor.mailroom.event(mail, "unsubscribe", NOON)
    dumped = json.loads(json.dumps(vendor.mailroom.dump()))
    other = sandbox()
    other.mailroom.load(dumped)
    assert other.mailroom.accepted == [mail]
    assert sent(other).dropped == "Unsubscribed Address"
    next_open = vendor.mailroom.event(mail, "open", NOON)
    assert other.mailroom.event(mail, "open", NOON) == next_open


def test_received_finds_by_address_and_touch() -> None:
    vendor = sandbox()
    first = sent(vendor)
    second = sent(
        vendor, one={"to": [{"email": "bob@acme.example"}], "custom_args": {"leadops_touch_id": "t-2"}}
    )
    assert vendor.mailroom.received() == [first, second]
    assert vendor.mailroom.received(to="BOB@acme.example") == [second]
    assert vendor.mailroom.received(touch="t-1") == [first]
    assert vendor.mailroom.received(to="bob@acme.example", touch="t-1") == []
