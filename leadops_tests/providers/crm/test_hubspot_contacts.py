"""What a contact in HubSpot tells: leads, submissions, changes, decisions; and never our own echo."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring
from leadops.playbook.ends import HubSpotMapping
from leadops.providers.crm.hubspot_events import ms_of, zone_of
from leadops.providers.crm.port import Writeback
from leadops.terms import Disposition, EventKind, LeadEvent
from leadops_tests.providers.crm.conformance import errors, everything, never
from leadops_tests.providers.crm.inprocess import START, Account


@pytest.fixture
def account() -> Account:
    found = Account()
    found.crm.setup()
    return found


class Reader:
    """Polls on and on; gives what is new after deduplication, as the log would hold it."""

    def __init__(self, account: Account, **mapping: Any) -> None:
        self.account = account
        self.crm = account.adapter(
            HubSpotMapping(requests_per_second=1e6, searches_per_second=1e6, **mapping)
        )
        self.cursor: str | None = None
        self.known: set[str] = set()

    def new(self) -> list[LeadEvent]:
        polls, self.cursor = everything(self.crm, self.cursor)
        assert [row.error for poll in polls for row in errors(poll)] == []
        found = []
        for poll in polls:
            for row in poll.rows:
                assert row.event is not None
                event = parse_event(row.event, now=self.account.now, keyring=Keyring(b"test"))
                if event.event_id not in self.known:
                    found.append(event)
                self.known.add(event.event_id)
        return found


def kinds(events: list[LeadEvent]) -> list[str]:
    return [e.kind.value for e in events]


def submit(account: Account, contact: str, form: str, **properties: str) -> None:
    """A form is sent: HubSpot notes which and when."""
    account.portal.update(
        "contacts",
        contact,
        {
            "recent_conversion_event_name": form,
            "recent_conversion_date": account.now.isoformat(),
            **properties,
        },
        at=account.now,
        source="FORM",
    )


def test_a_contact_is_a_lead_with_all_that_is_known(account: Account) -> None:
    account.contact(
        firstname="Anna",
        lastname="Ågård",
        company="Acme",
        jobtitle="VP Operations",
        phone="+1 212 555 0100",
        country="Germany",
        hs_country_region_code="DE",
        hs_timezone="europe_slash_berlin",
        numberofemployees="400",
        hubspot_owner_id="71002",
        hs_analytics_source="PAID_SEARCH",
        message="Please call",
    )
    (event,) = Reader(account).new()
    contact = event.contact
    assert (event.kind, event.occurred_at) == (EventKind.LEAD_CREATED, START)
    assert (contact.email, contact.first_name, contact.last_name) == ("anna@acme.example", "Anna", "Ågård")
    assert (contact.company, contact.title, contact.phone) == ("Acme", "VP Operations", "+1 212 555 0100")
    assert (contact.country, contact.timezone, contact.company_size) == ("DE", "Europe/Berlin", 400)
    assert contact.crm_id == account.portal.find("contacts", email="anna@acme.example")[0].id
    assert event.properties == {"source": "paid_search", "message": "Please call", "owner": "rep-ben"}
    assert event.source_event_id == f"contact:{contact.crm_id}:created"


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        ({"country": "us"}, "country", "US"),
        ({"country": "Germany"}, "country", None),
        ({"hs_timezone": "nowhere_slash_land"}, "timezone", None),
        ({"numemployees": "50-100"}, "company_size", 50),
        ({"mobilephone": "+49 30 123456"}, "phone", "+49 30 123456"),
        ({"company": "x" * 700}, "company", "x" * 500),
        ({"hubspot_owner_id": "71003"}, "company", None),  # an owner who is none of our reps
    ],
)
def test_fields_as_the_wire_takes_them(
    account: Account, properties: dict[str, str], field: str, value: object
) -> None:
    account.contact(**properties)
    (event,) = Reader(account).new()
    assert getattr(event.contact, field) == value
    assert "owner" not in event.properties


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("america_slash_new_york", "America/New_York"),
        ("america_slash_port_hyphen_au_hyphen_prince", "America/Port-au-Prince"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("utc", "UTC"),
        ("", None),
    ],
)
def test_time_zones_as_hubspot_spells_them(given: str, zone: str | None) -> None:
    assert zone_of(given) == zone


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1500", 1500),
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("yesterday", None),
        ("9" * 20, None),
        (None, None),
    ],
)
def test_moments_as_hubspot_writes_them(given: str | None, ms: int | None) -> None:
    assert ms_of(given) == ms


def test_somebody_who_came_by_a_form_is_one_lead_event(account: Account) -> None:
    contact = account.contact(source="FORM", message="Show me")
    submit(account, contact, "Pricing page: Book a demo")
    (event,) = Reader(account).new()
    ms = int(START.timestamp() * 1000)
    assert (event.kind, event.source_event_id) == (
        EventKind.DEMO_REQUESTED,
        f"contact:{contact}:conversion:{ms}",
    )
    assert event.properties["interest"] == "Pricing page: Book a demo"
    assert event.properties["message"] == "Show me"


def test_every_submission_is_an_event_also_of_the_same_form(account: Account) -> None:
    reader = Reader(account, forms={"whitepaper": "content_downloaded"})
    contact = account.contact()
    account.later(days=1)
    for form, message in (("Whitepaper", "one"), ("Whitepaper", "two"), ("Contact us", "three")):
        submit(account, contact, form, message=message)
        account.later(hours=1)
    found = [e for e in reader.new() if e.kind is not EventKind.LEAD_UPDATED]
    assert kinds(found) == ["lead_created", "content_downloaded", "content_downloaded", "form_submitted"]
    assert [e.properties.get("message") for e in found[1:]] == ["one", "two", "three"]
    assert [e.occurred_at - START for e in found[1:]] == [timedelta(days=1, hours=h) for h in range(3)]


def test_a_b_a_edits_are_three_changes(account: Account) -> None:
    reader = Reader(account)
    contact = account.contact(jobtitle="CEO")
    assert kinds(reader.new()) == ["lead_created"]
    for title in ("CTO", "CEO", "CTO"):
        account.portal.update("contacts", contact, {"jobtitle": title}, at=account.later(seconds=5))
        (event,) = reader.new()
        assert (event.kind, event.contact.title) == (EventKind.LEAD_UPDATED, title)
        assert event.occurred_at == account.now


def test_a_change_of_what_is_not_ours_to_know_is_no_news(account: Account) -> None:
    reader = Reader(account)
    contact = account.contact()
    reader.new()
    account.portal.update("contacts", contact, {"city": "Berlin"}, at=account.later(seconds=5))
    assert reader.new() == []


def test_our_own_write_back_is_no_news(account: Account) -> None:
    """R28."""
    reader = Reader(account)
    contact = account.contact()
    reader.new()
    before = account.portal.get("contacts", contact).updated_at
    account.later(minutes=10)
    item = Writeback("score:1", "score", "led_1", (("hubspot", contact),), {"total": 9, "tier": "cold"})
    assert account.crm.write([item])[0].outcome == "accepted"
    assert account.portal.get("contacts", contact).updated_at > before
    assert reader.new() == []


def test_a_contact_we_made_is_news_about_a_lead_never_a_new_one(account: Account) -> None:
    reader = Reader(account)
    contact = {"email": "new@acme.example", "name": "Nia New"}
    account.crm.write([Writeback("score:1", "score", "led_9", (), {"total": 9, "tier": "cold"}, contact)])
    (event,) = reader.new()
    assert (event.kind, event.contact.first_name) == (EventKind.LEAD_UPDATED, "Nia")
    assert event.contact.crm_id == account.portal.find("contacts", email="new@acme.example")[0].id
    account.later(minutes=1)
    submit(account, str(event.contact.crm_id), "Book a demo")
    assert kinds(reader.new()) == ["demo_requested"]


def test_a_known_contact_that_we_told_our_id_is_still_the_lead_it_was(account: Account) -> None:
    contact = account.contact()
    account.later(seconds=2)
    item = Writeback("score:1", "score", "led_1", (("hubspot", contact),), {"total": 9, "tier": "cold"})
    account.crm.write([item])
    assert account.portal.get("contacts", contact).properties["leadops_lead_id"] == "led_1"
    assert kinds(Reader(account).new()) == ["lead_created"]


@pytest.mark.parametrize(
    ("status", "source", "kind"),
    [
        ("UNQUALIFIED", "CRM_UI", "disposition"),
        ("UNQUALIFIED", "AUTOMATION_PLATFORM", "disposition"),
        ("ATTEMPTED_TO_CONTACT", "CRM_UI", "rep_activity"),
        ("CONNECTED", "MOBILE_IOS", "rep_activity"),
        ("IN_PROGRESS", "AUTOMATION_PLATFORM", None),
        ("OPEN_DEAL", "IMPORT", None),
        ("NEW", "CRM_UI", None),
        ("OPEN", "CRM_UI", None),
    ],
)
def test_a_lead_status_set_by_a_rep_is_their_word(
    account: Account, status: str, source: str, kind: str | None
) -> None:
    reader = Reader(account)
    contact = account.contact()
    reader.new()
    account.portal.update(
        "contacts", contact, {"hs_lead_status": status}, at=account.later(minutes=1), source=source
    )
    found = reader.new()
    assert kinds(found) == ([kind] if kind else [])
    if kind == "disposition":
        assert found[0].properties["disposition"] == Disposition.NOT_INTERESTED
        assert found[0].source_event_id.startswith(f"contact:{contact}:lead_status:")
    assert all(e.properties["lead_status"] == status for e in found)


@pytest.mark.parametrize(("source", "found"), [("CRM_UI", ["disposition"]), ("AUTOMATION_PLATFORM", [])])
def test_only_a_person_lets_automation_go_on(account: Account, source: str, found: list[str]) -> None:
    reader = Reader(account, lead_status={"OPEN": Disposition.RECYCLE})
    contact = account.contact()
    reader.new()
    account.portal.update(
        "contacts", contact, {"hs_lead_status": "OPEN"}, at=account.later(minutes=1), source=source
    )
    assert kinds(reader.new()) == found


def test_an_opt_out_in_hubspot_is_an_opt_out(account: Account) -> None:
    reader = Reader(account)
    contact = account.contact()
    reader.new()
    account.portal.update("contacts", contact, {"hs_email_optout": "true"}, at=account.later(minutes=1))
    (event,) = reader.new()
    assert (event.kind, event.occurred_at) == (EventKind.OPTED_OUT, account.now)
    assert (event.contact.email, event.contact.crm_id) == ("anna@acme.example", contact)
    account.portal.update("contacts", contact, {"hs_email_optout": "false"}, at=account.later(minutes=1))
    assert reader.new() == []


def test_a_contact_without_an_address_is_known_by_its_id(account: Account) -> None:
    contact = account.portal.create("contacts", {"firstname": "Anna"}, at=account.now)
    (event,) = Reader(account).new()
    assert (event.contact.email, event.contact.crm_id) == (None, contact)


def test_a_contact_that_is_gone_before_it_is_read_tells_nothing(account: Account) -> None:
    account.sandbox.options.index_lag_s = 60
    gone = account.contact("gone@acme.example")
    account.contact("here@acme.example")
    account.later(seconds=61)
    account.portal.archive("contacts", gone, at=account.now)
    poll = account.crm.poll(None, 100, never)
    assert [row.event["contact"]["email"] for row in poll.rows if row.event] == ["here@acme.example"]


def test_nothing_of_what_was_asked_breaks_a_rule_of_hubspots(account: Account) -> None:
    test_a_contact_we_made_is_news_about_a_lead_never_a_new_one(account)
    assert account.problems() == []
