"""A program that supervises two small children: `small_stack.py HOME TRAIT...`. Tests kill it."""

import os
import sys
from pathlib import Path

from leadops.runtime.service import Service
from leadops.runtime.single import only_one
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.runtime.supervisor import Supervisor

CHILD = Path(__file__).with_name("small_child.py")


def say(line: str) -> None:
    """Where the test reads it."""
    sys.stderr.write(f"{line}\n")


def main(home: Path, traits: list[str]) -> None:
    """Run until told to stop."""

    def started(name: str) -> bool:
        file = home / "started"
        return file.exists() and any(line.split()[0] == name for line in file.read_text().splitlines())

    services = [
        Service(
            name=name,
            command=[sys.executable, "-I", "-S", str(CHILD), name, str(home), *traits],
            env=dict(os.environ),
            ready=lambda name=name: started(name),
        )
        for name in ("one", "two")
    ]
    stop = StopRequest()
    with stop_on_signals(stop), only_one(home):
        supervisor = Supervisor(services, home, stop, say)
        supervisor.start()
        (home / "up").touch()
        try:
            supervisor.watch()
        finally:
            supervisor.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
