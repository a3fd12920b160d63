"""The parts of the bench at a tiny size; that floor and leadops agree is asserted by each part itself."""

from __future__ import annotations

import numpy as np
import pytest

from leadops.domain.scoring import fields_read, score
from leadops.playbook.loader import load
from leadops_tests.bench import ingestion, learned, metric_build, scoring, tick
from leadops_tests.bench.figures import Figure
from leadops_tests.house import PLAYBOOK


def named(found: list[Figure]) -> dict[str, Figure]:
    """By name; every one of them measured, and beside a floor that says what it is."""
    by_name = {figure.name: figure for figure in found}
    assert len(by_name) == len(found)
    for figure in found:
        assert figure.value > 0
        assert figure.ratio is not None
        assert figure.floor_is
    return by_name


def silent(line: str) -> None:
    """Who listens to the progress of a test."""


def test_ticks_take_turns_on_ledgers_of_several_sizes(postgres_url: str) -> None:
    found = named(tick.measure(postgres_url, silent, sizes=(100, 400), due=20, ticks=2, claims=1))
    assert set(found) == {
        "empty_tick_of_100",
        "empty_tick_of_400",
        "claim_of_20_of_100",
        "claim_of_20_of_400",
        "empty_tick_large_by_small",
        "claim_of_20_large_by_small",
    }
    assert found["empty_tick_of_400"].more["planned"] > 0
    assert found["claim_of_20_of_400"].more["touches"] > found["empty_tick_of_400"].more["touches"]


def test_copy_writes_the_same_events(postgres_url: str) -> None:
    found = named(ingestion.measure(postgres_url, silent, events=30, single=3))
    assert found["ingest_batches"].more["events"] == 30
    assert found["ingest_single"].more["batches"] == 3


def test_numpy_gives_the_same_scores(postgres_url: str) -> None:
    found = named(scoring.measure(postgres_url, silent, count=120, sizes=(40, 80), waiting=30))
    tiers = found["score_pure"].more["tiers"]
    assert sum(tiers.values()) == 120
    assert min(tiers.values()) > 0, "leads of every tier"


@pytest.mark.full
def test_the_model_says_what_scikit_learn_says(postgres_url: str) -> None:
    found = named(learned.measure(postgres_url, silent, count=200))
    assert set(found) == {"model_matrix", "model_one", "model_rows"}
    assert found["model_rows"].more["worst_difference"] < 1e-9


def test_numpy_knows_what_is_missing_and_what_matches_no_rule() -> None:
    scorecard = load(PLAYBOOK).playbook.scorecard
    leads: list[dict[str, object]] = [
        {},
        {"title": "Vice President, Sales", "company_size": 0, "lead_source": "never heard of"},
        {"title": "  ", "company_size": 1, "business_email": "no", "engagement": 0},
        {"title": "Leading Chiefs", "page_views": 3, "pricing_views": 99, "requested": "demo_requested"},
    ]
    columns = {field: [lead.get(field) for lead in leads] for field in fields_read(scorecard)}
    expected = [score(lead, scorecard).total for lead in leads]
    assert np.array_equal(scoring.totals(columns, scorecard), expected)


@pytest.mark.full
def test_the_script_makes_the_conversion_table_of_dbt(postgres_url: str) -> None:
    found = named(metric_build.measure(postgres_url, silent, touches=1_000, scripts=1))
    assert found["metric_build"].more["rows"] > 10
    assert found["metric_models"].value < found["metric_build"].value
