"""What is accepted as an event, and what is said about the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.intake import parse_event, payload_of, storable
from leadops.errors import BadInput
from leadops.terms import EventKind, LeadEvent
from leadops_tests.domain.events import KEYRING, NOW, event, raw


def refusal(given: Any) -> str:
    with pytest.raises(BadInput) as caught:
        parse_event(given, now=NOW, keyring=KEYRING)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("event", [1]),
        ("event", "text"),
        ("source", raw() | {"source": " "}),
        ("source", raw() | {"source": None}),
        ("kind", raw() | {"kind": "form_submited"}),
        ("occurred_at", raw(at="yesterday")),
        ("occurred_at", raw(at="0001-01-01T00:00:00+14:00")),
        ("occurred_at", raw(at="9999-12-31T23:59:59-12:00")),
        ("occurred_at", raw(at="1970-01-01")),
        ("occurred_at", raw(at=(NOW + timedelta(hours=1)).isoformat())),
        ("occurred_at", raw(at=float("inf"))),
        ("contact.emial", raw(emial="x")),
        ("contact.name", raw(name="x" * 501)),
        ("contact.name", raw(name=True)),
        ("contact.company_size", raw(company_size=-1)),
        ("contact.email", raw(email="not an address")),
        ("contact.phone", raw(email=None, phone="12")),
        ("contact", raw(email=None)),
        ("contact", raw() | {"contact": None}),
        ("properties", raw() | {"properties": [1]}),
        ("properties.score", raw(properties={"score": float("nan")})),
        ("properties.a.1", raw(properties={"a": [0, 10**400]})),
        ("properties.disposition", raw("disposition", properties={"disposition": "recycl"})),
        (
            "properties.emails",
            raw("identity_merged", properties={"emails": ["a@b.example", "A+x@b.example"]}),
        ),
        ("properties.emails", raw("identity_split", properties={"emails": "a@b.example"})),
        ("extra", raw() | {"extra": 1}),
    ],
)
def test_what_is_wrong_is_refused_with_the_name_of_its_field(field: str, given: Any) -> None:
    assert field in refusal(given)


def test_deep_nesting_is_refused_and_still_keepable() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    given = raw(properties={"deep": deep})
    assert "levels deep" in refusal(given)
    assert "nested too deeply" in json.dumps(storable(given))


def test_what_nobody_can_be_recognised_by_is_accepted_where_it_cites_a_message_of_ours() -> None:
    cited = event("reply_received", None, properties={"in_reply_to": "<a@mail.example>"})
    assert cited.contact.email is None
    assert event("email_clicked", None, properties={"touch_id": "tch_1"}).kind is EventKind.EMAIL_CLICKED


@pytest.mark.parametrize("given", ["2026-03-02", " 2026-03-02 "])
def test_a_date_alone_is_marked_and_begins_its_day(given: str) -> None:
    parsed = event(at=given)
    assert parsed.day_precision
    assert parsed.occurred_at == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_date_that_has_begun_somewhere_is_not_in_the_future() -> None:
    now = datetime(2026, 3, 3, 16, 0, tzinfo=UTC)  # already the fourth in Tokyo
    assert parse_event(raw(at="2026-03-04"), now=now, keyring=KEYRING).day_precision
    with pytest.raises(BadInput, match="future"):
        parse_event(raw(at="2026-03-05"), now=now, keyring=KEYRING)


@pytest.mark.parametrize("given", ["1772500000", 1772500000, "2026-03-03T01:06:40Z", "2026-03-03 01:06:40"])
def test_a_moment_is_not_a_date(given: Any) -> None:
    parsed = event(at=given)
    assert parsed.occurred_at == datetime(2026, 3, 3, 1, 6, 40, tzinfo=UTC)
    assert not parsed.day_precision


def test_times_become_utc() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert event(at=east.isoformat()).occurred_at == NOW


def test_the_same_event_twice_is_one_and_another_id_is_another() -> None:
    assert event().event_id == event().event_id
    assert event(id=" ").source_event_id.startswith("event:")
    assert event(id=1).event_id == event(id="1").event_id
    assert event(id="1", source="crm").event_id != event(id="1").event_id
    assert event(id=" ").event_id != event(id=" ", email="bob@acme.example").event_id


def test_blank_is_absent() -> None:
    contact = event(name="  ", company_size="", phone=" ").contact
    assert (contact.name, contact.company_size, contact.phone) == (None, None, None)


def test_what_postgres_cannot_hold_is_taken_out() -> None:
    parsed = event(name="An\x00na", properties={"t\x00": ["\ud800x", {"y": "\x00"}]})
    assert parsed.contact.name == "Anna"
    assert parsed.properties == {"t": ["?x", {"y": ""}]}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
FIELDS = {
    "source": ANY_JSON | st.just("web"),
    "id": ANY_JSON,
    "kind": ANY_JSON | st.sampled_from([k.value for k in EventKind]),
    "occurred_at": ANY_JSON | st.dates().map(str) | st.datetimes().map(str),
    "contact": ANY_JSON
    | st.fixed_dictionaries(
        {},
        optional={
            n: ANY_JSON | st.sampled_from(["a@b.example", "+4930901820", "DE", "7"])
            for n in ("email", "phone", "crm_id", "company_size", "country", "name")
        },
    ),
    "properties": ANY_JSON | st.dictionaries(st.sampled_from(["emails", "disposition", "to"]), ANY_JSON),
    "consent": st.just({}) | ANY_JSON,
    "day_precision": st.booleans() | ANY_JSON,
}


@settings(max_examples=400, deadline=None)
@given(ANY_JSON | st.fixed_dictionaries({}, optional=FIELDS))
def test_anything_is_an_event_or_bad_input_and_can_be_kept(given: Any) -> None:
    json.dumps(storable(given), allow_nan=False).encode()
    try:
        parsed = parse_event(given, now=NOW, keyring=KEYRING)
    except BadInput:
        return
    assert isinstance(parsed, LeadEvent)
    assert parsed.occurred_at.tzinfo is UTC
    assert "\\u0000" not in json.dumps(payload_of(parsed), allow_nan=False).replace("\\\\", "")


VALID = st.fixed_dictionaries(
    {
        "source": st.just("web"),
        "kind": st.sampled_from(["form_submitted", "reply_received", "lead_updated"]),
        "occurred_at": st.sampled_from(["2026-03-01", "2026-03-01T10:00:00+02:00", 1772500000]),
        "contact": st.fixed_dictionaries(
            {"crm_id": st.integers(0, 9) | st.sampled_from(["a", " b "])},
            optional={
                "email": st.text(max_size=20),
                "name": st.text(max_size=20),
                "phone": st.text(max_size=9),
            },
        ),
        "properties": st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=3),
    }
)


@settings(max_examples=150, deadline=None)
@given(VALID)
def test_an_accepted_event_says_the_same_when_it_is_sent_again(given: dict[str, Any]) -> None:
    try:
        first = parse_event(given, now=NOW, keyring=KEYRING)
    except BadInput:
        return
    again = parse_event(json.loads(json.dumps(given)), now=NOW, keyring=KEYRING)
    assert first == again
