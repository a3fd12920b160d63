"""`leadops score FILE`: the same points as the chain gives, without a database."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from leadops.cli.main import app
from leadops_tests.house import PLAYBOOK

LEADS = """email,title,company_size,kind,occurred_at,note
anna@acme.example,VP Sales,400,demo,2026-03-02T09:00:00Z,first
anna@acme.example,,,pricing,2026-03-02T09:05:00Z,
joe@gmail.com,Student,,download,2026-03-01T09:00:00Z,"a, b"
broken@acme.example,,,demo,soon,
"""
MAPPING = """files:
  - pattern: "*.csv"
    kind: {column: kind, map: {demo: demo_requested, pricing: pricing_viewed, download: content_downloaded}}
    occurred_at: {column: occurred_at}
    contact:
      email: {column: email}
      title: {column: title}
      company_size: {column: company_size}
"""


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(app, ["score", *map(str, words), "--playbook", str(PLAYBOOK)])


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    file = tmp_path / "leads.csv"
    file.write_text(LEADS)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return file


def test_each_row_keeps_its_columns_and_gets_its_persons_points(leads: Path) -> None:
    result = run(leads, "--at", "2026-03-02T10:00+00:00", "--json")
    assert result.exit_code == 1, result.output
    anna, again, joe, broken = table(result.stdout)
    assert (anna["note"], joe["note"]) == ("first", "a, b")
    assert anna["score_tier"] == again["score_tier"] == "hot"
    assert anna["score_points.pricing_views"] == "6"
    assert joe["score_points.decision_maker"] == "-5"
    assert joe["score_tier"] == "cold"
    assert (broken["score_tier"], "occurred_at" in broken["score_problem"]) == ("", True)
    said = json.loads(result.stderr)
    assert (said["rows"], said["scored"], said["refused"], said["tiers"]) == (4, 3, 1, {"cold": 1, "hot": 2})


def test_points_that_decay_are_less_at_a_later_moment(leads: Path, tmp_path: Path) -> None:
    totals = []
    # An offset left out is UTC, as for every other option that takes a moment.
    for moment in ("2026-03-02T10:00+00:00", "2026-05-02T10:00"):
        out = tmp_path / "out.csv"
        run(leads, "--at", moment, "--out", out)
        totals.append(float(table(out.read_text())[0]["score_total"]))
    assert totals[1] < totals[0]


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere.csv"],
        ["{file}", "--out", "{file}"],
        ["{file}", "--at", "yesterday"],
    ],
)
def test_wrong_use_says_what_to_do_and_writes_nothing(leads: Path, words: list[str]) -> None:
    before = leads.read_text()
    result = run(*(w.format(file=leads) for w in words))
    assert type(result.exception).__name__ == "UsageError"
    assert leads.read_text() == before
