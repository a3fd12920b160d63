"""One lead: who, score with its points, sequences, and everything that happened, with the words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import streamlit as st
from markupsafe import Markup

from leadops.dashboard import markup as m
from leadops.dashboard import operations, timeline
from leadops.dashboard.moments import Clock
from leadops.dashboard.operations import LeadPage
from leadops.dashboard.shell import View, choice, show
from leadops.dashboard.timeline import Entry
from leadops.domain.score_words import tenths

MAX_ENTRIES = 400
_ORDERS = {"newest": "Newest first", "oldest": "Oldest first"}


def draw(view: View) -> None:
    """A search field, then the lead the address names."""
    wanted = st.query_params.get("lead", "")
    typed = _search()
    lead_id = _resolve(view, typed or wanted)
    if lead_id is None:
        return
    clock = view.clock()
    page = operations.lead_page(
        view.engine, view.sources.playbook(), view.sources.keyring(), lead_id, datetime.now(UTC)
    )
    if page is None:
        show(m.hint(f"There is no lead {lead_id}."))
        return
    if st.query_params.get("lead") != lead_id:
        st.query_params["lead"] = lead_id  # the id, not the address that was typed
    _page(page, clock)


def _search() -> str | None:
    """What was typed just now: an address stays out of the page's own address."""

    def take() -> None:
        st.session_state["looked-for"] = st.session_state.get("search", "").strip()
        st.session_state["search"] = ""

    st.text_input(
        "Find a lead",
        key="search",
        placeholder="E-mail address, CRM id, or the id of a lead, enrolment, touch or event",
        on_change=take,
        autocomplete="off",
        max_chars=320,
        width=560,
    )
    typed: str | None = st.session_state.pop("looked-for", None)
    return typed


def _resolve(view: View, wanted: str) -> str | None:
    if not wanted:
        show(
            m.hint(
                "Give an e-mail address, a CRM id, or any id of leadops; lead names elsewhere lead here too."
            )
        )
        return None
    found = operations.find(view.engine, view.sources.keyring(), wanted)
    if len(found) == 1:
        return found[0]
    if not found:
        st.query_params.pop("lead", None)
        show(
            m.hint(
                f"No lead fits “{m.shortened(wanted, 120)}”. Give an e-mail address, a CRM id, or the "
                "id of a lead, enrolment, touch or event. What came in a moment ago belongs to nobody yet: "
                "try again in a moment."
            )
        )
        return None
    heads = operations.heads(view.engine, found)
    rows = (
        m.row(
            m.cell(view.lead(h["lead_id"], h["name"] or h["lead_id"])),
            m.cell(h["company"]),
            m.cell(h["email"]),
        )
        for h in heads
    )
    show(
        m.hint("Several leads fit; choose one."),
        m.table([("Lead", "left"), ("Company", "left"), ("E-mail", "left")], rows, name="fits"),
    )
    return None


def _page(page: LeadPage, clock: Clock) -> None:
    show(_head(page, clock))
    left, right = st.columns([2, 3], gap="large")
    with left:
        show(*_facts(page, clock), *_score(page, clock), *_sequences(page, clock), *_known(page))
    with right:
        _timeline(page, clock)


# --- who


def _head(page: LeadPage, clock: Clock) -> Markup:
    who = page.story.who
    chips = [m.tier(who.tier)]
    if who.score is not None:
        chips.append(m.chip(f"{tenths(who.score):g} points"))
    if who.is_test:
        chips.append(m.chip("test record", "warn"))
    if who.stops:
        chips.append(m.chip("automation is over", "bad"))
    works = ", ".join(p for p in (who.title, who.company, who.country) if p)
    merged = (
        f"{who.asked_for} turned out to be this person and was merged into it."
        if who.asked_for != who.lead_id
        else None
    )
    return m.tag(
        "div",
        m.tag("div", who.name or who.email or who.lead_id, class_="lo-name"),
        m.tag("div", m.join(chips, " "), "  ", m.muted(works or "nothing known of the company")),
        *(m.tag("div", "Automation is over: ", clock.said(stop), class_="lo-bad") for stop in who.stops),
        m.tag("div", f"Waits for {' and '.join(who.waits_for)}.") if who.waits_for else None,
        m.tag("div", who.note, class_="lo-warn") if who.note else None,
        m.tag("div", merged) if merged else None,
        data_page=who.lead_id,
    )


def _facts(page: LeadPage, clock: Clock) -> Iterator[Markup]:
    who, identity = page.story.who, page.story.identity
    since = "not a lead yet: nothing was asked for"
    if who.became_lead_at:
        day = " (a date without a time)"
        since = (
            clock.day(who.became_lead_at) + day if who.lead_day_precision else clock.at(who.became_lead_at)
        )
        since = f"{since}, {clock.ago(who.became_lead_at)}"
    keys = ", ".join(f"{n} {kind}" for kind, n in identity.keys.items()) or "no keys"
    yield m.heading("Who")
    yield _pairs(
        ("E-mail", who.email or "none"),
        ("Phone", who.phone),
        ("Lead since", since),
        ("Source", who.source),
        ("Owner", who.owner or "nobody"),
        ("Time zone", who.timezone),
        ("Known by", keys),
        ("Ids", m.join((m.mono(i) for i in (who.lead_id, *(f"{s} {c}" for s, c in who.crm_ids))), " ")),
        ("Merged in", m.join((m.mono(i) for i in identity.merged), " ") if identity.merged else None),
    )


def _pairs(*pairs: tuple[str, Markup | str | None]) -> Markup:
    listed = (m.join((m.tag("dt", name), m.tag("dd", value))) for name, value in pairs if value)
    return m.tag("dl", *listed, class_="lo-facts")


def _score(page: LeadPage, clock: Clock) -> Iterator[Markup]:
    score = page.story.score
    yield m.heading("Score", f"{score.shown:g} of 100, {score.tier}" if score else None)
    if score is None:
        yield m.hint("Not scored yet.")
        return
    yield m.tag("p", score.reason, data_reason="score", style="margin:.1rem 0 .3rem")
    if score.learned_lines:
        learned = (
            m.row(m.cell(f"{line.points:+g}", side="right", kind="lo-nowrap"), m.cell(line.words))
            for line in score.learned_lines
        )
        yield m.table([("Points", "right"), ("Learned from earlier leads", "left")], learned, name="learned")
    rows = (
        m.row(
            m.cell(s.signal.replace("_", " ")),
            m.cell(s.words or s.value),
            m.cell(s.group),
            m.cell(f"{s.points:.3g} of {s.max_points:g}", side="right", name="points", kind="lo-nowrap"),
            m.cell(_bar(s.points, s.max_points)),
            data_row=s.signal,
        )
        for s in score.signals
    )
    yield m.table(
        [("Signal", "left"), ("Seen", "left"), ("Group", "left"), ("Points", "right"), ("", "left")],
        rows,
        name="score",
    )
    before = "".join(
        f"; before: {s.shown:g}, {s.tier}, {clock.at(s.scored_at)}"
        for s in reversed(page.story.score_history[:-1][-3:])
    )
    said = f"Scorecard {score.scorecard_version}, {clock.at(score.scored_at)} {clock.short()}{before}"
    yield m.tag("p", said, class_="lo-foot")


def _bar(points: float, most: float) -> Markup:
    share = max(0.0, min(1.0, points / most)) if most else 0.0
    return m.tag("div", m.tag("span", "", style=f"width:{share:.0%}"), class_="lo-bar")


def _sequences(page: LeadPage, clock: Clock) -> Iterator[Markup]:
    yield m.heading("Sequences")
    for e in page.story.enrolments:
        raised = f" ({e.raised})" if e.raised else ""
        yield _pairs(
            ("Sequence", f"{e.tier}{raised}, variant {e.variant}, version {e.sequence_version}"),
            ("Since", clock.at(e.enrolled_at)),
            ("State", clock.said(e.words)),
            ("From", e.mailbox),
            ("Attributed to", e.source),
        )
    if page.story.not_enrolled:
        said = page.story.not_enrolled
        yield m.tag("p", f"{said[0].upper()}{said[1:]}.", data_not_enrolled="yes")


def _known(page: LeadPage) -> Iterator[Markup]:
    if not page.story.enrichment:
        return
    yield m.heading("Known beyond their own words")
    yield _pairs(
        *(
            (f.field.replace("_", " "), m.join((str(f.value), m.muted(f"  from {f.provider}"))))
            for f in page.story.enrichment
            if f.is_used
        )
    )


# --- what happened


def _timeline(page: LeadPage, clock: Clock) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html(str(m.heading("Timeline", f"times in {clock.zone}")), width="content")
        order = choice("Order", list(_ORDERS), "order", _ORDERS.__getitem__, style="segments", visible=False)
    entries = timeline.timeline(page, newest_first=order == "newest")
    if not entries:
        show(m.hint("Nothing has happened yet."))
        return
    kept = entries[:MAX_ENTRIES]
    cut = f"{len(entries) - len(kept):,} more: leadops explain {page.story.who.lead_id} --json"
    show(
        m.tag("ul", *(_entry(e, clock) for e in kept), class_="lo-time", data_timeline=order),
        m.tag("p", cut, class_="lo-foot") if len(kept) < len(entries) else None,
    )


def _entry(entry: Entry, clock: Clock) -> Markup:
    when = clock.day(entry.at) if entry.is_day else clock.at(entry.at)
    exact = f"{clock.at(entry.at, seconds=True)} {clock.short()}"
    chips = (m.join((" ", m.chip(words, kind))) for words, kind in entry.chips)
    what = m.tag("div", m.tag("span", _capital(entry.what), class_="lo-what"), *chips)
    return m.tag(
        "li",
        m.tag("div", when, " · ", clock.ago(entry.at), class_="lo-when", title=exact),
        m.details("ids", m.mono(" · ".join(entry.ids)), kind="lo-ids") if entry.ids else None,
        what,
        m.tag("div", clock.said(entry.said), class_="lo-said") if entry.said else None,
        m.tag("div", m.muted("Subject: "), entry.subject) if entry.subject else None,
        _words(entry),
        _gates(entry, clock),
        class_=f"lo-{entry.who}{' lo-future' if entry.is_future else ''}",
        data_entry=entry.kind or None,
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _words(entry: Entry) -> Markup | None:
    if not entry.words:
        return None
    quote = m.tag("div", entry.words, class_="lo-quote")
    # What they wrote is what a rep came for; our own words are a click away.
    return quote if entry.who in ("theirs", "stop") else m.details(entry.words_are, quote)


def _gates(entry: Entry, clock: Clock) -> Markup | None:
    if not entry.gates:
        return None
    rows = (
        m.tag(
            "tr",
            m.tag("td", g.name.replace("_", " ")),
            m.tag(
                "td",
                "ok" if g.passed else "holds it" if g.name == entry.decided_by else "no",
                class_=None if g.passed else "lo-warn",
            ),
            m.tag("td", clock.said(g.value), f"; again {clock.at(g.retry_at)}" if g.retry_at else None),
        )
        for g in entry.gates
    )
    held = sum(not g.passed for g in entry.gates)
    said = (
        f"{held} of {len(entry.gates)} gates hold it" if held else f"all {len(entry.gates)} gates let it pass"
    )
    return m.details(said, m.tag("table", *rows, class_="lo-gates"))
