"""A message as the vendor took it, and what can be read out of a request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from html import unescape
from typing import Any

TOUCH_ARG = "leadops_touch_id"
_HREF = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"')\]]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient. ``at``: when it was accepted, by the sandbox's clock.

    ``smtp_id`` is the Message-ID on the wire, with its angle brackets. ``sg_message_id`` is the answer's
    X-Message-Id and a suffix per recipient. ``dropped``: why it will never be delivered, None if it will be.
    """

    sg_message_id: str
    key: str
    custom_args: Mapping[str, str]
    from_address: str
    to_address: str
    to_name: str
    reply_to: str
    subject: str
    text: str
    html: str | None
    headers: Mapping[str, str]
    smtp_id: str
    at: datetime
    links: tuple[str, ...] = ()
    opens_tracked: bool = False
    clicks_tracked: bool = False
    from_name: str = ""
    categories: tuple[str, ...] = ()
    asm_group: int | None = None
    dropped: str | None = None

    @property
    def x_message_id(self) -> str:
        """What the request was answered with."""
        return self.sg_message_id.partition(".")[0]

    def dump(self) -> dict[str, Any]:
        """JSON-safe; ``load`` is the way back."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> Mail:
        """From what ``dump`` made."""
        tuples = {name: tuple(found[name]) for name in ("links", "categories")}
        return cls(**{**found, **tuples, "at": datetime.fromisoformat(found["at"])})


@dataclass(frozen=True, slots=True)
class Draft:
    """What one request says about one recipient, before it has ids."""

    to_address: str
    to_name: str
    from_address: str
    from_name: str
    reply_to: str
    subject: str
    text: str
    html: str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    custom_args: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    opens_tracked: bool = False
    clicks_tracked: bool = False
    asm_group: int | None = None
    bypass: bool = False


def drafts_of(request: Mapping[str, Any], tracks_by_default: bool = True) -> list[Draft]:
    """One draft per recipient of a valid request, in its order: to, cc, bcc of each personalization."""
    bodies = {part["type"].split(";")[0]: part["value"] for part in request.get("content", ())}
    html = bodies.get("text/html")
    text = bodies.get("text/plain", "")
    settings = request.get("tracking_settings") or {}
    opens, clicks = settings.get("open_tracking") or {}, settings.get("click_tracking") or {}
    bypass = (request.get("mail_settings") or {}).get("bypass_list_management") or {}
    common: dict[str, Any] = {
        "text": text,
        "html": html,
        "categories": tuple(request.get("categories") or ()),
        "opens_tracked": html is not None and bool(opens.get("enable", tracks_by_default)),
        "clicks_tracked": bool(clicks.get("enable", tracks_by_default))
        and (html is not None or bool(clicks.get("enable_text"))),
        "asm_group": (request.get("asm") or {}).get("group_id"),
        "bypass": bool(bypass.get("enable")),
    }
    return [
        _draft(request, one, person, common)
        for one in request["personalizations"]
        for person in (*one["to"], *(one.get("cc") or ()), *(one.get("bcc") or ()))
    ]


def _draft(
    request: Mapping[str, Any], one: Mapping[str, Any], person: Mapping[str, Any], common: dict[str, Any]
) -> Draft:
    sender = one.get("from") or request["from"]
    reply_to = request.get("reply_to") or next(iter(request.get("reply_to_list") or ()), sender)
    return Draft(
        to_address=person["email"],
        to_name=person.get("name") or "",
        from_address=sender["email"],
        from_name=sender.get("name") or "",
        reply_to=reply_to["email"],
        subject=one.get("subject") or request.get("subject") or "",
        headers={**(request.get("headers") or {}), **(one.get("headers") or {})},
        custom_args={**_args(request), **(one.get("custom_args") or {})},
        **common,
    )


def _args(request: Mapping[str, Any]) -> Mapping[str, str]:
    given = request.get("custom_args")
    return given if isinstance(given, dict) else {}


def links_in(text: str, html: str | None) -> tuple[str, ...]:
    """Addresses a reader can click, each once, in their order: of the HTML part, of the text if none."""
    if html is not None:
        found = [unescape(double or single) for double, single in _HREF.findall(html)]
        found = [link for link in found if link.startswith(("http://", "https://"))]
    else:
        found = [link.rstrip(".,;:!?") for link in _URL.findall(text)]
    return tuple(dict.fromkeys(found))


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value whatever the case of its name; "" when absent."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")
