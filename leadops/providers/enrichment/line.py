"""One enrichment provider over HTTP: a request, its patience, and what an answer that is none means."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from leadops.errors import ProviderError, UsageError
from leadops.providers.enrichment.port import Answer, Found, Key
from leadops.providers.trust import trusted

# At INFO it would write whom we ask about to the log: addresses stand in the query string.
logging.getLogger("httpx").setLevel(logging.WARNING)

MOST_BYTES = 2_000_000
"""Of an answer, unpacked. Ten people are some 100 kB."""
_LONGEST_REST_S = 3600.0
_REST_S = 10.0
"""After a 429 that does not say how long."""
_REFUSALS = frozenset({400, 406, 409, 410, 413, 414, 415, 422})


@dataclass(frozen=True, slots=True)
class Reply:
    """``body``: the JSON, None where it is none."""

    status: int
    body: Any
    retry_after_s: float | None = None


class LineError(ProviderError):
    """No answer was had. ``code`` and the message hold no person's data. ``has_left``: the request may have
    reached the provider.
    """

    def __init__(self, code: str, message: str, *, has_left: bool) -> None:
        super().__init__(code, message)
        self.has_left = has_left


class Line:
    """A provider's address. Connections are kept and shared by threads; a forked child makes its own.

    ``key_header``: (name, key); ``basic``: user and password. ``transport``: in place of the network;
    ``clock``: its monotonic seconds.

    Raises:
        UsageError: the key cannot be one. ``variable``: where it is set.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        variable: str,
        key_header: tuple[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = [key_header[1]] if key_header else []
        given += [basic[0]] if basic else []
        for key in given:
            if not key.strip() or not (key.isascii() and key.isprintable()):
                raise UsageError(
                    f"{name}_key", f"{variable} is empty or holds characters no key of {name} has; set it."
                )
        self.name = name
        self._address, self._base = base_url, base_url.rstrip("/")
        self._headers = {"accept": "application/json"} | (
            {key_header[0]: key_header[1].strip()} if key_header else {}
        )
        self._auth = httpx.BasicAuth(basic[0].strip(), basic[1]) if basic else None
        self._transport, self._clock = transport, clock
        self._guard = threading.Lock()
        self._http: httpx.Client | None = None
        self._pid = os.getpid()

    def ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """``path``: after the base address; empty: that address itself.

        Raises LineError where there was no whole answer within ``timeout_s``.
        """
        url = self._base + path if path else self._address
        until = self._clock() + timeout_s
        try:
            request = self._connected().build_request(
                method, url, params=query, json=body, timeout=max(0.01, timeout_s)
            )
            response = self._connected().send(request, stream=True)
            try:
                content = self._whole(response, until)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise self._error("unreachable", "cannot be reached", has_left=False) from None
        except httpx.TimeoutException:
            raise self._error("timeout", "did not answer in time") from None
        except httpx.DecodingError:
            raise self._error("garbage", "answered what is no JSON") from None
        except httpx.HTTPError:
            raise self._error("cut", "ended the connection") from None
        return Reply(response.status_code, _json(content), _retry_after(response))

    def each(
        self, keys: Sequence[Key], timeout_s: float, ask: Callable[[Key, float], Answer]
    ) -> list[Answer]:
        """One after the other within one patience; after a failure that would meet all, none is asked."""
        until, answers = self._clock() + timeout_s, list[Answer]()
        for key in keys:
            if answers and answers[-1].outcome is Found.FAILED and not answers[-1].is_refusal:
                answers.append(replace(answers[-1], in_doubt=False))
                continue
            try:
                answers.append(ask(key, until - self._clock()))
            except LineError as error:
                answers.append(unanswered(error))
        return answers

    def _whole(self, response: httpx.Response, until: float) -> bytes:
        parts = bytearray()
        for part in response.iter_bytes():
            parts += part
            if len(parts) > MOST_BYTES:
                raise self._error("garbage", "answered more than anybody would read")
            if self._clock() > until:
                raise self._error("timeout", "did not come to an end in time")
        return bytes(parts)

    def _error(self, code: str, what: str, *, has_left: bool = True) -> LineError:
        return LineError(f"{self.name}_{code}", f"{self.name} {what}.", has_left=has_left)

    def _connected(self) -> httpx.Client:
        with self._guard:
            if self._pid != os.getpid():  # forked: these connections are the parent's
                self._http, self._pid = None, os.getpid()
            if self._http is None:
                # Where people's addresses go is what the settings say, not what an answer says.
                self._http = httpx.Client(
                    headers=self._headers,
                    auth=self._auth,
                    transport=self._transport,
                    follow_redirects=False,
                    verify=trusted(),
                )
            return self._http

    def close(self) -> None:
        """Close idle connections."""
        with self._guard:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def failure(self, reply: Reply) -> Answer:
        """What an answer means that is not 2xx, or not of the vendor's shape."""
        status = reply.status
        if 200 <= status < 300:
            return garbage(self.name)
        if status == 429:
            rest = _REST_S if reply.retry_after_s is None else reply.retry_after_s
            return Answer(Found.FAILED, code=f"{self.name}_rate_limited", retry_after_s=rest)
        if status in _REFUSALS:
            return Answer(Found.FAILED, code=f"{self.name}_refused_{status}", is_refusal=True)
        words = {401: "key", 402: "quota", 403: "forbidden"}
        code = words.get(status) or (f"unavailable_{status}" if status >= 500 else f"odd_{status}")
        return Answer(Found.FAILED, code=f"{self.name}_{code}", retry_after_s=reply.retry_after_s)


def unanswered(error: LineError) -> Answer:
    """Not this key's fault."""
    return Answer(Found.FAILED, code=error.code, in_doubt=error.has_left)


def garbage(name: str) -> Answer:
    """An answer of success that nobody can read."""
    return Answer(Found.FAILED, code=f"{name}_garbage", in_doubt=True)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, or nothing where it is no object."""
    return value if isinstance(value, Mapping) else {}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds. A date in their place is not read."""
    text = response.headers.get("retry-after", "").strip()
    whole = text.partition(".")[0]
    return min(float(whole), _LONGEST_REST_S) if whole.isascii() and whole.isdigit() else None
