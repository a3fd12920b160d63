"""Messages that wait for a person: whose, since when, what they say. Decided on by `leadops review`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from markupsafe import Markup
from sqlalchemy import Engine

from leadops.dashboard import markup as m
from leadops.dashboard import operations, shell
from leadops.dashboard.moments import Clock, span
from leadops.dashboard.operations import WAITING, Review
from leadops.dashboard.shell import View, show
from leadops.dashboard.view_overview import mode_line
from leadops.stages.explain_words import say_reason

WORDS = 280


@st.cache_data(ttl=shell.KEEP_S, max_entries=4, show_spinner=False)
def _read(_engine: Engine) -> Review:
    return operations.review(_engine)


def draw(view: View) -> None:
    """The list; it refreshes itself."""
    _live(view)


@st.fragment(run_every=shell.REFRESH_S)
def _live(view: View) -> None:
    shell.guarded(_draw, view)


def _draw(view: View) -> None:
    found, clock = _read(view.engine), view.clock()
    show(mode_line(view))
    if not found.waiting:
        show(m.hint("No message waits for a person."))
        return
    show(_cards(found), _table(view, found, clock), _foot(found, clock))


def _cards(found: Review) -> Markup:
    since = found.backlog.since
    longest = (datetime.now(UTC) - since).total_seconds() if since else 0.0
    return m.cards(
        m.card("In review", f"{found.backlog.waiting:,}", name="in_review"),
        m.card("Longest wait", span(longest), name="longest"),
    )


def _table(view: View, found: Review, clock: Clock) -> Markup:
    heads = [("Waits since", "left"), ("Lead", "left"), ("Message", "left"), ("Decide", "left")]
    return m.table(heads, (_row(view, r, clock) for r in found.waiting), name="review")


def _row(view: View, row: Mapping[str, Any], clock: Clock) -> Markup:
    since = row["in_review_since"]
    name = row["name"] or row["lead_id"]
    company = m.tag("small", row["company"], class_="lo-wrap") if row["company"] else None
    held = None
    if row["reason"] != "awaiting_review":
        held = m.tag("small", say_reason(row["reason"]), class_="lo-bad lo-wrap")
    return m.row(
        m.cell(clock.ago(since), m.tag("small", clock.time(since)), kind="lo-nowrap"),
        m.cell(view.lead(row["lead_id"], m.shortened(name, 80)), " ", m.tier(row["tier"]), company),
        m.cell(
            m.tag("strong", m.shortened(row["subject"] or "its words are gone", 120)),
            m.tag("small", m.shortened(row["body"] or "", WORDS), class_="lo-wrap"),
            held,
            name="message",
        ),
        m.cell(
            m.mono(f"leadops review show {row['touch_id']}"),
            m.tag("small", f"{row['sequence']} step {row['step']}, template {row['template']}"),
        ),
        data_row=row["touch_id"],
    )


def _foot(found: Review, clock: Clock) -> Markup:
    cut = f" Only the first {WAITING} are shown." if len(found.waiting) >= WAITING else ""
    return m.tag(
        "p",
        f"As of {clock.at(clock.now, seconds=True)} {clock.short()}; refreshed every {shell.REFRESH_S} s. "
        f"Hot leads first, of each tier the oldest. What is approved leaves to the byte.{cut}",
        class_="lo-foot",
    )
