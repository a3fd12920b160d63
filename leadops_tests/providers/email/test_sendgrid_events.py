"""What SendGrid says of a message, in our words. The vendor's published examples and the sandbox's shapes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.fold import bounce_type
from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring
from leadops.errors import BadInput
from leadops.providers.email.sendgrid_events import translate
from leadops.terms import LeadEvent

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
AT = int(datetime(2026, 3, 3, 14, 0, tzinfo=UTC).timestamp())


def told(kind: str, **more: Any) -> dict[str, Any]:
    """One event as the vendor posts it."""
    return {
        "email": "anna@acme.example",
        "timestamp": AT,
        "event": kind,
        "sg_event_id": "ZGVsaXZlcmVk",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "leadops_touch_id": "tch_1",
        **more,
    }


def one(event: dict[str, Any]) -> dict[str, Any]:
    rows, ignored = translate([event])
    assert (len(rows), ignored) == (1, 0)
    assert rows[0].error is None
    assert rows[0].event is not None
    return rows[0].event


def accepted(event: dict[str, Any]) -> LeadEvent:
    return parse_event(one(event), now=NOW, keyring=Keyring(b"test"))


def test_an_event_carries_its_id_its_time_its_person_and_its_touch() -> None:
    found = accepted(told("delivered", response="250 OK"))
    assert (found.source, found.source_event_id) == ("sendgrid", "ZGVsaXZlcmVk")
    assert found.occurred_at == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)
    assert found.contact.email == "anna@acme.example"
    assert found.properties == {"touch_id": "tch_1"}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("processed", "email_processed"),
        ("delivered", "email_delivered"),
        ("bounce", "email_bounced"),
        ("dropped", "email_bounced"),
        ("open", "email_opened"),
        ("click", "email_clicked"),
        ("spamreport", "email_complained"),
        ("unsubscribe", "opted_out"),
        ("group_unsubscribe", "opted_out"),
    ],
)
def test_each_kind_has_its_word_and_ingestion_takes_it(given: str, kind: str) -> None:
    found = accepted(told(given))
    assert found.kind.value == kind
    assert found.properties["touch_id"] == "tch_1"


@pytest.mark.parametrize("given", ["deferred", "group_resubscribe"])
def test_what_decides_nothing_is_only_counted(given: str) -> None:
    assert translate([told(given)]) == ([], 1)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("<14c5d75ce93.dfd.64b469@ismtpd-555>", "<14c5d75ce93.dfd.64b469@ismtpd-555>"),
        (" 14c5d75ce93.dfd.64b469@ismtpd-555 ", "<14c5d75ce93.dfd.64b469@ismtpd-555>"),
        ("", None),
        (None, None),
        ("<no id>", None),
    ],
)
def test_the_message_id_on_the_wire_has_its_brackets(given: str | None, found: str | None) -> None:
    assert one(told("processed", **{"smtp-id": given}))["properties"].get("message_id") == found


@pytest.mark.parametrize(
    ("given", "found", "status"),
    [
        ({"type": "bounce", "status": "5.1.1"}, "hard", "5.1.1"),
        ({"type": "bounce", "status": "5.0.0"}, "hard", "5.0.0"),
        ({"type": "bounce", "status": "5.0.0", "reason": "550 5.7.26 unauthenticated"}, "block", "5.7.26"),
        ({"type": "bounce", "status": "", "reason": "550 5.1.1 <a@b.example> no such user"}, "hard", "5.1.1"),
        ({"type": "bounce", "reason": "550 no such user"}, "hard", "550"),
        ({"type": "bounce"}, "hard", None),
        ({"type": "bounce", "status": "4.2.2"}, "soft", "4.2.2"),
        ({"type": "blocked", "status": "5.7.1", "bounce_classification": "Reputation"}, "block", "5.7.1"),
        ({"type": "blocked", "status": "4.0.0"}, "soft", "4.0.0"),
        ({"type": "blocked", "status": "5.0.0"}, "block", "5.0.0"),
        ({"type": "blocked"}, "block", None),
        ({"type": "bounce", "status": "5.2.0", "bounce_classification": "Content"}, "block", "5.2.0"),
        (
            {"type": "bounce", "status": "5.1.1", "bounce_classification": "Frequency or Volume Too High"},
            "hard",
            "5.1.1",
        ),
        ({"type": "bounce", "status": ["x"], "reason": 7}, "hard", None),
    ],
)
def test_a_bounce_is_the_contacts_fault_only_where_it_is(
    given: dict[str, Any], found: str, status: str | None
) -> None:
    event = accepted(told("bounce", **given))
    assert event.properties["bounce"] == found
    assert event.properties.get("status") == status
    assert bounce_type(event) == found, "the fold must come to the same"


@pytest.mark.parametrize(
    ("reason", "kind", "bounce"),
    [
        ("Bounced Address", "email_bounced", "hard"),
        ("Invalid", "email_bounced", "hard"),
        ("invalid", "email_bounced", "hard"),
        ("Unsubscribed Address", "opted_out", None),
        ("Spam Reporting Address", "email_complained", None),
        ("Invalid SMTPAPI header", "email_bounced", "block"),
        ("Spam Content (if Spam Checker app is enabled)", "email_bounced", "block"),
        ("Recipient List over Package Quota", "email_bounced", "block"),
        (None, "email_bounced", "block"),
    ],
)
def test_what_was_dropped_and_why(reason: str | None, kind: str, bounce: str | None) -> None:
    event = accepted(told("dropped", reason=reason, status="5.0.0"))
    assert (event.kind.value, event.properties.get("bounce")) == (kind, bounce)
    if bounce:
        assert bounce_type(event) == bounce


def test_a_mail_servers_own_words_are_not_kept() -> None:
    reason = "550 5.1.1 <canary@acme.example>: Recipient address rejected"
    for kind in ("bounce", "dropped", "delivered"):
        event = one(told(kind, reason=reason, response=reason, bounce_classification="canary@acme.example"))
        assert "canary" not in json.dumps(event)


def test_a_click_tells_the_link_and_the_visitor_but_no_query() -> None:
    url = "https://acme.example/pricing?email=canary@acme.example#canary"
    event = one(told("click", url=url, useragent="Mozilla/5.0 (X)", ip="203.0.113.9"))
    properties = event["properties"]
    assert (properties["user_agent"], properties["ip"]) == ("Mozilla/5.0 (X)", "203.0.113.9")
    assert properties["url"] == "https://acme.example/pricing"
    assert "canary" not in json.dumps(event)
    other = one(told("click", url="https://acme.example/pricing?x=1"))["properties"]
    assert other["url"] == properties["url"]
    assert other["link"] != properties["link"]
    assert one(told("click", url=url))["properties"]["link"] == properties["link"]


@pytest.mark.parametrize(
    "url", ["https://x.example/u/k3yk3yk3yk3yk3yk3y", "http://[", "mailto:a@b.example", ""]
)
def test_a_link_that_is_a_key_or_none_is_not_shown(url: str) -> None:
    assert "url" not in one(told("click", url=url))["properties"]


def test_an_empty_user_agent_is_not_an_absent_one() -> None:
    assert one(told("click", useragent=""))["properties"]["user_agent"] == ""
    assert "user_agent" not in one(told("click"))["properties"]


@pytest.mark.parametrize(("given", "found"), [(True, True), (False, False), (None, False), ("true", False)])
def test_an_open_says_whether_a_machine_made_it(given: Any, found: bool) -> None:
    assert one(told("open", sg_machine_open=given))["properties"]["machine"] is found


def test_what_others_sent_from_the_same_account_is_not_ours() -> None:
    foreign = told("bounce") | {"leadops_touch_id": ""}
    del foreign["leadops_touch_id"]
    assert translate([foreign, foreign | {"leadops_touch_id": ""}, foreign | {"event": "unheard_of"}]) == (
        [],
        3,
    )


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (told("account_status_change"), "event: account_status_change"),
        (told("Canary <b>"), "event: what was given"),
        (told("click") | {"event": None}, "event"),
        (told("click") | {"event": ["click"]}, "event"),
        (told("delivered", timestamp="soon"), "timestamp"),
        (told("delivered", timestamp=None), "timestamp"),
        (told("delivered", timestamp=True), "timestamp"),
        (told("delivered", timestamp=-5), "timestamp"),
        (told("delivered", timestamp=AT * 1000), "timestamp"),
        (told("delivered", leadops_touch_id=["tch_1"]), "leadops_touch_id"),
        (told("delivered", leadops_touch_id="t" * 101), "leadops_touch_id"),
        ("no object", "event: must be an object"),
        (None, "event: must be an object"),
    ],
)
def test_a_malformed_one_says_why_and_its_neighbours_go_on(bad: Any, why: str) -> None:
    rows, ignored = translate([told("delivered"), bad, told("open", sg_event_id="2")])
    assert ignored == 0
    assert [r.error is None for r in rows] == [True, False, True]
    assert rows[1].error is not None
    assert rows[1].error.startswith(why)
    assert "Canary" not in rows[1].error


def test_without_an_id_of_the_vendor_the_same_event_is_still_one() -> None:
    event = told("unsubscribe") | {"sg_event_id": None}
    assert accepted(event).event_id == accepted(event).event_id
    assert accepted(event).event_id != accepted(event | {"timestamp": AT + 1}).event_id


def test_an_address_that_is_none_does_not_lose_the_event() -> None:
    for email in ("not an email address", "x" * 600, None, 7, ""):
        event = accepted(told("dropped", reason="Invalid", email=email))
        assert event.properties["touch_id"] == "tch_1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
FIELDS = ["email", "timestamp", "event", "sg_event_id", "type", "status", "reason", "url", "useragent", "ip"]
SHAPE = st.fixed_dictionaries(
    {"leadops_touch_id": st.just("tch_1") | JSON},
    optional=dict.fromkeys(FIELDS, JSON)
    | {
        "event": st.sampled_from(["click", "bounce", "dropped", "processed", "open"]),
        "timestamp": st.just(AT),
        "smtp-id": JSON,
        "bounce_classification": JSON,
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SHAPE | JSON, max_size=4))
def test_whatever_is_posted_each_is_taken_refused_or_counted(events: list[Any]) -> None:
    rows, ignored = translate(events)
    assert len(rows) + ignored == len(events)
    for row in rows:
        assert (row.event is None) is (row.error is not None)
        if row.event is not None:
            try:
                parse_event(row.event, now=NOW, keyring=Keyring(b"test"))
            except BadInput:
                assert row.event["id"] is not None  # an id, or an address, of a type that is none


def test_the_sandboxs_events_are_understood() -> None:
    sandbox = pytest.importorskip("leadops.sandbox.sendgrid.events")
    mail_class = pytest.importorskip("leadops.sandbox.sendgrid.mail").Mail
    mail = mail_class(
        **dict.fromkeys(("from_address", "to_name", "reply_to", "subject", "text"), ""),
        sg_message_id="abc.recvd",
        key="tch_1",
        custom_args={"leadops_touch_id": "tch_1"},
        to_address="anna@acme.example",
        html="<a href='https://acme.example/x'>x</a>",
        headers={},
        smtp_id="<abc@geopod>",
        at=NOW,
        links=("https://acme.example/x",),
        opens_tracked=True,
        clicks_tracked=True,
    )
    at = datetime.fromtimestamp(AT, UTC)
    events = [sandbox.event_of(mail, kind, at, f"id-{kind}", {}) for kind in sandbox.KINDS]
    rows, ignored = translate(events)
    assert (len(rows), ignored) == (len(sandbox.KINDS) - 2, 2)
    kinds = {parse_event(r.event, now=NOW, keyring=Keyring(b"t")).kind.value for r in rows if r.event}
    assert {"email_processed", "email_delivered", "email_clicked", "email_bounced", "opted_out"} <= kinds
    assert all(r.error is None for r in rows)
