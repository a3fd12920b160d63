"""What `make bench` runs: the figures people ask for, with the machine they were taken on, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from typing import Any

import psutil

from leadops_tests.bench import latency


def machine() -> dict[str, Any]:
    """What a figure depends on; the load is that before the measurement."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "dagster": version("dagster"),
        "load": [round(n, 2) for n in os.getloadavg()],
    }


def main() -> None:
    """Measure and print; progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m leadops_tests.bench", description=__doc__)
    parser.add_argument("--leads", type=int, default=20, help="how many leads to wait for (default 20)")
    parser.add_argument("--past", action="store_true", help="on top of the demo's simulated past")
    given = parser.parse_args()
    before = machine()
    seconds = latency.event_to_receipt(given.leads, past=given.past, say=_say)
    json.dump({"event_to_receipt_s": latency.summary(seconds), "machine": before}, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
