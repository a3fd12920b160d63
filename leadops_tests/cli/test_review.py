"""``leadops review`` and ``leadops status``: what a person reads, decides, and what scripts can rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadops.domain.mail import digest_of
from leadops.errors import LeadopsError, UsageError
from leadops.settings import PROJECT_ROOT, settings
from leadops_tests.cli.installed import change, read, run
from leadops_tests.house import PLAYBOOK, World
from leadops_tests.stages.sending import demo, in_mode, process, send


@pytest.fixture
def waits(world: World) -> list[str]:
    """Two messages that wait, in an installation whose playbook says so."""
    world.house.loaded = in_mode("review")
    demo(world, 1, 2)
    process(world)
    send(world)
    return [w["touch_id"] for w in read("review", "list")]


def state(world: World, touch: str) -> tuple[str, str | None, str | None]:
    row = world.one("select state, reason, reviewed_by from touches where touch_id = :id", id=touch)
    return row["state"], row["reason"], row["reviewed_by"]


def test_what_waits_is_listed_and_shown_as_it_will_leave(world: World, waits: list[str]) -> None:
    assert len(waits) == 2
    listed = run("review", "list").stdout
    assert all(i in listed for i in waits)
    assert "leadops review show" in listed
    assert read("review", "list", "--tier", "cold") == []
    shown = run("review", "show", waits[0]).stdout
    whole = read("review", "show", waits[0])
    assert {name for name, _ in whole["headers"]} >= {"From", "To", "Reply-To", "Subject", "List-Unsubscribe"}
    for part in ("Date: (when it leaves)", "Reply-To: reply+", whole["digest"], "from contact.first_name"):
        assert part in shown
    for line in whole["body"].splitlines():
        assert line in shown


def test_approved_it_leaves_and_its_digest_is_the_one_shown(world: World, waits: list[str]) -> None:
    digest = read("review", "show", waits[0])["digest"]
    result = run("review", "approve", waits[0], "--by", "Anna Smith", "--digest", digest[:8])
    assert result.exit_code == 0, result.output
    assert state(world, waits[0]) == ("planned", "approved", "Anna-Smith")
    world.now = datetime.now(UTC)  # the command's clock
    send(world)
    (mail,) = world.outbox()
    assert (mail.stem, digest_of(mail.read_bytes())) == (waits[0], digest)
    assert "approved by Anna-Smith" in run("review", "show", waits[0]).stdout
    assert "approved by Anna-Smith" in run("explain", waits[0]).stdout


def test_the_second_reviewer_is_told_and_the_code_says_so(world: World, waits: list[str]) -> None:
    assert run("review", "approve", waits[0], "--by", "anna").exit_code == 0
    late = run("review", "reject", *waits, "--by", "bo", "--why", "no")
    assert late.exit_code == 1
    assert f"{waits[0]}: already approved by anna" in late.stderr
    assert f"{waits[1]}: rejected" in late.stdout
    assert state(world, waits[1]) == ("cancelled", "rejected_by_reviewer", "bo")
    said = json.loads(run("review", "approve", *waits, "--by", "cy", "--json").stdout)
    assert [s["done"] for s in said] == [False, False]


def test_all_of_a_template(world: World, waits: list[str]) -> None:
    (template,) = {w["template"] for w in read("review", "list")}
    assert run("review", "approve", "--all", "--template", "no_such", "--by", "anna").exit_code == 0
    assert state(world, waits[0])[0] == "in_review"
    result = run("review", "approve", "--all", "--tier", "hot", "--template", template, "--by", "anna")
    assert result.exit_code == 0
    assert [state(world, i)[0] for i in waits] == ["planned", "planned"]
    assert "Nothing waits" in run("review", "list").stdout
    assert "Nothing waits" in run("review", "approve", "--all", "--by", "anna").stdout


WRONG: list[Callable[[str], tuple[str, ...]]] = [
    lambda _: ("approve", "--by", "anna"),
    lambda i: ("approve", i, "--all", "--by", "anna"),
    lambda i: ("approve", i, "--tier", "hot", "--by", "anna"),
    lambda _: ("approve", "--all", "--tier", "tepid", "--by", "anna"),
    lambda i: ("approve", i, "--by", "anna@acme.example"),
    lambda i: ("approve", i, "--by", "anna", "--digest", "ab"),
    lambda _: ("approve", "--all", "--by", "anna", "--digest", "abcdefgh"),
]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_use_changes_nothing(
    world: World, waits: list[str], words: Callable[[str], tuple[str, ...]]
) -> None:
    result = run("review", *words(waits[0]))
    assert isinstance(result.exception, UsageError)
    assert {state(world, i)[0] for i in waits} == {"in_review"}


def test_what_is_not_there_is_said(world: World, waits: list[str]) -> None:
    assert isinstance(run("review", "show", "tch_none").exception, LeadopsError)
    change(world, "update message_bodies set proof = null")
    assert isinstance(run("review", "show", waits[0]).exception, LeadopsError)
    gone = run("review", "approve", waits[0], "--by", "anna")
    assert (gone.exit_code, "its message is gone" in gone.stderr) == (1, True)
    assert "its bytes are gone" in run("review", "list").stdout


def test_two_processes_at_once_each_message_is_decided_once(world: World, waits: list[str]) -> None:
    """As two people at two terminals; exit codes say who was first."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "leadops.cli.main", "review", "approve", *waits, "--by", by, "--json"],
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
            stdout=subprocess.PIPE,
        )
        for by in ("anna", "bo")
    ]
    outputs = [json.loads(p.communicate(timeout=120)[0]) for p in processes]
    done = [[s["touch_id"] for s in said if s["done"]] for said in outputs]
    assert sorted(done[0] + done[1]) == sorted(waits)
    assert [p.returncode for p in processes] == [int(len(d) < 2) for d in done]
    assert world.one("select count(*) from reviews") == 2
    world.now = datetime.now(UTC)
    send(world)
    assert len(world.outbox()) == 2


# --- status


def test_status_says_the_mode_and_how_many_wait_since_when(
    world: World, waits: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read("status")
    assert (found["review"]["waiting"], found["counts"]["in_review"]) == (2, 2)
    assert found["review"]["since"].startswith(f"{world.now:%Y-%m-%dT%H:%M}")
    assert (found["mode"]["setting"], found["mode"]["review"]) == ("auto", False)
    said = run("status").stdout
    assert "mode is auto" in said
    assert "2 in review, the oldest since 2026-03-03 15:00 UTC; they wait for a person all the same." in said
    _by_volume(tmp_path, monkeypatch)
    assert read("status")["mode"]["review"] is True
    assert "0 leads in 30 days, fewer than 50: a person approves every message" in run("status").stdout
    assert "all the same" not in run("status").stdout


def _by_volume(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default playbook with that one line changed, as sales ops would."""
    (folder / "playbook").mkdir()
    path = folder / "playbook" / "playbook.yaml"
    text = PLAYBOOK.read_text("utf-8")
    assert "\nmode: auto\n" in text
    path.write_text(text.replace("\nmode: auto\n", "\nmode: by_volume\n"), "utf-8")
    (folder / "playbook" / "templates").symlink_to(PLAYBOOK.parent / "templates")
    monkeypatch.setenv("LEADOPS_PLAYBOOK", str(path))
    settings.cache_clear()


def test_an_unknown_mode_is_refused_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _by_volume(tmp_path, monkeypatch)
    path = tmp_path / "playbook" / "playbook.yaml"
    path.write_text(path.read_text("utf-8").replace("mode: by_volume", "mode: perhaps"), "utf-8")
    result: Any = run("playbook", "check")
    assert result.exit_code != 0 or result.exception
    assert "mode" in f"{result.output}{result.exception}"
