"""`leadops` itself: quick to answer, one sentence per failure, exit codes scripts can rely on."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
import typer

from leadops.cli import main as entry
from leadops.cli.lazy import LazyGroup
from leadops.errors import LeadopsError, UsageError
from leadops.store.engine import StoreError
from leadops_tests.cli.installed import run

COMMANDS = [
    "up",
    "demo",
    "simulate",
    "runner",
    "sandbox",
    "dashboard",
    "crm",
    "ingest",
    "import",
    "score",
    "explain",
    "metrics",
    "model",
    "playbook",
    "db",
    "events",
    "touches",
    "review",
    "status",
    "handoffs",
    "version",
]


def test_help_lists_every_command_and_loads_none() -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "leadops.cli.main", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.findall(r"^│ ([a-z]+) ", said.stdout, re.M)
    assert found == COMMANDS
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"dagster", "pandas", "sqlalchemy", "psycopg", "dbt", "pydantic"})


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "version"])
def test_every_command_has_its_own_help(command: str) -> None:
    if find_spec(f"leadops.cli.{command}") is None and command == "demo":
        pytest.skip("not built yet")
    result = run(command, "--help")
    assert result.exit_code == 0, result.exception
    assert f"leadops {command}" in result.stdout or "Usage" in result.stdout


def test_wrong_words_are_wrong_use() -> None:
    assert run("explian", "x").exit_code == 2
    assert "Did you mean 'explain'" in run("explian", "x").output
    assert run("explain").exit_code == 2
    assert run("version").stdout.startswith("leadops")


def test_a_command_that_is_missing_does_not_break_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Group(LazyGroup):
        LAZY: ClassVar = {
            "gone": ("leadops.cli.gone:gone", "Not there."),
            "events": ("leadops.cli.events:app", "There."),
        }

    app = typer.Typer(cls=Group)
    app.callback()(lambda: None)
    from typer.testing import CliRunner

    assert CliRunner().invoke(app, ["events", "--help"]).exit_code == 0
    assert isinstance(CliRunner().invoke(app, ["gone"]).exception, UsageError)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def app() -> None:
        raise error

    monkeypatch.setattr(entry, "app", app)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("x", "Say it otherwise."), 2, "Say it otherwise."),
        (LeadopsError("x", "It is not there."), 1, "It is not there."),
        (StoreError("db_unreachable", "-"), 2, "leadops db start"),
        (StoreError("db_42P01", "-"), 2, "leadops db upgrade"),
        (StoreError("db_40001", "The database refused."), 1, "The database refused."),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_failures_are_one_sentence_and_a_code(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail_with(monkeypatch, error) == code
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert "Traceback" not in err


def test_a_bug_is_said_shortly_and_its_traceback_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEADOPS_HOME", str(tmp_path))
    assert fail_with(monkeypatch, ZeroDivisionError("secret words")) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert "secret words" not in err
    (kept,) = (tmp_path / "logs").glob("crash-*.txt")
    assert "secret words" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_an_interrupted_command_ends_with_130() -> None:
    code = (
        "import leadops.cli.db, leadops.cli.main as m\n"
        "def stopped(*a): raise KeyboardInterrupt\n"
        "leadops.cli.db.databases_of = stopped\n"
        "import sys; sys.argv = ['leadops', 'db', 'url']; m.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unreachable_database_says_how_to_start_it(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "leadops.cli.main", "touches", "unknown"],
        env={"PATH": "", "LEADOPS_HOME": str(tmp_path), "LEADOPS_DATABASE_URL": "postgresql://u@127.0.0.1:1/x"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert "leadops db start" in said.stderr
