"""``leadops model``: trained by hand on an imported history, shown, listed."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadops.stages.enrich import enrich
from leadops.stages.score import score
from leadops_tests.cli.installed import read, run
from leadops_tests.house import World
from leadops_tests.learning.months import DEALS, LEADS, MAPPING, made


def scored(file: Path, by: str | Path) -> list[dict[str, str]]:
    found = run("score", str(file), "--by", str(by))
    assert found.exit_code == 0, found.exception
    return list(csv.DictReader(io.StringIO(found.stdout)))


def test_a_history_is_imported_and_learned_from_as_of_its_end(world: World, tmp_path: Path) -> None:
    never = run("model", "show")
    assert "Never trained" in never.stdout
    source = made(tmp_path / "made", leads_a_month=[600, 600, 560], signal=2.5)
    shutil.copy(MAPPING, source / "mapping.yaml")
    for name in (LEADS, DEALS):
        assert run("import", str(source / name)).exit_code == 0

    today = read("model", "train")  # nothing runs: what was imported is folded first
    assert today["decision"] == "not_trained"
    assert "the last lead came in on 2017-08-" in today["reason"]
    folder = tmp_path / "card"
    then = read("model", "train", "--as-of", "2017-09-01", "--plots", str(folder))
    assert then["decision"] == "promoted", then["reason"]
    assert then["in_use"] == then["version"]
    assert {p.name for p in folder.iterdir()} >= {"card.md", "reliability.png", "lift.png"}

    shown = run("model", "show")
    assert f"In use: {then['version']}" in shown.stdout
    assert "p.landing_page" in shown.stdout
    listed = read("model", "list")
    assert [m["version"] for m in listed["models"]] == [then["version"]]
    assert {v["decision"] for v in listed["verdicts"]} == {"promoted", "not_trained"}
    assert "There is no model m-none" in str(run("model", "show", "m-none").exception)

    # The same people in the file have the very totals that the chain gives them.
    artifact = tmp_path / "model.json"
    assert run("model", "export", "--out", str(artifact)).exit_code == 0
    in_use = scored(source / LEADS, "model")
    assert scored(source / LEADS, artifact) == in_use
    h, now = world.house, datetime.now(UTC)
    while enrich(h.enriching, now=now, limit=1000).did:
        pass
    while score(h.engine, h.playbook, now=now, limit=1000, scorer="model").did:
        pass
    stored = world.rows(
        "select email, total, s.tier, model_version from lead_scores s join leads using (lead_id)"
    )
    assert {r["model_version"] for r in stored} == {then["version"]}
    by_file = {f"{r['mql_id']}@olist.example": (float(r["score_total"]), r["score_tier"]) for r in in_use}
    assert len(by_file) == len(stored)
    for row in stored:
        total, tier = by_file[row["email"]]
        assert (pytest.approx(row["total"], rel=1e-5), row["tier"]) == (total, tier)
    assert len({r["score_probability"] for r in in_use}) > 5
    assert "learned from earlier leads" in in_use[0]["score_why"]
