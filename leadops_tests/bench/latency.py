"""From a lead in HubSpot to the provider's own receipt of the message, through sensor, daemon and run alone.

HubSpot, OpenAI and SendGrid are the sandbox's. One hot lead at a time; the next after a random gap of 1 to
9 s, so that the daemon's rhythm is met at every phase. Both moments are the sandbox's, by one clock.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from leadops_tests.running import Stack, eventually

GIVE_UP_S = 180.0


def event_to_receipt(
    count: int = 20, seed: int = 7, past: bool = False, say: Callable[[str], None] = lambda line: None
) -> list[float]:
    """Seconds for ``count`` leads, on a demo of their own; with ``past``, on top of its simulated past."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="leadops-latency-") as ground:
        Path(ground).chmod(0o711)  # Postgres runs as somebody else when this runs as root
        more = () if past else ("--no-past",)
        stack = Stack(Path(ground) / "home", "demo", "--every", "0", *more)
        try:
            stack.start(600)
            say(next(line for line in stack.said().splitlines() if "Ready after" in line).strip())
            found = []
            for number in range(1, count + 1):
                time.sleep(rng.uniform(1, 9))
                found.append(_one(stack))
                say(f"{number:>4} {found[-1]:7.2f} s   load {os.getloadavg()[0]:.1f}")
            stack.stop()
        finally:
            stack.clean_up()
    return found


def _one(stack: Stack) -> float:
    appeared = stack.outside("lead", kind="hot")
    mails = eventually(lambda: stack.received(appeared["address"]), "the lead answered", GIVE_UP_S, 0.2)
    moments = [datetime.fromisoformat(m) for m in (appeared["at"], mails[0]["at"])]
    return (moments[1] - moments[0]).total_seconds()


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
