"""HubSpot's rate limits, measured on the sandbox's clock.

Searches have their own limit per second and account; their answers carry no limit headers.
https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from __future__ import annotations

from collections import deque
from datetime import date, datetime

from leadops.sandbox.hubspot.options import Options
from leadops.sandbox.hubspot.refusals import too_many
from leadops.sandbox.hubspot.values import to_ms

TEN_SECONDS_MS = 10_000
ONE_SECOND_MS = 1_000


class Meter:
    """Counts requests of the last second, ten seconds and day. What is refused does not count."""

    def __init__(self) -> None:
        self._searches: deque[int] = deque()
        self._others: deque[int] = deque()
        self._day: date | None = None
        self._today = 0

    def count(self, now: datetime, options: Options, *, is_search: bool) -> None:
        """Let one request in, or raise RefusedError (429)."""
        if not options.limits:
            return
        now_ms = to_ms(now)
        if is_search:
            _drop(self._searches, now_ms - ONE_SECOND_MS)
            if len(self._searches) >= options.searches_per_s:
                raise too_many("SECONDLY")
            self._searches.append(now_ms)
            return
        if self._day != now.date():
            self._day, self._today = now.date(), 0
        if self._today >= options.requests_per_day:
            raise too_many("DAILY")
        _drop(self._others, now_ms - TEN_SECONDS_MS)
        if len(self._others) >= options.requests_per_10s:
            raise too_many("TEN_SECONDLY_ROLLING")
        self._others.append(now_ms)
        self._today += 1

    def headers(self, options: Options) -> dict[str, str]:
        """What an answer to anything but a search says about the limits."""
        if not options.limits:
            return {}
        return {
            "X-HubSpot-RateLimit-Daily": str(options.requests_per_day),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, options.requests_per_day - self._today)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(TEN_SECONDS_MS),
            "X-HubSpot-RateLimit-Max": str(options.requests_per_10s),
            "X-HubSpot-RateLimit-Remaining": str(max(0, options.requests_per_10s - len(self._others))),
        }


def _drop(times: deque[int], until_ms: int) -> None:
    while times and times[0] <= until_ms:
        times.popleft()
