"""The second code location, ``metrics``: the dbt models as assets, their tests as checks, hourly.

Kept apart from operations because dbt takes seconds to import. Lineage joins the two: each dbt source
carries the key of the operational asset that writes its table.
https://docs.dagster.io/integrations/libraries/dbt

No ``from __future__ import annotations`` here: Dagster reads the annotations of configuration as types.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from packaging.version import Version, parse

from leadops.metrics import plots, read
from leadops.metrics.build import as_of_arguments, parse_as_of, rebuild_lock
from leadops.metrics.prepare import ensure_manifest
from leadops.metrics.project import PROJECT_DIR, dbt_environment, dbt_executable
from leadops.settings import settings

PREVIEW_ROWS = 20
PLOTTED_ROWS = 2000
_RUNS_KEPT = 10


class LocalDbt(DbtCliResource):
    """dbt as installed here.

    The base class asks ``dbt --version``, which takes seconds and looks up the newest release on a package
    index; a run needs neither.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return parse(version("dbt-core"))


class MetricsTranslator(DagsterDbtTranslator):
    """How a dbt model looks as an asset: group, owner, layer, freshness of what people read."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        spec: dg.AssetSpec = super().get_asset_spec(manifest, unique_id, project)
        if not unique_id.startswith("model."):
            return spec
        layer = manifest["nodes"][unique_id]["fqn"][1]
        spec = spec.replace_attributes(
            group_name="metrics",
            owners=["team:data"],
            kinds={"dbt", "postgres"},
            tags={**spec.tags, "leadops/layer": layer},
        )
        if layer == "reporting":
            spec = spec.replace_attributes(
                freshness_policy=dg.FreshnessPolicy.time_window(
                    fail_window=timedelta(hours=6), warn_window=timedelta(hours=2)
                )
            )
        return spec


class MetricsConfig(dg.Config):
    """``as_of``: the moment the metrics speak of, ISO 8601 with offset; none: the newest stamp."""

    as_of: str | None = None


@cache
def project() -> DbtProject:
    """The dbt project with its manifest prepared."""
    ensure_manifest()
    return DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR)


@dbt_assets(
    manifest=project().manifest_path,
    project=project(),
    dagster_dbt_translator=MetricsTranslator(),
    name="metric_tables",
)
def metric_tables(
    context: dg.AssetExecutionContext, dbt: LocalDbt, config: MetricsConfig
) -> Iterator[dg.Output[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult]:
    """Rebuild the metric tables (the selected ones) and run their tests."""
    from leadops.runtime.databases import open_databases

    databases = open_databases(settings())
    # One thread: with two, a view may be reported before the one it reads, which Dagster takes for an error.
    arguments = ["build", "--threads", "1", *as_of_arguments(parse_as_of(config.as_of))]
    folder = _run_folder(context.run.run_id)
    with _environment(dbt_environment(folder, databases.metrics_env)), rebuild_lock(databases.business):
        invocation = dbt.cli(arguments, context=context, target_path=folder)
        for event in invocation.stream():
            yield _described(event, databases.business)
    # A failed run does not come here: its log stays for whoever must act.
    shutil.rmtree(folder, ignore_errors=True)


def _described(event: Any, url: str) -> Any:
    """A model's event with its row count and, for the tables people read, a preview and a plot."""
    if not isinstance(event, dg.Output | dg.AssetMaterialization):
        return event
    model = str(event.metadata["unique_id"].value).rsplit(".", 1)[-1]
    with read.opened(url) as connection:
        metadata: dict[str, Any] = {"dagster/row_count": read.count_rows(connection, model)}
        if model in plots.PLOTS:
            metadata |= _shown(read.read_table(connection, model, limit=PLOTTED_ROWS))
    return event.with_metadata({**event.metadata, **metadata})


def _shown(table: read.MetricTable) -> dict[str, Any]:
    """What the UI shows of a table: the moment it speaks of, its first rows, its plot."""
    shown: dict[str, Any] = {"preview": dg.MetadataValue.md(table.preview(PREVIEW_ROWS).markdown())}
    if (as_of := table.as_of()) is not None:
        shown["as_of"] = dg.MetadataValue.timestamp(as_of)
    try:
        plot = plots.markdown(table)
    except Exception as error:  # noqa: BLE001 - a table that was built is not lost for want of a picture
        return shown | {"plot_failed": type(error).__name__}
    return shown | ({"plot": dg.MetadataValue.md(plot)} if plot else {})


def _run_folder(run_id: str) -> Path:
    """A folder of this run's own for dbt's artefacts; those of old failed runs are removed."""
    runs = settings().home / "dbt" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    old = sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in old[:-_RUNS_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    return runs / run_id


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """The process's environment for a while: the dbt resource hands on the environment it finds."""
    # Artefact paths are the resource's own business: it reads this one to find the prepared parse.
    changed = {k: v for k, v in wanted.items() if k != "DBT_TARGET_PATH" and os.environ.get(k) != v}
    before = {key: os.environ.get(key) for key in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _dbt() -> LocalDbt:
    return LocalDbt(
        project_dir=str(project().project_dir),
        profiles_dir=str(project().profiles_dir),
        dbt_executable=str(dbt_executable()),
    )


metrics_job = dg.define_asset_job(
    "metrics",
    selection=dg.AssetSelection.assets(metric_tables),
    executor_def=dg.in_process_executor,
    description="Rebuild every metric table and check it.",
)


@dg.schedule(
    job=metrics_job,
    cron_schedule=settings().metrics_cron,
    execution_timezone="UTC",
    default_status=(
        dg.DefaultScheduleStatus.RUNNING if settings().automation else dg.DefaultScheduleStatus.STOPPED
    ),
)
def metrics_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Rebuild the metric tables every hour, as of that hour."""
    as_of = context.scheduled_execution_time.isoformat()
    return dg.RunRequest(run_config=dg.RunConfig(ops={"metric_tables": MetricsConfig(as_of=as_of)}))


defs = dg.Definitions(
    assets=[metric_tables],
    jobs=[metrics_job],
    schedules=[metrics_hourly],
    resources={"dbt": _dbt()},
)
