"""One supervised child process: how it is described, started and ended. Which and when: the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leadops.runtime import child_logs, processes
from leadops.runtime.processes import Identity

WRAPPER = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Service:
    """A child process to keep running.

    `env` is its whole environment. `ready` answers quickly and never raises for "not yet".
    `after` names the services that must be ready before it starts: None means all listed before it.
    `drain_s`: at a stop only the process itself is told at first, so that what it spawned may finish;
    the rest of its process group is told when that time is over. 0 tells all of them at once.
    `needed`: without it the others are of no use; one that is not needed may come up late, or never.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[], bool]
    restart: bool = True
    needed: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    ready_timeout_s: float = 120.0
    drain_s: float = 0.0
    after: tuple[str, ...] | None = None
    cwd: Path | None = None


@dataclass
class Child:
    """A started service."""

    service: Service
    process: subprocess.Popen[bytes]
    identity: Identity
    started_at: float
    family: set[Identity] = field(default_factory=set)

    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.process.poll()

    def refresh_family(self) -> bool:
        """Look for processes it spawned; True when the set changed. Keeps those that lost their parent."""
        found = {p for p in self.family if processes.alive(p)} | processes.descendants(self.identity)
        changed, self.family = found != self.family, found
        return changed


def start(service: Service, log: Path, token: str, at: float) -> Child:
    """Start the service in a session of its own, its output appended to `log`.

    Call it from a thread that lives as long as the supervisor: on Linux the child dies with that thread.
    """
    command = [sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid()), *service.command]
    fd = child_logs.open_log(log)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=subprocess.STDOUT,
            env={**service.env, processes.TOKEN_VARIABLE: token},
            cwd=service.cwd,
            start_new_session=True,
        )
    finally:
        os.close(fd)
    # Not reaped before somebody polls it, so it still has an identity even if it ended already.
    identity = processes.identify(process.pid) or Identity(process.pid, 0.0)
    return Child(service, process, identity, at)


def end(child: Child, forced: Callable[[], bool]) -> set[Identity]:
    """End a child and what it spawned: its stop signal, then SIGKILL. Returns what could not be ended."""
    child.refresh_family()
    service = child.service
    if not forced():
        if service.drain_s > 0:
            _tell(child, group=False)
            _wait(child, service.drain_s, forced)
        _tell(child, group=True)
        _wait(child, service.stop_timeout_s, forced)
    child.refresh_family()
    left = {child.identity, *child.family}
    processes.send(left, signal.SIGKILL)
    left = processes.wait_gone(left, 5.0)
    child.process.poll()
    return left


def _tell(child: Child, group: bool) -> None:
    """Send the stop signal to the process, or to its group and to family members outside of it."""
    leads_group = child.exit_code() is None  # once reaped, its pid may lead somebody else's group
    if leads_group:
        tell = os.killpg if group else os.kill
        tell(child.process.pid, child.service.stop_signal)
    if group:
        others = (p for p in child.family if not (leads_group and _in_group(p, child.process.pid)))
        processes.send(others, child.service.stop_signal)


def _in_group(process: Identity, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group
    except ProcessLookupError:
        return False


def _wait(child: Child, timeout_s: float, forced: Callable[[], bool]) -> None:
    processes.wait_gone({child.identity, *child.family}, timeout_s, forced)
    child.refresh_family()
