"""How fast the machine is at this moment: a fixed piece of work on every core at once.

Machines that share their cores with others differ by half from one hour to the next; a figure without this
cannot be held against another day's.
"""

from __future__ import annotations

import multiprocessing
import os
import time

_ROUNDS = 3_000_000


def _work(rounds: int) -> float:
    began, held = time.perf_counter(), dict[int, str]()
    for number in range(rounds):
        held[number % 1000] = f"{number}x"
    return time.perf_counter() - began


def seconds() -> float:
    """Mean seconds of the work, done once on every core side by side."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        took = pool.map(_work, [_ROUNDS] * cores, chunksize=1)
    return round(sum(took) / len(took), 3)
