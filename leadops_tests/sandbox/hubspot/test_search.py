"""Search: how a request must look, what is found, and what the window and the lag hide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops_tests.sandbox.hubspot.account import (
    OBJECTS,
    START,
    Account,
    ascending,
    ids,
    ms,
    one_filter,
    search_body,
)

SEARCH = f"{OBJECTS}/contacts/search"
FITTING = {"propertyName": "email", "operator": "EQ", "value": "x"}


@pytest.mark.parametrize("name", ["after", "filterGroups", "limit", "properties", "sorts"])
def test_all_five_fields_are_required(account: Account, name: str) -> None:
    body = search_body()
    del body[name]
    said = account.post(SEARCH, body)
    assert said.status == 400
    assert name in said.json["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "10"},
        {"limit": 1.5},
        {"after": 0},
        {"after": ""},
        {"after": "x"},
        {"after": "-1"},
        {"offset": 0},
        {"query": "x" * 3001},
        {"query": 5},
        {"properties": "email"},
        {"properties": [1]},
        {"filterGroups": {}},
        {"filterGroups": [{}]},
        {"filterGroups": [{"filters": []}]},
        {"filterGroups": [{"filter": [FITTING]}]},
        {"filterGroups": [FITTING]},
        {"filterGroups": [{"filters": [FITTING]}] * 7},
        {"filterGroups": [{"filters": [FITTING] * 7}]},
        {"filterGroups": [{"filters": [FITTING] * 6}] * 3 + [{"filters": [FITTING]}]},
        {"sorts": "email"},
        {"sorts": ["nonsense"]},
        {"sorts": [{"propertyName": "nonsense"}]},
        {"sorts": [{"propertyName": "email", "direction": "ASC"}]},
        {"sorts": [{"direction": "ASCENDING"}]},
        {"sorts": [*ascending("lastmodifieddate"), *ascending("hs_object_id")]},
    ],
)
def test_a_request_the_vendor_refuses(account: Account, more: dict[str, Any]) -> None:
    said = account.post(SEARCH, search_body() | more)
    assert (said.status, said.json["category"]) == (400, "VALIDATION_ERROR")
    assert said.answer.problems


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 200},
        {"limit": 1},
        {"query": "x" * 3000},
        {"filterGroups": [{"filters": [FITTING]}] * 6},
        {"filterGroups": [{"filters": [FITTING] * 6}] * 3},
        {"sorts": ["-createdate"]},
        {"sorts": ascending("email")},
    ],
)
def test_a_request_at_the_bounds_is_answered(account: Account, more: dict[str, Any]) -> None:
    assert account.post(SEARCH, search_body() | more).status == 200


@pytest.mark.parametrize(
    ("name", "operator", "values"),
    [
        ("nonsense", "EQ", {"value": "x"}),
        ("hs_lastmodifieddate", "GTE", {"value": ms(START)}),
        ("email", "LIKE", {"value": "x"}),
        ("email", "eq", {"value": "x"}),
        ("email", "LIKE", {}),
        ("createdate", "GTE", {"value": "9" * 15}),
        ("email", "EQ", {}),
        ("email", "EQ", {"value": 5}),
        ("email", "EQ", {"values": ["x"]}),
        ("email", "EQ", {"value": "x", "extra": 1}),
        ("email", "IN", {"value": "x"}),
        ("email", "IN", {"values": []}),
        ("email", "IN", {"values": "x"}),
        ("email", "HAS_PROPERTY", {"value": "x"}),
        ("createdate", "BETWEEN", {"value": ms(START)}),
        ("createdate", "GTE", {"value": START.isoformat()}),
        ("createdate", "GTE", {"value": "2026-11-02"}),
        ("createdate", "GTE", {"value": int(ms(START))}),
        ("createdate", "CONTAINS_TOKEN", {"value": "2026"}),
        ("annualrevenue", "GT", {"value": "much"}),
        ("associations.people", "EQ", {"value": "1"}),
        ("associations.deal", "GT", {"value": "1"}),
    ],
)
def test_a_filter_the_vendor_refuses(
    account: Account, name: str, operator: str, values: dict[str, Any]
) -> None:
    said = account.search(filterGroups=one_filter(name, operator, **values))
    assert (said.status, said.json["category"]) == (400, "VALIDATION_ERROR")


def test_contacts_and_others_call_their_time_of_writing_differently(account: Account) -> None:
    since = one_filter("hs_lastmodifieddate", "GTE", value=ms(START))
    assert account.search("deals", filterGroups=since).status == 200
    since = one_filter("lastmodifieddate", "GTE", value=ms(START))
    assert account.search("deals", filterGroups=since).status == 400
    assert account.search(filterGroups=since).status == 200


@pytest.mark.parametrize(
    ("operator", "values", "found"),
    [
        ("EQ", {"value": "ACME gmbh"}, "a"),
        ("NEQ", {"value": "Acme GmbH"}, "b"),
        ("IN", {"values": ["acme gmbh", "nobody"]}, "a"),
        ("IN", {"values": ["Acme GmbH"]}, ""),
        ("NOT_IN", {"values": ["acme gmbh"]}, "b"),
        ("HAS_PROPERTY", {}, "ab"),
        ("NOT_HAS_PROPERTY", {}, "c"),
        ("CONTAINS_TOKEN", {"value": "gmbh"}, "a"),
        ("CONTAINS_TOKEN", {"value": "gmb"}, ""),
        ("CONTAINS_TOKEN", {"value": "bo*"}, "b"),
        ("NOT_CONTAINS_TOKEN", {"value": "acme"}, "b"),
    ],
)
def test_operators_on_text(account: Account, operator: str, values: dict[str, Any], found: str) -> None:
    made = {
        "a": account.contact("a@x.example", company="Acme GmbH"),
        "b": account.contact("b@x.example", company="Bolt & Co"),
        "c": account.contact("c@x.example"),
    }
    said = account.search(filterGroups=one_filter("company", operator, **values))
    assert sorted(ids(said)) == [made[letter] for letter in found]


def test_upper_case_in_a_list_is_noted(account: Account) -> None:
    said = account.search(filterGroups=one_filter("company", "IN", values=["Acme"]))
    assert said.status == 200
    assert "lower case" in said.answer.problems[0]


def test_blanks_as_unequal_are_an_option() -> None:
    account = Account(options={"finds_blank_as_unequal": True})
    id_ = account.contact()
    assert ids(account.search(filterGroups=one_filter("company", "NEQ", value="x"))) == [id_]


def test_numbers_are_compared_as_numbers(account: Account) -> None:
    for size in ("9", "10", "100"):
        account.contact(f"s{size}@x.example", numberofemployees=size)
    asked = {"sorts": ascending("numberofemployees"), "properties": ["numberofemployees"]}
    said = account.search(filterGroups=one_filter("numberofemployees", "GTE", value="10"), **asked)
    found = [each["properties"]["numberofemployees"] for each in said.json["results"]]
    assert found == ["10", "100"]


def test_search_by_association(account: Account) -> None:
    contact = account.contact()
    deal = account.portal.create("deals", {}, at=START, associations=[("contacts", contact)])
    account.portal.create("deals", {}, at=START)
    said = account.search("deals", filterGroups=one_filter("associations.contact", "EQ", value=contact))
    assert ids(said) == [deal]


def test_words_anywhere(account: Account) -> None:
    id_ = account.contact("ada@x.example", company="Acme GmbH")
    account.contact("ben@x.example", company="Bolt")
    assert ids(account.search(query="acme ADA")) == [id_]
    assert ids(account.search(query="acme ben")) == []


def test_results_carry_what_was_asked_for(account: Account) -> None:
    account.contact(firstname="Ada", company="Acme")
    (asked,) = account.search(properties=["company", "phone"]).json["results"]
    assert sorted(asked["properties"]) == [
        "company", "createdate", "hs_object_id", "lastmodifieddate", "phone",
    ]  # fmt: skip
    (usual,) = account.search().json["results"]
    assert "email" in usual["properties"]
    assert "company" not in usual["properties"]


def test_search_lags_behind_and_reads_do_not() -> None:
    account = Account(options={"index_lag_s": 8})
    id_ = account.make("contacts", {"email": "ada@customer.example"}).json["id"]
    assert account.read("contacts", id_).status == 200
    assert account.search().json["total"] == 0
    account.pass_time(7.9)
    assert account.search().json["total"] == 0
    account.pass_time(0.1)
    assert ids(account.search()) == [id_]
    account.write("contacts", id_, {"firstname": "Ada"})
    by_name = one_filter("firstname", "EQ", value="ada")
    since = one_filter("lastmodifieddate", "GT", value=ms(START))
    assert account.read("contacts", id_).json["properties"]["firstname"] == "Ada"
    assert account.search().json["results"][0]["properties"]["firstname"] is None
    assert ids(account.search(filterGroups=by_name)) == ids(account.search(filterGroups=since)) == []
    account.pass_time(8)
    assert ids(account.search(filterGroups=by_name)) == ids(account.search(filterGroups=since)) == [id_]


def test_a_record_written_while_one_pages_moves(account: Account) -> None:
    """Pages are offsets into what there is now: whoever pages by time has to look back."""
    first, second, third = (account.contact(f"{letter}@x.example") for letter in "abc")
    account.pass_time(1)
    account.write("contacts", second, {"firstname": "B"})
    account.pass_time(1)
    account.write("contacts", third, {"firstname": "C"})
    asked: dict[str, Any] = {"sorts": ascending("lastmodifieddate"), "limit": 1}
    page = account.search(**asked)
    assert ids(page) == [first]
    account.pass_time(1)
    account.write("contacts", first, {"firstname": "A"})
    rest = account.search(**asked, after=page.json["paging"]["next"]["after"])
    assert ids(rest) == [third]


def pages(account: Account, limit: int, **asked: Any) -> list[str]:
    """Ids of all pages in order; totals must agree."""
    seen: list[str] = []
    after = "0"
    while True:
        said = account.search(**asked, limit=limit, after=after)
        assert said.status == 200, said.json
        seen += ids(said)
        if "paging" not in said.json:
            assert said.json["total"] == len(seen)
            return seen
        after = said.json["paging"]["next"]["after"]


def test_ten_thousand_with_one_timestamp_and_the_window() -> None:
    """R27: past 10,000 results the vendor refuses."""
    account = Account()
    for _ in range(10_050):
        account.portal.create("contacts", {}, at=START)
    asked: dict[str, Any] = {
        "filterGroups": one_filter("lastmodifieddate", "GTE", value=ms(START)),
        "sorts": ascending("lastmodifieddate"),
        "limit": 200,
    }
    last = account.search(**asked, after="9800")
    assert (last.status, last.json["total"], len(ids(last))) == (200, 10_050, 200)
    assert last.json["paging"]["next"]["after"] == "10000"
    beyond = account.search(**asked, after="10000")
    assert (beyond.status, beyond.json["category"]) == (400, "VALIDATION_ERROR")
    assert account.search(**asked, after="9801").status == 400
    assert account.search(**asked | {"limit": 1}, after="9999").status == 200


def test_time_and_id_together_go_past_the_window() -> None:
    account = Account(options={"window": 400})
    made = [account.portal.create("contacts", {}, at=START) for _ in range(1_050)]
    seen: list[str] = []
    while True:
        group = {
            "filters": [
                {"propertyName": "lastmodifieddate", "operator": "EQ", "value": ms(START)},
                {"propertyName": "hs_object_id", "operator": "GT", "value": seen[-1] if seen else "0"},
            ]
        }
        said = account.search(filterGroups=[group], sorts=ascending("hs_object_id"), limit=200)
        if not ids(said):
            break
        seen += ids(said)
    assert seen == made


def test_equals_come_in_no_promised_order_but_a_steady_one() -> None:
    account = Account()
    made = [account.portal.create("contacts", {}, at=START) for _ in range(50)]
    by_time: dict[str, Any] = {"sorts": ascending("lastmodifieddate"), "limit": 200}
    found = ids(account.search(**by_time))
    assert found == ids(account.search(**by_time)) == pages(account, 7, sorts=by_time["sorts"])
    assert found != made
    assert sorted(found, key=int) == made
    account.sandbox.options.ties_by_id = True
    assert ids(account.search(**by_time)) == made


NAMES = st.sampled_from(["Ada", "ada", "Ben", "Ümit", ""])
CONTACTS = st.lists(
    st.fixed_dictionaries(
        {
            "firstname": NAMES,
            "numberofemployees": st.sampled_from(["", "5", "10", "50", "7.5"]),
            "hs_lead_status": st.sampled_from(["", "NEW", "OPEN"]),
            "made": st.integers(0, 6),
        }
    ),
    max_size=25,
)
FILTERS = st.one_of(
    st.tuples(st.just("firstname"), st.sampled_from(["EQ", "NEQ", "CONTAINS_TOKEN"]), NAMES.filter(bool)),
    st.tuples(
        st.just("numberofemployees"),
        st.sampled_from(["EQ", "NEQ", "LT", "LTE", "GT", "GTE"]),
        st.sampled_from(["5", "7.5", "10.0", "49"]),
    ),
    st.tuples(st.just("hs_lead_status"), st.sampled_from(["EQ", "NEQ"]), st.sampled_from(["NEW", "OPEN"])),
    st.tuples(
        st.sampled_from(["lastmodifieddate", "createdate"]),
        st.sampled_from(["EQ", "NEQ", "LT", "LTE", "GT", "GTE"]),
        st.integers(-1, 7).map(lambda second: ms(START + timedelta(seconds=second))),
    ),
    st.tuples(
        st.sampled_from(["firstname", "numberofemployees", "hs_lead_status"]),
        st.sampled_from(["HAS_PROPERTY", "NOT_HAS_PROPERTY"]),
        st.none(),
    ),
)
GROUPS = st.lists(st.lists(FILTERS, min_size=1, max_size=3), max_size=3)
SORTS = st.sampled_from(
    ["", "firstname", "numberofemployees", "createdate", "lastmodifieddate", "hs_object_id"]
)


def naive(one: dict[str, Any], asked: tuple[str, str, str | None]) -> bool:
    """Whether a contact fits a filter, said in another way than the sandbox does."""
    name, operator, wanted = asked
    value: Any = one[name]
    if operator.endswith("HAS_PROPERTY"):
        return (value == "") == operator.startswith("NOT")
    if value == "" or wanted is None:
        return False
    target: Any = wanted
    if name == "firstname":
        value, target = value.lower(), wanted.lower()
    elif name != "hs_lead_status":
        value, target = float(value), float(wanted)
    return {
        "EQ": value == target,
        "CONTAINS_TOKEN": value == target,
        "NEQ": value != target,
        "LT": value < target,
        "LTE": value <= target,
        "GT": value > target,
        "GTE": value >= target,
    }[operator]


@given(CONTACTS, GROUPS, SORTS, st.integers(1, 7))
def test_search_finds_what_a_plain_filter_finds(
    contacts: list[dict[str, Any]],
    groups: list[list[tuple[str, str, str | None]]],
    sort: str,
    limit: int,
) -> None:
    account = Account(now=START + timedelta(hours=1))
    expected = []
    for each in contacts:
        at = START + timedelta(seconds=each["made"])
        values = {name: value for name, value in each.items() if name != "made"}
        id_ = account.portal.create("contacts", values, at=at)
        known = {**values, "createdate": ms(at), "lastmodifieddate": ms(at)}
        if not groups or any(all(naive(known, asked) for asked in group) for group in groups):
            expected.append(id_)
    asked = [
        {
            "filters": [
                {"propertyName": name, "operator": operator} | ({} if value is None else {"value": value})
                for name, operator, value in group
            ]
        }
        for group in groups
    ]
    sorts = ascending(sort) if sort else []
    found = pages(account, limit, filterGroups=asked, sorts=sorts)
    assert sorted(found, key=int) == expected
    assert len(set(found)) == len(found)
    values_found = [account.portal.get("contacts", id_).properties.get(sort) for id_ in found]
    filled = [value for value in values_found if value is not None]
    assert values_found[: len(filled)] == filled
    if sort in ("numberofemployees", "hs_object_id"):
        assert filled == sorted(filled, key=float)
    else:
        assert [value.lower() for value in filled] == sorted(value.lower() for value in filled)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40), st.integers(1, 5))
def test_writing_keeps_the_index_in_order(writes: list[tuple[int, int]], limit: int) -> None:
    """Five contacts written to at odd times, archived once: search by time shows each where it is."""
    account = Account(now=START + timedelta(hours=1))
    made = [account.portal.create("contacts", {}, at=START) for _ in range(5)]
    account.portal.archive("contacts", made.pop(), at=START)
    for which, second in writes:
        if which < len(made):
            at = START + timedelta(seconds=second)
            account.portal.update("contacts", made[which], {"firstname": str(second)}, at=at)
            account.search()
    found = pages(account, limit, sorts=ascending("lastmodifieddate"))
    assert sorted(found) == made
    times = [account.portal.get("contacts", id_).updated_at for id_ in found]
    assert times == sorted(times)
