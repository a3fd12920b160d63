"""What the outside sends, as requests to the ingestion service: receipts, answers, one-click withdrawals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from leadops.providers.crm.port import RawRow
from leadops.providers.email import sendgrid_events, sendgrid_inbound
from leadops.sandbox.world import Effects
from leadops.simulator.records import truth_of
from leadops.web.unsubscribe import opt_out_of

_NEWS = frozenset({"bounce", "spamreport", "dropped"})
_TOGETHER = 4
"""Events of one request, where each came by itself."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request. ``key`` names it for the dice; ``author``: whose answer it is, and what it truly means."""

    kind: str  # events, inbound, one_click
    key: str
    events: tuple[Mapping[str, Any], ...] = ()
    form: Mapping[str, str] | None = None
    url: str = ""
    author: tuple[str, str] = ("", "")
    parted: bool = False
    tries: int = 0

    @property
    def is_news(self) -> bool:
        """Whether somebody waits for it; receipts may wait some hours."""
        return self.kind != "events" or self.tries > 0 or any(e["event"] in _NEWS for e in self.events)

    def may_join(self, other: Delivery) -> bool:
        """Whether the two could come as one request."""
        few = not (self.parted or other.parted) or len(self.events) + len(other.events) <= _TOGETHER
        return self.kind == other.kind == "events" and few and not self.tries

    def joined(self, later: Delivery) -> Delivery:
        """Both as one request."""
        return replace(self, events=self.events + later.events)

    def rows(self, now: datetime) -> list[RawRow]:
        """As the ingestion service's own translations read it."""
        if self.kind == "events":
            return sendgrid_events.translate(self.events)[0]
        if self.form is not None:
            form = {name: value.encode() for name, value in self.form.items()}
            return list(sendgrid_inbound.translate(form, now))
        token = urlsplit(self.url).path.rpartition("/")[2]
        wire = opt_out_of(token, now, "one_click")
        return [RawRow(wire, None, wire, "unsubscribe")]

    def truth_of(self, row: RawRow) -> tuple[str, str]:
        """(address it is about, what it is in truth) of one of its rows."""
        if self.kind != "events" or row.event is None:
            return self.author
        found = next((e for e in self.events if e.get("sg_event_id") == row.event.get("id")), None)
        return ("", "") if found is None else (str(found["email"]), truth_of(dict(found)))


def ends_of(effects: Effects, parted: bool) -> Iterator[Delivery]:
    """What ``effects`` sends to us, each event by itself where they come ``parted``."""
    for group in _parts(effects.events, parted):
        yield Delivery("events", str(group[0]["sg_event_id"]), events=tuple(group), parted=parted)
    for form, author in zip(effects.inbound, effects.authors, strict=True):
        yield Delivery("inbound", form["headers"], form=form, author=author)
    for url, author in zip(effects.unsubscribes, effects.clickers, strict=True):
        yield Delivery("one_click", url, url=url, author=author)


def _parts(events: Sequence[dict[str, Any]], parted: bool) -> Iterator[Sequence[dict[str, Any]]]:
    if parted:
        yield from ([event] for event in events)
    elif events:
        yield events


def grouped(due: Sequence[Delivery]) -> list[Delivery]:
    """Webhook events that come at one moment are one request, or few, where they were parted."""
    together: list[Delivery] = []
    for delivery in due:
        last = together[-1] if together else None
        if last is not None and delivery.may_join(last):
            together[-1] = last.joined(delivery)
        else:
            together.append(delivery)
    return together
