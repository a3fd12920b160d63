"""What the listing commands share: a console fit for 80 columns and for pipes, tables, JSON, moments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from leadops.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """Colours on a terminal only; numbers and ids are left as they are."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False)


def print_json(value: Any) -> None:
    """Indented, times as ISO 8601, other types as text."""
    from leadops.stages.story import to_json

    typer.echo(json.dumps(to_json(value), indent=2, ensure_ascii=False, default=str))


def moment(at: datetime | None) -> str:
    """Minute precision in UTC; a dash where there is none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "-"


def parse_moment(option: str, given: str | None) -> datetime:
    """An option's moment (ISO 8601; without an offset: UTC), the present where it is not given.

    Raises:
        UsageError: ``bad_time``.
    """
    if given is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise UsageError("bad_time", f"{option} {given}: not a time; write 2026-03-02T18:30+01:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def print_blocks(blocks: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Each item as a line in words and indented lines under it: no column is ever cut."""
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    for head, lines in blocks:
        out.print(Text(head, style="bold"))
        for line in lines:
            out.print(Padding(Text(line, style="dim"), (0, 0, 0, 2), expand=False))
