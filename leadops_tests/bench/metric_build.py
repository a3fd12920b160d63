"""Building the metric tables with dbt, against one plain SQL script that makes the same conversion table.

dbt makes every metric table with its documentation and runs every test of them; the script makes the two that
are read most. What dbt takes to start does not grow with the data, so the models' own time stands beside it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from leadops.metrics import build
from leadops.metrics.build import Report
from leadops.runtime.databases import databases_of
from leadops.settings import Settings
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.filled import fill
from leadops_tests.bench.ground import NOW, Driver, ground, seconds

FLOOR = Path(__file__).with_name("metric_floor.sql")
COLUMNS = (
    "leads",
    "leads_mature",
    "leads_enrolled",
    "leads_attempted",
    "leads_reached",
    "contacted",
    "meetings_booked",
    "won",
    "sequences_started_mature",
    "sequences_completed",
    "contact_rate",
    "ttfa_p50_s",
    "ttfa_p95_s",
)
_SCRIPT_IS = (
    "one SQL script: conversion by tier and by source x tier x variant, without tests or documentation"
)


def measure(
    server_url: str, say: Callable[[str], None], *, touches: int = 100_000, scripts: int = 3
) -> list[Figure]:
    """Seconds for about so many touches: the whole build, and of it the models alone.

    Of two builds the second counts: the first one parses the project, as after an upgrade of leadops.
    """
    with (
        ground(server_url) as (url, engine, driver),
        tempfile.TemporaryDirectory(prefix="leadops-bench-") as folder,
    ):
        filled = fill(engine, touches, drafts=True)
        say(f"metrics of {filled.touches:,} touches")
        first, _, _ = _built(url, Path(folder))
        took, report, of_models = _built(url, Path(folder))
        driver.execute("select set_config('bench.as_of', %s, false)", (NOW.isoformat(),))
        script = FLOOR.read_bytes()
        floor = round(statistics.median(seconds(lambda: driver.execute(script)) for _ in range(scripts)), 3)
        rows = _agree(driver)
    say(f"dbt {took:.1f} s, of it models {of_models:.1f} s; script {floor:.2f} s")
    more = {"touches": filled.touches, "leads": filled.leads, "rows": rows}
    return [
        Figure(
            "metric_build",
            round(took, 3),
            "s",
            floor,
            _SCRIPT_IS,
            more
            | {"models": report.models, "tests": report.tests}
            | {"within_dbt": round(report.seconds, 3), "first_build": round(first, 3)},
        ),
        Figure("metric_models", round(of_models, 3), "s", floor, _SCRIPT_IS, more),
    ]


def _built(url: str, folder: Path) -> tuple[float, Report, float]:
    """(seconds from start to end, what was built, seconds of the models one after the other)."""
    config = Settings(database_url=SecretStr(url), dagster_url=SecretStr(url), home=folder)
    databases = databases_of(config)
    reports: list[Report] = []
    took = seconds(
        lambda: reports.append(build.build(databases.business, databases.metrics_env, folder / "dbt", NOW))
    )
    nodes: list[dict[str, Any]] = json.loads((folder / "dbt" / "run_results.json").read_text("utf-8"))[
        "results"
    ]
    of_models = sum(n["execution_time"] for n in nodes if n["unique_id"].startswith("model."))
    return took, reports[0], of_models


def _agree(driver: Driver) -> int:
    """How many rows the script has made; each of them is also dbt's, and no other is."""
    columns = ", ".join(COLUMNS)
    by_tier = f"select '(all)', tier, '(all)', {columns} from metrics.conversion_by_tier"
    cube = f"select source, tier, variant, {columns} from metrics.conversion_cube"
    script = f"select source, tier, variant, {columns} from metrics_floor.conversion"
    made = set(driver.execute(script.encode()).fetchall())
    of_dbt = {*driver.execute(by_tier.encode()), *driver.execute(cube.encode())}
    assert made, "no rows"
    assert made == of_dbt, made ^ of_dbt
    return len(made)
