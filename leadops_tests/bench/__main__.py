"""What `make bench` runs: every figure beside its floor, in one run, as a table and as JSON.

Parts: single, sensors, burst, burst5000, idle, killed, start_up, tick, million, ingestion, scoring,
million_leads, model, metrics. Without ``--only`` all but ``burst5000``, and ``million`` and
``million_leads``, which fill tables of a million rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from leadops_tests.bench import yardstick
from leadops_tests.bench.figures import Figure

Say = Callable[[str], None]


def machine() -> dict[str, Any]:
    """What a figure depends on; load and yardstick are those before the measurement."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "dagster": version("dagster"),
        "load": [round(n, 2) for n in os.getloadavg()],
        "yardstick_s": yardstick.seconds(),
    }


def _parts(leads: int, workers: int) -> dict[str, Callable[[Say], list[Figure]]]:
    """Name -> what measures it. Imports what it needs when it is called."""

    def whole(name: str, **more: Any) -> Callable[[Say], list[Figure]]:
        def measure(say: Say) -> list[Figure]:
            from leadops_tests.bench import burst

            found: list[Figure] = getattr(burst, name)(say, **more)
            return found

        return measure

    def alone(name: str, function: str = "measure") -> Callable[[Say], list[Figure]]:
        def measure(say: Say) -> list[Figure]:
            import importlib

            from leadops.simulator.running import server

            part = importlib.import_module(f"leadops_tests.bench.{name}")
            with server(None) as url:
                found: list[Figure] = getattr(part, function)(url, say)
                return found

        return measure

    def start_up(say: Say) -> list[Figure]:
        from leadops_tests.bench import start_up as part

        return part.measure(say)

    return {
        "single": whole("single", leads=leads, workers=1),
        "sensors": whole("single", leads=leads, workers=0),
        "burst": whole("burst", leads=1_000, workers=workers),
        "burst5000": whole("burst", leads=5_000, workers=workers),
        "idle": whole("idle"),
        "killed": whole("killed_figures", leads=1_000, workers=workers),
        "start_up": start_up,
        "tick": alone("tick"),
        "million": alone("tick", "measure_million"),
        "ingestion": alone("ingestion"),
        "scoring": alone("scoring"),
        "million_leads": alone("scoring", "measure_million"),
        "model": alone("learned"),
        "metrics": alone("metric_build"),
    }


def main() -> None:
    """Measure and print; progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m leadops_tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help="parts, with commas")
    parser.add_argument("--leads", type=int, default=20, help="single leads to wait for (default 20)")
    parser.add_argument("--workers", type=int, default=2, help="runner processes in a burst (default 2)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    parts = _parts(given.leads, given.workers)
    wanted = (
        given.only.split(",")
        if given.only
        else [p for p in parts if p not in ("million", "million_leads", "burst5000")]
    )
    if unknown := set(wanted) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    before, figures = machine(), []
    for name in wanted:
        _say(f"--- {name}")
        figures += parts[name](_say)
    _show(figures)
    body = {
        "machine": before,
        "yardstick_after_s": yardstick.seconds(),
        "figures": [asdict(f) | {"ratio": f.ratio} for f in figures],
    }
    if given.json:
        given.json.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    else:
        sys.stdout.write(json.dumps(body, indent=1) + "\n")


def _show(figures: list[Figure]) -> None:
    table = Table("figure", "value", "floor", "times the floor", "the floor is")
    for f in figures:
        floor = "" if f.floor is None else f"{f.floor:,.3g} {f.unit}"
        ratio = "" if f.ratio is None else f"{f.ratio:.2f}"
        table.add_row(f.name, f"{f.value:,.4g} {f.unit}", floor, ratio, f.floor_is)
    Console(stderr=True, width=150).print(table)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
