"""What runs first in every child process of the supervisor: `python -I -S child.py PARENT_PID COMMAND...`.

It undoes what a parent hands down and a server must not inherit, ties the child's life to the
supervisor's where the system can do that, and becomes the command. A program of its own because
code between fork and exec of a process with threads (gRPC, the terminal display) may deadlock.
Standard library only: it runs before anything of the project is importable.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127


def main(arguments: list[str]) -> int:
    """Become `arguments[1:]`; returns only when that is impossible."""
    parent, command = int(arguments[0]), arguments[1:]
    default_signals()
    die_with(parent)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell: the arguments are ours
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
    return CANNOT_START


def default_signals() -> None:
    """A shell's `&` starts programs with SIGINT ignored; servers that inherit it cannot be stopped."""
    stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    # Python itself ignores the last two, and what is ignored stays so in the command.
    for number in (*stop, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def die_with(parent: int) -> None:
    """On Linux: SIGKILL to this process when the thread of `parent` that started it ends.

    SIGKILL because whoever killed the supervisor without warning wants no half of it to live on; what
    was in flight is then in doubt exactly as after a power cut, and the ledger is made for that.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above took effect
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
