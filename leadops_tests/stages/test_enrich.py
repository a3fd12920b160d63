"""Providers are asked beside the database's work: in order, within deadline and budget, never twice."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.domain.fold import state_from_json
from leadops.playbook.model import Disqualifier
from leadops.providers.enrichment.apollo import Apollo
from leadops.providers.enrichment.port import Answer, Found
from leadops.sandbox.enrichment import ApolloSandbox, Company, Directory, Person
from leadops.stages.enrich import enrich, spending
from leadops.stages.enrich_whom import Manners
from leadops.stages.enriching import Enriching, personal_keys
from leadops.stages.explain import explain
from leadops.stages.report import Report
from leadops.stages.score import score
from leadops.store import enrichment as store
from leadops.store import suppressions
from leadops.store.engine import transaction
from leadops.store.status import oldest_pending
from leadops.terms import LeadState
from leadops_tests.house import DEMO, TUESDAY, World, wire
from leadops_tests.sandbox.serving import served
from leadops_tests.stages.enriching import Scripted, arrive, ask, asking_world, folded, known_of, source
from leadops_tests.stages.sending import until

ANNA, BEN, CAT = "anna@acme.com", "ben@acme.com", "cat@other.org"
SIZE = {"company_size": 420, "industry": "Machinery"}
FULL = SIZE | {"title": "VP Operations", "country": "Germany", "company_name": "Acme Inc"}
SHORT = {"deadline_seconds": 0.05}
CALLS = "select provider, outcome, cost_usd from enrichment_calls order by called_at, provider, call_id"

Made = Callable[..., World]


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Made:
    def build(*providers: Any, **given: Any) -> World:
        return asking_world(engine, tmp_path, *providers, **given)

    return build


def outcomes(world: World) -> list[str]:
    return [r["outcome"] for r in world.rows(CALLS)]


def again_at(world: World) -> Any:
    return world.one("select max(enrich_again_at) from leads")


# Who is asked -----------------------------------------------------------------------------------------


def test_further_down_only_those_are_asked_about_who_still_lack_something(made: Made) -> None:
    first, second = Scripted("hubspot", frozenset({"company_size", "industry"})), Scripted("apollo")
    first.knows = {ANNA: SIZE, BEN: SIZE}
    second.knows = {ANNA: FULL | {"company_size": 9}, CAT: FULL}
    world = made(first, second)
    arrive(world, ANNA, CAT)
    arrive(world, BEN, title="Analyst")  # says their own title
    said = ask(world)
    assert sorted(k for keys in first.lookups for k in keys) == [ANNA, BEN, CAT]
    assert sorted(k for keys in second.lookups for k in keys) == [ANNA, CAT]
    assert known_of(world, ANNA)["company_size"] == 420  # the first one's word
    assert known_of(world, ANNA)["title"] == "VP Operations"
    assert known_of(world, CAT)["industry"] == "machinery"
    assert said.counts["hubspot:found"] == 2
    assert said.counts["apollo:found"] == 2
    assert world.one("select count(*) from leads where pending_score and not pending_enrichment") == 3
    stored = world.one("select fields from enrichments where provider = 'apollo' and cost_usd = 0 limit 1")
    assert stored["title"]["provider"] == "apollo"
    assert stored["title"]["at"]


def test_colleagues_share_an_answer_while_it_is_fresh(made: Made) -> None:
    provider = Scripted("self_hosted", by_domain=True)
    provider.knows = {"acme.com": SIZE}
    world = made(provider, cache_days=30)
    arrive(world, ANNA)
    ask(world)
    world.later(days=29)
    arrive(world, BEN)
    said = ask(world)
    assert said.counts["self_hosted:cached"] == 1
    assert known_of(world, BEN)["company_size"] == 420
    assert len(provider.lookups) == 1
    world.later(days=2)
    arrive(world, "dan@acme.com")
    ask(world)
    assert len(provider.lookups) == 2


def test_two_of_one_company_in_a_batch_are_one_question_and_one_pays(made: Made) -> None:
    provider = Scripted("apollo_company", by_domain=True)
    provider.knows = {"acme.com": SIZE}
    world = made(provider, places=[source("apollo_company", usd_per_lookup=0.1)])
    arrive(world, ANNA, BEN)
    ask(world)
    assert provider.lookups == [["acme.com"]]
    assert known_of(world, ANNA)["company_size"] == known_of(world, BEN)["company_size"] == 420
    costs = world.rows("select cost_usd from enrichments where provider = 'apollo_company' order by 1")
    assert [c["cost_usd"] for c in costs] == [0.0, 0.1]


def test_who_is_known_by_their_own_words_costs_nothing(made: Made) -> None:
    provider = Scripted()
    world = made(provider, wanted=("company_size", "title"))
    arrive(world, ANNA, **DEMO)
    ask(world)
    assert provider.lookups == []
    assert again_at(world) is None


def test_nobody_is_told_of_tests_of_who_withdrew_or_of_leads_that_start_nothing(made: Made) -> None:
    provider = Scripted()
    world = made(provider)
    world.post(
        wire("form_submitted", ANNA, properties={"test": True}),
        wire("form_submitted", BEN, at=world.now - timedelta(days=8)),
        wire("form_submitted", CAT),
        wire("opted_out", CAT, at=world.now),
        wire("form_submitted", "dan@acme.com"),
    )
    folded(world)
    said = ask(world)
    assert provider.lookups == [["dan@acme.com"]]
    assert not_asked(said) == {"test_or_spam": 1, "too_old": 1, "opted_out": 1}
    assert again_at(world) is None


def not_asked(said: Report) -> dict[str, int]:
    return {k.partition(":")[2]: n for k, n in said.counts.items() if k.startswith("not_asked:")}


def told_of(world: World, address: str) -> str | None:
    h = world.house
    lead = world.one("select lead_id from leads where email = :address", address=address)
    return explain(h.engine, h.playbook, h.keyring, lead, world.now).not_asked


def test_nobody_is_told_of_who_must_not_be_contacted(made: Made) -> None:
    """By hand as an address or a whole company; by a complaint, or mail that came back."""
    provider, company = Scripted(), Scripted("self_hosted", by_domain=True)
    provider.knows = {CAT: FULL}
    world = made(provider, company)
    key = world.house.keyring
    by_hand = {str(key.email(ANNA)): "address", str(key.domain("rival.com")): "domain"}
    with transaction(world.house.engine) as connection:
        suppressions.suppress(connection, by_hand, reason="asked_on_the_phone", actor="ana", now=world.now)
    arrive(world, ANNA, "eve@rival.com", "dan@lost.com", "fay@angry.com")
    world.post(
        wire("email_bounced", "dan@lost.com", at=world.now, properties={"bounce": "hard"}),
        wire("email_complained", "fay@angry.com", at=world.now),
    )
    arrive(world, CAT)
    said = ask(world)
    assert provider.lookups == [[CAT]]
    assert company.lookups == []
    assert not_asked(said) == {"suppressed": 2, "bounced": 1, "complained": 1}
    assert known_of(world, ANNA)["domain"] == "acme.com"  # what their own words say is read all the same
    assert told_of(world, CAT) is None
    assert told_of(world, ANNA) == (
        "no provider is asked about them: the lead or their company must not be contacted"
    )


def test_whom_the_scorecard_rules_out_by_what_is_known_is_not_looked_up(made: Made) -> None:
    """By their own words at once; by what a provider said the last time, when they come again."""
    provider = Scripted(tells=frozenset({"industry"}))
    second = Scripted("self_hosted", frozenset({"company_size"}), by_domain=True)
    world = made(provider, second)
    card = world.house.playbook.scorecard
    out = (
        *card.disqualifiers,
        Disqualifier(name="competitor", field="domain", equals=("acme.com",)),
        Disqualifier(name="industry", field="industry", contains=("casino",)),
    )
    house = dataclasses.replace(
        world.house.enriching,
        manners=dataclasses.replace(
            world.house.enriching.manners, scorecard=card.model_copy(update={"disqualifiers": out})
        ),
    )
    provider.knows = {CAT: {"industry": "Casino"}}
    arrive(world, ANNA, CAT)
    said = ask(world, house)
    assert provider.lookups == [[CAT]]
    assert not_asked(said) == {"disqualified": 1}
    assert second.lookups == [["other.org"]]
    world.later(days=40)  # what was said is no longer fresh
    arrive(world, CAT, title="Dealer")
    said = ask(world, house)
    assert not_asked(said) == {"disqualified": 1}
    assert len(provider.lookups) == 1


def test_a_lead_nobody_can_make_out_is_not_looked_up_and_holds_up_nobody(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Scripted()
    world = made(provider)
    arrive(world, ANNA, CAT)

    def ruled_out(self: Manners, state: LeadState, *given: Any) -> bool:
        if ANNA in state.emails:
            raise ValueError(ANNA)
        return False

    monkeypatch.setattr(Manners, "ruled_out", ruled_out)
    said = ask(world)
    assert provider.lookups == [[CAT]]
    assert list(said.parked.values()) == ["enrich_whom_ValueError"]
    assert (said.counts["enriched"], said.counts["parked"]) == (1, 1)
    assert world.one("select count(*) from leads where pending_score") == 2


def test_twenty_five_leads_are_three_requests_over_the_wire(made: Made) -> None:
    directory = Directory()
    directory.add(Company("acme.com", "Acme Inc", "machinery", 420, "Germany", "DE"))
    directory.add(*(Person(f"p{i}@acme.com", "VP Sales") for i in range(25)))
    vendor = ApolloSandbox(lambda: TUESDAY, "k", directory=directory)
    with served(vendor) as url:
        apollo = Apollo("k", f"{url}/apollo/api/v1")
        world = made(apollo, places=[source("apollo", usd_per_lookup=0.02)])
        arrive(world, *(f"p{i}@acme.com" for i in range(25)))
        said = ask(world)
        apollo.close()
    assert vendor.asked == 3
    assert [p for e in vendor.exchanges for p in e.problems] == []
    assert said.counts["apollo:found"] == 25
    assert said.amounts["cost_usd"] == pytest.approx(0.5)
    assert vendor.credits_used == 25
    assert known_of(world, "p7@acme.com")["title"] == "VP Sales"


# What goes wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fails", [ConnectionError(ANNA), Answer(Found.FAILED, code="apollo_unavailable_500")]
)
def test_one_of_three_fails_and_the_others_are_told_in_the_same_pass(made: Made, fails: Any) -> None:
    first, second = Scripted("apollo"), Scripted("clearbit")
    first.knows = {ANNA: FULL, BEN: fails, CAT: FULL}
    second.knows = {BEN: FULL}
    world = made(first, second)
    arrive(world, ANNA, BEN, CAT)
    ask(world)
    assert all(known_of(world, who)["company_size"] == 420 for who in (ANNA, BEN, CAT))
    assert second.lookups == [[BEN]]
    assert again_at(world) is None  # nothing is lacking
    assert world.rows("select * from parked_items") == []
    details = world.rows("select detail from enrichment_calls where outcome = 'failed'")
    assert "@" not in str(details)


def test_what_failed_is_asked_again_later_and_not_for_ever(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: Answer(Found.FAILED, code="apollo_unavailable_503")}
    world = made(provider, retry_minutes=5, retries=3)
    arrive(world, ANNA)
    waits = []
    for n in range(1, 5):
        ask(world)
        assert len(provider.lookups) == n
        at = again_at(world)
        if at is None:
            break
        waits.append(at - world.now)
        assert ask(world).did == 0  # not before its time
        world.now = at
    assert waits == [timedelta(minutes=m) for m in (5, 10, 20)]
    world.later(days=1)
    assert ask(world).did == 0
    world.post(wire("demo_requested", ANNA, at=world.now))
    folded(world)
    ask(world)
    assert len(provider.lookups) == 5  # a lead that changed is another matter


def test_a_question_that_is_refused_is_not_asked_again(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: Answer(Found.FAILED, code="apollo_refused_422", is_refusal=True)}
    world = made(provider)
    arrive(world, ANNA)
    ask(world)
    assert again_at(world) is None
    assert not world.house.enriching.breakers["apollo"].is_pausing


def test_who_is_still_looking_is_asked_again_and_the_lead_scored_anew(made: Made) -> None:
    provider = Scripted("clearbit")
    provider.knows = {ANNA: Answer(Found.LATER)}
    world = made(provider)
    arrive(world, ANNA)
    said = ask(world)
    assert said.counts["clearbit:later"] == 1
    score(world.house.engine, world.house.playbook, now=world.now)
    before = world.one("select score from leads")
    provider.knows = {ANNA: FULL}
    world.now = again_at(world)
    ask(world)
    assert world.one("select pending_score from leads")
    score(world.house.engine, world.house.playbook, now=world.now)
    assert world.one("select score from leads") > before


def test_a_look_that_tells_nothing_new_scores_nobody_anew(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: Answer(Found.FAILED, code="x")}
    world = made(provider)
    arrive(world, ANNA)
    ask(world)
    score(world.house.engine, world.house.playbook, now=world.now)
    world.now = again_at(world)
    ask(world)
    assert not world.one("select pending_score or pending_enrichment from leads")


def test_a_dead_provider_is_left_alone_after_a_few_failures(made: Made) -> None:
    provider = Scripted()
    addresses = [f"p{i}@company{i}.example.org" for i in range(40)]
    provider.knows = dict.fromkeys(addresses, Answer(Found.FAILED, code="apollo_unreachable"))
    world = made(provider, calls_at_once=1)
    arrive(world, *addresses)
    ask(world)
    assert len(provider.lookups) == 5
    assert world.one("select count(*) from leads where enrich_again_at is not null") == 40
    ask(world)
    assert len(provider.lookups) == 5


def test_a_provider_that_asks_for_a_rest_has_it(made: Made) -> None:
    provider = Scripted()
    rest = Answer(Found.FAILED, code="apollo_rate_limited", retry_after_s=60)
    provider.knows = dict.fromkeys((ANNA, BEN, CAT), rest)
    world = made(provider, calls_at_once=1)
    arrive(world, ANNA, BEN, CAT)
    ask(world)
    assert len(provider.lookups) == 1


# The deadline -----------------------------------------------------------------------------------------


def test_nobody_waits_beyond_the_deadline_and_a_late_answer_is_kept(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    provider.gate.clear()
    world = made(provider, places=[source("apollo", usd_per_lookup=0.1)], **SHORT)
    arrive(world, ANNA)
    began = time.monotonic()
    said = ask(world)
    assert time.monotonic() - began < 10  # the provider would have taken a minute
    assert said.counts["apollo:late"] == 1
    assert world.one("select pending_score and not pending_enrichment from leads")
    score(world.house.engine, world.house.playbook, now=world.now)
    before = world.one("select score from leads")
    planned = again_at(world)
    assert planned == world.now + timedelta(minutes=5)
    provider.gate.set()
    until(lambda: again_at(world) < planned)  # its own thread has recorded it
    world.now = again_at(world)
    said = ask(world)
    assert said.counts["apollo:cached"] == 1
    assert len(provider.lookups) == 1  # paid for once
    assert known_of(world, ANNA)["title"] == "VP Operations"
    assert again_at(world) is None
    cost = world.one("select cost_usd, took_ms from enrichments where provider = 'apollo'")
    assert cost["cost_usd"] == 0.1
    assert cost["took_ms"] > 0
    score(world.house.engine, world.house.playbook, now=world.now)
    assert world.one("select score from leads") > before


def test_the_first_touch_goes_out_beside_a_provider_that_hangs(made: Made) -> None:
    provider = Scripted()
    provider.gate.clear()
    world = made(provider, wanted=("company_name", "industry"), **SHORT)
    world.post(wire("demo_requested", ANNA, **DEMO))
    began = time.monotonic()
    world.run()
    assert time.monotonic() - began < 20
    assert len(world.outbox()) == 1
    provider.gate.set()
    until(lambda: outcomes(world) == ["none"])


def test_one_that_hangs_takes_no_others_place(made: Made) -> None:
    hangs, works = Scripted("hubspot", frozenset({"industry"})), Scripted("apollo")
    hangs.gate.clear()
    works.knows = {f"p{i}@company{i}.example.org": FULL for i in range(6)}
    world = made(hangs, works, calls_at_once=2, **SHORT)
    arrive(world, *list(works.knows)[:2])
    ask(world)
    assert len(hangs.lookups) == 2
    section = world.house.enriching.section.model_copy(update={"deadline_seconds": 20.0})
    patient = dataclasses.replace(world.house.enriching, section=section)
    arrive(world, *list(works.knows)[2:], title="Analyst")
    world.house.enriching.breakers["hubspot"].rest(3600)
    patient.breakers["hubspot"].rest(3600)
    ask(world, patient)
    assert len(hangs.lookups) == 2
    assert {k for keys in works.lookups for k in keys} == set(list(works.knows)[2:])
    hangs.gate.set()
    until(lambda: "asked" not in outcomes(world))


def test_a_late_batch_asks_no_more_than_has_room(made: Made) -> None:
    provider = Scripted()
    provider.gate.clear()
    world = made(provider, calls_at_once=3, **SHORT)
    arrive(world, *(f"p{i}@company{i}.example.org" for i in range(20)))
    ask(world)
    ask(world)
    assert len(provider.lookups) == 3
    assert world.one("select count(*) from enrichment_calls") == 3
    assert world.one("select count(*) from leads where enrich_again_at is not null and pending_score") == 20
    provider.gate.set()
    until(lambda: "asked" not in outcomes(world))


class CutOff(Scripted):
    """Answers the first six at once, when all six are there; the others not before the gate opens."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self.together = threading.Barrier(6, lambda: setattr(clock, "now", 1.8))
        self.count = itertools.count()

    def lookup(self, keys: Any, timeout_s: float) -> list[Answer]:
        if next(self.count) < 6:
            self.together.wait(30)
        else:
            assert self.gate.wait(60)
        return [Answer(Found.NONE)] * len(keys)


def test_who_is_cut_off_by_the_deadline_is_not_taken_for_slow(made: Made) -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    provider = CutOff(clock)
    provider.gate.clear()
    world = made(provider, calls_at_once=6, deadline_seconds=2.0)
    arrive(world, *(f"p{i}@company{i}.example.org" for i in range(20)))
    house = dataclasses.replace(world.house.enriching, clock=clock)
    said = ask(world, house)
    assert (said.counts["apollo:none"], said.counts["apollo:late"]) == (6, 6)
    assert not house.breakers["apollo"].is_pausing
    waits = """select enrich_again_at - cast(:now as timestamptz) as wait, enrich_tries, count(*) as n
        from leads group by 1, 2"""
    found = {(r["wait"], r["enrich_tries"]): r["n"] for r in world.rows(waits, now=world.now)}
    # Six know, six were asked in vain, eight had no turn: those are back soon, and have lost no try.
    assert found == {(None, 0): 6, (timedelta(minutes=5), 1): 6, (timedelta(seconds=30), 0): 8}
    provider.gate.set()
    until(lambda: "asked" not in outcomes(world))


def test_a_provider_that_stays_silent_is_not_asked_for_ever(made: Made) -> None:
    """Though nobody behind it ever has a turn."""
    silent, behind = Scripted("apollo"), Scripted("hubspot")
    silent.gate.clear()
    world = made(silent, behind, retries=3, **SHORT)
    arrive(world, ANNA)
    waits = []
    for n in range(5):
        ask(world, dataclasses.replace(world.house.enriching))  # another process: nothing is resting
        lead = world.rows("select enrich_again_at, enrich_tries from leads")[0]
        waits.append(lead["enrich_again_at"] and lead["enrich_again_at"] - world.now)
        assert lead["enrich_tries"] == n + 1 or lead["enrich_again_at"] is None
        world.later(hours=1)
    assert waits == [timedelta(seconds=30), timedelta(minutes=10), timedelta(minutes=20), None, None]
    assert len(silent.lookups) == 4
    silent.gate.set()
    until(lambda: "asked" not in outcomes(world))


# Budgets ----------------------------------------------------------------------------------------------


def test_a_budget_is_never_passed_and_it_is_said(made: Made) -> None:
    provider, free = Scripted("apollo"), Scripted("hubspot", frozenset({"industry"}))
    addresses = [f"p{i}@company{i}.example.org" for i in range(5)]
    provider.knows = dict.fromkeys(addresses, FULL)
    places = [source("apollo", usd_per_lookup=0.1, monthly_budget_usd=0.25), source("hubspot")]
    world = made(provider, free, places=places)
    arrive(world, *addresses)
    said = ask(world)
    assert len(provider.lookups) == 2
    assert said.counts["apollo:no_budget"] == 3
    assert len(free.lookups) == 3  # the next one is asked instead
    assert world.one("select count(*) from leads where enrich_again_at is not null") == 0
    h = world.house
    assert spending(h.engine, h.enriching, world.now) == {"apollo": (pytest.approx(0.2), 0.25)}
    world.later(days=29)  # the first of April
    assert spending(h.engine, h.enriching, world.now)["apollo"][0] == 0
    arrive(world, "new@company9.example.org")
    ask(world)
    assert len(provider.lookups) == 3


def test_who_is_not_found_costs_nothing_of_the_budget(made: Made) -> None:
    provider = Scripted()
    world = made(provider, places=[source("apollo", usd_per_lookup=0.1, monthly_budget_usd=0.1)])
    for i in range(3):
        arrive(world, f"p{i}@company{i}.example.org")
        ask(world)
    assert outcomes(world) == ["none"] * 3
    assert world.one("select sum(cost_usd) from enrichment_calls") == 0


def test_what_may_have_been_charged_counts_against_the_budget(made: Made) -> None:
    provider = Scripted()
    world = made(provider, places=[source("apollo", usd_per_lookup=0.1, monthly_budget_usd=0.1)])
    provider.knows = {ANNA: Answer(Found.FAILED, code="apollo_timeout", in_doubt=True)}
    arrive(world, ANNA)
    ask(world)
    assert outcomes(world) == ["failed"]
    arrive(world, CAT)
    assert ask(world).counts["apollo:no_budget"] == 1
    assert provider.lookups == [[ANNA]]


def test_what_is_under_way_counts_against_the_budget(made: Made) -> None:
    provider = Scripted()
    provider.gate.clear()
    places = [source("apollo", usd_per_lookup=0.1, monthly_budget_usd=0.1)]
    world = made(provider, places=places, **SHORT)
    arrive(world, ANNA)
    ask(world)
    arrive(world, CAT)
    assert ask(world).counts["apollo:no_budget"] == 1
    provider.gate.set()
    until(lambda: "asked" not in outcomes(world))


def test_two_workers_share_a_budget_and_never_pass_it(made: Made) -> None:
    addresses = [f"p{i}@company{i}.example.org" for i in range(40)]
    provider = Scripted("apollo")
    provider.knows = dict.fromkeys(addresses, FULL)
    both = threading.Barrier(2)
    provider.before = lambda keys: both.wait(5) if len(provider.lookups) <= 2 else None  # type: ignore[assignment, return-value]
    world = made(provider, places=[source("apollo", usd_per_lookup=0.1, monthly_budget_usd=1.05)])
    arrive(world, *addresses)
    houses = [dataclasses.replace(world.house.enriching) for _ in range(2)]
    failed: list[BaseException] = []

    def work(house: Enriching) -> None:
        try:
            enrich(house, now=world.now, limit=20)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(house,)) for house in houses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(provider.lookups) == 10
    assert world.one("select count(*) from leads where pending_score and not pending_enrichment") == 40


# Side by side -----------------------------------------------------------------------------------------


def test_no_row_is_locked_while_a_provider_is_asked_and_nobody_else_takes_its_leads(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider)
    seen: list[Any] = []

    def meanwhile(_keys: list[str]) -> None:
        other = dataclasses.replace(world.house.enriching)
        with transaction(world.house.engine) as connection:
            connection.exec_driver_sql("select * from leads for update nowait")
        seen.append(ask(world, other).did)

    provider.before = meanwhile
    arrive(world, ANNA)
    ask(world)
    assert seen == [0]
    assert len(provider.lookups) == 1


def test_a_lead_that_changes_meanwhile_waits_again(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider)
    arrive(world, ANNA)

    def meanwhile(_keys: list[str]) -> None:
        world.post(wire("demo_requested", ANNA, at=world.now, company="Else"))
        folded(world)

    provider.before = meanwhile
    ask(world)
    assert world.one("select pending_enrichment and pending_score from leads")
    provider.before = lambda keys: None
    ask(world)
    assert not world.one("select pending_enrichment from leads")
    assert len(provider.lookups) == 1


def test_what_a_dead_worker_asked_is_asked_again_only_when_it_cannot_come_any_more(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider, retry_minutes=0.1, retries=9)
    arrive(world, ANNA)
    house = world.house.enriching
    key = house.kept_as(house.remote["apollo"].key(_state(world)))  # type: ignore[arg-type]
    with world.house.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into enrichment_calls (call_id, provider, key, lead_id, outcome, cost_usd, called_at) "
            "values ('enc_x', 'apollo', %s, 'led_x', 'asked', 0.1, %s)",
            (key, world.now),
        )
    for _ in range(20):
        ask(world)
        if provider.lookups:
            break
        world.now = again_at(world)
    assert timedelta(seconds=50) <= world.now - TUESDAY < timedelta(minutes=4)
    assert known_of(world, ANNA)["company_size"] == 420


def _state(world: World) -> Any:
    return state_from_json(world.one("select state from leads"))


def test_a_killed_workers_leads_are_taken_up_by_the_next(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider, deadline_seconds=1.0)
    arrive(world, ANNA)

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> Any:
        raise Killed

    dead = dataclasses.replace(world.house.enriching, beside=killed)
    with pytest.raises(Killed):
        ask(world, dead)
    assert ask(world).did == 0
    world.later(seconds=7)
    ask(world)
    assert known_of(world, ANNA)["company_size"] == 420


def test_runs_are_asked_for_when_something_came_late_and_not_before(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: Answer(Found.LATER)}
    world = made(provider)
    arrive(world, ANNA)
    ask(world)
    score(world.house.engine, world.house.playbook, now=world.now)
    at = again_at(world)
    with world.house.engine.begin() as connection:
        connection.exec_driver_sql("update leads set pending_enrolment = false")
        assert oldest_pending(connection, at - timedelta(seconds=1)).others is None
        assert oldest_pending(connection, at).others == at
        connection.exec_driver_sql("delete from crm_writebacks")
    assert world.chain.next_moment(world.now) == at
    assert not world.chain.pending(at - timedelta(seconds=1))["enrich"]
    assert world.chain.pending(at)["enrich"]


# Kept and shown ---------------------------------------------------------------------------------------


def test_a_lead_that_moves_to_another_company_leaves_what_was_said_of_the_old_one(made: Made) -> None:
    provider = Scripted("self_hosted", by_domain=True)
    provider.knows = {"acme.com": SIZE}
    world = made(provider)
    arrive(world, ANNA)
    ask(world)
    assert known_of(world, ANNA)["company_size"] == 420
    moved = Scripted("self_hosted", by_domain=True)
    moved.key = lambda state: None  # type: ignore[method-assign]
    house = dataclasses.replace(world.house.enriching, providers=(moved,))
    world.post(wire("page_viewed", ANNA, at=world.now))
    folded(world)
    ask(world, house)
    assert "company_size" not in known_of(world, ANNA)


def test_explain_shows_who_said_it_when_and_for_how_much(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider, places=[source("apollo", usd_per_lookup=0.1)])
    arrive(world, ANNA)
    ask(world)
    h = world.house
    lead = world.one("select lead_id from leads")
    told = explain(h.engine, h.playbook, h.keyring, lead, world.now)
    title = next(f for f in told.enrichment if f.field == "title")
    assert (title.provider, title.value, title.cost_usd) == ("apollo", "VP Operations", 0.1)
    assert abs(title.said_at - world.now) < timedelta(seconds=30)
    assert title.is_used
    by_offline = next(f for f in told.enrichment if f.field == "domain" and f.provider.startswith("offline"))
    assert not by_offline.cost_usd


def test_nobody_can_be_read_from_keys_and_the_log_of_calls(made: Made) -> None:
    provider = Scripted()
    provider.knows = {ANNA: FULL}
    world = made(provider)
    arrive(world, ANNA)
    said = ask(world)
    kept = str(world.rows("select * from enrichment_calls")) + str(
        world.rows("select key from enrichment_cache")
    )
    assert "anna" not in kept + str(said)


def test_what_is_kept_about_a_person_can_be_erased_by_who_they_are(made: Made) -> None:
    person, company = Scripted("apollo"), Scripted("self_hosted", by_domain=True)
    person.knows = {ANNA: {"title": "VP"}, BEN: {"title": "VP"}}
    company.knows = {"acme.com": SIZE}
    world = made(person, company)
    arrive(world, ANNA, BEN)
    ask(world)
    state = state_from_json(world.one("select state from leads where email = :who", who=ANNA))
    with transaction(world.house.engine) as connection:
        assert store.forget(connection, personal_keys(world.house.keyring, state)) == 1
    kept = world.rows("select provider from enrichment_cache order by 1")
    assert [k["provider"] for k in kept] == ["apollo", "self_hosted"]  # Ben's, and the company's
