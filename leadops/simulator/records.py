"""What really happened, kept by the simulator itself: calls, mails, what came in, what people meant by it.

The invariants hold the database against this, so nothing here is read from the database.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from leadops.sandbox.sendgrid import Mail
from leadops.simulator.boundaries import Boundary

MACHINES = frozenset({"auto:away", "auto:ack"})
"""Truths of an answer that must stop nothing; a notice that somebody has left does."""


WRITTEN_BY = timedelta(minutes=5)
"""After this what came in from an enrichment vendor has been written down by whoever lives."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to send. ``begun_at``: the commit into handing_over, aware UTC; ``body``: its digest."""

    touch_id: str
    begun_at: datetime
    at: datetime
    to_address: str
    mailbox: str
    body: str


@dataclass(frozen=True, slots=True)
class Came:
    """One event that was accepted. ``truth``: what it was in the world (``interested``, ``click:bot``)."""

    event_id: str
    at: datetime
    address: str
    truth: str


@dataclass(slots=True)
class LookUp:
    """One key that an enrichment vendor was asked for. ``key``: as it is kept; ``process``: who asked.

    ``is_charged``: the vendor took it for one it knows; ``is_answered``: it said whether it does.
    ``came_at``: when that came, if anybody still waited; ``is_whole``: as the vendor gave it. ``is_lost``:
    whoever had it died, or could not write, soon after.
    """

    vendor: str
    text: str
    key: str
    process: str
    at: datetime
    is_charged: bool = False
    is_answered: bool = False
    came_at: datetime | None = None
    is_whole: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class Records:
    """Everything, oldest first."""

    calls: list[Call] = field(default_factory=list)
    calls_of: dict[str, list[Call]] = field(default_factory=dict)
    mails_of: dict[str, list[Mail]] = field(default_factory=dict)
    came: dict[str, Came] = field(default_factory=dict)
    stopped_at: dict[str, datetime] = field(default_factory=dict)
    """Address -> commit of the first accepted event after which nothing may be handed over to it."""
    processed_at: dict[str, datetime] = field(default_factory=dict)
    """Touch -> commit of the event that told its Message-ID."""
    first_seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Row id -> columns that must never change."""
    states: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Touch -> (state, reason) when last looked at."""
    boundaries: Counter[Boundary] = field(default_factory=Counter)
    killed_at: Counter[Boundary] = field(default_factory=Counter)
    refused: int = 0
    looked_at: int = 0
    """Calls that ``nothing_to_who_is_gone`` has looked at."""
    mails_read: int = 0
    """Mails whose words were looked at."""
    approved: dict[str, str] = field(default_factory=dict)
    """Touch -> digest of the request that the reviewer approved, in runs with one."""
    found: set[str] = field(default_factory=set)
    """Accepted events that were seen in the log."""
    look_ups: list[LookUp] = field(default_factory=list)
    bill: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(enrichment vendor, month) -> look-ups it has charged."""
    waited: list[tuple[frozenset[str], timedelta]] = field(default_factory=list)
    """(leads, how long one pass of enrichment took), of those not looked at yet."""
    entered: set[str] = field(default_factory=set)
    """Enrolments whose beginning was looked at."""
    tiers: dict[str, str] = field(default_factory=dict)
    """Enrolment -> tier when last looked at."""
    raised_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """(enrolment, tier it was raised to) -> commit."""

    def called(self, touch_id: str, begun_at: datetime, at: datetime, given: dict[str, Any]) -> Call:
        """A request of this body is about to leave."""
        person = given["personalizations"][0]["to"][0]["email"]
        digest = digest_of_body(given)
        call = Call(touch_id, begun_at, at, person, given["from"]["email"], digest)
        self.calls.append(call)
        self.calls_of.setdefault(touch_id, []).append(call)
        return call

    def mailed(self, mail: Mail) -> None:
        """The vendor has it."""
        self.mails_of.setdefault(mail.key, []).append(mail)

    def lost(self, now: datetime, process: str | None = None) -> None:
        """Whoever had answers, in this process or (None) anywhere, cannot have written down the latest."""
        for look_up in self.look_ups:
            late = look_up.came_at is None or now - look_up.came_at < WRITTEN_BY
            if late and process in (None, look_up.process):
                look_up.is_lost = True

    def accepted(self, event_id: str, at: datetime, address: str, truth: str, touch: str | None) -> None:
        """The ingestion service said yes to it, for the first time or again."""
        if event_id in self.came:
            return
        self.came[event_id] = Came(event_id, at, address, truth)
        if is_stop(truth):
            self.stopped_at.setdefault(address.lower(), at)
        if truth == "processed" and touch:
            self.processed_at.setdefault(touch, at)


def digest_of_body(given: dict[str, Any]) -> str:
    """Of a request to send, as the vendor reads it."""
    return hashlib.blake2b(repr(given).encode(), digest_size=12).hexdigest()


def is_stop(truth: str) -> bool:
    """Whether nothing may be sent after it: people's answers, withdrawals, bounces of the address."""
    return truth in _STOPS


_STOPS = frozenset(
    {"interested", "question", "not_interested", "wrong_person", "opt_out", "one_click", "complaint"}
    | {"bounce:hard", "auto:left"}
)


def truth_of(event: dict[str, Any]) -> str:
    """What one event of the vendor's webhook is in truth."""
    kind = str(event["event"])
    if kind == "bounce":
        return "bounce:hard" if str(event.get("status", "")).startswith("5.1.") else "bounce"
    if kind == "click":
        return "click:bot" if "MSIE 9.0" in str(event.get("useragent")) else "click:human"
    return "complaint" if kind == "spamreport" else kind
