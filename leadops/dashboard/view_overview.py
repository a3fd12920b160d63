"""How things stand: leads of the last 24 hours, how fast they were answered, what waits, what is next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st
from markupsafe import Markup
from sqlalchemy import Engine

from leadops.dashboard import markup as m
from leadops.dashboard import operations, shell
from leadops.dashboard.moments import Clock, span
from leadops.dashboard.operations import Overview
from leadops.dashboard.shell import View, show
from leadops.domain.modes import Mode
from leadops.errors import UsageError
from leadops.playbook.model import Playbook
from leadops.stages.explain_words import say_exit, say_reason


@st.cache_data(ttl=shell.KEEP_S, max_entries=4, show_spinner=False)
def _read(_engine: Engine) -> Overview:
    return operations.overview(_engine, datetime.now(UTC))


def draw(view: View) -> None:
    """The overview; it refreshes itself."""
    _live(view)


@st.fragment(run_every=shell.REFRESH_S)
def _live(view: View) -> None:
    shell.guarded(_draw, view)


def _draw(view: View) -> None:
    now, clock = _read(view.engine), view.clock()
    show(mode_line(view), _cards(view, now))
    left, right = st.columns([3, 2], gap="large")
    with left:
        show(m.heading("Newest leads", "last 24 hours"), _latest(view, now, clock))
    with right:
        _hours(now, clock)
        if now.unknown:
            show(m.heading("Did it arrive?", "never sent again by itself"), _unknown(view, now, clock))
        show(m.heading("Next to go out"), _upcoming(view, now, clock))
    show(
        m.tag(
            "p",
            f"As of {clock.at(clock.now, seconds=True)} {clock.short()}; refreshed every "
            f"{shell.REFRESH_S} s. Counted from the operational tables as they are now; test leads left out.",
            class_="lo-foot",
        )
    )


@st.cache_data(ttl=shell.KEEP_S, max_entries=4, show_spinner=False)
def _mode(_engine: Engine, _playbook: Playbook) -> Mode:
    return operations.mode(_engine, _playbook, datetime.now(UTC))


def mode_line(view: View) -> Markup:
    """Whether a person approves what is sent, and why; a wrong playbook is said, and hides nothing."""
    try:
        found = _mode(view.engine, view.sources.playbook())
    except UsageError as error:
        return m.tag("p", str(error), class_="lo-hint", data_mode="unknown")
    return m.tag("p", f"{found.reason}.", class_="lo-foot", data_mode=found.setting)


def _cards(view: View, now: Overview) -> Markup:
    today, counts = now.today, now.counts
    timed = f"first message, of {today['timed']:,}"
    late = m.tag("span", f"{now.overdue:,} overdue", class_="lo-bad") if now.overdue else "none overdue"
    waiting = m.link(f"{counts['handoffs_open']:,}", view.at("handoffs"))
    unknown, held = counts["unknown"], counts["in_review"]
    return m.cards(
        m.card("Leads, last 24 h", f"{today['leads']:,}", name="leads"),
        m.card("Within 90 s", f"{today['within_90s']:,}", timed, name="within_90s"),
        m.card("Within 5 min", f"{today['within_5min']:,}", timed, name="within_5min"),
        m.card(
            "Not written to yet",
            f"{today['not_written']:,}",
            f"{today['planned_later']:,} with a time planned",
            name="not_written",
        ),
        m.card("Handoffs waiting", waiting, late, kind="lo-bad" if now.overdue else "", name="handoffs"),
        m.card(
            "In review",
            m.link(f"{held:,}", view.at("review")),
            "wait for a person to approve them" if held else None,
            kind="lo-warn" if held else "",
            name="in_review",
        ),
        m.card("Messages, last 24 h", f"{counts['sent_24h']:,}", f"{counts['due_touches']:,} due now"),
        m.card(
            "Outcome unknown",
            f"{unknown:,}",
            "did it arrive? a person looks" if unknown else None,
            kind="lo-warn" if unknown else "",
            name="unknown",
        ),
        m.card(
            "Refused input",
            f"{counts['quarantined']:,}",
            "leadops events quarantined" if counts["quarantined"] else None,
            kind="lo-warn" if counts["quarantined"] else "",
        ),
    )


def _latest(view: View, now: Overview, clock: Clock) -> Markup:
    if not now.latest:
        return m.hint(
            "No lead came in during the last 24 hours. They arrive from the CRM, by POST /v1/events, "
            "or from a file: leadops import."
        )
    heads = [
        ("Lead", "left"),
        ("Score", "left"),
        ("Source", "left"),
        ("Came in", "left"),
        ("First message", "left"),
    ]
    return m.table(heads, (_lead(view, r, clock) for r in now.latest), name="latest")


def _lead(view: View, row: Mapping[str, Any], clock: Clock) -> Markup:
    came = clock.day(row["became_lead_at"]) if row["lead_day_precision"] else clock.ago(row["became_lead_at"])
    points = None if row["score"] is None else f" {row['score']:g}"
    return m.row(
        m.cell(*_named(view, row)),
        m.cell(m.tier(row["tier"]), points, kind="lo-nowrap"),
        m.cell(row["source"]),
        m.cell(
            m.tag("span", came, title=f"{clock.at(row['became_lead_at'])} {clock.short()}"), kind="lo-nowrap"
        ),
        m.cell(_answered(row, clock)),
        data_row=row["lead_id"],
    )


def _named(view: View, row: Mapping[str, Any]) -> tuple[Markup, Markup | None]:
    name = row["name"] or row.get("email") or row["lead_id"]
    company = m.tag("small", row["company"], class_="lo-wrap") if row["company"] else None
    return view.lead(row["lead_id"], m.shortened(name, 80)), company


def _answered(row: Mapping[str, Any], clock: Clock) -> Markup | str:
    if row["first_at"] is not None:
        if row["lead_day_precision"]:
            return f"sent {clock.ago(row['first_at'])}"
        seconds = max(0.0, row["seconds"])
        return m.tag("span", f"after {span(seconds)}", class_="lo-good" if seconds <= 300 else None)
    if row["next_due"] is not None:
        return m.muted(f"planned {clock.time(row['next_due'])}, {clock.ago(row['next_due'])}")
    stopped = row["stop_reason"] or row["not_enrolled_reason"]
    if stopped:
        return m.muted(f"none: {say_exit(stopped)}")
    return m.muted("being worked on" if row["in_work"] else "none planned")


def _hours(now: Overview, clock: Clock) -> None:
    from leadops.dashboard import charts

    show(m.heading("Leads per hour", "by how soon the first message left"))
    if not now.hours:
        show(m.hint("Nothing to draw: no leads in the last 24 hours."))
        return
    order = [_hour(clock, ago) for ago in range(23, -1, -1)]
    values = [
        {"hour": _hour(clock, min(23, r["hours_ago"])), "answer": r["answer"], "leads": r["leads"]}
        for r in now.hours
    ]
    st.altair_chart(charts.hours(values, order), width="stretch")
    marks = ((charts.GOOD, "within 5 min"), (charts.LATE, "later"), (charts.GREY, "not written to yet"))
    show(legend(marks))


def legend(marks: tuple[tuple[str, str], ...]) -> Markup:
    """What the colours of a chart say."""
    items = (m.tag("span", m.tag("i", style=f"background:{colour}"), words) for colour, words in marks)
    return m.tag("div", *items, class_="lo-legend")


def _hour(clock: Clock, ago: int) -> str:
    """The time an hour of the chart began: they are counted back from this moment."""
    return f"{(clock.now - timedelta(hours=ago + 1)).astimezone(ZoneInfo(clock.zone)):%H:%M}"


def _upcoming(view: View, now: Overview, clock: Clock) -> Markup:
    if not now.upcoming:
        return m.hint("Nothing is planned.")
    heads = [("Due", "left"), ("Lead", "left"), ("What", "left")]
    return m.table(heads, (_touch(view, r, clock) for r in now.upcoming), name="upcoming")


def _touch(view: View, row: Mapping[str, Any], clock: Clock) -> Markup:
    what = "e-mail" if row["channel"] == "email" else "task for a rep"
    held = (
        None if row["reason"] == "scheduled" else m.tag("small", say_reason(row["reason"]), class_="lo-wrap")
    )
    return m.row(
        m.cell(clock.time(row["due_at"]), m.tag("small", clock.ago(row["due_at"])), kind="lo-nowrap"),
        m.cell(*_named(view, row)),
        m.cell(f"{what} {row['position']}, {row['sequence']}", held, kind="lo-nowrap"),
    )


def _unknown(view: View, now: Overview, clock: Clock) -> Markup:
    heads = [("Since", "left"), ("Lead", "left"), ("Look, then say", "left")]
    rows = (
        m.row(
            m.cell(clock.ago(r["since"]), kind="lo-nowrap"),
            m.cell(*_named(view, r)),
            m.cell(m.mono(f"leadops touches resolve {r['touch_id']}")),
        )
        for r in now.unknown
    )
    return m.table(heads, rows, name="unknown")
