"""A pause after failures in a row, and a rest where a provider has asked for one."""

from __future__ import annotations

from leadops.providers.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_failures_in_a_row_pause_and_one_more_after_the_pause_pauses_again() -> None:
    clock = Clock()
    breaker = Breaker(clock, failures=3, pause_s=30)
    breaker.failed()
    breaker.failed()
    breaker.worked()
    breaker.failed()
    breaker.failed()
    assert not breaker.is_pausing
    breaker.failed()
    assert breaker.is_pausing
    clock.now += 30
    assert not breaker.is_pausing
    breaker.failed()
    assert breaker.is_pausing
    breaker.worked()
    assert not breaker.is_pausing


def test_a_rest_that_was_asked_for_is_not_cut_short_by_an_answer() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.rest(60)
    breaker.rest(10)
    breaker.worked()
    clock.now += 59
    assert breaker.is_pausing
    clock.now += 1
    assert not breaker.is_pausing
