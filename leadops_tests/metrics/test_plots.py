"""Plots and previews of the metric tables: what the tables say, small, and no rate below the floor."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest
from PIL import Image

from leadops.metrics import plots
from leadops.metrics.read import PREVIEW, MetricTable

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
RATES = ("contact_rate", "meeting_booked_rate", "sequence_completion_rate", "won_rate")
ODD = "$\\frac{ <script>alert(1)</script> [x](http://evil.example) | *b* _c_\nsecond line"
MODAL = 60_000  # characters: what a metadata value may weigh


def rate(name: str, value: float | None, enough: bool = True) -> dict[str, Any]:
    """The four columns of a rate."""
    return {
        name: value,
        f"{name}_low": None if value is None else max(0.0, value - 0.1),
        f"{name}_high": None if value is None else min(1.0, value + 0.1),
        f"{name}_verdict": "enough" if enough else "insufficient",
    }


def table(name: str, rows: list[dict[str, Any]]) -> MetricTable:
    return MetricTable(name, tuple(rows[0]), tuple(tuple(row.values()) for row in rows))


def sliced(name: str, n: int = 40) -> MetricTable:
    """One metric: all leads, many sources (one with an odd name), tiers, months."""
    values = [("all", "all"), ("source", ODD), *(("source", f"source {i}") for i in range(n))]
    values += [("tier", t) for t in ("cold", "hot", "warm")] + [
        ("cohort_month", f"2026-{m:02}") for m in range(1, 13)
    ]
    made = []
    for place, (kind, value) in enumerate(values):
        row: dict[str, Any] = {"slice": kind, "slice_value": value, "as_of": AS_OF, "leads": 500 - place}
        row |= {"n_with_time": 500 - place, "n_never_sent": place % 3, "sequences_started_mature": 300}
        row |= {f"ttfa_within_{w}": 0.2 * k for k, w in enumerate(("90s", "5min", "15min", "60min"), 1)}
        rate_name = {"sequence_completion": "sequence_completion_rate"}.get(name, name)
        if rate_name in RATES:
            row |= rate(rate_name, 0.3 if place % 4 else None, bool(place % 4))
        made.append(row)
    return table(name, made)


def wide(name: str, rows: int, verdict: bool = True) -> MetricTable:
    made = []
    for place in range(rows):
        row: dict[str, Any] = {
            "source": f"{ODD} {place}",
            "tier": "hot",
            "variant": "v",
            "as_of": AS_OF,
            "leads": place,
        }
        for r in RATES:
            row |= rate(r, 0.25, verdict)
        made.append(row)
    return table(name, made)


def months() -> MetricTable:
    made = [
        {
            "cohort_month": date(2025 + m // 12, 1 + m % 12, 1),
            "source": f"{ODD} {s}",
            "as_of": AS_OF,
            "leads": m + s,
        }
        for m in range(40)
        for s in range(12)
    ]
    return table("leads_by_month", made)


TABLES = {
    **{name: sliced(name) for name in plots.PLOTS if name.endswith(("_rate", "completion"))},
    "time_to_first_attempt": sliced("time_to_first_attempt"),
    "conversion_by_tier": wide("conversion_by_tier", 4),
    "conversion_cube": wide("conversion_cube", 300),
    "leads_by_month": months(),
}


def texts(figure: Any) -> list[str]:
    """Everything written in a figure: labels, words, titles."""
    axes = figure.axes
    found = [t.get_text() for a in axes for t in (*a.texts, *a.get_yticklabels(), a.title)]
    return [text for text in found if text]


def points(axes: Any) -> list[tuple[float, float]]:
    """The drawn points (x, line) of a forest."""
    return [
        xy for line in axes.lines if line.get_marker() == "o" for xy in zip(*line.get_data(), strict=True)
    ]


@pytest.mark.parametrize("name", plots.PLOTS)
def test_every_table_has_a_plot_that_is_a_small_png(name: str) -> None:
    said = plots.markdown(TABLES[name])
    assert said is not None
    assert said.startswith(f"![{name}](data:image/png;base64,")
    assert len(said) < MODAL
    with Image.open(io.BytesIO(base64.b64decode(said.partition("base64,")[2][:-1]))) as image:
        assert image.format == "PNG"
        assert 600 < image.width < 1500
        assert 200 < image.height < 1200
        assert len(image.convert("RGB").getcolors(10_000) or ()) > 3  # something is drawn


def test_a_rate_below_the_floor_is_a_grey_word_and_no_point() -> None:
    given = sliced("contact_rate", n=5)
    figure = plots.rate_by_slice(given)
    rows = len(figure.axes[0].get_yticks())
    drawn = points(figure.axes[0])
    words = [t for t in texts(figure) if t == "insufficient"]
    assert len(drawn) + len(words) == rows
    assert words
    assert {value for value, _ in drawn} == {0.3}
    nothing = plots.rates_by_row(wide("conversion_by_tier", 3, verdict=False))
    assert [points(a) for a in nothing.axes] == [[], [], [], []]
    assert texts(nothing).count("insufficient") == 12


def test_whiskers_are_the_tables_own_interval() -> None:
    figure = plots.rates_by_row(wide("conversion_by_tier", 2))
    (bars,) = [c for c in figure.axes[0].collections if hasattr(c, "get_segments")]
    ends = [tuple(round(float(x), 6) for x, _ in segment) for segment in bars.get_segments()]
    assert ends == [(0.15, 0.35), (0.15, 0.35)]


def test_the_largest_rows_are_kept_and_a_name_is_only_a_name() -> None:
    figure = plots.rates_by_row(wide("conversion_cube", 300))
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(labels) == plots.MOST_LINES
    assert labels[0].endswith("n=299")
    figure.canvas.draw()  # a dollar sign in a name would end in an error of the formula parser
    assert all("\n" not in label for label in labels)


def test_a_table_without_rows_or_without_a_plot_has_none() -> None:
    assert plots.markdown(MetricTable("contact_rate", ("slice",), ())) is None
    assert plots.markdown(MetricTable("fct_touches", ("touch_id",), (("x",),))) is None


@pytest.mark.parametrize("name", TABLES)
def test_a_preview_is_short_and_its_cells_are_text(name: str) -> None:
    preview = TABLES[name].preview(20)
    assert len(preview.rows) <= 20
    assert "as_of" not in preview.columns
    assert set(PREVIEW.get(name, ())) & set(preview.columns) or name not in PREVIEW
    written = preview.markdown().splitlines()
    assert len(written) == len(preview.rows) + 2
    bars = {line.replace("\\|", "").count("|") for line in written}
    assert bars == {len(preview.columns) + 1}  # no cell breaks the table
    said = preview.markdown()
    for mark in ("<script>", "[x](", " *b* ", " _c_"):
        assert mark not in said


def test_nothing_is_imported_before_something_is_drawn() -> None:
    script = (
        "import sys; import leadops.metrics.plots; "
        "print([m for m in ('matplotlib', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
