"""`leadops up` as a process: refused cleanly, and (marked full) the real services together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from leadops.runtime.ports import free_port
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.runtime.single import only_one

PROJECT = Path(__file__).parents[2]


def environment(home: Path, **more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LEADOPS_", "DAGSTER"))}
    names = ("LEADOPS_WEBSERVER_PORT", "LEADOPS_INGEST_PORT", "LEADOPS_DASHBOARD_PORT")
    ports = {name: str(free_port()) for name in names}
    return {**ours, "PYTHONPATH": str(PROJECT), "LEADOPS_HOME": str(home), **ports, **more}


def refused(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leadops_tests.cli.small_up"]
    return subprocess.run(
        command, env=environment(home, **more), cwd=PROJECT, capture_output=True, text=True, timeout=60
    )


def started_nothing(home: Path) -> bool:
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    return files <= {"run/up.lock"}


@pytest.mark.parametrize(
    "variable", ["LEADOPS_WEBSERVER_PORT", "LEADOPS_INGEST_PORT", "LEADOPS_DASHBOARD_PORT"]
)
def test_a_port_in_use_is_named_before_anything_is_started(tmp_path: Path, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = refused(tmp_path, **{variable: str(port)})
    assert result.returncode == 2, result.stderr
    assert f"Port {port}" in result.stdout
    assert variable in result.stdout
    assert started_nothing(tmp_path)


def test_a_wrong_playbook_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    result = refused(tmp_path, LEADOPS_PLAYBOOK=str(tmp_path / "absent.yaml"))
    assert result.returncode == 2, result.stderr
    assert "absent.yaml" in result.stdout
    assert started_nothing(tmp_path)


def test_a_second_one_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path):
        result = refused(tmp_path)
    assert result.returncode == 2, result.stderr
    assert f"already running on {tmp_path} (pid {os.getpid()})" in result.stdout


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 180.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found


def processes_of(home: Path) -> list[str]:
    """Command lines of what runs for this home, wherever it stands in the process tree."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ().get("LEADOPS_HOME") == str(home)
            if process.pid != os.getpid() and (own or str(home) in " ".join(process.cmdline())):
                found.append(" ".join(process.cmdline())[:200])
        except psutil.Error:
            continue
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    EmbeddedPostgres(tmp_path).stop()


def start(home: Path, env: dict[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
    output = home.with_name(f"{home.name}.out")
    process = subprocess.Popen(
        [sys.executable, "-m", "leadops_tests.cli.small_up"],
        env=env,
        cwd=PROJECT,
        stdout=output.open("wb"),
        stderr=subprocess.STDOUT,
    )
    wait_until(lambda: "Ready after" in output.read_text() or process.poll() is not None, "everything ready")
    assert process.poll() is None, output.read_text()
    return process, output


def launch_slow(webserver: str) -> str:
    """Launch the tiny location's slow job; returns its run id."""
    selector = '{repositoryLocationName: "leadops", repositoryName: "__repository__", jobName: "slow"}'
    mutation = f"mutation {{ launchRun(executionParams: {{selector: {selector}}}) "
    mutation += "{ ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
    answer = httpx.post(f"{webserver}/graphql", json={"query": mutation}, timeout=60, trust_env=False).json()
    return str(answer["data"]["launchRun"]["run"]["runId"])


def run_status(home: Path, run_id: str) -> str:
    """Asked of Dagster's database itself, when no webserver runs any more."""
    import sqlalchemy as sa

    server = EmbeddedPostgres(home)
    server.start()
    engine = sa.create_engine(server.url("leadops_dagster"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text("select status from runs where run_id = :run_id")
        return str(connection.execute(query, {"run_id": run_id}).scalar_one())


@pytest.mark.full
@pytest.mark.timeout(600)
def test_everything_together_with_a_run_in_flight_at_the_end(home: Path) -> None:
    env = environment(home)
    process, output = start(home, env)
    events = f"http://127.0.0.1:{env['LEADOPS_INGEST_PORT']}/v1/events"
    webserver = f"http://127.0.0.1:{env['LEADOPS_WEBSERVER_PORT']}"

    key = (home / "ingest_key").read_text().strip()
    event = {
        "source": "web",
        "id": "e1",
        "kind": "form_submitted",
        "occurred_at": "2026-01-05T10:00:00Z",
        "contact": {"email": "someone@example.com"},
    }
    answer = httpx.post(events, json=event, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    assert answer.status_code in (202, 422), answer.text  # which kinds exist is the stage's business

    run_id = launch_slow(webserver)
    wait_until(lambda: (home / "running").exists(), "the run to be in flight")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Stopping" in output.read_text(), "the stop to begin")
    (home / "go").touch()
    assert process.wait(60) == 0, output.read_text()
    assert processes_of(home) == []
    assert not EmbeddedPostgres(home).is_running()
    assert run_status(home, run_id) == "SUCCESS", "a run that could finish in time was let finish"


@pytest.mark.full
@pytest.mark.timeout(600)
def test_after_kill_9_the_next_one_ends_the_rest_and_starts(home: Path) -> None:
    env = environment(home)
    process, _ = start(home, env)
    launch_slow(f"http://127.0.0.1:{env['LEADOPS_WEBSERVER_PORT']}")
    worker = int(
        wait_until(lambda: (home / "running").exists() and (home / "running").read_text(), "the run")
    )
    process.kill()
    process.wait(10)
    second, output = start(home, env)
    assert "earlier leadops had left running" in output.read_text()
    assert not psutil.pid_exists(worker)
    second.send_signal(signal.SIGINT)
    assert second.wait(60) == 0, output.read_text()
    assert processes_of(home) == []
    assert not EmbeddedPostgres(home).is_running(), "started by an `up`, so stopped by one"
