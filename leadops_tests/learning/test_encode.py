"""Encodings chosen from what a column holds: numbers, levels, rates, words, moments; and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leadops.learning.columns import matrix
from leadops.learning.encode import MAX_FEATURES, Chosen, choose
from leadops_tests.learning.rows import START, examples


def chosen_from(values: list[Any], converted: list[bool] | None = None, **more: Any) -> Chosen:
    rows = [{"x": v} for v in values]
    n = len(rows)
    labels = np.array(converted) if converted is not None else np.arange(n) % 7 == 0
    return choose(rows, START + np.arange(n) * 60.0, labels, **more)


def kind_of(values: list[Any]) -> str:
    found = chosen_from(values)
    return found.columns[0].kind if found.columns else found.left_out["x"]


def test_every_kind_of_column() -> None:
    given = examples(1500)
    found = choose(given.rows, given.at, given.converted)
    kinds = {c.name: c.kind for c in found.columns}
    assert kinds["size"] == "number"
    assert kinds["ask"] == "category"
    assert kinds["page"] == "target"
    assert kinds["flag"] == "category"
    assert kinds["title"] == "words"
    assert "id" in found.left_out["id"]
    assert "id" in found.left_out["number"]
    assert found.left_out["constant"] == "says the same of every lead"
    assert found.left_out["mostly"] == "nearly always missing"
    assert "addresses" in found.left_out["mail"]


def test_placeholders_are_missing_and_say_so() -> None:
    values = ["Select", "a", "", "b", "N/A", None, "a", "(blank)", "b", "-"] * 50
    found = chosen_from(values)
    (column,) = found.columns
    assert "x = select" in column.features  # frequent enough to be a habit of its own
    assert kind_of(["Select", "12", "13", "14.5", "", "9"] * 40) == "number"
    numbers = chosen_from(["Select", "12", "13", "14.5", "", "9"] * 40)
    assert numbers.columns[0].features == ("x", "x: missing")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1,200", "$35", "12 %", "7"] * 30, "number"),
        ([True, False, None] * 40, "category"),
        (["true", False, "No"] * 40, "category"),
        ([f"{n % 40}" for n in range(400)], "number"),
        ([f"code{n % 40}" for n in range(400)], "target"),
        (["2023-01-01", "2023-02-01T10:00:00Z"] * 60, "date"),
        ([["a", "b"], ["a"], None] * 40, "category"),
        ([{"k": 1}, "x", 5] * 40, "category"),
    ],
)
def test_kinds(values: list[Any], kind: str) -> None:
    assert kind_of(values) == kind


def test_100_000_distinct_values_are_bounded() -> None:
    n = 100_000
    rng = np.random.default_rng(0)
    rows = [
        {"uuid": f"{rng.integers(1 << 60):x}", "town": f"town {rng.zipf(1.3) % 100_000}"} for _ in range(n)
    ]
    found = choose(rows, START + np.arange(n) * 1.0, rng.random(n) < 0.1)
    assert "uuid" in found.left_out
    assert found.encoded.shape[1] <= 3


def test_the_width_is_bounded() -> None:
    rng = np.random.default_rng(0)
    rows = [{f"c{k}": f"v{rng.integers(0, 20)}" for k in range(60)} for _ in range(600)]
    found = choose(rows, START + np.arange(600) * 1.0, rng.random(600) < 0.2)
    assert found.encoded.shape[1] <= MAX_FEATURES
    assert any("no room" in why for why in found.left_out.values())


def test_a_column_that_began_late_is_left_out() -> None:
    assert "began late" in kind_of([None] * 300 + ["a", "b"] * 50)


def test_moments_after_the_lead_came_in_are_left_out() -> None:
    assert "after the lead came in" in kind_of(["2031-01-01T00:00:00Z", "2032-05-01T00:00:00Z"] * 60)


def test_what_tells_the_outcome_alone_is_set_aside_unless_trusted() -> None:
    converted = [n % 5 == 0 for n in range(1000)]
    values = ["won" if c else "lost" for c in converted]
    found = chosen_from(values, converted)
    assert not found.columns
    assert found.suspects["x"] > 0.95
    assert "model.trust" in found.left_out["x"]
    trusted = chosen_from(values, converted, trust=("x",))
    assert trusted.columns
    assert trusted.suspects
    assert chosen_from(values, converted, ignore=("x",)).left_out["x"].startswith("the playbook")


def test_what_a_rep_notes_after_the_first_call_is_set_aside_though_it_is_not_always_right() -> None:
    """Nine in ten of those who converted bear a mark that one in twenty of the others bears."""
    converted = [n % 3 == 0 for n in range(1500)]
    values = [
        "keen" if (c and n % 10 != 9) or (not c and n % 20 == 1) else "" for n, c in enumerate(converted)
    ]
    found = chosen_from(values, converted)
    assert found.suspects["x"] > 0.9
    assert not found.columns


def test_what_tells_much_is_used_and_named_until_somebody_has_looked() -> None:
    converted = [n % 3 == 0 for n in range(1500)]
    values = ["a" if c == (n % 6 < 5) else "b" for n, c in enumerate(converted)]
    found = chosen_from(values, converted)
    assert [c.name for c in found.columns] == ["x"]
    assert 0.8 < found.doubtful["x"] <= 0.9
    assert not chosen_from(values, converted, trust=("x",)).doubtful


def test_rates_are_cross_fitted_and_sealed() -> None:
    """No row knows its own outcome: on noise, the rate of a value must not tell it."""
    from leadops.learning.judge import auc

    rng = np.random.default_rng(4)
    values = [f"acme {rng.integers(0, 300)}" for _ in range(2400)]
    converted = rng.random(2400) < 0.2
    found = chosen_from(values, converted.tolist())
    assert found.columns[0].kind == "target"
    assert auc(found.encoded[:, 0], converted) < 0.56
    assert "acme" not in str(found.columns[0].facts)


def test_rare_values_are_named_nowhere() -> None:
    values = ["common", "other"] * 200 + ["Anna Secret"] * 3
    found = chosen_from(values)
    assert "secret" not in str(found.columns).casefold()


def test_training_and_scoring_encode_alike() -> None:
    given = examples(800)
    found = choose(given.rows, given.at, given.converted)
    again = matrix(found.columns, given.rows, given.at)
    start = 0
    for column in found.columns:
        part = slice(start, start + column.width)
        start += column.width
        if column.kind != "target":  # whose training rows are cross-fitted
            assert (again[:, part] == found.encoded[:, part]).all()
