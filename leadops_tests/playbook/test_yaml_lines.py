from __future__ import annotations

import pytest

from leadops.playbook.yaml_lines import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Y", "Y"),
        ("true", True),
        ("False", False),
        ("10:30", "10:30"),
        ("2024-01-01", "2024-01-01"),
        ("0777", 777),
        ("-3", -3),
        ("1_000", "1_000"),
        ("2.50", 2.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("~", None),
        ("'true'", "true"),
        ("+", "+"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_mean_what_they_say(text: str, value: object) -> None:
    found = parse(f"a: {text}").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_path_has_the_line_of_its_key_or_item() -> None:
    document = parse("a:\n  b:\n    - x: 1\n      y: 2\n    - x: 3\n")
    assert document.line_of(("a", "b", 0, "y")) == 4
    assert document.line_of(("a", "b", 1)) == 5
    assert document.line_of(("a", "b", 1, "missing")) == 5
    assert document.line_of(("nowhere",)) == 1


def test_lines_count_from_the_line_given() -> None:
    assert parse("a: 1\nb: 2", first_line=10).line_of(("b",)) == 11


def test_duplicate_key_names_both_lines() -> None:
    document = parse("a: 1\nb: 2\na: 3\n")
    assert document.value == {"a": 1, "b": 2}
    (problem,) = document.problems
    assert (problem.line, problem.path) == (3, ("a",))
    assert "line 1" in problem.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\n  b: 2\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: *nobody\n", 2),
        ("a: 1\nb: !!python/object/apply:os.system [x]\n", 2),
        ("a: 1\nb: &loop {c: *loop}\n", 2),
        ("a: 1\nb: !!int x\n", 2),
        ("a: 1\n? [1, 2]\n: 2\n", 2),
    ],
)
def test_what_is_no_plain_yaml_is_told_with_its_line(text: str, line: int) -> None:
    problems = parse(text).problems
    assert [p.line for p in problems] == [line]


def test_aliases_of_aliases_end() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    problems = parse(text).problems
    assert len(problems) == 1
    assert "too large" in problems[0].message


def test_deep_nesting_is_a_problem_not_a_crash() -> None:
    assert parse("[" * 5000).problems
