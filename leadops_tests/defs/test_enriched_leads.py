"""The asset says who was asked, what it cost and what the month has left; a slow provider holds no mail."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from sqlalchemy import Engine

from leadops.definitions import build_defs
from leadops.providers.enrichment.apollo import Apollo
from leadops.sandbox.enrichment import ApolloSandbox, Company, Directory, Person
from leadops.sandbox.frame import Fault
from leadops.stages.enrich import enrich
from leadops_tests.defs.test_jobs import hot, run
from leadops_tests.sandbox.serving import clock, served
from leadops_tests.stages.enriching import asking_world, source
from leadops_tests.stages.sending import until

ANNA = "anna@acme.example"
PAID = source("apollo", usd_per_lookup=0.05, monthly_budget_usd=10)


def vendor() -> ApolloSandbox:
    directory = Directory()
    directory.add(Company("acme.example", "Acme Inc", "machinery", 420), Person(ANNA, "VP Operations", "vp"))
    return ApolloSandbox(clock, "k", directory=directory)


def test_a_run_says_who_was_asked_and_what_of_the_budget_is_spent(
    engine: Engine, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    apollo = vendor()
    with served(apollo) as url:
        provider = Apollo("k", f"{url}/apollo/api/v1")
        world = asking_world(engine, tmp_path, provider, places=[PAID])
        world.now = datetime.now(UTC)
        world.post(hot(world, ANNA), hot(world, "ben@other.example", company="Other"))
        said = run(build_defs({"house": world.house}), "first_touch", instance)["enriched_leads"]
        provider.close()
    assert len(world.outbox()) == 2
    assert (said["did/apollo:asked"], said["did/apollo:found"], said["did/apollo:none"]) == (2, 1, 1)
    assert said["cost_usd"] == 0.05
    assert said["spent_this_month/apollo"] == "0.05 USD, of 10.00"
    assert "anna" not in str(said).lower()


def test_a_provider_that_says_nothing_for_a_minute_holds_no_first_touch(
    engine: Engine, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    apollo = vendor()
    apollo.faults.append(Fault("slow_before", seconds=60, times=-1))
    with served(apollo) as url:
        provider = Apollo("k", f"{url}/apollo/api/v1")
        world = asking_world(
            engine, tmp_path, provider, places=[PAID], deadline_seconds=0.2, timeout_seconds=2.0
        )
        world.now = datetime.now(UTC)
        world.post(hot(world, ANNA))
        began = time.monotonic()
        said = run(build_defs({"house": world.house}), "first_touch", instance)
        assert len(world.outbox()) == 1
        assert time.monotonic() - began < 30
        assert said["enriched_leads"]["did/apollo:late"] == 1
        assert said["enriched_leads"]["seconds"] < 10
        # Given up at its own timeout, and asked again in time, once the provider is well.
        until(lambda: not world.rows("select 1 from enrichment_calls where outcome = 'asked'"))
        assert world.one("select detail from enrichment_calls") == "apollo_timeout"
        # It may have been answered and charged all the same: the budget counts it.
        assert world.one("select cost_usd from enrichment_calls") > 0
        apollo.faults.clear()
        world.now += timedelta(minutes=6)
        section = world.house.enriching.section.model_copy(update={"deadline_seconds": 20.0})
        enrich(replace(world.house.enriching, section=section), now=world.now)
        provider.close()
    assert world.one("select took_ms > 0 from enrichments where provider = 'apollo'")
