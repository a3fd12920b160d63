"""Read metric tables for people: the CLI's ``metrics show`` and the previews in Dagster's UI."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from leadops.errors import UsageError
from leadops.metrics.project import SCHEMA

HEADLINE = (
    "leads",
    "leads_mature",
    "contact_rate",
    "contact_rate_mature",
    "ttfa_p50_s",
    "ttfa_p95_s",
    "sequence_completion_rate",
    "meeting_booked_rate",
    "meeting_booked_rate_mature",
    "won",
    "won_rate",
    "verdict",
)
"""The columns of the wide tables that a person reads first."""

_RATE = ("{}", "{}_low", "{}_high", "{}_verdict")
PREVIEW = {
    "contact_rate": (
        "leads",
        "contacted",
        *(part.format("contact_rate") for part in _RATE),
        "contact_rate_mature",
    ),
    "meeting_booked_rate": (
        "leads",
        "meetings_booked",
        *(part.format("meeting_booked_rate") for part in _RATE),
        "meeting_booked_rate_mature",
    ),
    "sequence_completion": (
        "sequences_started_mature",
        "sequences_completed",
        *(part.format("sequence_completion_rate") for part in _RATE),
        "completed_or_good_exit_rate",
    ),
    "won_rate": ("leads", "won", *(part.format("won_rate") for part in _RATE)),
    "time_to_first_attempt": (
        "n_with_time",
        "n_never_sent",
        "n_held_by_policy",
        "ttfa_p50_s",
        "ttfa_p95_s",
        "ttfa_within_90s",
        "ttfa_within_5min",
        "ttfa_within_60min",
    ),
}
"""What a preview of the narrow tables shows beside their keys."""

KEYS = ("slice", "slice_value", "cohort_month", "source", "tier", "variant", "as_of")
_FEW = 14
# Hot leads first, leads without a score last.
_IN_ORDER = {"tier": "array_position(array['hot', 'warm', 'cold'], tier), tier"}


@dataclass(frozen=True, slots=True)
class MetricTable:
    """A metric table as read: names, and rows in the order of its keys."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def only(self, wanted: Sequence[str]) -> MetricTable:
        """The same table with those of ``wanted`` that it has."""
        kept = tuple(name for name in wanted if name in self.columns)
        places = [self.columns.index(name) for name in kept]
        return MetricTable(self.name, kept, tuple(tuple(row[i] for i in places) for row in self.rows))

    def headline(self) -> MetricTable:
        """What fits a screen: a narrow table without as_of, of a wide one the keys and headline columns."""
        dated = [name for name in self.columns if name != "as_of"]
        if len(dated) <= _FEW:
            return self.only(dated)
        keys = [name for name in dated if name in KEYS]
        wanted = self.only([*keys, *HEADLINE])
        return wanted if len(wanted.columns) > len(keys) + 2 else self

    def preview(self, rows: int) -> MetricTable:
        """What a person looks at first: the first rows of the columns that say most."""
        wanted = PREVIEW.get(self.name)
        keys = [name for name in self.columns if name in KEYS and name != "as_of"]
        narrow = self.only([*keys, *wanted]) if wanted else self.headline()
        return MetricTable(narrow.name, narrow.columns, narrow.rows[:rows])

    def as_of(self) -> datetime | None:
        """The moment the rows speak of, where the table says and has rows."""
        moments = self.only(["as_of"]).rows
        return moments[0][0] if moments and moments[0] else None

    def records(self) -> list[dict[str, Any]]:
        """Rows as JSON-ready mappings: stamps as ISO 8601, infinite seconds as the string "Infinity"."""
        return [dict(zip(self.columns, map(_jsonable, row), strict=True)) for row in self.rows]

    def markdown(self) -> str:
        """A markdown table of the cells as a person reads them."""
        lines = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        for row in self.rows:
            cells = (_as_text(cell(n, v)) for n, v in zip(self.columns, row, strict=True))
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection for a few reads.

    Raises:
        UsageError: the database does not answer.
    """
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        connection = engine.connect()
    except OperationalError:
        raise UsageError("db_unreachable", "The database does not answer; is it running?") from None
    with connection:
        yield connection


def read_table(connection: Connection, name: str, limit: int | None = None) -> MetricTable:
    """A table of the schema ``metrics``, ordered by its keys, at most ``limit`` rows.

    Raises:
        UsageError: there is no such table; the message names those there are.
    """
    known = table_names(connection)
    if name not in known:
        hint = (
            f"There are: {', '.join(known)}." if known else "There are none yet: run `leadops metrics build`."
        )
        raise UsageError("no_such_metric_table", f"No table {name!r} in schema {SCHEMA}. {hint}")
    columns = _columns(connection, name)
    order = ", ".join(_IN_ORDER.get(key, f'"{key}"') for key in KEYS if key in columns) or "1"
    at_most = "" if limit is None else f" limit {int(limit)}"
    found = connection.execute(text(f'select * from {SCHEMA}."{name}" order by {order}{at_most}'))
    return MetricTable(name, tuple(found.keys()), tuple(tuple(row) for row in found))


def table_names(connection: Connection) -> list[str]:
    """Tables of the schema ``metrics``, sorted."""
    found = connection.execute(
        text("select table_name from information_schema.tables where table_schema = :schema order by 1"),
        {"schema": SCHEMA},
    )
    return list(found.scalars())


def count_rows(connection: Connection, name: str) -> int:
    """Rows of a table of the schema ``metrics``; ``name`` is a model's own name, never outside input."""
    return int(connection.execute(text(f'select count(*) from {SCHEMA}."{name}"')).scalar_one())


def cell(name: str, value: Any) -> str:
    """One value as a person reads it: rates as percentages, seconds rounded, never sent as 'never'."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        return "never"
    if name.startswith(("ttfa_p", "seconds")):
        return f"{value:.1f}"
    return f"{value:.1%}" if "rate" in name or name.startswith("ttfa_within") else f"{value:g}"


_MARKS = re.compile(r"([\\\\`*_\[\]<>|$])")


def _as_text(value: str) -> str:
    """A cell in markdown as the characters it is: a source may be called anything."""
    return _MARKS.sub(r"\\\1", " ".join(value.split()))


def _columns(connection: Connection, name: str) -> set[str]:
    found = connection.execute(
        text(
            "select column_name from information_schema.columns"
            " where table_schema = :schema and table_name = :name"
        ),
        {"schema": SCHEMA, "name": name},
    )
    return set(found.scalars())


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity"
    return value.isoformat() if isinstance(value, date) else value
