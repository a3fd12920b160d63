"""The processes of the embedded Postgres, found by its data directory: who runs, who is left, ending them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from leadops.errors import UsageError

ORPHAN_SECONDS = 2


def pid_file(data: Path) -> list[str]:
    """Lines of postmaster.pid: pid, data, start, port, socket directory, address, memory, status."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except PermissionError:
        raise not_ours(data) from None


def status(data: Path) -> str:
    """What the server says of itself: starting, ready, stopping, or nothing."""
    lines = pid_file(data)
    return lines[7] if len(lines) > 7 else ""


def postmaster(data: Path) -> psutil.Process | None:
    """The live postmaster of ``data``. A process that merely got its number after a crash is not one."""
    named = _named(data)
    try:
        found = None if named is None else psutil.Process(named)
    except psutil.Error:
        return None
    return found if found is not None and _serves(found, data) else None


def _named(data: Path) -> int | None:
    """The pid in the pid file; single-user mode writes it negative."""
    lines = pid_file(data)
    return abs(int(lines[0])) if lines and lines[0].lstrip("-").isdigit() else None


def _serves(one: psutil.Process, data: Path) -> bool:
    try:
        if not one.name().startswith("postgres") or one.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(one.cwd()).samefile(data)
    except (psutil.Error, OSError):
        return False


def processes(data: Path) -> list[psutil.Process]:
    """Every live process of the server of ``data``, orphans too."""
    return [p for p in psutil.process_iter() if _serves(p, data)]


def stopped(data: Path, how: signal.Signals, seconds: float) -> bool:
    """Signal the postmaster and wait for its end: True. Its children end before it, unless it was killed."""
    server = postmaster(data)
    if server is not None:
        _signal(server, how)
    return _within(seconds, lambda: postmaster(data) is None)


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (finished := done()) and time.monotonic() < end:
        time.sleep(0.05)
    return finished


def _signal(one: psutil.Process, how: signal.Signals) -> None:
    try:
        one.send_signal(how)
    except psutil.NoSuchProcess:
        return


def clear_crash(data: Path) -> None:
    """After a crash: end orphans, which would block the start, and a pid file that names somebody else."""
    # First by themselves: the log collector may still have something to write, a moment after the rest.
    for how in (None, signal.SIGQUIT, signal.SIGKILL):
        # Not psutil.wait_procs: where nobody reaps the dead they stay as zombies, and it waits for those.
        if how is not None:
            for one in processes(data):
                _signal(one, how)
        if _within(ORPHAN_SECONDS, lambda: not processes(data)):
            break
    named = _named(data)
    # Postgres sees a dead pid itself, but takes any live or defunct process of its user for a server.
    if named is not None and psutil.pid_exists(named):
        (data / "postmaster.pid").unlink(missing_ok=True)


def not_ours(path: Path) -> UsageError:
    """The error of whoever may not read or write there."""
    return UsageError(
        "home_not_ours",
        f"{path} belongs to another user: run leadops as that user, or set LEADOPS_HOME "
        "to a directory of yours.",
    )
