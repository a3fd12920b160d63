from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain import timing
from leadops.domain.timing import (
    BUSINESS_HOURS,
    Zone,
    add_business_days,
    business_deadline,
    is_open,
    local_days_later,
    next_open,
    resolve_zone,
)
from leadops.errors import LeadopsError
from leadops.playbook.model import WEEKDAYS, Window

ANYTIME = Window()
NURTURE = Window(days=("mon", "tue", "wed", "thu", "fri"), start=time(9), end=time(17), skip_holidays=True)
ZONES = sorted(available_timezones() - {"localtime", "Factory", "posixrules"})
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES_OF_TWO_YEARS = 2 * 365 * 24 * 60


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


instants = st.integers(0, MINUTES_OF_TWO_YEARS).map(lambda m: START + timedelta(minutes=m))
zones = st.sampled_from(ZONES)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    begin = draw(st.integers(0, 95)) * 15
    end = draw(
        st.none() | st.integers(begin // 15 + 1, 95).map(lambda q: q * 15) if begin < 95 * 15 else st.none()
    )
    days = draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))
    return Window(
        days=tuple(sorted(days)),
        start=time(begin // 60, begin % 60),
        end=None if end is None else time(end // 60, end % 60),
        skip_holidays=draw(st.booleans()),
    )


def assert_earliest(window: Window, at: datetime, zone: str, country: str | None) -> datetime:
    found = next_open(window, at, zone, country)
    assert found.tzinfo is UTC
    assert found >= at
    assert is_open(window, found, zone, country)
    local = found.astimezone(ZoneInfo(zone))
    assert WEEKDAYS[local.weekday()] in window.days
    assert window.start <= local.time()
    assert window.end is None or local.time() < window.end
    assert next_open(window, found, zone, country) == found
    return found


@given(window=windows(), at=instants, zone=zones, country=st.sampled_from([None, "DE", "US", "JP", "XX"]))
@settings(max_examples=150, deadline=None)
def test_next_open_is_inside_the_window_in_local_time_and_minimal(window, at, zone, country):
    found = assert_earliest(window, at, zone, country)
    probe = at
    step = timedelta(minutes=1) if found - at < timedelta(hours=6) else timedelta(minutes=15)
    while probe < found and probe < at + timedelta(days=9):
        assert not is_open(window, probe, zone, country)
        probe += step
    if found > at:
        assert not is_open(window, found - timedelta(seconds=1), zone, country)


def changes_of(zone: str) -> list[datetime]:
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(0, 730, 2))
    return sorted({change for day in days for change in timing._changes(zone, day)})


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Asia/Beirut",
        "America/Havana",
    ],
)
def test_every_quarter_of_an_hour_around_each_clock_change_opens_at_the_earliest_minute(zone):
    changes = changes_of(zone)
    assert changes
    for change in changes[:3]:
        wall = change.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for quarter in range(-8, 9, 2):
            begin = (wall + timedelta(minutes=15 * quarter)).time().replace(second=0, fold=0)
            end = (datetime.combine(date(2026, 1, 1), begin) + timedelta(minutes=30)).time()
            window = Window(start=begin, end=end if end > begin else None)
            at = change - timedelta(hours=5)
            found = assert_earliest(window, at, zone, None)
            probe = at
            while probe < found:
                assert not is_open(window, probe, zone, None)
                probe += timedelta(minutes=1)


def test_a_start_in_the_gap_moves_to_the_end_of_the_gap():
    window = Window(start=time(2, 15), end=time(6))
    assert next_open(window, utc(2026, 3, 29, 0, 0), "Europe/Berlin", None) == utc(2026, 3, 29, 1, 0)


def test_a_midnight_that_does_not_exist_opens_when_the_day_begins():
    window = Window(days=("fri",))  # Cairo: 2026-04-24 begins at 01:00
    found = next_open(window, utc(2026, 4, 23, 12, 0), "Africa/Cairo", None)
    assert found.astimezone(ZoneInfo("Africa/Cairo")).time() == time(1)


def test_in_the_repeated_hour_the_first_occurrence_is_taken():
    window = Window(start=time(2, 30), end=time(2, 45))
    assert next_open(window, utc(2026, 10, 24, 22, 0), "Europe/Berlin", None) == utc(2026, 10, 25, 0, 30)


def test_a_day_that_a_zone_skipped_is_passed_over():
    found = next_open(Window(days=("fri",)), utc(2011, 12, 29, 12, 0), "Pacific/Apia", None)
    assert found.astimezone(ZoneInfo("Pacific/Apia")).date() == date(2012, 1, 6)


def test_a_window_to_the_end_of_the_day_closes_at_midnight():
    evening = Window(start=time(20), end=None)
    assert is_open(evening, utc(2026, 6, 1, 21, 59, 59), "Europe/Berlin", None)
    assert not is_open(evening, utc(2026, 6, 1, 22, 0), "Europe/Berlin", None)


def test_anytime_is_now_whatever_the_clocks_do():
    for hour in range(48):
        at = utc(2026, 10, 24) + timedelta(hours=hour)
        assert next_open(ANYTIME, at, "Europe/Berlin", "DE") == at


def test_public_holidays_of_the_country_are_skipped_and_an_unknown_country_has_none():
    christmas = utc(2026, 12, 25, 10, 0)  # a Friday
    assert next_open(NURTURE, christmas, "Europe/Berlin", "de") == utc(2026, 12, 28, 8, 0)
    assert next_open(NURTURE, christmas, "Europe/Berlin", "XX") == christmas
    assert next_open(NURTURE, christmas, "Europe/Berlin", None) == christmas


def test_a_window_that_never_opens_says_so(monkeypatch):
    monkeypatch.setattr(timing, "is_holiday", lambda day, country: True)
    with pytest.raises(LeadopsError, match="does not open") as caught:
        next_open(NURTURE, utc(2026, 1, 1), "UTC", "DE")
    assert caught.value.code == "timing.never_opens"


def test_an_instant_without_zone_is_refused():
    with pytest.raises(LeadopsError) as caught:
        next_open(ANYTIME, datetime(2026, 1, 1), "UTC", None)
    assert caught.value.code == "timing.naive"


@pytest.mark.parametrize(
    ("timezone", "country", "expected"),
    [
        ("Europe/Paris", "US", Zone("Europe/Paris", "given")),
        (" america/new york ", None, Zone("America/New_York", "given")),
        ("Mars/Olympus", "us", Zone("America/New_York", "country")),
        ("../../etc/passwd", "DE", Zone("Europe/Berlin", "country")),
        ("", "BR", Zone("America/Sao_Paulo", "country")),
        (None, "AU", Zone("Australia/Sydney", "country")),
        (None, "UK", Zone("Europe/London", "country")),
        (None, "IN", Zone("Asia/Kolkata", "country")),
        ("Europe", "ZZ", Zone("Asia/Singapore", "fallback")),
        (None, None, Zone("Asia/Singapore", "fallback")),
        ("\x00", "Germany", Zone("Asia/Singapore", "fallback")),
    ],
)
def test_a_zone_is_given_or_of_the_country_or_the_stated_fallback(timezone, country, expected):
    assert resolve_zone(timezone, country, "Asia/Singapore") == expected


@given(st.text(max_size=40) | st.none(), st.text(max_size=4) | st.none())
def test_whatever_is_given_a_usable_zone_comes_out(timezone, country):
    zone = resolve_zone(timezone, country, "UTC")
    assert next_open(NURTURE, START, zone.name, country) >= START


def test_every_country_of_the_table_has_a_zone_that_exists():
    assert all(name in ZONES for name in timing._zones_by_country().values())
    assert len(timing._zones_by_country()) > 240


def test_an_unknown_fallback_is_an_error():
    with pytest.raises(LeadopsError, match="fallback"):
        resolve_zone(None, None, "Nowhere/None")


@pytest.mark.parametrize(
    ("day", "n", "country", "expected"),
    [
        (date(2026, 9, 4), 1, None, date(2026, 9, 7)),  # Friday
        (date(2026, 9, 5), 0, None, date(2026, 9, 7)),  # Saturday
        (date(2026, 9, 7), 0, None, date(2026, 9, 7)),
        (date(2026, 12, 24), 1, "DE", date(2026, 12, 28)),
        (date(2026, 12, 24), 1, "XX", date(2026, 12, 25)),
        (date(2026, 9, 3), 1, "IL", date(2026, 9, 6)),  # Thursday; the weekend is Friday and Saturday
        (date(2026, 9, 4), 5, None, date(2026, 9, 11)),
    ],
)
def test_business_days_leave_out_weekends_and_holidays(day, n, country, expected):
    assert add_business_days(day, n, country) == expected


@given(st.dates(date(2026, 1, 1), date(2027, 12, 1)), st.integers(0, 20), st.integers(0, 20))
def test_business_days_add_up(day, n, m):
    there = add_business_days(day, n, "FR")
    assert there >= day
    assert add_business_days(there, m, "FR") == add_business_days(
        add_business_days(day, 0, "FR") if n == 0 else day, n + m, "FR"
    )


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        (utc(2026, 9, 4, 10, 0), 30, utc(2026, 9, 4, 10, 30)),
        (utc(2026, 9, 4, 16, 45), 30, utc(2026, 9, 7, 9, 15)),  # over the weekend
        (utc(2026, 9, 4, 16, 30), 30, utc(2026, 9, 4, 17, 0)),
        (utc(2026, 9, 5, 3, 0), 0, utc(2026, 9, 7, 9, 0)),
        (utc(2026, 9, 4, 9, 0), 16 * 60 + 1, utc(2026, 9, 8, 9, 1)),
    ],
)
def test_a_deadline_counts_open_minutes_only(start, minutes, expected):
    assert business_deadline(start, minutes, "UTC") == expected


def test_a_deadline_in_a_window_that_is_always_open_is_plain_elapsed_time():
    start = utc(2026, 10, 24, 12, 0)
    for hours in (0, 1, 12, 36, 24 * 40):
        assert business_deadline(start, 60 * hours, "Europe/Berlin", ANYTIME) == start + timedelta(
            hours=hours
        )


@given(window=windows(), start=instants, zone=zones, minutes=st.integers(0, 2000))
@settings(max_examples=100, deadline=None)
def test_a_deadline_has_exactly_its_minutes_of_open_time(window, start, zone, minutes):
    minutes = min(minutes, 300)
    deadline = business_deadline(start, minutes, zone, window)
    if deadline - start > timedelta(days=14):
        return
    open_minutes = 0
    probe = start
    while probe < deadline:
        open_minutes += is_open(window, probe, zone, None)
        probe += timedelta(minutes=1)
    assert open_minutes == minutes


def test_a_negative_deadline_is_refused():
    with pytest.raises(LeadopsError):
        business_deadline(START, -1, "UTC", BUSINESS_HOURS)


def test_days_are_counted_on_the_wall_clock():
    before_spring = utc(2026, 3, 27, 9, 0)  # 10:00 in Berlin
    assert local_days_later(before_spring, 3, "Europe/Berlin") == utc(2026, 3, 30, 8, 0)
    assert local_days_later(before_spring, 0.5, "Europe/Berlin") == utc(2026, 3, 27, 21, 0)
