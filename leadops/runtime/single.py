"""One supervisor per LEADOPS_HOME. A lock the kernel releases, so that kill -9 leaves nothing to delete."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadops.errors import UsageError


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold `home` for this process. Raises UsageError when another one holds it."""
    path = home / "run" / "up.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise UsageError(
                "already_running",
                f"leadops is already running on {home} (pid {holder}): stop it first, or set LEADOPS_HOME "
                "to another folder.",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)
