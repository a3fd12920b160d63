"""The status line: what it says, and that a log file is not flooded with it."""

from __future__ import annotations

import io

from rich.console import Console

from leadops.cli.status import QUIET_S, StatusDisplay, status_line

READY = {"daemon": "ready", "webserver": "ready"}


def test_counts_stand_in_their_order_and_services_at_the_end() -> None:
    line = status_line({"pending_events": 3, "leads": 1234}, READY)
    assert line == "pending events 3 | leads 1,234 | 2 services ready"


def test_only_troubled_services_are_named() -> None:
    assert status_line({}, {**READY, "daemon": "restarting"}) == "daemon restarting"


def test_an_absent_database_is_said_and_does_not_hide_the_services() -> None:
    assert status_line(None, READY) == "database unreachable | 2 services ready"


def test_without_a_terminal_a_line_is_printed_when_it_changed_and_not_too_often() -> None:
    at = 0.0
    asked = 0
    text = "a"

    def line() -> str:
        nonlocal asked
        asked += 1
        return text

    output = io.StringIO()
    with StatusDisplay(Console(file=output), lambda: at) as display:
        for second in range(4 * int(QUIET_S)):
            at = float(second)
            text = "a" if second < 2 * QUIET_S else "b"
            display.tick(line)
    assert output.getvalue().split() == ["a", "b"]
    assert asked == 4, "the database is asked only when something could be printed"


def test_on_a_terminal_the_line_is_rewritten_and_gone_at_the_end() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=40, color_system=None)
    at = 0.0
    with StatusDisplay(console, lambda: at) as display:
        display.tick(lambda: "x" * 100)
        at = 0.5
        display.tick(lambda: "too soon")
        at = 1.0
        display.tick(lambda: "second line")
    shown = output.getvalue()
    assert "second line" in shown
    assert "too soon" not in shown
    assert "x" * 41 not in shown, "one line, cut at the width"
