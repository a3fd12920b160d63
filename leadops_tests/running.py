"""`leadops up` as real processes in a home of its own, on free ports: started, asked, killed, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from sqlalchemy import NullPool, create_engine, text

from leadops.runtime.ports import free_port
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.settings import PROJECT_ROOT

T = TypeVar("T")


def command(*verb: str) -> list[str]:
    """`leadops up`, or another verb, by this interpreter."""
    return [sys.executable, "-c", "from leadops.cli.main import main; main()", *(verb or ("up",))]


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment without settings of ours, plus a home and free ports."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LEADOPS_", "DAGSTER"))}
    names = ("WEBSERVER_PORT", "INGEST_PORT", "DASHBOARD_PORT", "SANDBOX_PORT")
    ports = {f"LEADOPS_{name}": str(free_port()) for name in names}
    # The same number of columns everywhere, or a sentence is broken in two.
    return {
        **ours,
        "COLUMNS": "400",
        "PYTHONPATH": str(PROJECT_ROOT),
        "LEADOPS_HOME": str(home),
        **ports,
        **more,
    }


def eventually(ask: Callable[[], T], what: str, seconds: float = 120.0, every_s: float = 0.25) -> T:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every_s)
    return found


class Stack:
    """One `leadops up`, or what ``verb`` says."""

    def __init__(self, home: Path, *verb: str, **more: str) -> None:
        self.home = home
        self.verb = verb
        self.env = environment(home, **more)
        self.output = home.with_name(f"{home.name}.out")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def webserver(self) -> str:
        return f"http://127.0.0.1:{self.env['LEADOPS_WEBSERVER_PORT']}"

    @property
    def events(self) -> str:
        return f"http://127.0.0.1:{self.env['LEADOPS_INGEST_PORT']}/v1/events"

    @property
    def outbox(self) -> Path:
        return self.home / "outbox"

    def start(self, seconds: float = 240.0) -> None:
        """Start and wait until everything is ready. Raises AssertionError with the output otherwise."""
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                command(*self.verb), env=self.env, cwd=PROJECT_ROOT, stdout=stream, stderr=subprocess.STDOUT
            )
        eventually(lambda: "Ready after" in self.said() or self.ended(), "everything ready", seconds)
        assert not self.ended(), self.said()

    def ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 90.0) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor, all its children and Postgres, as a power cut would."""
        everything = self.processes()
        for process in everything:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(everything, timeout=20)
        if self.process is not None:
            self.process.wait(20)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this home, wherever it stands in the process tree. Never this process."""
        found = []
        postmaster = self._postmaster()
        for process in psutil.process_iter():
            try:
                known = str(self.home) in " ".join(process.cmdline())
                known = known or process.environ().get("LEADOPS_HOME") == str(self.home)
                known = known or postmaster in (process.pid, process.ppid())
            except psutil.Error:
                continue
            if known and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def _postmaster(self) -> int | None:
        """Its pid. Its data may stand elsewhere, where the account it runs as can reach them."""
        noted = self.home / "postgres" / "location"
        places = [self.home / "postgres", *([Path(noted.read_text().strip())] if noted.exists() else [])]
        for place in places:
            for found in place.glob("**/postmaster.pid"):
                return int(found.read_text().splitlines()[0])
        return None

    def listening(self) -> list[int]:
        """Which of its ports are open."""
        open_now = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        return sorted(
            open_now & {int(self.env["LEADOPS_WEBSERVER_PORT"]), int(self.env["LEADOPS_INGEST_PORT"])}
        )

    def clean_up(self) -> None:
        """Whatever a failed test left."""
        self.kill_everything()
        EmbeddedPostgres(self.home).stop()

    @property
    def sandbox(self) -> str:
        """Where `leadops demo` has its outside world."""
        return f"http://127.0.0.1:{self.env['LEADOPS_SANDBOX_PORT']}"

    def outside(self, verb: str, **given: Any) -> Any:
        """Have something happen in the outside world."""
        answer = httpx.post(f"{self.sandbox}/control/do/{verb}", json=given, trust_env=False, timeout=30)
        return answer.raise_for_status().json()["result"]

    def received(self, address: str) -> list[dict[str, Any]]:
        """The messages the outside world has accepted for an address."""
        asked = f"{self.sandbox}/control/received"
        answer = httpx.get(asked, params={"to": address}, trust_env=False, timeout=30)
        return list(answer.raise_for_status().json()["received"])

    def post(self, *events: dict[str, Any]) -> httpx.Response:
        key = (self.home / "ingest_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(self.events, json=list(events), headers=headers, trust_env=False, timeout=30)

    def graphql(self, query: str) -> Any:
        answer = httpx.post(f"{self.webserver}/graphql", json={"query": query}, trust_env=False, timeout=60)
        return answer.json()["data"]

    def runs(self, job: str) -> list[dict[str, Any]]:
        """Runs of a job as the UI shows them, newest first."""
        found = self.graphql(
            f'{{ runsOrError(filter: {{pipelineName: "{job}"}}) {{ ... on Runs {{ results {{ runId status '
            "jobName startTime endTime repositoryOrigin { repositoryLocationName } "
            "tags { key value } } } } }"
        )
        return list(found["runsOrError"]["results"])

    def launch(self, location: str, job: str) -> str:
        """Launch a job as the UI does; its run id."""
        selector = (
            f'{{repositoryLocationName: "{location}", repositoryName: "__repository__", jobName: "{job}"}}'
        )
        found = self.graphql(
            f"mutation {{ launchRun(executionParams: {{selector: {selector}}}) "
            "{ __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
        )["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def rows(self, statement: str, database: str = "leadops", **parameters: Any) -> list[dict[str, Any]]:
        engine = create_engine(EmbeddedPostgres(self.home).url(database), poolclass=NullPool)
        with engine.connect() as connection:
            return [dict(r) for r in connection.execute(text(statement), parameters).mappings()]
