"""Speed-to-lead: how long until the first message, per tier; held by policy and never sent kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from markupsafe import Markup
from sqlalchemy import Engine

from leadops.dashboard import markup as m
from leadops.dashboard import rates, shell
from leadops.dashboard.moments import span
from leadops.dashboard.rates import BOUNDS, LATER, NEVER, Speed
from leadops.dashboard.shell import View, show
from leadops.dashboard.view_conversion import age, percent
from leadops.dashboard.view_overview import legend

_WITHIN = (("90s", "90 s"), ("5min", "5 min"), ("15min", "15 min"), ("60min", "60 min"))


@st.cache_data(ttl=shell.KEEP_S, max_entries=2, show_spinner=False)
def _read(_engine: Engine) -> Speed:
    return rates.speed(_engine)


def draw(view: View) -> None:
    """Headline of all leads, the spread per tier, the table."""
    found = _read(view.engine)
    show(age(found.as_of, view.clock()))
    if not found.tiers:
        show(m.hint("The metric tables hold no lead yet; after the first one: leadops metrics build."))
        return
    show(_cards(found.tiers[0]))
    _spread(found)
    show(_table(found), _foot())


def _cards(row: Mapping[str, Any]) -> Markup:
    n = row["n_with_time"]
    return m.cards(
        m.card("Half within", span(row["ttfa_p50_s"]), "P50 of everybody", name="p50"),
        m.card("95 % within", span(row["ttfa_p95_s"]), "P95 of everybody", name="p95"),
        m.card(
            "95 %, held ones apart",
            span(row["ttfa_p95_not_held_s"]),
            "P95 of those no policy held",
            name="p95_not_held",
        ),
        *(
            m.card(f"Within {words}", percent(row[f"ttfa_within_{name}"]), f"of {n:,}", name=f"within_{name}")
            for name, words in _WITHIN
        ),
        m.card(
            "Held by policy", f"{row['n_held_by_policy']:,}", "a window or a gap of the playbook", name="held"
        ),
        m.card("Never sent to", f"{row['n_never_sent']:,}", "counted as slowest of all", name="never"),
    )


def _spread(found: Speed) -> None:
    from leadops.dashboard import charts

    bars = [*(word for _, word in BOUNDS), LATER, NEVER]
    tiers = [r["slice_value"] for r in found.tiers if r["slice"] == "tier" and r["n_with_time"]]
    show(m.heading("Time to first message", "leads per length of time, each bar up to the time under it"))
    show(
        legend(
            (
                (charts.GOOD, "as soon as possible"),
                (charts.HELD, "held by policy (window, gap)"),
                (charts.GREY, "never sent"),
            )
        )
    )
    for place, tier in enumerate(tiers):
        if place % 2 == 0:
            columns = st.columns(2, gap="medium")
        with columns[place % 2]:
            n = next(r["n_with_time"] for r in found.tiers if r["slice_value"] == tier)
            show(m.tag("div", m.tier(tier), m.muted(f"  {n:,} leads")))
            st.altair_chart(charts.spread(_bars(found, tier), bars), width="stretch")


def _bars(found: Speed, tier: str) -> list[dict[str, Any]]:
    return [
        {
            "bar": r["bar"],
            "leads": r["leads"],
            "kind": NEVER if r["bar"] == NEVER else "held by policy" if r["held"] else "as soon as possible",
        }
        for r in found.spread
        if r["tier"] == tier
    ]


def _table(found: Speed) -> Markup:
    heads = [
        ("Tier", "left"),
        ("Leads with a time", "right"),
        ("P50", "right"),
        ("P95", "right"),
        ("P50 not held", "right"),
        ("P95 not held", "right"),
        *((f"≤ {words}", "right") for _, words in _WITHIN),
        ("Held by policy", "right"),
        ("Never sent to", "right"),
        ("Date only", "right"),
    ]
    return m.table(heads, (_row(r) for r in found.tiers), name="speed")


def _row(row: Mapping[str, Any]) -> Markup:
    name = row["slice_value"]
    spans = ("ttfa_p50_s", "ttfa_p95_s", "ttfa_p50_not_held_s", "ttfa_p95_not_held_s")
    counts = ("n_held_by_policy", "n_never_sent", "n_without_time")
    return m.row(
        m.cell("all" if row["slice"] == "all" else m.tier(name)),
        m.cell(f"{row['n_with_time']:,}", side="right", name="n_with_time"),
        *(m.cell(span(row[column]), side="right", name=column, kind="lo-nowrap") for column in spans),
        *(
            m.cell(percent(row[f"ttfa_within_{within}"]), side="right", name=f"ttfa_within_{within}")
            for within, _ in _WITHIN
        ),
        *(m.cell(f"{row[column]:,}", side="right", name=column) for column in counts),
        data_row=name,
    )


def _foot() -> Markup:
    return m.tag(
        "p",
        "From the lead event to the first e-mail the provider accepted, over every lead whose event has a "
        "time. A lead never sent to counts as infinite and stays in: “never” at P95 means that more than "
        "5 % were never written to. “Not held” leaves out leads whose first message a window "
        "or a gap of the playbook put off.",
        class_="lo-foot",
    )
