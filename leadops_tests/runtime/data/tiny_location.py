"""A code location that costs nothing to load: one slow job to be caught in flight, one asset."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.asset
def tiny() -> None:
    """Nothing."""


@dg.op
def take_time() -> None:
    """Says that it runs, then waits for the file `go` or two minutes."""
    folder = Path(os.environ["LEADOPS_HOME"])
    (folder / "running").write_text(str(os.getpid()))
    deadline = time.monotonic() + 120
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (folder / "finished").touch()


@dg.job(executor_def=dg.in_process_executor)
def slow() -> None:
    """One operation in the run's own process."""
    take_time()


defs = dg.Definitions(assets=[tiny], jobs=[slow])
