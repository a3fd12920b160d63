"""`leadops runner`: answers leads in seconds, from a process that is warm. `leadops up` starts it."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadops.cli.alone import exit_code_of
from leadops.settings import PROJECT_ROOT, Settings, settings

if TYPE_CHECKING:
    from leadops.runner.lanes import Lane
    from leadops.runtime.stopping import StopRequest

DRAIN_S = 20.0


def runner(
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that answer new leads, side by side.")
    ] = None,
) -> None:
    """Take up work the moment it comes: each lane in a process of its own, each run a run in Dagster.

    Needs what `leadops up` prepares: the database, and LEADOPS_HOME as DAGSTER_HOME.
    """
    from leadops.runtime.stopping import StopRequest, stop_on_signals

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "httpx2"):  # a line for every request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    config = settings()
    stop = StopRequest()
    with stop_on_signals(stop):
        _run(config, workers or max(1, config.runner_workers), stop)


def _run(config: Settings, workers: int, stop: StopRequest) -> None:
    from leadops.runtime.databases import child_environment, databases_of
    from leadops.runtime.stack import LOCATIONS, link_dagster_yaml

    databases = databases_of(config)
    os.environ.update(child_environment(databases, config))
    link_dagster_yaml(config.home)

    from leadops.defs.resources import process_house
    from leadops.instance import warm
    from leadops.runner.keeper import keep
    from leadops.runner.lanes import LANES
    from leadops.runner.worker import Worker

    operations = LOCATIONS[0]
    wanted = {lane.name: lane.assets for lane in LANES}
    jobs = warm.load_jobs(_workspace(config), operations.name, operations.module, wanted)
    for module in _used(config):
        importlib.import_module(module)
    process_house()  # a wrong playbook or a missing key ends it here, in one sentence

    def serve(lane: Lane) -> None:
        Worker(lane, jobs[lane.name], process_house(), warm.warm_instance()).serve(databases.business)

    lanes = [lane for lane in LANES for _ in range(workers if lane.name == "first_touch" else 1)]
    keep(lanes, serve, stop, DRAIN_S)


def _workspace(config: Settings) -> Path:
    """The one that webserver and daemon were started with, so that runs belong to the same location."""
    written = config.home / "workspace.yaml"
    return written if written.exists() else PROJECT_ROOT / "workspace.yaml"


def _used(config: Settings) -> list[str]:
    """What the first lead would otherwise pay for."""
    used = {"openai": config.writer == "openai", "sendgrid": config.email == "sendgrid"}
    return [module for module, wanted in used.items() if wanted]


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: typer.run(runner)))
