"""Plots of the metric tables for Dagster's UI: one function per shape of table, from the table alone.

They show what the tables say and compute no rate: rates, intervals and verdicts are the tables' own. A rate
below the floor is the grey word "insufficient", never a point. matplotlib is imported when something is
drawn, so that the code location starts without it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadops.metrics.read import MetricTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 16
MOST_MONTHS = 24
_DPI = 110
_COLOURS = 64
_TITLE = 10.5
_CELL_LETTERS = 18
_BLUE, _GREEN, _GREY, _LIGHT = "#2f6f8f", "#2a8f83", "#8a94a0", "#d5dae0"
_SOURCES = ("#2f6f8f", "#d98e04", "#2a8f83", "#b0475a", "#7a6aa8", "#9aa4af")
_SLICES = ("all", "source", "tier", "variant", "cohort_month")
_PER_SLICE = {"all": 1, "source": 8, "tier": 4, "variant": 6, "cohort_month": 8}
_TITLES = {
    "contact_rate": "Contact rate",
    "meeting_booked_rate": "Meeting-booked rate",
    "sequence_completion_rate": "Sequence completion",
    "won_rate": "Won rate",
}
_N = {"sequence_completion_rate": "sequences_started_mature"}
Row = Mapping[str, Any]


def markdown(table: MetricTable) -> str | None:
    """The table's plot as an image in markdown (PNG as a data URL); None for a table that has none."""
    draw = PLOTS.get(table.name)
    if draw is None or not table.rows:
        return None
    return f"![{table.name}](data:image/png;base64,{base64.b64encode(_png(draw(table))).decode()})"


# --- one function per shape


def rate_by_slice(table: MetricTable) -> Figure:
    """A table of one rate along one dimension at a time: point and whiskers per value."""
    rate = next(name for name in _TITLES if name in table.columns)
    rows = _by_slice(table)
    n = _N.get(rate, "leads")
    labels = [f"{_slice_label(row)}  n={row[n]}" for row in rows]
    figure, axes = _figure(1, len(rows), labels)
    _forest(axes[0], rows, rate, labels)
    axes[0].set_title(f"{_TITLES[rate]}, 95% interval", fontsize=_TITLE)
    return figure


def rates_by_row(table: MetricTable) -> Figure:
    """A wide table: its four rates beside each other, a line per row, the largest rows first."""
    keys = [name for name in ("source", "tier", "variant") if name in table.columns]
    rows = _records(table)
    if len(keys) > 1:
        rows = sorted(rows, key=lambda row: -row["leads"])
    rows = rows[:MOST_LINES]
    labels = [
        f"{' · '.join(_short(str(row[key]), _CELL_LETTERS) for key in keys)}  n={row['leads']}"
        for row in rows
    ]
    figure, axes = _figure(len(_TITLES), len(rows), labels)
    for place, (rate, title) in enumerate(_TITLES.items()):
        _forest(axes[place], rows, rate, labels if place == 0 else [""] * len(rows))
        axes[place].set_title(title, fontsize=_TITLE)
    return figure


def attempts_by_slice(table: MetricTable) -> Figure:
    """Time to first attempt: shares within 90 s, 5, 15, 60 min as parts of a bar; never sent beside it."""
    rows = [row for row in _by_slice(table) if row["n_with_time"]]
    labels = [f"{_slice_label(row)}  n={row['n_with_time']}" for row in rows]
    figure, axes = _figure(1, len(rows), labels, right=0.86)
    within = ("ttfa_within_90s", "ttfa_within_5min", "ttfa_within_15min", "ttfa_within_60min")
    shades = ("#1d6f64", "#2f9c8f", "#7cc4ba", "#bfe0db")
    lines = range(len(rows))
    # The widest first: each narrower one is drawn over it.
    for name, shade in reversed(list(zip(within, shades, strict=True))):
        words = f"≤ {name.removeprefix('ttfa_within_').replace('s', ' s').replace('min', ' min')}"
        axes[0].barh(lines, [row[name] for row in rows], color=shade, label=words, height=0.7)
    for line, row in enumerate(rows):
        if row["n_never_sent"]:
            axes[0].text(
                1.01, line, f"{row['n_never_sent']} never sent", va="center", fontsize=8, color=_GREY
            )
    _lines(axes[0], labels)
    _percent(axes[0], 1.0)
    axes[0].set_title("Time to first attempt: share of leads attempted within", pad=24, fontsize=_TITLE)
    handles, names = axes[0].get_legend_handles_labels()
    axes[0].legend(
        handles[::-1],
        names[::-1],
        ncols=4,
        fontsize=8,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        handlelength=1.2,
    )
    return figure


def leads_by_month(table: MetricTable) -> Figure:
    """Leads per cohort month, stacked by source; the smaller sources together."""
    rows = _records(table)
    months = sorted({row["cohort_month"] for row in rows})[-MOST_MONTHS:]
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["source"]] = totals.get(row["source"], 0) + row["leads"]
    ranked = sorted(totals, key=lambda source: (-totals[source], source))
    shown, rest = ranked[: len(_SOURCES) - 1], set(ranked[len(_SOURCES) - 1 :])
    figure, axes = _figure(1, 11, right=0.7)
    floor = [0] * len(months)
    for source, colour in zip([*shown, None], _SOURCES[: len(shown)] + _SOURCES[-1:], strict=True):
        if source is None and not rest:
            continue
        mine = {source} if source is not None else rest
        counts = [
            sum(r["leads"] for r in rows if r["cohort_month"] == m and r["source"] in mine) for m in months
        ]
        words = _plain(_short(source)) if source is not None else f"{len(rest)} more"
        axes[0].bar(range(len(months)), counts, bottom=floor, color=colour, label=words, width=0.75)
        floor = [low + count for low, count in zip(floor, counts, strict=True)]
    axes[0].set_xticks(range(len(months)), [f"{month:%Y-%m}" for month in months], rotation=45, ha="right")
    axes[0].set_title("Leads per month of becoming one, by source", fontsize=_TITLE)
    axes[0].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes[0].grid(axis="y", color=_LIGHT, linewidth=0.6)
    axes[0].set_axisbelow(True)
    return figure


PLOTS: Mapping[str, Callable[[MetricTable], Figure]] = {
    "contact_rate": rate_by_slice,
    "meeting_booked_rate": rate_by_slice,
    "sequence_completion": rate_by_slice,
    "won_rate": rate_by_slice,
    "time_to_first_attempt": attempts_by_slice,
    "conversion_by_tier": rates_by_row,
    "conversion_cube": rates_by_row,
    "leads_by_month": leads_by_month,
}


# --- what they share


def _records(table: MetricTable) -> list[Row]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _by_slice(table: MetricTable) -> list[Row]:
    """Rows dimension by dimension, the largest of each; tiers in their order, the latest months."""
    found: list[Row] = []
    for name in _SLICES:
        mine = [row for row in _records(table) if row["slice"] == name]
        if name == "cohort_month":
            mine = sorted(mine, key=lambda row: str(row["slice_value"]))[-_PER_SLICE[name] :]
        elif name == "tier":
            order = ("hot", "warm", "cold")
            mine.sort(key=lambda row: order.index(row["slice_value"]) if row["slice_value"] in order else 9)
        else:
            mine.sort(key=lambda row: (-row["leads"], str(row["slice_value"])))
        found += mine[: _PER_SLICE[name]]
    return found


def _slice_label(row: Row) -> str:
    if row["slice"] == "all":
        return "all leads"
    return f"{row['slice'].removeprefix('cohort_')}: {_short(str(row['slice_value']))}"


def _forest(axes: Axes, rows: Sequence[Row], rate: str, labels: Sequence[str]) -> None:
    """A line per row: the rate with whiskers where it can be read, the word where it cannot."""
    known = [(line, row) for line, row in enumerate(rows) if _enough(row, rate)]
    top = max((row[f"{rate}_high"] for _, row in known), default=0.1)
    values = [row[rate] for _, row in known]
    whiskers = [
        [max(0.0, row[rate] - row[f"{rate}_low"]) for _, row in known],
        [max(0.0, row[f"{rate}_high"] - row[rate]) for _, row in known],
    ]
    lines = [line for line, _ in known]
    axes.errorbar(values, lines, xerr=whiskers, fmt="o", color=_BLUE, markersize=5, capsize=3, elinewidth=1.6)
    for line in set(range(len(rows))) - set(lines):
        axes.text(top * 0.015, line, "insufficient", va="center", fontsize=8, style="italic", color=_GREY)
    _lines(axes, labels)
    _percent(axes, min(1.0, top * 1.1))


def _enough(row: Row, rate: str) -> bool:
    return bool(row[f"{rate}_verdict"] == "enough")


def _lines(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [_plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)


def _percent(axes: Axes, top: float) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xlim(0, top)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if top > 0.08 else 1))
    axes.locator_params(axis="x", nbins=5)


def _figure(
    panels: int, lines: int, labels: Sequence[str] = (), right: float = 0.98
) -> tuple[Figure, list[Axes]]:
    """A figure of its own, drawn by Agg: no window, no global state, safe in any thread.

    Room for the labels is reckoned from their letters: measuring them as drawn takes twice the time.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = (8.6 if panels == 1 else 12.0), 0.95 + 0.26 * max(4, lines)
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    letters = max((len(label) for label in labels), default=6)
    figure.subplots_adjust(
        left=(0.2 + 0.073 * letters) / width,
        right=right,
        bottom=(0.4 if labels else 0.75) / height,
        top=1 - 0.55 / height,
        wspace=0.17,
    )
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for one in axes:
        for side in ("top", "right", "left"):
            one.spines[side].set_visible(False)
        one.tick_params(labelsize=9, colors="#39424d")
    return figure, axes


def _png(figure: Figure) -> bytes:
    """Few colours, so few bytes: it is kept in Dagster's event log with every run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError("a figure of ours is drawn by Agg")
    canvas.draw()  # type: ignore[no-untyped-call]
    size = canvas.get_width_height()
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    image = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).convert("RGB")
    small = io.BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def _short(text: str, letters: int = 34) -> str:
    said = " ".join(text.split())
    return said if len(said) <= letters else f"{said[: letters - 1]}…"


def _plain(text: str) -> str:
    """Names are names: a dollar sign in one starts no formula."""
    return text.replace("$", r"\$")
