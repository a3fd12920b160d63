"""HTML of a mail -> its plain text, crudely. Quoted history stays marked: it was not written now.

In one pass over tags, in linear time whatever a stranger sends: the standard library's parser takes minutes
for 200 kB of unfinished tags (seen with Python 3.11).
"""

from __future__ import annotations

import re
from html import unescape

_SILENT = ("style", "script", "title", "head", "noscript", "template")
_BREAKS = frozenset("br p div tr li h1 h2 h3 h4 h5 h6 ul ol table hr blockquote section article".split())  # noqa: SIM905
_TAG = re.compile(r"/?([a-z][a-z0-9]{0,20})")
_BLANK_LINES = re.compile(r"\n{3,}")
_DEEPEST = 20


def text_of(html: str) -> str:
    """The words a reader sees; a ``blockquote`` becomes lines that begin with ``>``. Never raises."""
    text = "".join(_pieces(_without_comments(html)))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _without_comments(html: str) -> str:
    """A comment that does not end is left as it is: rather too many words than none."""
    kept, start = [], 0
    while (begin := html.find("<!--", start)) >= 0 and (end := html.find("-->", begin + 4)) >= 0:
        kept.append(html[start:begin])
        start = end + 3
    return "".join([*kept, html[start:]])


def _pieces(html: str) -> list[str]:
    first, *others = html.split("<")
    lower = html.lower()
    last_end = {name: lower.rfind(f"</{name}") for name in _SILENT}
    found, silent, quotes, at = [_words(first)], "", 0, len(first)
    for other in others:
        tag, closed, words = other.partition(">")
        named = _TAG.match(tag.lower())
        name = named.group(1) if named else ""
        if silent:
            silent = "" if tag.startswith("/") and name == silent else silent
        elif name in _SILENT and not tag.startswith("/") and last_end[name] > at:
            silent = name
        elif name in _BREAKS:
            if name == "blockquote":
                quotes = max(0, quotes + (-1 if tag.startswith("/") else 1))
            found.append("\n" + "> " * min(quotes, _DEEPEST))
        if not silent:
            found.append(_words(words if closed and (name or tag[:1] in "!?/") else f"<{other}"))
        at += 1 + len(other)
    return found


def _words(text: str) -> str:
    return unescape(text).replace("\n", " ")
