"""`leadops up` with code locations that cost nothing and counts that ask nothing. Run by test_up."""

import sys
import time

from rich.console import Console

from leadops.cli.status import StatusDisplay
from leadops.cli.up import run
from leadops.errors import LeadopsError, UsageError
from leadops.runtime import stack
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.settings import settings

TINY = "leadops_tests.runtime.data.tiny_location"


def main() -> int:
    """Exit codes as those of the command."""
    locations = [stack.CodeLocation(name, TINY) for name in ("leadops", "metrics")]
    stop = StopRequest()
    display = StatusDisplay(Console(), time.monotonic)
    try:
        with stop_on_signals(stop):
            run(
                settings(),
                stop,
                display,
                lambda url: lambda: {"asked": len(url) > 0},
                services=lambda *given: [
                    s for s in stack.services(*given, locations=locations) if s.name != "dashboard"
                ],
            )
    except LeadopsError as error:
        display.say(str(error))
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
