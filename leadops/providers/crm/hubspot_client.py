"""HubSpot over HTTP: one request, its patience, its budget, and what an answer means. Nothing of leads here.

Every call here may be made twice without harm: reads by nature, writes because whoever calls gives each
object a key of its own. So no failure is ambiguous: it was done, or it may be done again.
Limits: 190 requests per 10 s, 5 searches per second and account.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import httpx

from leadops.errors import ProviderError, UsageError
from leadops.providers.trust import trusted

VERSION = "2026-09"
OBJECTS = f"/crm/objects/{VERSION}"
ASSOCIATIONS = f"/crm/associations/{VERSION}"
PROPERTIES = f"/crm/properties/{VERSION}"
OWNERS = f"/crm/owners/{VERSION}"
PATIENCE_S = 6.0
"""How long one call may wait for HubSpot's rate limit before it is given up (and tried again much later)."""
_FIRST_WAIT_S = 1.0
_MAX_CODE = 60
_TRANSIENT = frozenset({408, 423, 425, 429, 477})
"""Besides 5xx: 423 is a record locked by another write, 477 an account that is being moved."""

Blame = Literal["key", "scope", "setup", "limit", "trouble", "refused"]


class CallError(ProviderError):
    """A call that was not answered as asked. ``code`` and the message hold no person's data.

    ``blame``: whose fault it is. key, scope, setup: ours, whatever is written. limit, trouble: HubSpot's or
    the way's, for now. refused: what was asked.
    """

    def __init__(
        self, code: str, message: str, blame: Blame, status: int = 0, needs: tuple[str, ...] = ()
    ) -> None:
        super().__init__(code, message)
        self.blame, self.status, self.needs = blame, status, needs

    @property
    def is_for_all(self) -> bool:
        """The next call would meet the same: not this record, not this object type."""
        return self.blame in ("key", "limit") or (self.blame == "trouble" and self.status != 500)


class Bucket:
    """At most ``rate`` tokens per second, ``burst`` of them at once. Thread-safe."""

    def __init__(self, rate: float, wait: Callable[[float], None], burst: float) -> None:
        self._rate, self._wait = rate, wait
        self._most = max(1.0, burst)
        self._left = self._most
        self._at = time.monotonic()
        self._guard = threading.Lock()

    def take(self) -> None:
        """Take a token, waiting for it where there is none left."""
        with self._guard:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            self._left -= 1
            owed = -self._left / self._rate
        if owed > 0:
            self._wait(owed)


class Client:
    """One account. Connections are kept and shared by threads; a forked child makes its own.

    ``wait``: sleeps so many seconds. ``transport``: in place of the network.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        timeout_s: float,
        requests_per_second: float,
        searches_per_second: float,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._token = token.strip()
        if not self._token or not (self._token.isascii() and self._token.isprintable()):
            raise UsageError(
                "crm_key", "LEADOPS_HUBSPOT_TOKEN is empty or holds characters no HubSpot key has; set it."
            )
        self._base = base_url.rstrip("/")
        self._timeout_s, self._transport, self._wait = timeout_s, transport, wait
        self._requests = Bucket(requests_per_second, wait, burst=requests_per_second)
        # One by one: a second's worth at once, and those that follow, are too many for one second.
        self._searches = Bucket(searches_per_second, wait, burst=1)
        self._guard = threading.Lock()
        self._http: httpx.Client | None = None
        self._pid = os.getpid()
        self.daily_left: int | None = None
        """Requests left today, as HubSpot last said; None before it has said so."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises CallError."""
        return self._call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises CallError."""
        return self._call("POST", path, body=body)

    def search(self, object_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises CallError. Searches have a budget of their own."""
        self._searches.take()
        return self._call("POST", f"{OBJECTS}/{object_type}/search", body=body)

    def close(self) -> None:
        """Close idle connections."""
        with self._guard:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        waited, pause = 0.0, _FIRST_WAIT_S
        while True:
            self._requests.take()
            response = self._send(method, path, query, body)
            if response.status_code < 400:
                return _object(response, path)
            error = _error(response, path)
            pause = _retry_after(response, pause)
            if error.code != "crm_rate_limited" or waited + pause > PATIENCE_S:
                raise error
            self._wait(pause)
            waited, pause = waited + pause, pause * 2

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        try:
            response = self._connected().request(method, _url(self._base + path), params=query, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise CallError("crm_unreachable", _say(path, "cannot be reached"), "trouble") from None
        except httpx.TimeoutException:
            raise CallError("crm_timeout", _say(path, "did not answer in time"), "trouble") from None
        except httpx.DecodingError:
            raise CallError("crm_garbage", _say(path, "answered what is no JSON"), "trouble") from None
        except httpx.HTTPError:
            raise CallError("crm_cut", _say(path, "ended the connection"), "trouble") from None
        left = response.headers.get("x-hubspot-ratelimit-daily-remaining", "")
        if left.isdigit():
            self.daily_left = int(left)
        return response

    def _connected(self) -> httpx.Client:
        with self._guard:
            if self._pid != os.getpid():  # forked: these connections are the parent's
                self._http, self._pid = None, os.getpid()
            if self._http is None:
                self._http = httpx.Client(
                    headers={"authorization": f"Bearer {self._token}", "accept": "application/json"},
                    timeout=self._timeout_s,
                    transport=self._transport,
                    follow_redirects=False,
                    verify=trusted(),
                )
            return self._http


@lru_cache(maxsize=256)  # a dozen paths, taken apart again for every request
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _say(path: str, what: str) -> str:
    return f"HubSpot {what} ({path})."


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    """Seconds HubSpot asks us to wait. Its header is seconds; a date in its place is not read."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return otherwise


def _object(response: httpx.Response, path: str) -> dict[str, Any]:
    if response.status_code == 204 or not 200 <= response.status_code < 300:
        if response.status_code == 204:
            return {}
        raise CallError("crm_garbage", _say(path, "sent us elsewhere"), "trouble", response.status_code)
    try:
        found = response.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CallError("crm_garbage", _say(path, "answered what is no JSON object"), "trouble")
    return found


def _error(response: httpx.Response, path: str) -> CallError:
    status = response.status_code
    try:
        told = response.json()
    except (ValueError, RecursionError):
        told = None
    body = told if isinstance(told, dict) else {}
    if status == 401:
        return CallError("crm_key", _say(path, "does not accept the key"), "key", status)
    if status == 429:
        daily = "daily" in str(body.get("policyName", "")).lower()
        code = "crm_daily_limit" if daily else "crm_rate_limited"
        return CallError(code, _say(path, "has had enough requests of us for now"), "limit", status)
    if status in _TRANSIENT or status >= 500:
        return CallError(f"crm_unavailable_{status}", _say(path, f"answered {status}"), "trouble", status)
    return refusal(body, status, path)


def refusal(body: Mapping[str, Any], status: int, path: str) -> CallError:
    """What an error object of HubSpot's means; of a whole answer, or of one item in a multi-status answer.

    Fields are all optional (developers.hubspot.com, error-handling).
    """
    category = str(body.get("category") or "")
    if category == "MISSING_SCOPES":
        needs = tuple(sorted(set(_scopes(body))))
        named = ", ".join(needs) or "the one for this object type"
        text = _say(path, f"says the key lacks a scope: {named}; add it to the key")
        return CallError("crm_scope", text, "scope", status, needs)
    if "PROPERTY_DOESNT_EXIST" in str(body) and "leadops_" in str(body):
        text = _say(path, "does not have the leadops properties; run `leadops crm setup`")
        return CallError("crm_setup", text, "setup", status)
    if category in ("RATE_LIMITS", "RATE_LIMIT"):
        return CallError("crm_rate_limited", _say(path, "has had enough requests"), "limit", 429)
    if category in ("INTERNAL_ERROR", "SERVER_ERROR"):
        return CallError("crm_unavailable_500", _say(path, "failed"), "trouble", 500)
    code = "_".join(p for p in ("crm_refused", str(status or ""), _plain(category)) if p)
    return CallError(code, _say(path, f"refused: {status} {_plain(category)}".rstrip()), "refused", status)


def _scopes(body: Mapping[str, Any]) -> list[str]:
    """The scopes an error names: errors[].context.requiredGranularScopes (or requiredScopes)."""
    found: list[str] = []
    errors = body.get("errors")
    for each in [body, *(errors if isinstance(errors, list) else [])]:
        context = each.get("context") if isinstance(each, dict) else None
        for name, value in context.items() if isinstance(context, dict) else ():
            if "scope" in str(name).lower():
                found += [str(v) for v in (value if isinstance(value, list) else [value])]
    return [s for s in found if s.replace(".", "").replace("-", "").replace("_", "").isalnum()]


def _plain(category: str) -> str:
    """A category as part of a code: it is HubSpot's word, but nothing else may slip in."""
    return "".join(c for c in category.lower() if c.isascii() and (c.isalnum() or c == "_"))[:_MAX_CODE]


def results_of(body: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """The ``results`` of an answer. Raises CallError where there are none of that shape."""
    found = body.get("results")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise CallError("crm_garbage", _say(path, "answered in a shape that is not its own"), "trouble")
    return found


def errors_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``errors`` of a multi-status answer."""
    found = body.get("errors")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
