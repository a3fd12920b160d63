"""The whole of leadops as real processes: what a person starts, what a power cut leaves, what Ctrl-C ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from pathlib import Path

import psutil
import pytest

from leadops.runtime.postgres import EmbeddedPostgres
from leadops.sandbox.crm_folder import CrmFolder
from leadops.sandbox.people import a_hot_one
from leadops.settings import PROJECT_ROOT
from leadops.store import migrate
from leadops_tests.house import DEMO, wire
from leadops_tests.running import Stack, command, environment, eventually

# Two of these at once would only measure each other.
pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path (sockets), readable by the account Postgres runs as, absent at first."""
    ground = Path(tempfile.mkdtemp(prefix="leadops-up-"))
    ground.chmod(0o711)
    yield ground / "home"
    shutil.rmtree(ground, ignore_errors=True)


@pytest.fixture
def stack(home: Path) -> Iterator[Stack]:
    made = Stack(home)
    yield made
    made.clean_up()


@pytest.fixture
def folder(stack: Stack) -> CrmFolder:
    made = CrmFolder(stack.home / "crm", stack.outbox)
    made.open(0, datetime.now(UTC))
    return made


def answered(folder: CrmFolder, number: int, seconds: float = 120.0) -> Path:
    """Append a hot lead and wait for its message."""
    row = a_hot_one(number, datetime.now(UTC))
    folder.add(row)
    return eventually(lambda: folder.message_to(row["email"]), f"lead {number} answered", seconds)


def nothing_left(stack: Stack) -> None:
    assert [p.cmdline()[:6] for p in stack.processes()] == []
    assert stack.listening() == []
    assert not EmbeddedPostgres(stack.home).is_running()
    assert [str(p) for p in stack.home.rglob("*") if p.is_socket() and _answers(p)] == []


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


# --- started and stopped ------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_a_row_becomes_a_message_a_run_is_seen_and_sigterm_ends_everything(
    stack: Stack, folder: CrmFolder
) -> None:
    stack.start()
    message = answered(folder, 1)
    assert b"To: " in message.read_bytes()

    def succeeded() -> list[dict[str, object]]:
        return [r for r in stack.runs("first_touch") if r["status"] == "SUCCESS"]

    run = eventually(succeeded, "the run's success in the UI")[-1]
    assert run["repositoryOrigin"] == {"repositoryLocationName": "leadops"}
    assert run["endTime"]
    assert {"key": "leadops/trigger", "value": "runner"} in run["tags"]
    assert stack.stop(signal.SIGTERM) == 0, stack.said()
    assert "Stopped." in stack.said()
    nothing_left(stack)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_posted_reply_stops_the_rest_and_the_metrics_count_it(stack: Stack) -> None:
    stack.start()
    asked = datetime.now(UTC)
    answer = stack.post(wire("demo_requested", at=asked, id="d1", **DEMO))
    assert answer.status_code == 202, answer.text
    eventually(lambda: list(stack.outbox.glob("*.eml")), "the message")
    words = {"subject": "Re: demo", "text": "Thanks, please call me tomorrow."}
    reply = wire("reply_received", at=datetime.now(UTC), id="r1", properties=words)
    assert stack.post(reply).status_code == 202
    assert stack.post(reply).status_code == 202, "told twice, as webhooks do"
    eventually(
        lambda: stack.rows("select 1 from enrolments where state = 'finished_replied'"), "the enrolment over"
    )
    assert not stack.rows("select 1 from touches where state in ('planned', 'claimed')")
    assert len(stack.rows("select 1 from handoffs")) == 1
    assert len(stack.rows("select 1 from lead_events")) == 2
    assert len(list(stack.outbox.glob("*.eml"))) == 1

    run_id = stack.launch("metrics", "metrics")

    def status() -> str | None:
        found = {r["runId"]: r["status"] for r in stack.runs("metrics")}.get(run_id)
        return found if found in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert eventually(status, "the metric tables rebuilt", 240) == "SUCCESS"
    assert stack.rows("select * from metrics.conversion_by_tier")
    assert stack.stop(signal.SIGINT) == 0, stack.said()
    nothing_left(stack)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_after_a_power_cut_nothing_is_lost_and_nothing_is_doubled(stack: Stack, folder: CrmFolder) -> None:
    stack.start()
    answered(folder, 1)
    for number in range(2, 12):
        folder.add(a_hot_one(number, datetime.now(UTC)))
    posted = stack.post(wire("demo_requested", at=datetime.now(UTC), id="kept", **DEMO))
    assert posted.status_code == 202
    # Somewhere in the middle: rows read, a run begun, perhaps some mail out.
    eventually(lambda: len(stack.rows("select 1 from lead_events")) >= 2, "something taken in")
    time.sleep(2)
    stack.kill_everything()
    assert stack.processes() == []
    folder.add(a_hot_one(12, datetime.now(UTC)))

    again = Stack(stack.home)
    try:
        again.start()
        everybody = [a_hot_one(n, datetime.now(UTC))["email"] for n in range(1, 13)] + ["anna@acme.example"]

        def all_settled() -> bool:
            over = "position = 1 and state in ('sent', 'unknown', 'failed', 'cancelled')"
            found = again.rows(f"select count(distinct lead_id) as n from touches where {over}")
            return bool(found[0]["n"] >= len(everybody))

        eventually(all_settled, "every lead's first touch settled", 400)
        mailed = Counter(
            str(BytesParser(policy=policy.default).parsebytes(p.read_bytes())["To"].addresses[0].addr_spec)
            for p in again.outbox.glob("*.eml")
        )
        # What was on its way when the lights went out is never sent again by itself: it may be missing.
        in_doubt = {
            r["email"]
            for r in again.rows(
                "select l.email from touches t join leads l using (lead_id) where t.state = 'unknown'"
            )
        }
        assert {a: mailed[a] for a in everybody if mailed[a] > 1} == {}, "doubled"
        assert [a for a in everybody if not mailed[a] and a not in in_doubt] == [], "lost"
        assert again.rows("select count(*) as n from lead_events")[0]["n"] == len(everybody)
        assert again.stop() == 0, again.said()
        nothing_left(again)
    finally:
        again.clean_up()


# --- refused ------------------------------------------------------------------------------------------


def refused(home: Path, **more: str) -> str:
    """What it says when it must not start: exit code 2 and little else."""
    done = subprocess.run(
        command(),
        env=environment(home, **more),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    return said


def a_port_in_use(home: Path) -> tuple[dict[str, str], str, Callable[[], None]]:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = str(taken.getsockname()[1])
    return {"LEADOPS_INGEST_PORT": port}, f"Port {port}", taken.close


def a_malformed_playbook(home: Path) -> tuple[dict[str, str], str, Callable[[], None]]:
    path = home.parent / "playbook.yaml"
    path.write_text("scorecard: [unfinished\n", encoding="utf-8")
    return {"LEADOPS_PLAYBOOK": str(path)}, "playbook.yaml:", lambda: None


def a_newer_database(home: Path) -> tuple[dict[str, str], str, Callable[[], None]]:
    home.mkdir()
    server = EmbeddedPostgres(home)
    server.start()
    server.ensure_database("leadops")
    migrate.upgrade(server.url("leadops"))
    import sqlalchemy as sa

    engine = sa.create_engine(server.url("leadops"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999_from_the_future'"))
    server.stop()
    return {}, "newer", lambda: None


@pytest.mark.parametrize("what", [a_port_in_use, a_malformed_playbook, a_newer_database])
def test_what_cannot_work_is_one_sentence_and_leaves_nothing_half_started(
    home: Path, what: Callable[[Path], tuple[dict[str, str], str, Callable[[], None]]]
) -> None:
    env, sentence, undo = what(home)
    try:
        said = refused(home, **env)
    finally:
        undo()
    assert sentence in said
    stack = Stack(home)
    nothing_left(stack)
    own = [p for p in psutil.Process(os.getpid()).children(recursive=True) if "leadops" in p.name()]
    assert own == []
