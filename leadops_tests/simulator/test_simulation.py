"""A run: the same seed is the same history, every fault is met, and what goes wrong breaks no promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from leadops.settings import PROJECT_ROOT
from leadops.simulator import faults
from leadops.simulator.plan import Outcome, Plan
from leadops.simulator.registry import REGISTRY
from leadops_tests.simulator.conftest import Run

ALL = frozenset(faults.CATALOGUE)
SMALL = Plan(days=3, leads=30, seed=5, faults=ALL)


@pytest.fixture(scope="module")
def outcome(run: Run) -> Outcome:
    return run(SMALL)


def test_with_everything_going_wrong_every_promise_is_kept(outcome: Outcome) -> None:
    assert outcome.violations == []
    assert outcome.messages > 8
    assert outcome.crashes > 20
    assert {i.name for i in REGISTRY if not i.needs_metrics} == set(outcome.checked)
    assert all(outcome.checked.values())


def test_the_same_seed_is_the_same_history_byte_for_byte(outcome: Outcome, postgres_url: str) -> None:
    """In a process with other hash seeds: no order of a set decides anything."""
    script = (
        "import json, sys; from leadops_tests.simulator.test_simulation import again; "
        "print(json.dumps(again(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", script, postgres_url],
        cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == [outcome.digest, outcome.messages, outcome.crashes]


def again(server: str) -> list[object]:
    """The same run, for another process."""
    from leadops.playbook.loader import load
    from leadops.simulator.running import database, simulate
    from leadops_tests.house import PLAYBOOK

    with database(server) as url:
        found = simulate(url, SMALL, loaded=load(PLAYBOOK))
    return [found.digest, found.messages, found.crashes]


def test_another_seed_is_another_history(run: Run) -> None:
    plans = [Plan(days=1, leads=10, seed=seed) for seed in (1, 2)]
    assert len({run(plan, invariants=None).digest for plan in plans}) == 2


@pytest.mark.full
def test_looking_changes_nothing(run: Run) -> None:
    """A run is the same whether anybody checks it or not."""
    plan = Plan(days=1, leads=12, seed=3, faults=ALL)
    tables = [_last_tables(run, plan, checked) for checked in (True, False)]
    assert tables[0] == tables[1]


def _last_tables(run: Run, plan: Plan, checked: bool) -> str:
    lines: list[str] = []
    run(plan, note=lines.append, invariants=REGISTRY if checked else None)
    return next(line for line in reversed(lines) if " tables " in line)


@pytest.mark.full
def test_a_run_cut_short_is_the_beginning_of_the_whole(run: Run) -> None:
    """What ``--until`` is for: a violation is played again without what came after it."""
    whole: list[str] = []
    run(Plan(days=3, leads=20, seed=9, faults=ALL), note=whole.append, invariants=None)
    part: list[str] = []
    run(Plan(days=3, leads=20, seed=9, faults=ALL, until=1), note=part.append, invariants=None)
    first = [line for line in part if line[:10] == part[0][:10]]  # the day it begins, which is cut by nothing
    assert first == whole[: len(first)]
    assert len(first) > 10


def test_without_faults_nothing_goes_wrong(run: Run) -> None:
    found = run(Plan(days=4, leads=24, seed=2))
    assert found.violations == []
    assert (found.crashes, found.faults) == (0, {})
    assert found.messages > 20


@pytest.mark.full
def test_every_fault_is_met_somewhere(run: Run) -> None:
    met: Counter[str] = Counter()
    for seed in range(6):
        found = run(Plan(days=7, leads=50, seed=seed, faults=ALL))
        assert found.violations == [], found.violations[0].command
        met.update(found.faults)
    quiet = {
        *("two_dispatchers", "daylight_saving", "tight_caps", "absent_reps", "curious_readers"),
        "llm_attacker",
    }
    assert set(met) == ALL - quiet


@pytest.mark.full
@pytest.mark.parametrize("seed", [1090, 1107])
def test_what_a_campaign_once_found_is_found_no_more(run: Run, seed: int) -> None:
    """A webhook's receiver died after its commit, and a click was judged that nobody knew of yet."""
    assert run(Plan(days=7, leads=50, seed=seed, faults=ALL)).violations == []


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_month_of_five_hundred_leads_keeps_every_promise(run: Run) -> None:
    found = run(Plan(days=30, leads=500, seed=7))
    assert found.violations == []
    assert found.messages > 800
