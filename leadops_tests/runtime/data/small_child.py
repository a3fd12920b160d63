"""A service for tests: `small_child.py NAME FOLDER TRAIT...` writes into FOLDER what happens to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LIFE_S = 120.0


def note(folder: Path, file: str, line: str) -> None:
    """One write, so that lines of several processes do not mix."""
    with (folder / file).open("a") as stream:
        stream.write(line + "\n")


def spawn(name: str, folder: Path, *traits: str, session: bool) -> subprocess.Popen[bytes]:
    """A child of this child."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, name, str(folder), *traits], start_new_session=session
    )


def main(name: str, folder: Path, traits: list[str]) -> None:
    """Do what the traits say, announce itself, and stay."""

    def on_term(*_: object) -> None:
        note(folder, "told", name)
        if "ignores-term" in traits:
            return
        if "waits-for-child" in traits:
            children[0].wait()
        sys.exit(0)

    signal.signal(signal.SIGTERM, on_term)
    children = []
    if "signals" in traits:
        note(folder, "signals", f"{signal.getsignal(signal.SIGINT)!r} {os.getsid(0) == os.getpid()}")
    if "child" in traits:
        children.append(spawn(f"{name}-child", folder, session=False))
    if "stray" in traits:  # loses its parent and its group
        spawn(f"{name}-leaves", folder, "leaves-stray", session=True).wait()
    if "leaves-stray" in traits:
        spawn(f"{name}-stray", folder, session=True)
        return
    if "short-child" in traits:
        children.append(spawn(f"{name}-child", folder, "short", session=False))
    note(folder, "started", f"{name} {os.getpid()}")
    live(name, folder, traits)


def live(name: str, folder: Path, traits: list[str]) -> None:
    """The time between announcing itself and the end."""
    if "fails" in traits:
        sys.stderr.write("the reason is on this line\n")
        sys.exit(3)
    if "short" in traits:
        time.sleep(0.3)
        note(folder, "finished", name)
        return
    deadline = time.monotonic() + LIFE_S  # never for ever
    while time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
