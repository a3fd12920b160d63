"""From a row in the CRM's folder to a message in the outbox, through sensor, daemon and run alone.

One hot lead at a time; the next after a random gap of 1 to 9 s, so that the daemon's rhythm is met at every
phase. `python -m leadops_tests.latency [N]`.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leadops.sandbox.crm_folder import CrmFolder
from leadops.sandbox.people import a_hot_one
from leadops_tests.running import Stack, eventually

GIVE_UP_S = 180.0


def row_to_message(
    count: int = 10, seed: int = 7, say: Callable[[str], None] = lambda line: None
) -> list[float]:
    """Seconds from the append to the message's mtime for ``count`` leads, on a stack of their own."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="leadops-latency-") as ground:
        Path(ground).chmod(0o711)  # Postgres runs as somebody else when this runs as root
        stack = Stack(Path(ground) / "home")
        folder = CrmFolder(stack.home / "crm", stack.outbox)
        folder.open(0, datetime.now(UTC))
        try:
            stack.start()
            found = []
            for number in range(1, count + 1):
                time.sleep(rng.uniform(1, 9))
                found.append(_one(folder, number))
                say(f"{number:>4} {found[-1]:7.2f} s   load {os.getloadavg()[0]:.1f}")
            stack.stop()
        finally:
            stack.clean_up()
    return found


def _one(folder: CrmFolder, number: int) -> float:
    row = a_hot_one(number, datetime.now(UTC))
    appended = time.time()
    folder.add(row)
    message = eventually(lambda: folder.message_to(row["email"]), f"lead {number} answered", GIVE_UP_S, 0.1)
    return message.stat().st_mtime - appended


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Median and P95 (nearest rank) of the measured seconds."""
    ordered = sorted(seconds)
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[rank], 2),
        "min": round(ordered[0], 2),
        "max": round(ordered[-1], 2),
        "all": [round(s, 2) for s in seconds],
    }


def main() -> None:
    """A line per lead, then the figures, then the same as JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = summary(row_to_message(count, say=_say))
    _say(f"n {found['n']}   median {found['median']} s   P95 {found['p95']} s   max {found['max']} s")
    sys.stdout.write(json.dumps({"row_to_message_s": found}) + "\n")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
