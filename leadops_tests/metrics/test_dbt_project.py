"""The metric tables: what Dagster sees of them, and every number counted again without SQL."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import NullPool, create_engine, text
from typer.testing import CliRunner

from leadops.cli.metrics import app
from leadops.errors import UsageError
from leadops.metrics import build, prepare, project
from leadops.metrics.read import opened, read_table
from leadops.settings import settings
from leadops.simulator import recount
from leadops_tests import postgres_server
from leadops_tests.metrics.world import START, World, add_edges, random_world

OPERATIONS = {
    "lead_events",
    "leads",
    "replies",
    "enriched_leads",
    "lead_scores",
    "enrolments",
    "send_schedule",
    "dispatches",
    "message_drafts",
    "crm_writebacks",
    "handoffs",
}
SLICED = ("contact_rate", "time_to_first_attempt", "sequence_completion", "meeting_booked_rate", "won_rate")
REPORTING = {*SLICED, "conversion_by_tier", "conversion_cube", "leads_by_month"}
CHECKED_SQL = ("models", "macros", "tests")


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prepare.ensure_manifest().read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from leadops.metrics.definitions import defs

    return defs


@pytest.fixture
def pointed(database_url: str, tmp_path: Path) -> Iterator[str]:
    """A fresh database that the settings name."""
    with _settings_for(database_url, tmp_path):
        yield database_url


@contextmanager
def _settings_for(url: str, home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADOPS_DATABASE_URL", url)
        patch.setenv("LEADOPS_DAGSTER_URL", url)
        patch.setenv("LEADOPS_HOME", str(home))
        settings.cache_clear()
        yield
    settings.cache_clear()


def _store(url: str, world: World) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        world.store(connection)


class Built:
    """A random world, the tables dbt made of it in a Dagster run, and the run."""

    def __init__(self, url: str, world: World, result: dg.ExecuteInProcessResult) -> None:
        self.url = url
        self.world = world
        self.result = result
        self.people = recount.people(world)

    def rows(self, table: str) -> list[dict[str, Any]]:
        with opened(self.url) as connection:
            found = read_table(connection, table)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@pytest.fixture(scope="module")
def built(
    postgres_url: str, definitions: dg.Definitions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    home = tmp_path_factory.mktemp("home")
    with postgres_server.fresh_database(postgres_url) as url, _settings_for(url, home):
        world = random_world(seed=20260213)
        _store(url, world)
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def("metrics").execute_in_process(instance=instance)
        yield Built(url, world, result)


# --- what Dagster sees --------------------------------------------------------------------------------


def test_every_asset_says_who_owns_it_and_what_it_is(definitions: dg.Definitions) -> None:
    specs = [spec for spec in definitions.resolve_all_asset_specs() if spec.group_name == "metrics"]
    names = {spec.key.to_user_string() for spec in specs}
    assert names >= REPORTING | {"fct_person_enrolments", "fct_touches"}
    for spec in specs:
        assert spec.owners == ["team:data"], spec.key
        assert spec.kinds == {"dbt", "postgres"}, spec.key
        assert spec.description, spec.key
        assert "leadops/layer" in spec.tags, spec.key
        assert (spec.freshness_policy is not None) == (spec.key.to_user_string() in REPORTING)


def test_sources_are_the_assets_of_operations(definitions: dg.Definitions, manifest: dict[str, Any]) -> None:
    keys = {tuple(s["meta"]["dagster"]["asset_key"]) for s in manifest["sources"].values()}
    assert keys == {(name,) for name in OPERATIONS}
    specs = list(definitions.resolve_all_asset_specs())
    models = {spec.key for spec in specs if spec.group_name == "metrics"}
    outside = {dep.asset_key for spec in specs for dep in spec.deps} - models
    assert {key.to_user_string() for key in outside} <= OPERATIONS


def test_every_dbt_test_is_a_check(definitions: dg.Definitions, manifest: dict[str, Any]) -> None:
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    checks = definitions.resolve_asset_graph().asset_check_keys
    assert len(checks) == len(tests) > 40


def test_the_schedule_is_off_without_automation_and_passes_its_hour(definitions: dg.Definitions) -> None:
    schedule = definitions.get_schedule_def("metrics_hourly")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    hour = datetime(2026, 3, 1, 10, 7, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=hour)
        ticked = schedule.evaluate_tick(context)
    assert ticked.run_requests is not None
    config = ticked.run_requests[0].run_config
    assert config["ops"]["metric_tables"]["config"]["as_of"] == hour.isoformat()


def test_reporting_models_have_an_enforced_contract_with_every_column_described(
    manifest: dict[str, Any],
) -> None:
    found = [
        n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["name"] in REPORTING
    ]
    assert {node["name"] for node in found} == REPORTING
    for node in found:
        assert node["config"]["contract"]["enforced"], node["name"]
        assert node["config"]["persist_docs"] == {"relation": True, "columns": True}
        for column in node["columns"].values():
            assert column["data_type"], column["name"]
            assert column["description"], column["name"]


def test_the_documentation_names_every_table_and_column(manifest: dict[str, Any]) -> None:
    written = (project.PROJECT_DIR.parent / "docs" / "metrics.md").read_text("utf-8")
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["name"] in REPORTING:
            assert f"`{node['name']}`" in written
            missing = [name for name in node["columns"] if f"`{name}`" not in written]
            assert not missing, node["name"]


def test_no_statement_reads_the_clock() -> None:
    clock = re.compile(
        r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(|current_(timestamp|date|time)\b"
        r"|\blocaltime(stamp)?\b|run_started_at|modules\.datetime",
        re.IGNORECASE,
    )
    files = [path for folder in CHECKED_SQL for path in (project.PROJECT_DIR / folder).rglob("*.sql")]
    assert files
    assert [path.name for path in files if clock.search(path.read_text("utf-8"))] == []


def test_the_project_needs_nothing_from_outside() -> None:
    assert not (project.PROJECT_DIR / "packages.yml").exists()
    assert not (project.PROJECT_DIR / "dependencies.yml").exists()
    configured = (project.PROJECT_DIR / "dbt_project.yml").read_text("utf-8")
    assert "send_anonymous_usage_stats: false" in configured


# --- every number -------------------------------------------------------------------------------------


def test_the_run_builds_checks_and_describes_every_table(built: Built) -> None:
    assert built.result.success
    assert all(evaluation.passed for evaluation in built.result.get_asset_check_evaluations())
    events = built.result.get_asset_materialization_events()
    metadata = {
        e.asset_key.to_user_string(): e.step_materialization_data.materialization.metadata
        for e in events
        if e.asset_key
    }
    assert set(metadata) >= REPORTING
    for table, found in metadata.items():
        assert found["dagster/row_count"].value == len(built.rows(table)), table
    for table in ("conversion_by_tier", "conversion_cube"):
        preview = str(metadata[table]["preview"].value)
        assert "contact_rate" in preview
        assert 2 < len(preview.splitlines()) <= 22


def test_a_run_leaves_the_environment_as_it_was_and_no_artefacts(built: Built) -> None:
    assert "LEADOPS_PG_DATABASE" not in os.environ
    assert list((settings().home / "dbt" / "runs").iterdir()) == []


KEYS: dict[str, Callable[[recount.Person], tuple[Any, ...]]] = {
    "conversion_by_tier": lambda p: (p.tier,),
    "conversion_cube": lambda p: (p.source, p.tier, p.variant),
}


@pytest.mark.parametrize("table", KEYS)
def test_the_wide_tables_agree_with_a_recount(built: Built, table: str) -> None:
    key = KEYS[table]
    width = len(key(built.people[0]))
    expected = {k: recount.measures(p for p in built.people if key(p) == k) for k in map(key, built.people)}
    found = built.rows(table)
    assert {tuple(row.values())[:width] for row in found} == set(expected)
    for row in found:
        _agree(row, expected[tuple(row.values())[:width]], skip=("source", "tier", "variant"))


@pytest.mark.parametrize("table", SLICED)
def test_the_sliced_tables_agree_with_a_recount(built: Built, table: str) -> None:
    slices: dict[str, Callable[[recount.Person], str]] = {
        "all": lambda p: "all",
        "source": lambda p: p.source,
        "tier": lambda p: p.tier,
        "variant": lambda p: p.variant,
        "cohort_month": lambda p: p.month.isoformat()[:7],
    }
    expected = {
        (name, value): recount.measures(p for p in built.people if key(p) == value)
        for name, key in slices.items()
        for value in {key(p) for p in built.people}
    }
    found = built.rows(table)
    assert {(row["slice"], row["slice_value"]) for row in found} == set(expected)
    for row in found:
        _agree(row, expected[row["slice"], row["slice_value"]], skip=("slice", "slice_value"))


def test_months_agree_with_a_recount(built: Built) -> None:
    found = {(row["cohort_month"], row["source"]): row for row in built.rows("leads_by_month")}
    keys = {(p.month, p.lead_source) for p in built.people}
    assert set(found) == keys
    for key in keys:
        group = [p for p in built.people if (p.month, p.lead_source) == key]
        counted = recount.measures(group)
        assert found[key]["leads_date_only"] == counted["n_without_time"]
        for name in ("leads", "won", "won_before_lead"):
            assert found[key][name] == counted[name], (key, name)


def test_facts_agree_with_a_recount(built: Built) -> None:
    found = {row["lead_id"]: row for row in built.rows("fct_person_enrolments")}
    assert set(found) == {p.lead["lead_id"] for p in built.people}
    for person in built.people:
        row = found[person.lead["lead_id"]]
        assert row["seconds_to_first_attempt"] == person.seconds
        assert row["human_replies"] == person.human_replies
        assert row["enrolments"] == len(person.enrolments)
        assert row["touches_sent"] == sum(t["state"] == "sent" for t in person.touches)
    assert len(built.rows("fct_touches")) == len(built.world.touches)


def test_edges_count_as_documented(built: Built) -> None:
    months = {row["source"]: row for row in built.rows("leads_by_month")}
    assert months["edge day"]["cohort_month"].isoformat() == "2026-03-01"
    assert (months["edge won before"]["won"], months["edge won before"]["won_before_lead"]) == (1, 1)
    assert months["(blank)"]["leads"] > 0
    cube = {row["source"]: row for row in built.rows("conversion_cube")}
    assert (cube["edge clock"]["ttfa_p50_s"], cube["edge clock"]["n_clock_ahead"]) == (0.0, 1)
    assert (cube["edge day"]["n_without_time"], cube["edge day"]["ttfa_p50_s"]) == (1, None)
    assert (cube["edge merge"]["leads"], cube["edge merge"]["variant"]) == (1, "kept")
    assert cube["edge merge"]["ttfa_p50_s"] == 120.0
    assert cube["edge task"]["sequences_started"] == 1
    assert math.isinf(cube["edge task"]["ttfa_p50_s"])
    assert cube["edge task"]["won_rate_verdict"] == "insufficient"


def test_nothing_personal_reaches_the_metric_tables(built: Built) -> None:
    engine = create_engine(built.url, poolclass=NullPool)
    with engine.connect() as connection:
        names = connection.execute(
            text("select distinct column_name from information_schema.columns where table_schema = 'metrics'")
        )
        assert (
            set(names.scalars()) & {"email", "name", "company", "domain", "title", "state_digest", "payload"}
            == set()
        )


def _agree(row: dict[str, Any], expected: dict[str, Any], skip: tuple[str, ...]) -> None:
    for name, value in row.items():
        if name in skip:
            continue
        if isinstance(value, float) and not name.startswith("ttfa_p"):
            assert value == pytest.approx(expected[name], abs=1e-12), name
        else:
            assert value == expected[name], name


# --- by hand ------------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_cli_rebuilds_as_of_a_moment(pointed: str) -> None:
    world = World()
    add_edges(world)
    world.lead("old", START, source="old", tier="cold")
    _store(pointed, world)
    moment = START + timedelta(days=30)
    done = CliRunner().invoke(app, ["build", "--as-of", moment.isoformat(), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["models"] >= len(REPORTING)
    shown = CliRunner().invoke(app, ["show", "--json"], catch_exceptions=False)
    tiers = {row["tier"]: row for row in json.loads(shown.stdout)}
    assert {row["as_of"] for row in tiers.values()} == {moment.isoformat()}
    # Exactly 30 days old is mature; the edges, of February, are not.
    assert {t: row["leads_mature"] for t, row in tiers.items()} == {"cold": 1, "(unscored)": 0, "hot": 0}
    assert tiers["cold"]["ttfa_p50_s"] == "Infinity"


@pytest.mark.full
def test_no_data_give_empty_tables_and_a_wrong_fact_fails_the_build(pointed: str) -> None:
    built = CliRunner().invoke(app, ["build"], catch_exceptions=False)
    assert "tables rebuilt" in built.stdout
    for table in REPORTING:
        assert json.loads(CliRunner().invoke(app, ["show", table, "--json"]).stdout) == []
    world = World()
    world.lead("odd", START, tier="tepid")
    _store(pointed, world)
    with pytest.raises(build.BuildError, match="accepted_values_fct_person_enrolments_tier"):
        CliRunner().invoke(app, ["build"], catch_exceptions=False)


def test_the_cli_shows_a_table_across_down_and_for_machines(built: Built) -> None:
    def shown(*arguments: str) -> str:
        return CliRunner().invoke(app, ["show", *arguments], catch_exceptions=False).stdout

    tiers = {row["tier"] for row in built.rows("conversion_by_tier")}
    assert {row["tier"] for row in json.loads(shown("--json"))} == tiers
    assert all(tier in shown() for tier in tiers)
    assert "edge day" in shown("leads_by_month", "--all")
    assert len(json.loads(shown("conversion_cube", "--json", "--limit", "3"))) == 3
    with pytest.raises(UsageError, match="conversion_cube"):
        shown("leads; drop table leads")


def test_tables_that_are_not_there_yet_say_how_to_make_them(pointed: str) -> None:
    with pytest.raises(UsageError, match="leadops metrics build"):
        CliRunner().invoke(app, ["show"], catch_exceptions=False)


@pytest.mark.parametrize("given", ["yesterday", "2026-03-01T00:00:00"])
def test_a_moment_without_a_zone_is_refused(given: str) -> None:
    with pytest.raises(UsageError):
        build.parse_as_of(given)


def test_a_database_without_our_tables_says_what_to_run(empty_database_url: str, tmp_path: Path) -> None:
    with _settings_for(empty_database_url, tmp_path), pytest.raises(UsageError, match="leadops db upgrade"):
        CliRunner().invoke(app, ["build"], catch_exceptions=False)
