"""The waterfall's promises, over any answers: in order, within budget, nothing twice, nothing known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain.countries import country_code
from leadops.domain.enriching import (
    FIELDS,
    Call,
    Known,
    Pursuit,
    Source,
    again_at,
    evidence,
    merge,
    month_of,
    round_of,
    turn_had_not_come,
    worth_another_pass,
)
from leadops.terms import EvidenceField

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
NAMES = ("first", "second", "third")
WANTED = ("company_size", "industry", "title")

sources = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from(WANTED), min_size=1),
        st.sampled_from([0.0, 0.01, 0.1, 0.25]),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=3,
).map(
    lambda made: [
        Source(NAMES[i], tells, usd, timedelta(days=30), bulk) for i, (tells, usd, bulk) in enumerate(made)
    ]
)
pursuits = st.lists(
    st.builds(
        Pursuit,
        own=st.frozensets(st.sampled_from(WANTED)),
        keys=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["a", "b", "c", "d"])),
        known=st.dictionaries(
            st.sampled_from(NAMES),
            st.frozensets(st.sampled_from(WANTED)).map(lambda names: Known(said(*names), NOW)),
            max_size=1,
        ),
    ),
    max_size=8,
).map(lambda made: {f"led_{i}": pursuit for i, pursuit in enumerate(made)})


def said(*names: str) -> dict[str, EvidenceField]:
    return {name: EvidenceField("x", "p") for name in names}


@dataclass
class Played:
    """A whole pass in which every call is answered as ``script`` says."""

    calls: list[Call] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    asked_of: dict[str, list[str]] = field(default_factory=dict)  # lead -> sources, in order


def play(
    pursuits: dict[str, Pursuit],
    sources: list[Source],
    budgets: dict[str, float],
    script: dict[tuple[str, str], frozenset[str] | None],
    free: int,
    resting: Collection[str],
) -> Played:
    """``script``: (source, key) -> fields it tells; None: it fails. Not in it: knows nobody."""
    done = Played(spent=dict.fromkeys(NAMES, 0.0), asked_of={lead: [] for lead in pursuits})
    for _ in range(100):
        left = {name: usd - done.spent[name] for name, usd in budgets.items()}
        found = round_of(
            pursuits, sources, WANTED, left_usd=left, free=dict.fromkeys(NAMES, free), resting=resting
        )
        if not found.calls:
            return done
        for call in found.calls:
            source = next(s for s in sources if s.name == call.source)
            assert len(call.keys) <= source.bulk
            assert call.source not in resting
            done.calls.append(call)
            done.spent[call.source] += source.usd * len(call.keys)
            for lead, pursuit in pursuits.items():
                key = pursuit.keys.get(call.source)
                if key not in call.keys or call.source in pursuit.known:
                    continue
                if pursuit.lacks(WANTED) & source.tells:
                    done.asked_of[lead].append(call.source)
                answer = script.get((call.source, key), frozenset())
                if answer is None:
                    pursuit.closed[call.source] = True
                else:
                    pursuit.known[call.source] = Known(said(*answer & source.tells), NOW)
        for name in NAMES:
            assert sum(call.source == name for call in found.calls) <= free
    raise AssertionError("a pass that does not end")


@given(
    pursuits,
    sources,
    st.dictionaries(st.sampled_from(NAMES), st.floats(0, 0.5)),
    st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(["a", "b", "c", "d"])),
        st.none() | st.frozensets(st.sampled_from(WANTED)),
    ),
    st.integers(1, 3),
    st.frozensets(st.sampled_from(NAMES), max_size=1),
)
def test_any_pass_ends_within_budget_and_asks_nothing_twice_or_in_vain(
    pursuits: dict[str, Pursuit],
    sources: list[Source],
    budgets: dict[str, float],
    script: dict[tuple[str, str], frozenset[str] | None],
    free: int,
    resting: frozenset[str],
) -> None:
    known_before = {(name, pursuit.keys.get(name)) for pursuit in pursuits.values() for name in pursuit.known}
    needing = {
        (s.name, p.keys[s.name])
        for p in pursuits.values()
        for s in sources
        if s.name in p.keys and s.name not in p.known and p.lacks(WANTED) & s.tells
    }
    done = play(pursuits, sources, budgets, script, free, resting)
    asked = [(call.source, key) for call in done.calls for key in call.keys]
    assert len(asked) == len(set(asked))
    assert set(asked) <= needing  # nobody is asked for what is known, or cannot tell
    for name, usd in budgets.items():
        assert done.spent[name] <= usd + 1e-6
    order = [s.name for s in sources]
    for lead, names in done.asked_of.items():
        own = [n for n in names if (n, pursuits[lead].keys.get(n)) not in known_before]
        first_asked = list(dict.fromkeys(own))
        assert first_asked == sorted(first_asked, key=order.index)
    # What is left open is open for a reason: a budget, a rest, a failure.
    for pursuit in pursuits.values():
        lacks = pursuit.lacks(WANTED)
        for s in sources:
            could = lacks & s.tells and s.name in pursuit.keys and s.name not in pursuit.known
            if could and s.name not in resting and s.name not in pursuit.closed:
                assert s.usd > budgets.get(s.name, 1e9) - done.spent[s.name] - 1e-6


def one(**given: object) -> Pursuit:
    return Pursuit(**({"own": frozenset(), "keys": dict.fromkeys(NAMES, "a")} | given))  # type: ignore[arg-type]


TWO = [
    Source("first", frozenset({"company_size", "industry"}), 0.1),
    Source("second", frozenset({"title", "industry"}), 0.2),
]
FREE = dict.fromkeys(NAMES, 9)


def next_of(pursuit: Pursuit, **given: object) -> tuple[Call, ...]:
    options: dict[str, object] = {"left_usd": {}, "free": FREE} | given
    return round_of({"led_1": pursuit}, TWO, WANTED, **options).calls  # type: ignore[arg-type]


def test_the_next_one_is_asked_only_for_what_is_still_lacking() -> None:
    pursuit = one()
    assert next_of(pursuit) == (Call("first", ("a",)),)
    pursuit.known["first"] = Known(said("company_size", "industry"), NOW)
    assert next_of(pursuit) == (Call("second", ("a",)),)  # the title
    assert next_of(one(own=frozenset(WANTED))) == ()
    assert next_of(one(own=frozenset({"title"}), known=pursuit.known)) == ()


def test_what_one_further_down_has_said_already_is_known() -> None:
    pursuit = one(known={"second": Known(said("title", "industry"), NOW)}, own=frozenset({"company_size"}))
    assert next_of(pursuit) == ()


def test_who_waits_for_an_answer_asks_nobody_else_meanwhile() -> None:
    assert next_of(one(), asking={("first", "a")}) == ()
    assert next_of(one(), resting={"first"}) == (Call("second", ("a",)),)
    assert next_of(one(closed={"first": True})) == (Call("second", ("a",)),)


def test_a_spent_budget_is_said_and_the_next_one_asked() -> None:
    found = round_of({"led_1": one()}, TWO, WANTED, left_usd={"first": 0.05}, free=FREE)
    assert found.calls == (Call("second", ("a",)),)
    assert found.unpaid == {("first", "led_1")}


def test_leads_of_one_company_share_a_question_and_questions_share_a_request() -> None:
    leads = {f"led_{i}": one(keys={"first": key}) for i, key in enumerate("aabbcdefghijkl")}
    source = [Source("first", frozenset(WANTED), 0.1, bulk=10)]
    found = round_of(leads, source, WANTED, left_usd={}, free=FREE)
    assert [len(call.keys) for call in found.calls] == [10, 2]
    assert found.calls[0].keys == tuple("abcdefghij")
    few = round_of(leads, source, WANTED, left_usd={"first": 0.35}, free=FREE)
    assert [call.keys for call in few.calls] == [("a", "b", "c")]


def test_another_pass_is_worth_it_only_where_somebody_may_still_tell() -> None:
    assert worth_another_pass(one(closed={"first": True}), TWO, WANTED)
    assert not worth_another_pass(one(closed={"first": False, "second": False}), TWO, WANTED)
    assert not worth_another_pass(one(own=frozenset(WANTED), closed={"first": True}), TWO, WANTED)
    assert not worth_another_pass(one(keys={}), TWO, WANTED)
    assert not worth_another_pass(one(), TWO, WANTED, unpaid={"first", "second"})
    assert worth_another_pass(one(), TWO, WANTED)  # its turn had not come


def test_who_had_no_turn_is_told_from_who_was_asked_in_vain() -> None:
    def had_none(pursuit: Pursuit, resting: Collection[str] = (), unpaid: Collection[str] = ()) -> bool:
        return turn_had_not_come(pursuit, TWO, WANTED, resting=resting, unpaid=unpaid)

    assert had_none(one())
    assert had_none(one(closed={"first": True}))  # the second one's
    assert not had_none(one(closed={"first": True, "second": True}))
    assert not had_none(one(), resting={"first", "second"})
    assert not had_none(one(), unpaid={"first", "second"})
    assert not had_none(one(own=frozenset(WANTED)))


def test_asked_again_later_and_later_and_then_not_before_the_lead_changes() -> None:
    first = timedelta(minutes=5)
    waits = [again_at(NOW, n, first, 3) for n in range(5)]
    assert waits == [NOW + first, NOW + 2 * first, NOW + 4 * first, None, None]


@given(
    st.dictionaries(
        st.sampled_from(["x", "y", "z"]), st.dictionaries(st.sampled_from(WANTED), st.integers())
    ),
    st.permutations(["x", "y", "z"]),
)
def test_the_first_in_order_has_the_word(told: dict[str, dict[str, int]], order: list[str]) -> None:
    given = {who: {f: EvidenceField(v, who) for f, v in fields.items()} for who, fields in told.items()}
    merged = merge(order, given)
    assert merged.keys() == {f for fields in told.values() for f in fields}
    for name, found in merged.items():
        assert found.provider == next(who for who in order if name in told.get(who, {}))


def test_a_month_is_the_calendars_in_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert month_of(datetime(2026, 3, 1, 3, 0, tzinfo=east)) == datetime(2026, 2, 1, tzinfo=UTC)
    assert month_of(NOW) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "clean"),
    [
        ({"company_size": "51-200"}, {"company_size": 51}),
        ({"company_size": 0}, {}),
        ({"company_size": [51]}, {}),
        ({"company_size": float("nan")}, {}),
        ({"country": "United States"}, {"country": "US"}),
        ({"country": "Atlantis"}, {}),
        ({"industry": "COMPUTER_SOFTWARE"}, {"industry": "computer software"}),
        ({"title": "  VP\x00 Sales\n"}, {"title": "VP Sales"}),
        ({"title": "\ud800 x" + "y" * 200}, {}),
        ({"title": None, "company_name": ""}, {}),
        ({"title_level": "wizard"}, {}),
        ({"domain": "https://www.Acme.co.uk/about"}, {"domain": "acme.co.uk"}),
        ({"domain": "//"}, {}),
        ({"phone": "+1 555"}, {}),
    ],
)
def test_only_what_makes_sense_is_taken(told: dict[str, object], clean: dict[str, object]) -> None:
    found = evidence("apollo", told)
    assert {name: field.value for name, field in found.items()} == clean
    assert {field.provider for field in found.values()} <= {"apollo"}


@given(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text() | st.integers() | st.none() | st.booleans())
)
def test_whatever_a_provider_says_can_be_stored(told: dict[str, object]) -> None:
    for field_ in evidence("p", told).values():
        assert isinstance(field_.value, int) or field_.value.isprintable()


@pytest.mark.parametrize(
    ("given", "code"),
    [("de", "DE"), ("Germany", "DE"), ("Côte d’Ivoire", "CI"), ("uk", "GB"), ("ZZ", None), (None, None)],
)
def test_a_country_by_its_names(given: str | None, code: str | None) -> None:
    assert country_code(given) == code
