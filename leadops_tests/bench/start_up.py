"""What it costs to load the operations location, next to Dagster alone: every launched run pays it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from leadops.settings import PROJECT_ROOT
from leadops_tests.bench.figures import Figure

_DAGSTER = "import dagster"
_LOCATION = "from leadops.definitions import defs; defs()"
_RUNNER = "import dagster, leadops.runner.worker, leadops.instance"


def measure(say: Callable[[str], None], *, times: int = 7) -> list[Figure]:
    """Median seconds of a fresh interpreter that imports, and of one that imports dagster alone."""
    taken: dict[str, list[float]] = {what: [] for what in (_DAGSTER, _LOCATION, _RUNNER)}
    for number in range(times):
        for what, found in taken.items():  # by turns, so that a busy moment slows all alike
            found.append(_seconds(what))
        say(f"{number + 1} of {times}")
    floor = statistics.median(taken[_DAGSTER])
    return [
        Figure(name, statistics.median(taken[what]), "s", floor, "import dagster")
        for name, what in (("load_operations", _LOCATION), ("load_runner", _RUNNER))
    ]


def _seconds(statement: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "DO_NOT_TRACK": "1"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], env=environment, cwd=PROJECT_ROOT, check=True)
    return time.perf_counter() - began
