"""The checks can fail: each invariant, alone, catches the mutant that breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadops.settings import PROJECT_ROOT
from leadops.simulator.faults import CATALOGUE
from leadops.simulator.registry import REGISTRY
from leadops_tests.simulator.conftest import Run
from leadops_tests.simulator.mutants import MUTANTS, Mutant

BY_NAME = {i.name: i for i in REGISTRY}
REQUIREMENTS = {f"R{n}" for n in range(1, 35)} | {"R7b"} | {f"P{n}" for n in range(1, 7)}


def _each() -> Iterator[Any]:
    """One of every invariant. The others are long, and what needs dbt or sixty leads: that takes a while."""
    seen: set[str] = set()
    for mutant in MUTANTS:
        is_long = mutant.metrics or mutant.leads >= 60 or mutant.invariant in seen
        seen.add(mutant.invariant)
        yield pytest.param(mutant, marks=[pytest.mark.full] if is_long else [])


@pytest.mark.parametrize("mutant", list(_each()), ids=lambda m: f"{m.invariant}: {m.name}")
def test_it_is_caught_by_its_invariant_alone(
    mutant: Mutant, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    outcome = run(mutant.plan, invariants=[BY_NAME[mutant.invariant]])
    assert {v.invariant for v in outcome.violations} == {mutant.invariant}
    assert f"--seed {mutant.seed} " in outcome.violations[0].command


@pytest.mark.full
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.invariant}: {m.name}")
def test_without_it_the_same_run_keeps_every_promise(mutant: Mutant, run: Run) -> None:
    assert run(mutant.plan).violations == []


def test_every_invariant_has_a_mutant_a_fault_and_its_requirements() -> None:
    assert {m.invariant for m in MUTANTS} == set(BY_NAME)
    assert [n for n, count in Counter(i.name for i in REGISTRY).items() if count > 1] == []
    for invariant in REGISTRY:
        assert set(invariant.provoked_by) <= set(CATALOGUE), invariant.name
        assert invariant.provoked_by, invariant.name
        assert set(invariant.holds) <= REQUIREMENTS, invariant.name
        assert (invariant.per_lead is None) is not (invariant.whole is None), invariant.name


def test_every_fault_tries_an_invariant() -> None:
    tried = {name for i in REGISTRY for name in i.provoked_by}
    assert set(CATALOGUE) - tried == set()


def test_the_page_on_correctness_names_every_invariant_and_fault() -> None:
    page = Path(PROJECT_ROOT / "docs" / "correctness.md").read_text(encoding="utf-8")
    missing = [name for name in (*BY_NAME, *CATALOGUE) if f"`{name}`" not in page]
    assert missing == []
