"""Who arrives when: repeatable, however time is cut, and by the wall clock of whoever arrives."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.sandbox.world.arrivals import RETURNS_WITHIN, arrivals
from leadops.sandbox.world.chance import Chance, pick
from leadops.sandbox.world.rhythm import SOURCES, Rhythm, chance_of_hour
from leadops_tests.sandbox.world.staging import MONDAY

WEEKS = 6
END = MONDAY + timedelta(weeks=WEEKS)


@cache
def _rhythm(seed: int) -> Rhythm:
    return Rhythm(seed, 190)


def _found(start: datetime, end: datetime, seed: int = 7) -> list[tuple[str, datetime, str]]:
    found = arrivals(Chance(seed), _rhythm(seed), start, end)
    return [(a.moment.key, a.at, a.how) for a in found]


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 4 * 24 * 3_600_000), max_size=6),
    seed=st.integers(0, 3),
)
def test_arrivals_are_the_same_however_time_is_cut(cuts: list[int], seed: int) -> None:
    edges = [MONDAY, *(MONDAY + timedelta(milliseconds=c) for c in sorted(cuts)), MONDAY + timedelta(days=4)]
    parts = [a for start, end in pairwise(edges) for a in _found(start, end, seed)]
    assert parts == _found(edges[0], edges[-1], seed)


def test_one_seed_is_one_world_and_another_is_another() -> None:
    whole = _found(MONDAY, END)
    anew = arrivals(Chance(7), Rhythm(7, 190), MONDAY, END)
    assert whole == [(a.moment.key, a.at, a.how) for a in anew]
    assert whole != _found(MONDAY, END, seed=8)
    assert [at for _, at, _ in whole] == sorted(at for _, at, _ in whole)


def test_as_many_come_as_were_asked_for() -> None:
    # A Poisson number of 190 x 6: the standard deviation is 34.
    first = [a for a in _found(MONDAY, END) if a[2] == "first"]
    assert 1140 - 4 * 34 < len(first) < 1140 + 4 * 34


def test_every_source_has_its_share() -> None:
    found = Counter(m.source for m in Rhythm(7, 190).between(MONDAY, MONDAY + timedelta(weeks=20)))
    total = sum(found.values())
    for source, weight in SOURCES.items():
        assert found[source] / total == pytest.approx(weight / 100, abs=0.02)


def test_arrivals_follow_the_wall_clock_of_whoever_arrives() -> None:
    """Chi-square over day and night, week and weekend of the lead's zone: this rhythm fits, none does not."""
    moments = list(Rhythm(7, 190).between(MONDAY, MONDAY + timedelta(weeks=20)))
    seen = Counter(_part(m.at.astimezone(ZoneInfo(m.zone))) for m in moments)
    flat, wanted = Counter[str](), Counter[str]()
    for source, weight in SOURCES.items():
        hours = [MONDAY.replace(tzinfo=None) + timedelta(hours=h) for h in range(168)]
        chances = [chance_of_hour(source, h) for h in hours]
        for hour, chance in zip(hours, chances, strict=True):
            wanted[_part(hour)] += weight / 100 * chance / sum(chances) * len(moments)
            flat[_part(hour)] += weight / 100 / 168 * len(moments)
    # Three degrees of freedom: 16.3 is passed once in a thousand, 1,000 never.
    assert _chi_square(seen, wanted) < 16.3
    assert _chi_square(seen, flat) > 1_000
    assert seen["weekday day"] > 4 * seen["weekday night"]


def _part(local: datetime) -> str:
    day = "day" if 8 <= local.hour < 20 else "night"
    return f"{'weekday' if local.weekday() < 5 else 'weekend'} {day}"


def _chi_square(seen: Counter[str], wanted: Counter[str]) -> float:
    return sum((seen[k] - wanted[k]) ** 2 / wanted[k] for k in wanted)


def test_some_come_back_minutes_to_days_later() -> None:
    found = list(arrivals(Chance(7), Rhythm(7, 190), MONDAY, END))
    back = [a for a in found if a.how != "first"]
    assert {a.how for a in back} == {"again", "alias"}
    waits = [a.at - a.moment.at for a in back]
    assert all(timedelta(minutes=4) <= w <= RETURNS_WITHIN for w in waits)
    assert min(waits) < timedelta(hours=1) < timedelta(days=1) < max(waits)


@given(st.floats(0, 1, exclude_max=True), st.floats(0.01, 50), st.floats(0, 50))
def test_a_choice_falls_into_the_share_of_its_weight(u: float, a: float, b: float) -> None:
    assert pick({"a": a, "b": b}, u) == ("a" if u * (a + b) < a or b == 0 else "b")


def test_chance_depends_on_the_key_alone() -> None:
    chance = Chance(7)
    before = chance.uniform("x", 1)
    chance.stream("something else").random()
    assert chance.uniform("x", 1) == before == Chance(7).uniform("x", 1)
    assert chance.uniform("x", 11) != chance.uniform("x1", 1) != before
