"""Randomness by key: the same seed and the same words give the same number, whoever asked before.

Nothing in the world shares a stream of random numbers, so what one person does never depends on how many
others were looked at, nor on how calls were batched.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")
_RANGE = float(2**64)


class Chance:
    """All the dice of one world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def uniform(self, *key: object) -> float:
        """A number in [0, 1) for this key."""
        words = "\x1f".join(map(str, (self.seed, *key)))
        digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / _RANGE

    def stream(self, *key: object) -> random.Random:
        """A stream of its own for this key, for whoever needs many numbers."""
        return random.Random("\x1f".join(map(str, (self.seed, *key))))  # noqa: S311 - a simulation

    def happens(self, probability: float, *key: object) -> bool:
        return self.uniform(*key) < probability

    def choose(self, weighted: Mapping[T, float], *key: object) -> T:
        """One of these, by weight (weights need not add up to 1)."""
        return pick(weighted, self.uniform(*key))

    def around(self, median: timedelta, spread: float, *key: object) -> timedelta:
        """A log-normal time with this median; ``spread`` is the standard deviation of its logarithm."""
        return median * self.stream(*key).lognormvariate(0.0, spread)


def pick(weighted: Mapping[T, float], u: float) -> T:
    """The item in whose share of the whole ``u`` (in [0, 1)) lies."""
    place = u * sum(weighted.values())
    chosen = next(iter(weighted))
    for item, weight in weighted.items():
        chosen = item
        if place < weight:
            break
        place -= weight
    return chosen
