"""When a service that ended by itself is started again. Pure."""

from __future__ import annotations

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 60.0


def failures_after(failures: int, lived_s: float) -> int:
    """Failures in a row, counting the one that just happened after `lived_s` seconds of life."""
    return 1 if lived_s >= HEALTHY_AFTER_S else failures + 1


def delay_s(failures: int) -> float:
    """Seconds to wait before the next start: 1, 2, 4 ... 30."""
    doublings = min(max(failures, 1) - 1, 10)  # beyond, the cap holds anyway and floats would overflow
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**doublings)
