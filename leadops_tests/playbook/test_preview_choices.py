"""`leadops playbook preview` shows what a model may choose: a person can read every combination."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from leadops.cli.playbook import app
from leadops.playbook import loader
from leadops_tests.playbook.folders import DEFAULT


def preview(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["preview", str(DEFAULT), "--at", "2026-03-06T22:30", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_each_entry_stands_in_its_line() -> None:
    text = preview("--tier", "warm")
    book = loader.load(DEFAULT).playbook
    assert "--- pain, where a language model chooses (LEADOPS_WRITER=openai)" in text
    for phrase in book.pain_points.values():
        assert f"Something we hear about often: {phrase}." in text
    for sentence in book.case_studies.values():
        assert f"\n{sentence}\n" in text


def test_for_machines_they_are_beside_the_message() -> None:
    steps = json.loads(preview("--tier", "warm", "--json"))["variants"][0]["steps"]
    assert [list(step["choices"]) for step in steps] == [["pain"], [], ["example"], []]
    assert len(steps[0]["choices"]["pain"]) == 3
