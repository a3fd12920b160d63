"""Conversion: the metric tables along source, tier and variant, every rate with its interval or a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st
from markupsafe import Markup
from sqlalchemy import Engine

from leadops.dashboard import markup as m
from leadops.dashboard import rates, shell
from leadops.dashboard.moments import Clock
from leadops.dashboard.rates import DIMENSIONS, METRICS, Conversion, Metric, Rate, rate_of
from leadops.dashboard.shell import View, choice, show

INSUFFICIENT = "insufficient"
ANY = "any"
DRAWN = 24
FRESH_H = 2.0
_KINDS = {
    "cell": "Source × tier × variant",
    "source": "Source",
    "tier": "Tier",
    "variant": "Variant",
    "cohort_month": "Month",
}
_COHORTS = {"mature": "Mature leads", "all": "All leads"}


@st.cache_data(ttl=shell.KEEP_S, max_entries=50, show_spinner=False)
def _read(_engine: Engine, kind: str, chosen: tuple[tuple[str, str | None], ...]) -> Conversion:
    return rates.conversion(_engine, kind, dict(chosen))


@st.cache_data(ttl=shell.KEEP_S, max_entries=2, show_spinner=False)
def _values(_engine: Engine) -> dict[str, list[str]]:
    return rates.values(_engine)


def draw(view: View) -> None:
    """Filters, headline numbers, the intervals drawn, the table."""
    known = _values(view.engine)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = choice("Rows", list(_KINDS), "rows", _KINDS.__getitem__, style="segments")
        cohort = choice("Cohort", list(_COHORTS), "cohort", _COHORTS.__getitem__, style="segments")
    chosen = _filters(known) if kind == "cell" else dict.fromkeys(DIMENSIONS)
    found = _read(view.engine, kind, tuple(chosen.items()))
    show(age(found.as_of, view.clock()))
    if not found.rows:
        show(_nothing(chosen))
        return
    show(_headline(found, cohort))
    metric = _chart(found, kind, cohort)
    show(_table(found, kind, cohort), _foot(found, metric, cohort))


def _filters(known: Mapping[str, list[str]]) -> dict[str, str | None]:
    """What the reader narrowed the cube to, by dimension."""
    chosen: dict[str, str | None] = {}
    for place, name in zip(st.columns(len(DIMENSIONS)), DIMENSIONS, strict=True):
        with place:
            options = [ANY, *(v for v in known[name] if v != ANY)]
            picked = choice(name.capitalize(), options, name)
        chosen[name] = None if picked == ANY else picked
    return chosen


def age(as_of: datetime | None, clock: Clock) -> Markup | None:
    """Which moment the tables speak of, and how long ago that was."""
    if as_of is None:
        return None
    hours = (clock.now - as_of).total_seconds() / 3600
    said = f"The metric tables speak of {clock.at(as_of)} {clock.short()}, {clock.ago(as_of)}."
    old = " They are rebuilt every hour while leadops runs; to rebuild them now: leadops metrics build."
    kind = "lo-foot lo-warn" if hours > FRESH_H else "lo-foot"
    return m.tag("p", said + (old if hours > FRESH_H else ""), class_=kind, data_as_of=as_of.isoformat())


def _nothing(chosen: Mapping[str, str | None]) -> Markup:
    if any(chosen.values()):
        return m.hint("No lead has this combination of source, tier and variant: widen a filter.")
    return m.hint(
        "The metric tables hold no lead yet. They come with the first lead that is not a test; "
        "after that: leadops metrics build, or wait for the hourly run."
    )


# --- headline


def _headline(found: Conversion, cohort: str) -> Markup:
    sums = found.sums
    leads = m.card(
        "Leads", f"{sums['leads']:,}", f"{sums['leads_mature']:,} mature (30 days over)", name="leads"
    )
    return m.cards(leads, *(_headline_card(found, metric, cohort) for metric in METRICS))


def _headline_card(found: Conversion, metric: Metric, cohort: str) -> Markup:
    columns = metric.columns(cohort)
    if found.headline is None:
        counted = f"{found.sums[columns.successes]:,} of {found.sums[columns.n]:,}"
        note = "counts add up over cells, rates do not: see the rows"
        return m.card(metric.title, counted, note, name=metric.name)
    rate = rate_of(found.headline, columns)
    counts = f"{rate.successes:,} of {rate.n:,}"
    return m.card(
        metric.title,
        percent(rate.value) if rate.is_enough else INSUFFICIENT,
        between(rate) if rate.is_enough else "too few to read",
        counts,
        kind="" if rate.is_enough else "lo-word",
        name=metric.name,
    )


def percent(value: float | None) -> str:
    """A share as the tables have it, to a tenth of a per cent."""
    return "–" if value is None else f"{value:.1%}"


def between(rate: Rate) -> str:
    """The interval, in per cent."""
    if rate.low is None or rate.high is None:
        return ""
    return f"{rate.low * 100:.1f}–{rate.high * 100:.1f} %"


# --- rows


def _chart(found: Conversion, kind: str, cohort: str) -> Metric:
    from leadops.dashboard import charts

    by_name = {metric.name: metric for metric in METRICS}
    picked = choice(
        "Draw", list(by_name), "metric", lambda n: by_name[n].title, style="segments", visible=False
    )
    metric = by_name[picked]
    values = [_drawn(r, kind, metric, cohort) for r in found.rows[:DRAWN]]
    st.altair_chart(charts.intervals(values, metric.title), width="stretch")
    return metric


def _drawn(row: Mapping[str, Any], kind: str, metric: Metric, cohort: str) -> dict[str, Any]:
    rate = rate_of(row, metric.columns(cohort))
    shown = f"{percent(rate.value)} ({between(rate)})" if rate.is_enough else INSUFFICIENT
    tier = row["tier"] if kind == "cell" else row["slice_value"]
    return {
        "label": _label(row, kind),
        "tier": tier if tier in ("hot", "warm", "cold") else "other",
        "enough": rate.is_enough,
        "rate": rate.value if rate.is_enough else None,
        "low": rate.low if rate.is_enough else None,
        "high": rate.high if rate.is_enough else None,
        "shown": shown,
        "counts": f"{rate.successes} of {rate.n}",
        "note": f"{INSUFFICIENT} ({rate.successes} of {rate.n})",
    }


def _label(row: Mapping[str, Any], kind: str) -> str:
    if kind != "cell":
        return str(row["slice_value"])
    return " · ".join(m.shortened(row[name], 40) for name in DIMENSIONS)


def _table(found: Conversion, kind: str, cohort: str) -> Markup:
    keys = DIMENSIONS if kind == "cell" else (kind,)
    heads = [(name.replace("_", " ").capitalize(), "left") for name in keys]
    heads += [("Leads", "right"), ("Mature", "right"), *((metric.title, "right") for metric in METRICS)]
    return m.table(heads, (_row(r, kind, cohort) for r in found.rows), name="conversion")


def _row(row: Mapping[str, Any], kind: str, cohort: str) -> Markup:
    if kind == "cell":
        keys = [m.cell(row["source"]), m.cell(m.tier(row["tier"])), m.cell(row["variant"])]
        own = "|".join(row[name] for name in DIMENSIONS)
    else:
        value = row["slice_value"]
        keys = [m.cell(m.tier(value) if kind == "tier" else value)]
        own = value
    return m.row(
        *keys,
        m.cell(f"{row['leads']:,}", side="right", name="leads"),
        m.cell(f"{row['leads_mature']:,}", side="right", name="leads_mature"),
        *(_rate_cell(rate_of(row, metric.columns(cohort)), metric) for metric in METRICS),
        data_row=own,
    )


def _rate_cell(rate: Rate, metric: Metric) -> Markup:
    counts = f"{rate.successes:,} of {rate.n:,}"
    if not rate.is_enough:
        return m.cell(INSUFFICIENT, m.tag("small", counts), side="right", name=metric.name, kind="lo-word")
    return m.cell(
        percent(rate.value),
        m.tag("small", f"{between(rate)} · {counts}"),
        side="right",
        name=metric.name,
    )


def _foot(found: Conversion, metric: Metric, cohort: str) -> Markup:
    short = f" The chart shows the {DRAWN} largest." if len(found.rows) > DRAWN else ""
    cut = (
        f" {found.cells:,} cells in all, {len(found.rows):,} shown."
        if len(found.rows) >= rates.MAX_ROWS
        else ""
    )
    whose = (
        "Contact and meetings of mature leads: their 30 days are over, so nobody among them still has time. "
        if cohort == "mature"
        else "All leads, also those with time left: young cohorts read too low. "
    )
    return m.tag(
        "p",
        f"{metric.title}: {metric.said}. {whose}Intervals are Wilson 95 %. “{INSUFFICIENT}”: fewer than "
        f"30 leads or 5 successes, so no rate is shown. With many rows one "
        f"interval in twenty misses.{short}{cut}",
        class_="lo-foot",
    )
