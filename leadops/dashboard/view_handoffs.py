"""Handoffs waiting: who waits for which rep, since when, until when, and what they wrote."""

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
from leadops.dashboard.operations import WAITING, Handoffs
from leadops.dashboard.shell import View, choice, show
from leadops.stages.explain_words import say_handoff

EVERYBODY = "everybody"
WORDS = 280


@st.cache_data(ttl=shell.KEEP_S, max_entries=50, show_spinner=False)
def _read(_engine: Engine, owner: str | None) -> Handoffs:
    return operations.handoffs(_engine, owner, datetime.now(UTC))


def draw(view: View) -> None:
    """The list, of one rep or of all; it refreshes itself."""
    _live(view)


@st.fragment(run_every=shell.REFRESH_S)
def _live(view: View) -> None:
    shell.guarded(_draw, view)


def _draw(view: View) -> None:
    owners = _read(view.engine, None).owners
    asked = st.query_params.get("rep")
    reps = [EVERYBODY, *(o["owner"] for o in owners if o["owner"] != EVERYBODY)]
    if asked and asked not in reps:
        reps.append(asked)  # a rep who has nothing waiting: the address stays theirs
    counts = {o["owner"]: o for o in owners}
    with st.container(width=340):
        rep = choice("Rep", reps, "rep", lambda name: _rep(name, counts))
    found = _read(view.engine, None if rep == EVERYBODY else rep)
    clock = view.clock()
    if not found.waiting:
        show(_nobody(rep))
        return
    show(_cards(found, counts, rep), _table(view, found, clock), _foot(found, clock))


def _rep(name: str, counts: Mapping[str, Mapping[str, Any]]) -> str:
    waiting = counts[name]["waiting"] if name in counts else 0
    return name if name == EVERYBODY else f"{name} ({waiting})"


def _nobody(rep: str) -> Markup:
    whom = "a person" if rep == EVERYBODY else rep
    return m.hint(
        f"Nobody waits for {whom}. A lead stands here from the moment it answers or books until its rep has "
        "acted in the CRM."
    )


def _cards(found: Handoffs, counts: Mapping[str, Mapping[str, Any]], rep: str) -> Markup:
    chosen = counts.values() if rep == EVERYBODY else [counts[rep]] if rep in counts else []
    waiting = sum(c["waiting"] for c in chosen)
    overdue = sum(c["overdue"] for c in chosen)
    oldest = min(h["created_at"] for h in found.waiting)
    longest = (datetime.now(UTC) - oldest).total_seconds()
    return m.cards(
        m.card("Waiting", f"{waiting:,}", name="waiting"),
        m.card("Overdue", f"{overdue:,}", kind="lo-bad" if overdue else "", name="overdue"),
        m.card("Longest wait", span(longest), name="longest"),
    )


def _table(view: View, found: Handoffs, clock: Clock) -> Markup:
    heads = [
        ("Act by", "left"),
        ("Lead", "left"),
        ("Why", "left"),
        ("They wrote", "left"),
        ("Rep", "left"),
        ("Waits since", "left"),
    ]
    return m.table(heads, (_row(view, h, clock) for h in found.waiting), name="handoffs")


def _row(view: View, handoff: Mapping[str, Any], clock: Clock) -> Markup:
    overdue = handoff["sla_due_at"] < clock.now
    due = clock.ago(handoff["sla_due_at"])
    state = m.tag(
        "span",
        f"overdue {due.removesuffix(' ago')}" if overdue else due,
        class_="lo-bad" if overdue else None,
    )
    told = m.tag("small", f"another rep was told {clock.ago(handoff['escalated_at'])}", class_="lo-wrap")
    name = handoff["name"] or handoff["lead_id"]
    company = m.tag("small", handoff["company"], class_="lo-wrap") if handoff["company"] else None
    wrote = handoff["they_wrote"]
    return m.row(
        m.cell(state, m.tag("small", clock.time(handoff["sla_due_at"])), kind="lo-nowrap"),
        m.cell(view.lead(handoff["lead_id"], m.shortened(name, 80)), " ", m.tier(handoff["tier"]), company),
        m.cell(say_handoff(handoff["reason"]), told if handoff["escalated_at"] else None),
        m.cell(m.shortened(wrote, WORDS) if wrote else m.muted("–"), name="wrote"),
        m.cell(handoff["owner"]),
        m.cell(
            clock.ago(handoff["created_at"]),
            m.tag("small", clock.time(handoff["created_at"])),
            kind="lo-nowrap",
        ),
        kind="lo-late" if overdue else "",
        data_row=handoff["handoff_id"],
        data_overdue="yes" if overdue else "no",
    )


def _foot(found: Handoffs, clock: Clock) -> Markup:
    cut = f" Only the {WAITING} most urgent are shown." if len(found.waiting) >= WAITING else ""
    return m.tag(
        "p",
        f"As of {clock.at(clock.now, seconds=True)} {clock.short()}; refreshed every {shell.REFRESH_S} s. "
        f"The most urgent first. A rep's first activity in the CRM takes a lead off the list.{cut}",
        class_="lo-foot",
    )
