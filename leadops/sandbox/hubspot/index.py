"""What the search of one object type knows: the records as they were ``lag`` ago, in order of writing.

Search lags behind writes; direct reads do not. Each write leaves a snapshot that comes into the index
once it is old enough. Snapshots cost nothing: a record's properties are replaced, never changed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from heapq import heappop, heappush
from zlib import crc32

Properties = Mapping[str, "str | None"]
Place = tuple[int, int, int]
"""Last written (ms), an arbitrary but steady number, id: the vendor promises no order among equals."""


class Index:
    """The search index of one object type."""

    def __init__(self) -> None:
        self.order: list[Place] = []
        self.found: dict[int, Properties] = {}
        self._places: dict[int, Place] = {}
        self._waiting: list[tuple[int, int, int, Properties | None]] = []
        self._serial = 0

    def wrote(self, number: int, properties: Properties | None, at_ms: int) -> None:
        """A record looks like this since ``at_ms``; None: it is gone."""
        self._serial += 1
        heappush(self._waiting, (at_ms, self._serial, number, properties))

    def catch_up(self, until_ms: int) -> None:
        """Take in what was written up to ``until_ms``, that moment included."""
        while self._waiting and self._waiting[0][0] <= until_ms:
            at_ms, _, number, properties = heappop(self._waiting)
            self._forget(number)
            if properties is not None:
                place = (at_ms, crc32(b"%d" % number), number)
                self.found[number] = properties
                self._places[number] = place
                if self.order and place < self.order[-1]:
                    insort(self.order, place)
                else:
                    self.order.append(place)

    def _forget(self, number: int) -> None:
        place = self._places.pop(number, None)
        if place is not None:
            del self.order[bisect_left(self.order, place)]
            del self.found[number]

    def since(self, low_ms: int | None, high_ms: int | None) -> list[int]:
        """Ids of records last written from ``low_ms`` to ``high_ms``, both included, in order."""
        low = 0 if low_ms is None else bisect_left(self.order, (low_ms, -1, 0))
        high = len(self.order) if high_ms is None else bisect_left(self.order, (high_ms + 1, -1, 0))
        return [place[2] for place in self.order[low:high]]
