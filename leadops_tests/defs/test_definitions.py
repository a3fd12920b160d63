"""Both code locations load, keep their shape, and say of every asset what a reader of the UI needs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from leadops.definitions import build_defs
from leadops.settings import PROJECT_ROOT

SNAPSHOT = Path(__file__).with_name("definitions.json")
UPDATE = "LEADOPS_UPDATE_SNAPSHOTS"
HEAVY = ("pandas", "sklearn", "openai", "sendgrid", "dbt", "dagster_dbt", "playwright")
SOURCES = sorted((PROJECT_ROOT / "leadops").rglob("*.py"))


@pytest.fixture(scope="module")
def operations() -> dg.Definitions:
    return build_defs()


@pytest.fixture(scope="module")
def metrics() -> dg.Definitions:
    from leadops.metrics.definitions import defs

    return defs


def own_specs(location: dg.Definitions) -> list[dg.AssetSpec]:
    """Assets this location defines, without the stubs of what it only depends on."""
    return [s for s in location.resolve_all_asset_specs() if not any("stub" in key for key in s.metadata)]


def shape_of(location: dg.Definitions) -> dict[str, Any]:
    repository = location.get_repository_def()
    return {
        "assets": {
            spec.key.to_user_string(): {
                "group": spec.group_name,
                "deps": sorted(d.asset_key.to_user_string() for d in spec.deps),
            }
            for spec in sorted(own_specs(location), key=lambda s: s.key.to_user_string())
        },
        "checks": sorted(
            f"{key.asset_key.to_user_string()}:{key.name}"
            for key in location.resolve_asset_graph().asset_check_keys
        ),
        "jobs": {
            job.name: sorted(k.to_user_string() for k in job.asset_layer.selected_asset_keys)
            for job in sorted(repository.get_all_jobs(), key=lambda j: j.name)
            if not job.name.startswith("__")
        },
        "sensors": {
            s.name: {"jobs": sorted(t.job_name for t in s.targets), "every_s": s.minimum_interval_seconds}
            for s in sorted(repository.sensor_defs, key=lambda s: s.name)
        },
        "schedules": {
            s.name: {"job": s.job_name, "cron": s.cron_schedule, "zone": s.execution_timezone}
            for s in sorted(repository.schedule_defs, key=lambda s: s.name)
        },
    }


def test_the_shape_is_the_one_committed(operations: dg.Definitions, metrics: dg.Definitions) -> None:
    """Keys, jobs and sensors are remembered by Dagster: changing one loses history, so it is done knowingly.

    ``LEADOPS_UPDATE_SNAPSHOTS=1 pytest ...`` writes the file anew.
    """
    found = {"leadops": shape_of(operations), "metrics": shape_of(metrics)}
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def gaps(spec: dg.AssetSpec, *, schema: bool) -> list[str]:
    """What a reader of the UI would miss on this asset's page."""
    needed = {
        "group": spec.group_name not in (None, "default"),
        "owner": bool(spec.owners) and all(o.startswith("team:") for o in spec.owners),
        "kind": bool(spec.kinds),
        "description": len(spec.description or "") > 20,
        "tags": any(not tag.startswith("dagster/") for tag in spec.tags),
        "column schema": not schema or bool(_columns(spec)),
        "table name": not schema or "dagster/table_name" in spec.metadata,
    }
    return [what for what, there in needed.items() if not there]


def _columns(spec: dg.AssetSpec) -> list[dg.TableColumn]:
    schema = spec.metadata.get("dagster/column_schema")
    value = getattr(schema, "value", schema)
    return list(value.columns) if isinstance(value, dg.TableSchema) else []


def test_every_asset_of_both_locations_says_what_it_is(
    operations: dg.Definitions, metrics: dg.Definitions
) -> None:
    missing = {s.key.to_user_string(): gaps(s, schema=True) for s in own_specs(operations)}
    missing |= {s.key.to_user_string(): gaps(s, schema=False) for s in own_specs(metrics)}
    assert len(missing) > 11
    assert {key: found for key, found in missing.items() if found} == {}


def test_every_column_of_operations_has_a_type_and_most_a_meaning(operations: dg.Definitions) -> None:
    columns = [c for s in own_specs(operations) for c in _columns(s)]
    assert all(c.type and c.name for c in columns)
    assert sum(bool(c.description) for c in columns) > len(columns) / 2


def test_the_metrics_hang_on_the_assets_of_operations(
    operations: dg.Definitions, metrics: dg.Definitions
) -> None:
    ours = {s.key for s in own_specs(operations)}
    theirs = {s.key for s in own_specs(metrics)}
    outside = {d.asset_key for s in own_specs(metrics) for d in s.deps} - theirs
    assert outside, "the models read something of operations"
    assert outside <= ours
    declared = re.findall(
        r"asset_key: \[(\w+)\]",
        (PROJECT_ROOT / "dbt_metrics" / "models" / "sources" / "operations.yml").read_text("utf-8"),
    )
    assert {dg.AssetKey(k) for k in declared} <= ours


def test_every_hot_job_runs_in_one_process_and_without_checks(operations: dg.Definitions) -> None:
    for name in ("first_touch", "handle_inbound", "due_touches", "write_back"):
        job = operations.resolve_job_def(name)
        assert job.executor_def.name == "in_process", name
        assert not list(job.asset_layer.asset_graph.asset_check_keys), name


_STATUSES = """
import importlib, json
found = {}
for module in ("leadops.definitions", "leadops.metrics.definitions"):
    defs = importlib.import_module(module).defs
    defs = defs() if callable(defs) else defs
    repository = defs.get_repository_def()
    for s in (*repository.sensor_defs, *repository.schedule_defs):
        found[s.name] = s.default_status.value
print(json.dumps(found))
"""


def in_a_process(code: str, **env: str) -> str:
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("LEADOPS_", "DAGSTER"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**ours, **env},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(("env", "wanted"), [({}, "STOPPED"), ({"LEADOPS_AUTOMATION": "true"}, "RUNNING")])
def test_only_automation_makes_anything_run_by_itself(
    tmp_path: Path, env: dict[str, str], wanted: str
) -> None:
    """A bare `dg dev` mails nobody."""
    found = json.loads(in_a_process(_STATUSES, LEADOPS_HOME=str(tmp_path), **env).splitlines()[-1])
    assert len(found) >= 8
    assert set(found.values()) == {wanted}, found


def test_operations_load_without_what_costs_seconds(tmp_path: Path) -> None:
    """Every run is a fresh process that loads this: dbt alone would cost a lead four seconds."""
    code = (
        "import sys, leadops.definitions as d; d.defs().get_repository_def()\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {HEAVY!r}])"
    )
    assert in_a_process(code, LEADOPS_HOME=str(tmp_path)).splitlines()[-1] == "[]"


def test_loading_opens_no_database_and_writes_nothing(tmp_path: Path) -> None:
    in_a_process(
        "import leadops.definitions as d; d.defs().get_repository_def()",
        LEADOPS_HOME=str(tmp_path / "home"),
        LEADOPS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.full
def test_dg_check_defs_passes(tmp_path: Path) -> None:
    dg_command = Path(sys.executable).with_name("dg")
    if not dg_command.exists():
        pytest.skip("dagster-dg-cli is not installed")
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("LEADOPS_", "DAGSTER"))}
    done = subprocess.run(
        [str(dg_command), "check", "defs"],
        cwd=PROJECT_ROOT,
        # As on a machine where nothing was set up: dg takes the dagster.yaml of the folder it stands in.
        env={**ours, "LEADOPS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


# --- what must not stand in the source ----------------------------------------------------------------


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path.relative_to(PROJECT_ROOT), ast.parse(path.read_text(encoding="utf-8"))


def test_no_run_key_deduplicates_anything() -> None:
    """Dagster remembers a run key for ever and silently drops the run."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.keyword) and node.arg == "run_key")
        or (isinstance(node, ast.Attribute) and node.attr == "run_key")
    ]
    assert found == []


def test_dagsters_inside_is_used_in_one_package_only() -> None:
    found = {path for path, tree in trees() for name in _imported(tree) if name.startswith("dagster._")}
    assert {str(path.parent) for path in found} == {"leadops/instance"}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


CLOCK = re.compile(
    r"\bnow\s*\(\s*\)|\bcurrent_(timestamp|date|time)\b|\bclock_timestamp\b|\bstatement_timestamp\b"
    r"|\btransaction_timestamp\b|\blocaltime(stamp)?\b|\btimeofday\b|'(now|today|tomorrow|yesterday)'",
    re.IGNORECASE,
)
SQL_WORDS = re.compile(
    r"\b(select\b.*\bfrom|insert\s+into|update\s+\w+.*\bset|delete\s+from|create\s+(table|index|function)"
    r"|alter\s+table|exists\s*\(|\bwhere\b|\bset_config)\b",
    re.IGNORECASE | re.DOTALL,
)


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string of a module but docstrings; an f-string as its fixed parts together."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [v.value for v in node.values if isinstance(v, ast.Constant)]
            yield node.lineno, " ".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def test_no_sql_of_ours_reads_a_clock() -> None:
    """Every stamp is given by whoever calls: leases, retries and tests live on one clock."""
    found = [
        f"{path}:{line}"
        for path, tree in trees()
        for line, value in strings(tree)
        if CLOCK.search(value) and (SQL_WORDS.search(value) or "text" in path.name)
    ]
    found += [
        f"{path.relative_to(PROJECT_ROOT)}:{number}"
        for folder in ("models", "macros", "tests", "snapshots", "analyses")
        for path in sorted((PROJECT_ROOT / "dbt_metrics" / folder).rglob("*.sql"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if CLOCK.search(line.partition("--")[0]) or "run_started_at" in line
    ]
    assert found == []


def test_no_table_has_a_default_that_reads_a_clock() -> None:
    from sqlalchemy import DateTime

    from leadops.store.tables import metadata as tables

    for table in tables.tables.values():
        for column in table.columns:
            default = "" if column.server_default is None else str(column.server_default.arg)  # type: ignore[attr-defined]
            assert not CLOCK.search(default), f"{table.name}.{column.name}"
            if isinstance(column.type, DateTime):
                assert column.server_default is None, f"{table.name}.{column.name}"
                assert column.default is None, f"{table.name}.{column.name}"


def test_no_migration_reads_a_clock() -> None:
    """Whole files, whatever looks like SQL or not; Python's clocks too."""
    folder = PROJECT_ROOT / "leadops" / "store" / "migrations" / "versions"
    python_clock = re.compile(r"datetime\.now|utcnow|func\.now|sa\.func\.")
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not CLOCK.search(text), path.name
        assert not python_clock.search(text), path.name


@pytest.mark.parametrize(
    "bad",
    [
        "select * from t where at < now()",
        "update t set at = CURRENT_TIMESTAMP",
        "create table t (at timestamptz default clock_timestamp())",
        "insert into t values ('now')",
    ],
)
def test_the_search_for_clocks_finds_one(bad: str) -> None:
    assert CLOCK.search(bad)
    assert SQL_WORDS.search(bad)
