"""Reading all of an account: nothing skipped, nothing read for ever, whatever the search does (R26, R27)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.errors import ProviderError
from leadops.playbook.ends import HubSpotMapping
from leadops.providers.crm.hubspot_cursor import MAX_SEEN, Place, position_of
from leadops.providers.crm.hubspot_poll import TYPES
from leadops_tests.providers.crm.conformance import emails, errors, everything, ids, never
from leadops_tests.providers.crm.inprocess import START, Account


@pytest.fixture
def account() -> Account:
    return Account()


def many(account: Account, count: int, apart_s: float = 0.0, start: int = 0) -> list[str]:
    made = []
    for n in range(start, start + count):
        made.append(account.contact(f"a{n}@acme.example"))
        account.later(seconds=apart_s)
    return made


def created(account: Account, limit: int = 1000) -> list[str]:
    polls, _ = everything(account.crm, limit=limit)
    return [i for poll in polls for _, i in ids(poll)]


@pytest.mark.full
def test_more_records_of_one_moment_than_any_search_shows_are_all_read_once(account: Account) -> None:
    """R27."""
    made = many(account, 10_250)
    account.later(seconds=1)
    made += many(account, 3, 1, start=10_250)
    found = created(account)
    assert sorted(found) == sorted(f"contact:{i}:created" for i in made)
    assert account.problems() == []
    assert account.asked("/search") < 150


@pytest.mark.parametrize("count", [199, 200, 201, 400, 401])
def test_a_moment_that_just_fills_a_page(account: Account, count: int) -> None:
    made = many(account, 5, 1) + many(account, count, start=5)
    account.later(seconds=1)
    made += many(account, 5, 1, start=5 + count)
    assert sorted(created(account)) == sorted(f"contact:{i}:created" for i in made)


@settings(max_examples=15)
@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=4),
    st.integers(20, 150),
    st.booleans(),
)
def test_any_clumps_of_moments_and_any_limit(clumps: list[int], limit: int, by_id: bool) -> None:
    account = Account(ties_by_id=by_id)
    made: list[str] = []
    for size in clumps:
        made += many(account, size, start=len(made))
        account.later(seconds=400)
    assert sorted(created(account, limit)) == sorted(f"contact:{i}:created" for i in made)


def test_what_changes_while_it_is_read_pushes_nobody_out(account: Account) -> None:
    """Results move up a place when an earlier record is written: pages by number would skip one."""
    made = many(account, 650, 1)
    cursor: str | None = None
    found: list[str] = []
    for n in range(20):
        poll = account.crm.poll(cursor, 100, never)
        found += emails(poll)
        cursor = poll.cursor
        account.portal.update("contacts", made[n], {"city": f"{n}"}, at=account.later(seconds=1))
        if not poll.more:
            break
    assert set(found) == {f"a{n}@acme.example" for n in range(650)}


def test_what_the_index_shows_late_is_found_within_the_overlap(account: Account) -> None:
    """A record written before one that was already read, but shown after it."""
    late = account.contact("late@acme.example")
    index = account.portal.indexes["contacts"]
    withheld = index._waiting.pop()
    account.later(seconds=20)
    account.contact("early@acme.example")
    polls, cursor = everything(account.crm)
    assert [e for p in polls for e in emails(p)] == ["early@acme.example"]
    account.later(seconds=250)
    polls, cursor = everything(account.crm, cursor)
    index._waiting.append(withheld)
    account.later(hours=3)
    polls, cursor = everything(account.crm, cursor)
    assert [i for p in polls for _, i in ids(p)] == [f"contact:{late}:created"]


@pytest.mark.parametrize("lag", [1, 60, 240])
def test_an_index_that_lags_loses_nothing(account: Account, lag: int) -> None:
    account.sandbox.options.index_lag_s = lag
    cursor: str | None = None
    found: list[str] = []
    for n in range(40):
        account.contact(f"a{n}@acme.example")
        account.later(seconds=7)
        poll = account.crm.poll(cursor, 1000, never)
        found, cursor = found + emails(poll), poll.cursor
    account.later(seconds=lag)
    found += emails(account.crm.poll(cursor, 1000, never))
    assert sorted(found) == sorted(f"a{n}@acme.example" for n in range(40))


def test_a_clock_of_ours_that_is_wrong_loses_nothing(account: Account) -> None:
    for skew in (-7200, 7200):
        mapping = HubSpotMapping(requests_per_second=1e6, searches_per_second=1e6)
        crm = account.adapter(mapping)
        crm._poller._clock = lambda s=skew: account.now.timestamp() + s
        cursor: str | None = None
        found: list[str] = []
        for n in range(12):
            account.contact(f"a{n}.{skew}@acme.example")
            account.later(seconds=30)
            poll = crm.poll(cursor, 1000, never)
            found, cursor = found + emails(poll), poll.cursor
        assert {e for e in found if f".{skew}@" in e} == {f"a{n}.{skew}@acme.example" for n in range(12)}


def test_nothing_new_costs_one_search_per_type_and_no_reading(account: Account) -> None:
    many(account, 120, 1)
    _, cursor = everything(account.crm)
    for wait in (5, 400, 400):
        account.later(seconds=wait)
        before = len(account.wire.asks)
        poll = account.crm.poll(cursor, 1000, never)
        cursor = poll.cursor
        assert poll.rows == ()
        assert len(account.wire.asks) - before == len(TYPES)
    assert account.crm.poll(cursor, 1000, never).cursor == cursor
    assert len(cursor) < 2_000  # what was seen in the last overlap is forgotten again


def test_the_cursor_does_not_grow_without_end() -> None:
    place = Place(at=5)
    place.begin(1)
    for n in range(MAX_SEEN + 5_000):
        place.passed(str(n), 5, 1, keep=True)
    place.prune(300_000)
    assert len(place.seen) == MAX_SEEN


def test_a_long_first_sync_of_contacts_starves_no_stop(account: Account) -> None:
    made = many(account, 300, 1)
    account.log("calls", made[7], hs_timestamp=account.now.isoformat())
    cursor, polls = None, 0
    while True:
        poll = account.crm.poll(cursor, 50, never)
        cursor, polls = poll.cursor, polls + 1
        if any(":logged:" in i for _, i in ids(poll)):
            break
    assert poll.more
    assert polls <= 3


def test_a_record_with_more_rows_than_there_is_room_is_handed_out_in_parts(account: Account) -> None:
    contact = account.contact()
    for _ in range(5):
        account.later(hours=1)
        properties = {
            "recent_conversion_event_name": "Demo",
            "recent_conversion_date": account.now.isoformat(),
        }
        account.portal.update("contacts", contact, properties, at=account.now, source="FORM")
    polls, _ = everything(account.crm, limit=2)
    found = [i for poll in polls for _, i in ids(poll)]
    assert len(found) == len(set(found)) == 6
    assert all(len(poll.rows) <= 2 for poll in polls)


def test_it_stops_between_pages(account: Account) -> None:
    many(account, 600, 1)
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(account.asked("/contacts/search"))
        return account.asked("/contacts/search") >= 1

    poll = account.crm.poll(None, 1000, should_stop)
    assert poll.more
    assert len(poll.rows) == 200
    rest, _ = everything(account.crm, poll.cursor)
    assert len({e for p in (poll, *rest) for e in emails(p)}) == 600


def test_records_that_say_nothing_do_not_hold_a_poll_up_for_ever(account: Account) -> None:
    for n in range(13_000):
        account.log("calls", [], hs_timestamp=account.now.isoformat(), hs_call_title=f"{n}")
        account.later(seconds=1)
    poll = account.crm.poll(None, 1000, never)
    assert (poll.rows, poll.more) == ((), True)
    polls, _ = everything(account.crm, poll.cursor)
    assert len(polls) < 5


@pytest.mark.parametrize("missing", ["deals", "contacts"])
def test_a_scope_that_only_one_type_needs_is_told_once(account: Account, missing: str) -> None:
    granted = {f"crm.objects.{t}.{a}" for t in ("contacts", "deals") for a in ("read", "write")}
    granted |= {"crm.objects.owners.read"}
    account.sandbox.options.scopes = granted - {f"crm.objects.{missing}.read"}
    contact = account.contact()
    account.log("deals", contact, dealstage="closedwon")
    if missing == "contacts":
        with pytest.raises(ProviderError) as raised:
            account.crm.poll(None, 100, never)
        assert raised.value.code == "crm_scope"
        assert "crm.objects.contacts.read" in str(raised.value)
        return
    polls, cursor = everything(account.crm)
    (told,) = [row for poll in polls for row in errors(poll)]
    assert told.where == "hubspot:deals"
    assert "crm.objects.deals.read" in str(told.raw)
    assert emails(polls[0]) == ["anna@acme.example"]
    account.later(seconds=30)
    polls, cursor = everything(account.crm, cursor)
    assert [p.rows for p in polls] == [()]
    account.sandbox.options.scopes = None
    assert [i for _, i in ids(account.crm.poll(cursor, 100, never)) if i.startswith("deal:")] != []


def test_without_the_scope_of_owners_leads_have_no_owner(account: Account) -> None:
    account.sandbox.options.scopes = {"crm.objects.contacts.read", "crm.objects.deals.read"}
    account.contact(hubspot_owner_id="71001")
    poll = account.crm.poll(None, 100, never)
    assert [row.event["properties"] for row in poll.rows if row.event] == [{}]


def test_another_type_in_trouble_does_not_stop_contacts(account: Account) -> None:
    account.contact()
    account.fail(500, path="/crm/objects/2026-09/calls/", times=-1)
    poll = account.crm.poll(None, 100, never)
    assert emails(poll) == ["anna@acme.example"]
    account.later(minutes=20)
    with pytest.raises(ProviderError) as raised:  # nothing else to hand over: now somebody should hear of it
        account.crm.poll(poll.cursor, 100, never)
    assert raised.value.code == "crm_unavailable_500"


@pytest.mark.parametrize(
    "cursor", ["", "7", "{}", '{"types": 3}', '{"types": {"calls": {"x": 1}}, "turn": "calls"}']
)
def test_a_cursor_that_is_not_ours_is_refused(account: Account, cursor: str) -> None:
    with pytest.raises(ProviderError) as raised:
        account.crm.poll(cursor, 10, never)
    assert raised.value.code == "crm_cursor_invalid"


def test_a_cursor_is_read_as_it_was_written(account: Account) -> None:
    many(account, 5)
    text = account.crm.poll(None, 3, never).cursor
    assert position_of(text, TYPES).text() == text
    assert json.loads(text)["v"] == 1


def test_an_owner_of_another_page_is_found(account: Account) -> None:
    extra = [
        {"id": str(80_000 + n), "email": f"o{n}@seller.example", "firstName": "O", "lastName": str(n)}
        for n in range(150)
    ]
    account.portal.owners[:] = [*extra, *account.portal.owners]
    account.contact(hubspot_owner_id="71002")
    poll = account.crm.poll(None, 100, never)
    assert [row.event["properties"]["owner"] for row in poll.rows if row.event] == ["rep-ben"]
    assert account.asked("/owners/") == 2


def test_searches_are_slower_than_other_requests(account: Account) -> None:
    crm = account.adapter(HubSpotMapping(requests_per_second=1000, searches_per_second=2))
    crm.poll(None, 10, never)
    assert account.asked("/search") == len(TYPES)
    # One at a time: two at once and the next ones after them would be too many for one second.
    assert len(account.waits) == len(TYPES) - 1
    assert max(account.waits) > 0.4


def test_the_first_sync_begins_at_the_beginning_of_time(account: Account) -> None:
    account.now = START - timedelta(days=4000)
    account.contact("old@acme.example")
    account.now = START
    assert emails(account.crm.poll(None, 10, never)) == ["old@acme.example"]
