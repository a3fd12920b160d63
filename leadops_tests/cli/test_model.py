"""``leadops model``: trained by hand on an imported history, shown, listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from leadops_tests.cli.installed import read, run
from leadops_tests.learning.months import DEALS, LEADS, MAPPING, made


@pytest.mark.usefixtures("world")
def test_a_history_is_imported_and_learned_from_as_of_its_end(tmp_path: Path) -> None:
    never = run("model", "show")
    assert "Never trained" in never.stdout
    source = made(tmp_path / "made", leads_a_month=[600, 700, 700, 600], signal=1.5)
    shutil.copy(MAPPING, source / "mapping.yaml")
    for name in (LEADS, DEALS):
        assert run("import", str(source / name)).exit_code == 0

    today = read("model", "train")  # nothing runs: what was imported is folded first
    assert today["decision"] == "not_trained"
    assert "the last lead came in on 2017-09-" in today["reason"]
    then = read("model", "train", "--as-of", "2017-10-01")
    assert then["decision"] == "promoted", then["reason"]
    assert then["in_use"] == then["version"]

    shown = run("model", "show")
    assert f"In use: {then['version']}" in shown.stdout
    assert "p.landing_page" in shown.stdout
    listed = read("model", "list")
    assert [m["version"] for m in listed["models"]] == [then["version"]]
    assert {v["decision"] for v in listed["verdicts"]} == {"promoted", "not_trained"}
    assert "There is no model m-none" in str(run("model", "show", "m-none").exception)

    folder = tmp_path / "card"
    assert run("model", "train", "--as-of", "2017-10-01", "--plots", str(folder)).exit_code == 0
    assert {p.name for p in folder.iterdir()} >= {"card.md", "reliability.png", "lift.png"}
