"""Charts: rates with their intervals, the spread of a time, leads per hour. Pure: rows in, a chart out.

Values stand inside the chart's own description: nothing is loaded, and text is drawn, never interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

# Altair uses pandas where sys.modules has it, also while another thread is only half through importing it
# (an AttributeError then): wait here until it is whole.
import pandas  # noqa: F401

TIER_COLOURS: Mapping[str, str] = {"hot": "#d1495b", "warm": "#d98e04", "cold": "#3d7ea6"}
OTHER = "#8a94a0"
GOOD, HELD, LATE, GREY = "#2a8f83", "#9fc9c3", "#d98e04", "#9aa4af"
# The page fits a chart into its height, axis and all.
_ROW_HEIGHT, _AXIS_HEIGHT = 25, 45
Drawn = alt.Chart | alt.LayerChart | alt.FacetChart


def _data(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"values": [dict(value) for value in values]}


def intervals(values: Sequence[Mapping[str, Any]], title: str) -> Drawn:
    """One line per row: point and 95% interval where ``enough``, else the word “insufficient”.

    Values: label, tier, rate, low, high (0..1 or None), n, successes, enough, and note (drawn where not
    enough).
    """
    labels = [value["label"] for value in values]
    scale = alt.Scale(domain=[*TIER_COLOURS, "other"], range=[*TIER_COLOURS.values(), OTHER])
    top = max((v["high"] for v in values if v["enough"] and v["high"] is not None), default=0.1)
    base = alt.Chart(_data(values)).encode(
        y=alt.Y(
            "label:N",
            sort=labels,
            title=None,
            axis=alt.Axis(
                labelLimit=340,
                labelOverlap=False,
                labelBound=False,
                labelFlush=False,
                ticks=False,
                domain=False,
            ),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="row"),
            alt.Tooltip("shown:N", title=title.lower()),
            alt.Tooltip("counts:N", title="counted"),
        ],
    )
    known = base.transform_filter("datum.enough")
    x = alt.X(
        "low:Q",
        title=None,
        axis=alt.Axis(format="%", tickCount=6, domain=False),
        scale=alt.Scale(domain=[0, min(1.0, top * 1.08)], nice=True),
    )
    colour = alt.Color("tier:N", scale=scale, legend=None)
    rule = known.mark_rule(strokeWidth=2.5, opacity=0.55).encode(x=x, x2="high:Q", color=colour)
    point = known.mark_point(filled=True, size=75, opacity=1).encode(x=alt.X("rate:Q"), color=colour)
    unknown = (
        base.transform_filter("!datum.enough")
        .mark_text(align="left", dx=4, fontSize=11.5, fontStyle="italic", color=GREY)
        .encode(x=alt.value(0), text="note:N")
    )
    return alt.layer(rule, point, unknown).properties(height=_AXIS_HEIGHT + _ROW_HEIGHT * len(labels))


def spread(values: Sequence[Mapping[str, Any]], bars: Sequence[str]) -> Drawn:
    """Leads per length of time to the first attempt. Values: bar, kind, leads; kinds stack."""
    kinds = ["as soon as possible", "held by policy", "never sent"]
    base = alt.Chart(_data(values)).encode(
        x=alt.X(
            "bar:O",
            sort=list(bars),
            title=None,
            scale=alt.Scale(domain=list(bars), paddingInner=0.15),
            axis=alt.Axis(labelAngle=0, labelOverlap=False, labelFontSize=10.5, ticks=False),
        ),
        y=alt.Y("sum(leads):Q", title=None, axis=alt.Axis(tickCount=3, format="d", tickMinStep=1)),
    )
    drawn = base.mark_bar().encode(
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=[GOOD, HELD, GREY]),
            legend=None,
        ),
        order=alt.Order("kind:N", sort="ascending"),
        tooltip=[
            alt.Tooltip("bar:N", title="first attempt"),
            alt.Tooltip("kind:N", title="how"),
            alt.Tooltip("leads:Q", title="leads"),
        ],
    )
    counted = base.mark_text(dy=-6, fontSize=10.5, color=GREY).encode(text=alt.Text("sum(leads):Q"))
    return alt.layer(drawn, counted).properties(height=170)


def hours(values: Sequence[Mapping[str, Any]], order: Sequence[str]) -> Drawn:
    """Leads per hour of the last 24, oldest left. Values: hour (words), answer, leads."""
    answers = ["within 5 min", "later", "not written to yet"]
    drawn: Drawn = (
        alt.Chart(_data(values))
        .mark_bar()
        .encode(
            x=alt.X(
                "hour:O",
                sort=list(order),
                title=None,
                scale=alt.Scale(domain=list(order), paddingInner=0.15),
                axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False, labelFontSize=10.5),
            ),
            y=alt.Y("leads:Q", title=None, axis=alt.Axis(tickCount=3, format="d", tickMinStep=1)),
            color=alt.Color(
                "answer:N", scale=alt.Scale(domain=answers, range=[GOOD, LATE, GREY]), legend=None
            ),
            tooltip=[
                alt.Tooltip("hour:N", title="hour from"),
                alt.Tooltip("answer:N", title="first message"),
                alt.Tooltip("leads:Q"),
            ],
        )
        .properties(height=170)
    )
    return drawn
