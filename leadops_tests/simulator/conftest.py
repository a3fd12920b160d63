"""A database for each module's runs, and one way to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from leadops.playbook.loader import LoadedPlaybook, load
from leadops.simulator.plan import Outcome, Plan
from leadops.simulator.running import simulate
from leadops_tests import postgres_server
from leadops_tests.house import PLAYBOOK

Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def playbook() -> LoadedPlaybook:
    return load(PLAYBOOK)


@pytest.fixture(scope="module")
def run(postgres_url: str, playbook: LoadedPlaybook) -> Iterator[Run]:
    """``run(plan, **more)``: one simulation, over a database that it empties first."""
    with postgres_server.fresh_database(postgres_url) as url:

        def one(plan: Plan, **more: Any) -> Outcome:
            return simulate(url, plan, loaded=playbook, **more)

        yield one
