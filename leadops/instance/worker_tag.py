"""Which process executes a warm run: told in a tag of the run, so that anybody can ask whether it lives.

The value names the run too: a re-execution copies tags, and a monitor that believed the copy's tag would fail
a healthy run.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from leadops.runtime.processes import Identity, alive, identify

TAG = "leadops/worker"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Worker:
    """A process, on a machine, since a boot of it."""

    host: str
    boot: str
    process: Identity

    @property
    def is_here(self) -> bool:
        """Whether this machine can tell whether it lives."""
        return self.host == platform.node()

    @property
    def lives(self) -> bool:
        """Asked on its own machine. After a reboot its pid is somebody else's."""
        return self.boot == _boot() and alive(self.process)

    def tag(self, run_id: str) -> str:
        """The tag's value for one run."""
        return f"{run_id} {self.host} {self.boot} {self.process.pid} {self.process.create_time:.2f}"


def this_worker() -> Worker:
    """The process that asks."""
    found = identify(os.getpid())
    assert found is not None
    return Worker(platform.node(), _boot(), found)


def worker_of(run_id: str, tag: str | None) -> Worker | None:
    """The worker a run's tag names; None where it has none, or that of the run it was copied from."""
    parts = (tag or "").split(" ")
    if len(parts) != 5 or parts[0] != run_id:
        return None
    try:
        return Worker(parts[1], parts[2], Identity(int(parts[3]), float(parts[4])))
    except ValueError:
        return None


@lru_cache
def _boot() -> str:
    """The same until the machine starts again."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"
