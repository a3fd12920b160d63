"""The whole of leadops as its users start it, with providers of known speed at the other end."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from leadops.runtime.ports import free_port
from leadops.settings import PROJECT_ROOT
from leadops_tests.running import Stack, eventually

MODEL_S, MAIL_S, CRM_S = 1.0, 0.1, 0.05
POSTERS = 8
SETTLE_S = 6.0
"""After the start: the first ticks of every sensor are the dearest."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One lead whose event was accepted: its address, and when the answer came (unix seconds)."""

    address: str
    at: float


@dataclass
class Whole:
    """A running leadops. ``provider`` and ``crm``: base URLs of what it talks to."""

    stack: Stack
    provider: str
    crm: str
    pids: dict[str, list[int]] = field(default_factory=dict)

    def post(self, number: int, connection: http.client.HTTPConnection | None = None) -> Posted | None:
        """A hot lead's request by the ingestion service; None where it was not accepted."""
        own = connection or self.connection()
        address = f"vp{number}@firm{number}.example"
        now = datetime.now(UTC).isoformat()
        event = {
            "source": "website",
            "id": f"lead-{number}",
            "kind": "demo_requested",
            "occurred_at": now,
            "contact": {
                "email": address,
                "name": "Ann Lee",
                "title": "VP Sales",
                "company": f"Firm {number}",
                "country": "US",
            },
            "properties": {"employees": 900, "message": "We lose leads because nobody answers in time."},
        }
        key = (self.stack.home / "ingest_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            own.request("POST", "/v1/events", json.dumps(event), headers)
            answer = own.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return None
        return Posted(address, time.time()) if answer.status == 202 else None

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", int(self.stack.env["LEADOPS_INGEST_PORT"]), timeout=60)

    def burst(self, numbers: Sequence[int], until: threading.Event | None = None) -> list[Posted]:
        """All of them, from ``POSTERS`` connections; those that were accepted."""
        waiting, accepted, guard = iter(numbers), list[Posted](), threading.Lock()

        def poster() -> None:
            connection = self.connection()
            while until is None or not until.is_set():
                with guard:
                    number = next(waiting, None)
                if number is None:
                    return
                found = self.post(number, connection)
                if found is None:
                    connection.close()
                    continue
                with guard:
                    accepted.append(found)

        threads = [threading.Thread(target=poster) for _ in range(POSTERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return accepted

    def receipts(self) -> list[tuple[str, str, float]]:
        """(touch_id, address, unix seconds) of every mail the provider has received."""
        answer = httpx.get(f"{self.provider}/receipts", trust_env=False, timeout=60)
        return [(r[0], r[1], r[2]) for r in answer.json()]

    def first_at(self) -> dict[str, float]:
        """Address -> when its first mail arrived."""
        found: dict[str, float] = {}
        for _, address, at in self.receipts():
            found[address] = min(at, found.get(address, at))
        return found

    def doubled(self) -> int:
        """How many mails too many of one touch."""
        return sum(n - 1 for n in Counter(touch for touch, _, _ in self.receipts()).values())

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by what the process is."""
        found: Counter[str] = Counter()
        for process in self.processes():
            try:
                times = process.cpu_times()
                found[_what(process)] += times.user + times.system
            except psutil.Error:
                continue
        return {name: round(seconds, 2) for name, seconds in sorted(found.items())}

    def memory_mb(self) -> float:
        """What the processes hold for themselves: shared pages count once (PSS, where the system tells)."""
        total = 0.0
        for process in self.processes():
            try:
                total += getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
            except psutil.Error:
                continue
        return round(total / 2**20)

    def processes(self) -> list[psutil.Process]:
        """Postgres and its children too."""
        found = {process.pid: process for process in self.stack.processes()}
        for process in list(found.values()):
            try:
                if "postgres" in process.name():
                    found |= {child.pid: child for child in process.children()}
            except psutil.Error:
                continue
        return list(found.values())


def _what(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    for word, name in _NAMES.items():
        if word in line or word in process.name():
            return name
    return "other"


_NAMES = {
    "postgres": "postgres",
    "leadops.cli.runner": "runner",
    "leadops.cli.ingest": "ingest",
    "dagster_webserver": "webserver",
    "dagster._daemon": "daemon",
    "leadops.cli.dashboard": "dashboard",
    "api grpc": "code servers and their runs",
}


@contextmanager
def running(workers: int = 1, concurrency: int = 128, calls: int = 24) -> Iterator[Whole]:
    """A leadops of its own, with everybody's first touch at any hour and no cap in its way."""
    with (
        tempfile.TemporaryDirectory(prefix="leadops-bench-") as ground,
        _provider() as provider,
        _crm() as crm,
    ):
        Path(ground).chmod(0o711)  # Postgres runs as somebody else when this runs as root
        environment = {
            "LEADOPS_PLAYBOOK": str(playbook(Path(ground), concurrency, calls)),
            "LEADOPS_RUNNER_WORKERS": str(workers),
            "LEADOPS_CRM": "hubspot",
            "LEADOPS_HUBSPOT_URL": crm,
            "LEADOPS_HUBSPOT_TOKEN": "sandbox",
            "LEADOPS_EMAIL": "sendgrid",
            "LEADOPS_SENDGRID_URL": provider,
            "LEADOPS_SENDGRID_KEY": "sandbox",
            "LEADOPS_WRITER": "openai",
            "LEADOPS_OPENAI_URL": f"{provider}/v1",
            "LEADOPS_OPENAI_KEY": "sandbox",
        }
        stack = Stack(Path(ground) / "home", "up", **environment)
        try:
            stack.start(600)
            time.sleep(SETTLE_S)
            yield Whole(stack, provider, crm)
            stack.stop()
        finally:
            stack.clean_up()


def again(whole: Whole) -> Whole:
    """The same home, started again after everything was killed."""
    stack = Stack(whole.stack.home, "up")
    stack.env = whole.stack.env
    stack.start(600)
    return Whole(stack, whole.provider, whole.crm)


def playbook(ground: Path, concurrency: int, calls: int) -> Path:
    """The default playbook; every hot lead's first message asks the model, and no cap is ever full."""
    folder = ground / "playbook"
    shutil.copytree(PROJECT_ROOT / "playbook", folder)
    path = folder / "playbook.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    for mailbox in given["sender"]["mailboxes"]:
        mailbox["daily_cap"] = 1_000_000
    given["sender"].pop("domain_daily_cap", None)
    given["sequences"]["hot"]["variants"] = {"question": 100}
    given["writer"] = {**given.get("writer", {}), "concurrency": concurrency}
    given["delivery"] = {**given.get("delivery", {}), "calls_at_once": calls}
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return path


@contextmanager
def _provider() -> Iterator[str]:
    port = free_port()
    arguments = [str(port), "--model-s", str(MODEL_S), "--mail-s", str(MAIL_S)]
    with _process("-m", "leadops_tests.bench.provider", *arguments):
        url = f"http://127.0.0.1:{port}"
        _answers(f"{url}/receipts")
        yield url


@contextmanager
def _crm() -> Iterator[str]:
    port = free_port()
    command = "from leadops.cli.main import main; main()"
    with _process("-c", command, "sandbox", "--only", "hubspot", "--port", str(port)):
        url = f"http://127.0.0.1:{port}"
        _answers(f"{url}/control/state")
        latency = {"provider": "hubspot", "min_s": CRM_S, "max_s": CRM_S}
        httpx.post(f"{url}/control/latency", json=latency, trust_env=False).raise_for_status()
        yield f"{url}/hubspot"


@contextmanager
def _process(*arguments: str) -> Iterator[None]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environment, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> Any:
    def ask() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    return eventually(ask, f"{url} answers", 30, 0.1)
