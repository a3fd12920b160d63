"""What every provider that is asked must do, over real HTTP against the sandbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from leadops.domain.enriching import FIELDS
from leadops.errors import UsageError
from leadops.providers.enrichment.port import Found, RemoteEnrichment
from leadops.settings import PROJECT_ROOT
from leadops_tests.providers.enrichment.benches import BENCHES, KEY, Bench, key_of, values
from leadops_tests.providers.enrichment.leads import state
from leadops_tests.sandbox.serving import served

UNREACHABLE = "http://127.0.0.1:9"
PATIENCE_S = 20.0
STRANGER = "nobody@stranger.example.org"


@dataclass
class Set:
    bench: Bench
    url: str
    adapter: RemoteEnrichment


@pytest.fixture(params=list(BENCHES))
def on(request: pytest.FixtureRequest) -> Iterator[Set]:
    bench = BENCHES[request.param]()
    with served(bench.sandbox) as url:
        adapter = bench.adapter(url)
        yield Set(bench, url, adapter)
        adapter.close()


def test_who_is_known_is_told_with_provenance_and_in_our_words(on: Set) -> None:
    (answer,) = on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)
    assert answer.outcome is Found.FOUND
    assert values(answer) == on.bench.known
    assert {f.provider for f in answer.fields.values()} == {on.bench.name}
    assert values(answer).keys() <= on.adapter.tells <= FIELDS.keys()
    assert on.bench.problems() == []


def test_who_is_not_known_costs_nothing(on: Set) -> None:
    (answer,) = on.adapter.lookup([key_of(on.adapter, STRANGER)], PATIENCE_S)
    assert (answer.outcome, answer.credits, answer.fields) == (Found.NONE, 0, {})
    assert on.bench.problems() == []


def test_answers_come_in_the_order_of_the_keys_and_bulk_is_one_request(on: Set) -> None:
    keys = [key_of(on.adapter, f"n{i}@other{i}.example.org") for i in range(on.adapter.bulk - 1)]
    before = on.bench.sandbox.asked
    answers = on.adapter.lookup([*keys, key_of(on.adapter)], PATIENCE_S)
    assert [a.outcome for a in answers] == [Found.NONE] * len(keys) + [Found.FOUND]
    requests = on.bench.sandbox.asked - before
    assert requests == (3 if on.bench.name == "hubspot" else 1)
    assert on.bench.problems() == []


def test_a_lead_without_a_company_is_nobody_to_look_up(on: Set) -> None:
    for lead in (state(), state(emails=("anna@gmail.com",)), state(emails=("none",), domain="gmail.com")):
        assert on.adapter.key(lead) is None
    personal = on.adapter.key(state(emails=("anna@gmail.com", "a@acme.com")))
    assert personal is not None
    assert personal.is_personal == ("@" in personal.text)


def test_a_wrong_key_is_said_as_one(on: Set) -> None:
    adapter = on.bench.adapter(on.url, "wrong")
    (answer,) = adapter.lookup([key_of(adapter)], PATIENCE_S)
    assert answer.outcome is Found.FAILED
    assert answer.code.endswith("_key")
    assert not answer.is_refusal
    adapter.close()


@pytest.mark.parametrize("key", ["", " ", "kéy", "a\nb"])
def test_what_cannot_be_a_key_is_told_before_anything_is_sent(on: Set, key: str) -> None:
    if on.bench.name == "self_hosted" and not key.strip():
        pytest.skip("it may have none")
    with pytest.raises(UsageError, match="LEADOPS_"):
        on.bench.adapter(on.url, key)


TROUBLE: dict[str, tuple[dict[str, Any], str]] = {
    "402": ({"status": 402}, "402|quota"),
    "403": ({"status": 403}, "403|forbidden|scope"),
    "429": ({"status": 429, "headers": {"retry-after": "7"}, "times": -1}, "rate_limited"),
    "500": ({"status": 500}, "unavailable_500"),
    "503": ({"status": 503}, "unavailable_503"),
    "slow": ({"kind": "slow_before", "seconds": 60.0}, "timeout"),
    "slow after": ({"kind": "slow_after", "seconds": 60.0}, "timeout"),
    "garbage": ({"kind": "garbage"}, "garbage"),
    "cut": ({"kind": "cut_before"}, "cut"),
    "cut after": ({"kind": "cut_after"}, "cut"),
    "elsewhere": ({"status": 302, "headers": {"location": "https://elsewhere.example/"}}, "odd_302|garbage"),
}
IN_DOUBT = {"slow", "slow after", "garbage", "cut", "cut after"}
"""Troubles after which the provider may have answered, and charged, all the same."""


@pytest.mark.parametrize("case", list(TROUBLE))
def test_trouble_is_a_code_within_patience_and_the_next_question_is_answered(on: Set, case: str) -> None:
    fault, codes = TROUBLE[case]
    on.bench.fail(**fault)
    began = time.monotonic()
    (answer,) = on.adapter.lookup([key_of(on.adapter)], 0.5)
    assert time.monotonic() - began < 10
    assert answer.outcome is Found.FAILED
    assert any(code in answer.code for code in codes.split("|")), answer.code
    assert not answer.fields
    assert "@" not in answer.code
    assert (answer.retry_after_s is not None) == (case == "429")
    if on.bench.name != "hubspot":  # who charges nothing
        assert answer.in_doubt == (case in IN_DOUBT)
    on.bench.sandbox.faults.clear()
    assert on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)[0].outcome is Found.FOUND


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        '"x"',
        "{}",
        '{"person": 3, "organization": [1], "matches": {}, "company": "x", "results": 3}',
        '{"person": {"title": {"a": 1}, "organization": 5, "seniority": [], "country": 7}, "results": [[]]}',
        '{"organization": {"name": ["x"], "estimated_num_employees": "many"}, "results": [{"id": 1}]}',
        "[" * 100_000,
        '{"company_size": 1e999, "country": {}, "results": [null]}',
    ],
    ids=lambda body: body[:30],
)
def test_json_of_another_shape_is_no_fact_and_breaks_nothing(on: Set, body: str) -> None:
    on.bench.fail(status=200, body=body, times=-1)
    (answer,) = on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)
    assert values(answer) == {}


def test_a_question_that_is_refused_is_this_keys_fault(on: Set) -> None:
    on.bench.fail(status=422 if on.bench.name != "hubspot" else 400)
    (answer,) = on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)
    assert (answer.outcome, answer.is_refusal) == (Found.FAILED, True)


def test_where_nobody_listens_is_said(on: Set) -> None:
    adapter = on.bench.adapter(UNREACHABLE)
    answers = adapter.lookup([key_of(adapter), key_of(adapter, STRANGER)], 2.0)
    assert [a.outcome for a in answers] == [Found.FAILED] * 2
    assert all(a.code.endswith("unreachable") for a in answers)
    assert not any(a.in_doubt for a in answers)


def test_nobody_is_named_in_a_log(on: Set, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)
        on.bench.fail(status=500)
        on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)
    assert "anna" not in caplog.text
    assert KEY not in caplog.text


def test_several_threads_share_an_adapter(on: Set) -> None:
    found: list[Found] = []

    def ask() -> None:
        found.append(on.adapter.lookup([key_of(on.adapter)], PATIENCE_S)[0].outcome)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Found.FOUND] * 8


def test_no_provider_is_asked_for_a_phone_or_a_private_address() -> None:
    for path in (PROJECT_ROOT / "leadops" / "providers" / "enrichment").glob("*.py"):
        text = path.read_text()
        assert '"reveal_personal_emails": "true"' not in text
        assert '"reveal_phone_number": "true"' not in text
