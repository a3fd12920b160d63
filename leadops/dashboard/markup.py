"""HTML that cannot be wrong by accident: every text is escaped unless it was made here.

What people wrote (names, messages, sources) is never given to a markdown renderer: links, formulas and
tags in it are shown as the characters they are. The browser's side sanitises what it gets once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

Child = Markup | str | int | float | None


def tag(name: str, *children: Child, **attributes: str | None) -> Markup:
    """An element. ``class_`` is class, ``data_cell`` data-cell; None children and attributes are left out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), value)  # noqa: S704 - our own
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, join(children))  # noqa: S704 - our own


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Children beside each other, escaped."""
    return escape(between).join(escape(child) for child in children if child is not None)


def link(text: Child, parameters: dict[str, str], **attributes: str | None) -> Markup:
    """A link to another view of this page; the address holds ids, never a person's data."""
    return tag("a", text, href=f"?{urlencode(parameters)}", target="_self", **attributes)


def chip(text: str, kind: str = "plain", title: str | None = None) -> Markup:
    """A word in a coloured box: hot, warm, cold, bad, good, plain."""
    return tag("span", text, class_=f"lo-chip lo-{kind}", title=title)


def tier(name: str | None) -> Markup:
    """A tier in its colour."""
    known = name in ("hot", "warm", "cold")
    return chip(name or "no score", str(name) if known else "plain")


def muted(*children: Child) -> Markup:
    """Beside what counts."""
    return tag("span", *children, class_="lo-muted")


def mono(text: str) -> Markup:
    """An id or a command."""
    return tag("span", text, class_="lo-id")


def card(label: str, value: Child, *notes: Child, kind: str = "", name: str | None = None) -> Markup:
    """One headline number with what it is and what to know of it."""
    return tag(
        "div",
        tag("div", label, class_="lo-label"),
        tag("div", value, class_=f"lo-value {kind}".strip()),
        *(tag("div", note, class_="lo-note") for note in notes if note),
        class_="lo-card",
        data_card=name,
    )


def cards(*items: Markup) -> Markup:
    """Cards in a row, as many as fit."""
    return tag("div", *items, class_="lo-cards")


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[Markup], *, name: str, caption: str | None = None
) -> Markup:
    """Heads are (words, "left" or "right"); rows come from :func:`row`."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag("thead", tag("tr", *(tag("th", words, class_=f"lo-{side}") for words, side in heads))),
            tag("tbody", *rows),
            class_="lo-table",
            data_table=name,
        ),
        class_="lo-scroll",
    )


def row(*cells: Markup, kind: str = "", **attributes: str | None) -> Markup:
    """A line of a table."""
    return tag("tr", *cells, class_=kind or None, **attributes)


def cell(*children: Child, side: str = "left", name: str | None = None, kind: str = "") -> Markup:
    """A cell; ``name`` says which, for whoever reads the page by machine."""
    return tag("td", *children, class_=f"lo-{side} {kind}".strip(), data_cell=name)


def heading(text: str, note: Child = None) -> Markup:
    """What stands below, with a quiet word beside."""
    return tag("h3", text, tag("span", note, class_="lo-head-note") if note else None, class_="lo-h")


def hint(*children: Child) -> Markup:
    """A sentence where there is nothing to show: why, and what to do."""
    return tag("p", *children, class_="lo-hint", role="status")


def details(summary: Child, *inside: Child, kind: str = "") -> Markup:
    """Folded away until asked for."""
    return tag("details", tag("summary", summary), *inside, class_=kind or None)


def shortened(text: Any, length: int) -> str:
    """One line, cut with an ellipsis."""
    said = " ".join(str(text).split())
    return said if len(said) <= length else said[: length - 1].rstrip() + "…"
