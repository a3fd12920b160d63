"""How far a HubSpot account was read, as text. One place per object type."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from leadops.errors import ProviderError

MAX_SEEN = 20_000
"""Ids a place remembers at most; what is beyond is handed out again and recognised by its event id."""


@dataclass(slots=True)
class Place:
    """How far one object type was read. Times are milliseconds since 1970; 0 is "not yet".

    A pass goes through everything modified since ``floor``, oldest first, over as many polls as it takes:
    ``at`` and (``tied``: among the many of that one moment) ``after``, the last id, say where it stands.
    """

    floor: int = 0
    at: int | None = None
    tied: bool = False
    after: int = 0
    started: int = 0  # when the pass began, by our clock
    top: int = 0  # the newest modification seen
    top_seen: int = 0  # when it was seen, by our clock
    part: tuple[str, int, int] | None = None  # (id, modified, rows of it already handed out)
    problem: str = ""  # why it cannot be read; told once
    seen: dict[str, int] = field(default_factory=dict)  # id -> modified

    def begin(self, now: int) -> None:
        """Go on with the pass under way, or start one."""
        if self.at is None:
            self.at, self.tied, self.after, self.started = self.floor, False, 0, now

    def passed(self, record_id: str, modified: int, now: int, *, keep: bool) -> None:
        """This record is done. ``keep``: it need not be looked at again."""
        if keep:
            self.seen[record_id] = modified
        self.part = None
        if modified > self.top:
            self.top, self.top_seen = modified, now
        if self.tied:
            self.after = int(record_id)
        else:
            self.at = modified

    def finish(self, overlap: int) -> None:
        """All is read. The next pass begins ``overlap`` ms further back, because the search lags behind.

        Further back than ``min(start of this pass, newest seen)``, so that a wrong clock loses nothing. What
        was modified before the newest record had its time to appear once ``overlap`` ms have gone by since
        that one was seen (a length of time, so again no matter what our clock shows): then it ends.
        """
        looked_after = max(0, self.started - self.top_seen)
        high = min(self.started, self.top)
        self.floor = max(self.floor, high - max(0, overlap - looked_after))
        self.at, self.tied, self.after, self.started = None, False, 0, 0

    def prune(self, overlap: int) -> None:
        """Forget what no later search will show again."""
        low = self.floor
        if self.at is not None:
            low = min(self.at, max(self.floor, min(self.started, self.top) - overlap))
        kept = {i: m for i, m in self.seen.items() if m >= low}
        if len(kept) > MAX_SEEN:
            newest = sorted(kept.items(), key=lambda item: (item[1], int(item[0])))[-MAX_SEEN:]
            kept = dict(newest)
        self.seen = kept


@dataclass(slots=True)
class Position:
    """``turn``: the object type that is read first, so that a long first sync of one starves no other."""

    turn: str
    places: dict[str, Place]

    def text(self) -> str:
        types = {name: _short(place) for name, place in sorted(self.places.items())}
        return json.dumps({"v": 1, "turn": self.turn, "types": types}, separators=(",", ":"), sort_keys=True)


def _short(place: Place) -> dict[str, Any]:
    """Only what is not as in a fresh place."""
    fresh = asdict(Place())
    return {name: value for name, value in asdict(place).items() if value != fresh[name]}


def position_of(cursor: str | None, types: tuple[str, ...]) -> Position:
    """Read a cursor; None is the beginning of time.

    Raises ProviderError where the text is not one of ours.
    """
    if cursor is None:
        return Position(types[0], {name: Place() for name in types})
    try:
        data = json.loads(cursor)
        known = {name: _place(data["types"].get(name, {})) for name in types}
        turn = data["turn"] if data["turn"] in types else types[0]
        return Position(turn, known)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ProviderError(
            "crm_cursor_invalid",
            "The stored position of HubSpot is not one of ours; delete its row in crm_cursors to read the "
            "account again (events already known are recognised).",
        ) from None


def _place(data: dict[str, Any]) -> Place:
    place = Place(**data)
    if place.part is not None:
        record_id, modified, count = place.part
        place.part = (str(record_id), int(modified), int(count))
    place.seen = {str(i): int(m) for i, m in place.seen.items()}
    return place
