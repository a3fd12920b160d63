"""What the metric tables say, and nothing computed again: rates, intervals and verdicts are the tables' own.

What a column means: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.dashboard.database import metric_tables
from leadops.store.engine import rows, sql

MAX_ROWS = 500
ROW_KINDS = ("cell", "source", "tier", "variant", "cohort_month")
DIMENSIONS = ("source", "tier", "variant")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a rate stands in the tables: its column (with _low, _high, _verdict), successes, denominator."""

    rate: str
    successes: str
    n: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One headline rate. ``mature``: the same of the mature leads only, where the tables have it."""

    name: str
    title: str
    all: Columns
    mature: Columns | None
    said: str  # what is counted, in a clause

    def columns(self, cohort: str) -> Columns:
        return self.mature if cohort == "mature" and self.mature else self.all


METRICS = (
    Metric(
        "contact",
        "Contact rate",
        Columns("contact_rate", "contacted", "leads"),
        Columns("contact_rate_mature", "contacted_mature", "leads_mature"),
        "a human reply or live call within 30 days",
    ),
    Metric(
        "meeting",
        "Meeting booked",
        Columns("meeting_booked_rate", "meetings_booked", "leads"),
        Columns("meeting_booked_rate_mature", "meetings_booked_mature", "leads_mature"),
        "first meeting booked within 30 days",
    ),
    Metric(
        "completion",
        "Sequence completed",
        Columns("sequence_completion_rate", "sequences_completed", "sequences_started_mature"),
        None,
        "reached the last step without a reply, of sequences begun 30 days ago or more; a reply lowers it",
    ),
    Metric(
        "won",
        "Won",
        Columns("won_rate", "won", "leads"),
        None,
        "a won deal at any time; all leads, no window",
    ),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of one row as the tables have it, 0..1; ``is_enough`` is the tables' verdict."""

    value: float | None
    low: float | None
    high: float | None
    successes: int
    n: int
    is_enough: bool


def rate_of(row: Mapping[str, Any], columns: Columns) -> Rate:
    """The rate, its interval and its verdict out of a row."""
    return Rate(
        value=row[columns.rate],
        low=row[f"{columns.rate}_low"],
        high=row[f"{columns.rate}_high"],
        successes=row[columns.successes],
        n=row[columns.n],
        is_enough=row[f"{columns.rate}_verdict"] == "enough",
    )


_CELLS = sql(
    """select * from metrics.conversion_cube
    where (cast(:source as text) is null or source = :source)
        and (cast(:tier as text) is null or tier = :tier)
        and (cast(:variant as text) is null or variant = :variant)
    order by leads desc, source, array_position(array['hot', 'warm', 'cold'], tier), tier, variant
    limit :limit"""
)
_SLICE = """select c.*,
    m.meetings_booked, m.meeting_booked_rate, m.meeting_booked_rate_low, m.meeting_booked_rate_high,
    m.meeting_booked_rate_verdict, m.meetings_booked_mature, m.meeting_booked_rate_mature,
    m.meeting_booked_rate_mature_low, m.meeting_booked_rate_mature_high, m.meeting_booked_rate_mature_verdict,
    s.sequences_started_mature, s.sequences_completed, s.sequence_completion_rate,
    s.sequence_completion_rate_low, s.sequence_completion_rate_high, s.sequence_completion_rate_verdict,
    w.won, w.won_rate, w.won_rate_low, w.won_rate_high, w.won_rate_verdict
    from metrics.contact_rate c join metrics.meeting_booked_rate m using (slice, slice_value)
    join metrics.sequence_completion s using (slice, slice_value)
    join metrics.won_rate w using (slice, slice_value)"""
_SLICES = sql(
    f"""{_SLICE} where slice = :slice
    order by case when slice = 'cohort_month' then slice_value end desc,
        case when slice = 'tier' then array_position(array['hot', 'warm', 'cold'], slice_value) end,
        c.leads desc, slice_value limit :limit"""
)
_ONE_SLICE = sql(f"{_SLICE} where slice = :slice and slice_value = :value")
_VALUES = sql(
    """select 'source' as dimension, source as value, sum(leads) as leads from metrics.conversion_cube
        group by source
    union all select 'tier', tier, sum(leads) from metrics.conversion_cube group by tier
    union all select 'variant', variant, sum(leads) from metrics.conversion_cube group by variant
    order by 1, 3 desc, 2"""
)
_SUMS = sql(
    """select count(*) as cells, coalesce(sum(leads), 0)::bigint as leads,
        coalesce(sum(leads_mature), 0)::bigint as leads_mature,
        coalesce(sum(contacted), 0)::bigint as contacted,
        coalesce(sum(contacted_mature), 0)::bigint as contacted_mature,
        coalesce(sum(meetings_booked), 0)::bigint as meetings_booked,
        coalesce(sum(meetings_booked_mature), 0)::bigint as meetings_booked_mature,
        coalesce(sum(sequences_completed), 0)::bigint as sequences_completed,
        coalesce(sum(sequences_started_mature), 0)::bigint as sequences_started_mature,
        coalesce(sum(won), 0)::bigint as won
    from metrics.conversion_cube
    where (cast(:source as text) is null or source = :source)
        and (cast(:tier as text) is null or tier = :tier)
        and (cast(:variant as text) is null or variant = :variant)"""
)
_AS_OF = sql("select max(as_of) as as_of from metrics.conversion_cube")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What the conversion view shows.

    ``headline`` is the row whose rates hold for everything chosen; None where the tables have none (two
    filters at once): counts add up (``sums``), rates do not.
    """

    as_of: datetime | None
    rows: list[Row]
    cells: int  # cells of the cube that fit, shown or not
    headline: Row | None
    sums: Row


def conversion(engine: Engine, kind: str, chosen: Mapping[str, str | None]) -> Conversion:
    """Rows of the cube that fit ``chosen`` (kind "cell"), or those of one dimension.

    Raises:
        NotBuilt: the tables are not there.
    """
    wanted = {name: chosen.get(name) for name in DIMENSIONS}
    with metric_tables(engine) as connection:
        sums = rows(connection, _SUMS, **wanted)[0]
        if kind == "cell":
            found = rows(connection, _CELLS, limit=MAX_ROWS, **wanted)
        else:
            found = rows(connection, _SLICES, slice=kind, limit=MAX_ROWS)
        return Conversion(
            as_of=rows(connection, _AS_OF)[0]["as_of"],
            rows=found,
            cells=sums["cells"],
            headline=_headline(connection, wanted, found),
            sums=sums,
        )


def _headline(connection: Connection, wanted: Mapping[str, str | None], found: list[Row]) -> Row | None:
    given = [(name, value) for name, value in wanted.items() if value is not None]
    if len(given) == len(DIMENSIONS):
        return found[0] if len(found) == 1 else None
    if len(given) > 1:
        return None
    name, value = given[0] if given else ("all", "all")
    one = rows(connection, _ONE_SLICE, slice=name, value=value)
    return one[0] if one else None


def values(engine: Engine) -> dict[str, list[str]]:
    """dimension -> its values, the most frequent first (tiers in their order).

    Raises:
        NotBuilt: the tables are not there.
    """
    with metric_tables(engine) as connection:
        found = rows(connection, _VALUES)
    listed = {name: [r["value"] for r in found if r["dimension"] == name] for name in DIMENSIONS}
    order = {"hot": 0, "warm": 1, "cold": 2}
    listed["tier"].sort(key=lambda value: (order.get(value, 3), value))
    return listed


# --- speed-to-lead

BOUNDS = (
    (30.0, "30 s"),
    (60.0, "60 s"),
    (90.0, "90 s"),
    (300.0, "5 min"),
    (900.0, "15 min"),
    (3600.0, "60 min"),
    (4 * 3600.0, "4 h"),
    (86400.0, "24 h"),
    (7 * 86400.0, "7 d"),
)
"""Upper bounds of the bars, both in seconds (included) and in words."""

LATER = "later"
NEVER = "never sent"
_CASES = " ".join(f"when seconds_to_first_attempt <= {bound:.0f} then '{word}'" for bound, word in BOUNDS)
_SPREAD = sql(
    f"""select tier, is_held_by_policy as held,
        case {_CASES} when seconds_to_first_attempt = 'Infinity' then '{NEVER}' else '{LATER}' end as bar,
        count(*) as leads
    from metrics.fct_person_enrolments where seconds_to_first_attempt is not null group by 1, 2, 3"""
)
_ATTEMPTS = sql(
    """select * from metrics.time_to_first_attempt where slice in ('all', 'tier')
    order by slice, array_position(array['hot', 'warm', 'cold'], slice_value), slice_value"""
)


@dataclass(frozen=True, slots=True)
class Speed:
    """``tiers``: the rows of time_to_first_attempt, all leads first; ``spread``: leads per tier and bar."""

    as_of: datetime | None
    tiers: list[Row]
    spread: list[Row]


def speed(engine: Engine) -> Speed:
    """Time to first attempt per tier, and how it is spread.

    Raises:
        NotBuilt: the tables are not there.
    """
    with metric_tables(engine) as connection:
        tiers = rows(connection, _ATTEMPTS)
        return Speed(tiers[0]["as_of"] if tiers else None, tiers, rows(connection, _SPREAD))
