"""A smaller run over real sockets, with the vendors' own SDKs: the promises are the same."""

from __future__ import annotations

import pytest

from leadops.simulator.plan import Plan
from leadops_tests.simulator.conftest import Run

FAULTS = frozenset(
    {
        "crash",
        "two_dispatchers",
        "half_answers",
        "timeouts_after",
        "storms_429",
        "duplicate_webhooks",
        "llm_attacker",
    }
)


@pytest.mark.full
def test_over_real_http_with_faults_every_promise_is_kept(run: Run) -> None:
    found = run(Plan(days=1, leads=10, seed=3, faults=FAULTS), over_http=True)
    assert found.violations == []
    assert found.messages > 2
    assert found.crashes > 5
    assert {name.split(": ")[0] for name in found.killed_at} >= {"before commit", "after commit"}
    assert any("sendgrid POST /v3/mail/send" in name for name in found.boundaries)
