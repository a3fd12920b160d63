"""A burst in whose middle every process is killed: nobody acknowledged is lost, nobody is mailed twice."""

from __future__ import annotations

import pytest

from leadops_tests.bench import burst

pytestmark = [pytest.mark.full, pytest.mark.timeout(900), pytest.mark.xdist_group("up")]
CALLS_AT_ONCE = 24


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle_and_started_again(workers: int) -> None:
    said: list[str] = []
    ending = burst.killed(said.append, leads=400, workers=workers)
    assert ending.accepted >= 100, said
    assert ending.lost == 0, said
    assert ending.doubled == 0, said
    # What was on the wire when it died; a person is asked about each.
    assert ending.unknown <= CALLS_AT_ONCE * (workers + 1), said
    assert ending.arrived + ending.unknown >= ending.accepted
