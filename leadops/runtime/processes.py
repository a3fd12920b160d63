"""Processes by identity (pid and start time, never pid alone), and the record of those we started.

The record in LEADOPS_HOME/run/processes.json outlives a supervisor that was killed: the next one ends
what is left. Every child also carries a token in its environment, which its own children inherit even
when they leave its process group or lose their parent.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

TOKEN_VARIABLE = "LEADOPS_SUPERVISOR"  # noqa: S105 - a name, not a secret
SAME_START_S = 1.0  # start times are derived from the clock, which may be adjusted meanwhile
POLL_S = 0.05


@dataclass(frozen=True)
class Identity:
    """One process for ever: pids are reused, (pid, start) is not."""

    pid: int
    create_time: float


def identify(pid: int) -> Identity | None:
    """The process that has this pid now; None when there is none."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def alive(process: Identity) -> bool:
    """True while that very process runs (one that only waits to be reaped does not)."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.create_time) <= SAME_START_S
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def descendants(process: Identity) -> set[Identity]:
    """Children of it, and theirs, that run now."""
    if not alive(process):
        return set()
    try:
        found = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return set()
    return {known for child in found if (known := identify(child.pid)) is not None}


def marked(token: str) -> set[Identity]:
    """Every process of ours whose environment carries `token`, wherever it went. Never this one."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(TOKEN_VARIABLE) == token:
                found.add(Identity(process.pid, process.create_time()))
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or somebody else's
    return found


def send(processes: Iterable[Identity], number: signal.Signals) -> None:
    """Signal those that still run."""
    for process in processes:
        if alive(process):
            try:
                os.kill(process.pid, number)
            except (ProcessLookupError, PermissionError):
                continue


def wait_gone(
    processes: Iterable[Identity], timeout_s: float, give_up: Callable[[], bool] = lambda: False
) -> set[Identity]:
    """Wait for all of them to end; returns those that still run after `timeout_s` or when `give_up()`."""
    deadline = time.monotonic() + timeout_s
    left = {process for process in processes if alive(process)}
    while left and time.monotonic() < deadline and not give_up():
        time.sleep(POLL_S)
        left = {process for process in left if alive(process)}
    return left


def end(
    processes: Iterable[Identity], grace_s: float, give_up: Callable[[], bool] = lambda: False
) -> set[Identity]:
    """SIGTERM, then SIGKILL to what is left after `grace_s`; returns what could not be ended."""
    known = set(processes)
    send(known, signal.SIGTERM)
    left = wait_gone(known, grace_s, give_up)
    send(left, signal.SIGKILL)
    return wait_gone(left, 5.0)


@dataclass
class Record:
    """What one supervisor started: enough for the next one to find it."""

    path: Path
    token: str
    processes: dict[str, list[Identity]]

    def write(self) -> None:
        """Replace the file in one step, so that a reader never meets half of it."""
        body = {
            "supervisor": os.getpid(),
            "token": self.token,
            "processes": {name: [asdict(p) for p in found] for name, found in self.processes.items()},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(body, indent=1), encoding="utf-8")
        draft.replace(self.path)

    def clear(self) -> None:
        """Nothing is left; forget it."""
        self.path.unlink(missing_ok=True)


def record_path(home: Path) -> Path:
    """Where the record of a home stands."""
    return home / "run" / "processes.json"


def leftovers(home: Path) -> set[Identity]:
    """Processes of an earlier supervisor of this home that still run. Only call while holding the home."""
    try:
        body: dict[str, Any] = json.loads(record_path(home).read_text(encoding="utf-8"))
        token = str(body["token"])
        listed = [
            Identity(int(p["pid"]), float(p["create_time"])) for ps in body["processes"].values() for p in ps
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()  # no earlier one, or it died while nothing was started yet
    running = {process for process in listed if alive(process)}
    for process in tuple(running):
        running |= descendants(process)
    return running | marked(token)


def end_leftovers(home: Path, grace_s: float = 5.0) -> int:
    """End what a killed supervisor of this home left running; returns how many there were."""
    found = leftovers(home)
    end(found, grace_s)
    record_path(home).unlink(missing_ok=True)
    return len(found)
