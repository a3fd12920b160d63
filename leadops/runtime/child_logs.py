"""One log file per child process: opened for appending, kept within bounds, quoted when a start fails."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

MAX_BYTES = 20 * 1024 * 1024
TAIL_BYTES = 64 * 1024

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def open_log(path: Path) -> int:
    """A file descriptor for a child's output. The caller closes it after the start."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def note(path: Path, line: str) -> None:
    """Write a line of the supervisor's own between those of the child."""
    fd = open_log(path)
    try:
        os.write(fd, f"--- {line}\n".encode())
    finally:
        os.close(fd)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines, indented; a sentence when there are none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = _COLOUR.sub("", stream.read().decode("utf-8", "replace"))
    except OSError:
        text = ""
    found = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"  {line}" for line in found) or "  (it wrote nothing)"


def keep_short(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Move a log that grew over `max_bytes` to `.1`, replacing the one before; True when it did.

    Copied and truncated, not renamed: the child holds the file open, and O_APPEND makes it go on at the
    new end. Lines written between the two steps are lost, which a log of minutes ago can bear.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return False
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
    except OSError:
        return False
    return True
