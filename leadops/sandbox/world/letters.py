"""What people and machines send back, as arguments for the sandbox's post office. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

from leadops.sandbox.world import words
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person

_URL = re.compile(r"<(https?://[^>]+)>")
_MAILTO = re.compile(r"<mailto:([^>?]+)(?:\?subject=([^>&]*))?[^>]*>")
_SAYS_WHEN = 0.8
_OTHER_ADDRESS = 0.06


class Received(Protocol):
    """The parts of an accepted mail that an answer looks at."""

    @property
    def sg_message_id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def to_address(self) -> str: ...
    @property
    def from_name(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


Form = dict[str, object]
"""Keyword arguments of ``Mailroom.inbound``, but for the mail and the time."""


def reply(chance: Chance, person: Person, mail: Received, says: str) -> Form:
    """An answer in their own words, above a quote of what they got."""
    in_languages = words.REPLIES[says]
    texts = in_languages.get(person.language, in_languages["en"])
    text = texts[int(chance.uniform("words", person.key, says) * len(texts))]
    first = person.first.split()[0] if person.first else "Thanks"
    elsewhere = chance.happens(_OTHER_ADDRESS, "elsewhere", person.key)
    return {
        "from_address": person.alias if elsewhere else mail.to_address,
        "from_name": f"{person.first} {person.last}".strip(),
        "text": text.format(first=first) + _quoted(mail),
    }


def _quoted(mail: Received) -> str:
    lines = "\n".join(f"> {line}".rstrip() for line in mail.text.strip().splitlines())
    return f"\n\nOn {mail.at:%a, %d %b %Y at %H:%M} {mail.from_name} wrote:\n{lines}\n"


def automatic(chance: Chance, person: Person, mail: Received, note: Mapping[str, str]) -> Form:
    """An absence note, a notice that somebody left, an acknowledgement: what no person has written."""
    kind, number = note["note"], int(10_000 * chance.uniform("ticket", person.key))
    first = person.first.split()[0] if person.first else "The addressee"
    if kind == "away":
        subject, text = _away(chance, person, datetime.fromisoformat(note["back"]))
    elif kind == "left":
        subject, text = words.LEFT.get(person.language, words.LEFT["en"])
    else:
        subject, text = words.ACKNOWLEDGED
    return {
        "from_address": mail.to_address,
        "from_name": f"{person.first} {person.last}".strip(),
        "subject": subject.format(subject=mail.subject, number=number),
        "text": text.format(first=first),
        "headers": _headers(chance, person, kind),
    }


def _away(chance: Chance, person: Person, back: datetime) -> tuple[str, str]:
    subject, text, form = words.AWAY.get(person.language, words.AWAY["en"])
    if chance.happens(_SAYS_WHEN, "says when", person.key):
        return subject, text.replace("{date}", words.day(back.date(), form))
    return subject, words.in_language(words.AWAY_OPEN, person.language)


def _headers(chance: Chance, person: Person, kind: str) -> dict[str, str]:
    """Most say that they are machines, each program in its way; some leave it to the subject."""
    if kind == "ack":
        return {"Auto-Submitted": "auto-generated", "X-Autoreply": "yes", "Precedence": "bulk"}
    u = chance.uniform("mail program", person.key)
    if u < 0.15 and kind == "away":
        return {}
    if u < 0.55:
        return {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    return {"Auto-Submitted": "auto-replied", "Return-Path": "<>"}


def one_click(mail: Received) -> str | Form | None:
    """Where the mail program's unsubscribe button leads: a URL to POST to, or a mail to write, or nowhere."""
    given = next((v for name, v in mail.headers.items() if name.lower() == "list-unsubscribe"), "")
    posts = any(name.lower() == "list-unsubscribe-post" for name in mail.headers)
    url, mailto = _URL.search(given), _MAILTO.search(given)
    if url and posts:
        return url.group(1)
    if mailto:
        return {
            "from_address": mail.to_address,
            "from_name": "",
            "to": unquote(mailto.group(1)),
            "subject": unquote(mailto.group(2) or "unsubscribe"),
            "text": "",
        }
    return None
