"""`leadops simulate`: figures, exit codes, and the command that plays a broken promise again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leadops.cli.main import app
from leadops.errors import UsageError
from leadops.settings import settings
from leadops.store import touches
from leadops_tests.simulator.mutants import reworded

SHORT = ["simulate", "--days", "1", "--leads", "8", "--seed", "3"]


@pytest.fixture(autouse=True)
def _on_the_tests_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADOPS_DATABASE_URL", postgres_url)
    settings.cache_clear()


def test_a_run_says_what_it_did_and_writes_its_figures(tmp_path: Path) -> None:
    figures, history = tmp_path / "figures.json", tmp_path / "history.txt"
    done = CliRunner().invoke(app, [*SHORT, "--json", str(figures), "--history", str(history)])
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    assert (found["seed"], found["violations"]) == (3, [])
    assert "violations: 0" in done.output
    assert found["digest"] in done.output
    assert len(history.read_text().splitlines()) > found["messages"]


def test_a_broken_promise_is_exit_code_1_and_its_command_breaks_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    too_much = reworded(touches._CANCEL, "'claimed', 'in_review')", "'claimed', 'in_review', 'sent')")
    monkeypatch.setattr(touches, "_CANCEL", too_much)
    done = CliRunner().invoke(app, ["simulate", "--days", "4", "--leads", "24"])
    assert done.exit_code == 1
    assert "VIOLATED ledger_moves_as_said (P1 R3 R15 R17)" in done.output
    command = shlex.split(done.output.splitlines()[-1].strip())
    assert command[:2] == ["leadops", "simulate"]
    assert "--until" in command
    again = CliRunner().invoke(app, command[1:])
    assert again.exit_code == 1
    assert "VIOLATED ledger_moves_as_said" in again.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--faults", "gremlins"], "There is no fault 'gremlins'"),
        (["--checks", "never"], "--checks never: step, day or none"),
        (["--campaign", "2", "--http"], "--campaign goes with checks"),
    ],
)
def test_wrong_use_is_one_sentence(more: list[str], said: str) -> None:
    done = CliRunner().invoke(app, [*SHORT, *more])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_a_campaign_runs_several_seeds_and_sums_them_up(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = ["simulate", "--days", "1", "--leads", "6", "--faults", "drawn", "--campaign", "2"]
    done = CliRunner().invoke(app, [*command, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    assert "2 runs of 1 days" in done.output
    assert sorted(run["seed"] for run in json.loads(figures.read_text())["runs"]) == [7, 8]


def test_the_list_names_invariants_and_faults() -> None:
    done = CliRunner().invoke(app, ["simulate", "--list"])
    assert done.exit_code == 0
    assert "one_message_per_step (P1" in done.output
    assert "lost_webhooks" in done.output
