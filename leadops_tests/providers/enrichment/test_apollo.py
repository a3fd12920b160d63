"""Apollo: ten at once, one bad one among them, credits, its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from leadops.providers.enrichment.apollo import Apollo
from leadops.providers.enrichment.port import Found, Key
from leadops.sandbox.enrichment import ApolloSandbox, Directory, Person
from leadops_tests.providers.enrichment.benches import KEY, clock
from leadops_tests.sandbox.serving import served


@pytest.fixture
def vendor() -> ApolloSandbox:
    directory = Directory()
    directory.add(*(Person(f"p{i}@acme.com", f"Title {i}") for i in range(10)))
    return ApolloSandbox(clock, KEY, directory=directory)


@pytest.fixture
def apollo(vendor: ApolloSandbox) -> Iterator[Apollo]:
    with served(vendor) as url:
        adapter = Apollo(KEY, f"{url}/apollo/api/v1")
        yield adapter
        adapter.close()


def people(*numbers: int) -> list[Key]:
    return [Key(f"p{i}@acme.com", is_personal=True) for i in numbers]


def sent(vendor: ApolloSandbox) -> list[tuple[str, Any]]:
    return [
        (e.path.rpartition("/")[2], json.loads(e.request) if e.request else None) for e in vendor.exchanges
    ]


def test_parameters_stand_where_the_vendor_wants_them(vendor: ApolloSandbox, apollo: Apollo) -> None:
    apollo.lookup(people(1), 20)
    apollo.lookup(people(1, 2), 20)
    details = [{"email": "p1@acme.com"}, {"email": "p2@acme.com"}]
    assert sent(vendor) == [("match", None), ("bulk_match", {"details": details})]
    assert vendor.credits_used == 3


def test_credits_are_counted_as_the_vendor_charges_them(vendor: ApolloSandbox, apollo: Apollo) -> None:
    answers = apollo.lookup(people(1, 77, 2), 20)
    assert [a.credits for a in answers] == [1, 0, 1]
    assert vendor.credits_used == 2


def test_one_address_that_is_refused_does_not_cost_the_others_theirs(
    vendor: ApolloSandbox, apollo: Apollo
) -> None:
    odd = Key("p3 @acme.com", is_personal=True)
    answers = apollo.lookup([*people(1, 2), odd, *people(4)], 20)
    assert [a.outcome for a in answers] == [Found.FOUND, Found.FOUND, Found.FAILED, Found.FOUND]
    assert answers[2].is_refusal


def test_too_many_requests_a_minute_are_one_answer_for_all(vendor: ApolloSandbox, apollo: Apollo) -> None:
    vendor.bulk_per_minute = 1
    apollo.lookup(people(1, 2), 20)
    answers = apollo.lookup(people(3, 4), 20)
    assert {(a.outcome, a.code, a.retry_after_s) for a in answers} == {
        (Found.FAILED, "apollo_rate_limited", 60.0)
    }


@pytest.mark.parametrize("matches", [[], [None], [None, None, None], {"0": None}, None])
def test_fewer_or_more_answers_than_questions_are_nobodys(
    vendor: ApolloSandbox, apollo: Apollo, matches: Any
) -> None:
    from leadops.sandbox.frame import Fault

    vendor.faults.append(Fault("status", status=200, body=json.dumps({"matches": matches})))
    answers = apollo.lookup(people(1, 2), 20)
    assert {a.code for a in answers} == {"apollo_garbage"}
