"""Mail through SendGrid's official SDK. Nothing is known of a message until an answer says it (R2).

Until a connection stands nothing can have left: RETRY. After that, only a whole answer settles it.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from leadops.errors import BadInput, UsageError
from leadops.providers.email.port import EmailPort
from leadops.providers.email.sendgrid_request import addresses_of, mail_of, pause_s, result_of
from leadops.terms import Outcome, SendResult

_SCOPE = "mail.send"


@dataclass(frozen=True, slots=True)
class _Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """``left``: bytes of the request may have left. ``detail`` is a code."""

    detail: str
    left: bool


class _Pause:
    """Until when nobody calls: what one thread was told holds for all."""

    def __init__(self) -> None:
        self._until = 0.0
        self._guard = threading.Lock()

    def left_s(self, now: float) -> float:
        with self._guard:
            return max(self._until - now, 0.0)

    def extend(self, until: float) -> None:
        with self._guard:
            self._until = max(self._until, until)


class SendGrid(EmailPort):
    """One account. ``key`` needs the scope mail.send. ``timeout_s`` bounds the way to a connection, and
    then the whole exchange again. ``clock``: unix seconds. ``line``: makes what stands in place of
    ``sendgrid_line.Line``, for one exchange and with the same arguments.
    """

    name = "sendgrid"
    tells_later = True

    def __init__(
        self,
        key: str,
        base_url: str = "https://api.sendgrid.com",
        timeout_s: float = 15.0,
        track_opens: bool = False,
        track_clicks: bool = False,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
        line: Callable[..., Any] | None = None,
    ) -> None:
        self._line = line
        self._key = key.strip()
        self._base_url = base_url.strip().rstrip("/").removesuffix("/v3")
        self._timeout_s, self._clock, self._tls = timeout_s, clock, tls
        self._track_opens, self._track_clicks = track_opens, track_clicks
        self._pause = _Pause()

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        """As the port says; SendGrid has no keys, so the same key sent twice is two messages.

        ``detail`` is a code: ``sendgrid_400_FIELD``, or what happened on the way (``timeout``).
        """
        try:
            body = mail_of(key, wire, track_opens=self._track_opens, track_clicks=self._track_clicks)
        except BadInput as error:
            return SendResult(Outcome.REJECTED, detail=error.code)
        if addresses_of(body) != (from_address, to_address):
            # It has no envelope of its own: the message would go elsewhere than was asked.
            return SendResult(Outcome.REJECTED, detail="bad_address")
        if (left_s := self._pause.left_s(self._clock())) > 0:
            return SendResult(Outcome.RETRY, detail="sendgrid_paused", retry_after_s=left_s, ours=True)
        found = self._exchange(lambda api: api.send(body))
        if isinstance(found, _Unanswered):
            outcome = Outcome.AMBIGUOUS if found.left else Outcome.RETRY
            return SendResult(outcome, detail=found.detail, ours=found.detail == "misconfigured")
        now = self._clock()
        if (pause := pause_s(found.status, found.headers, now)) > 0:
            self._pause.extend(now + pause)
        return result_of(found.status, found.headers, found.body, now)

    def look_up(self, key: str) -> SendResult | None:  # noqa: ARG002
        """None: only a paid add-on tells of the past; the event webhook settles what is unknown."""
        return None

    def check(self) -> None:
        """Ask what the key may do. Raises UsageError saying which setting or scope is missing."""
        found = self._exchange(lambda api: api.client.scopes.get())
        if isinstance(found, _Unanswered):
            trouble, advice = found.detail, _ADVICE.get(found.detail, _ADVICE["network"])
        elif found.status == 200:
            scopes = _scopes(found.body)
            if scopes is not None and _SCOPE in scopes:
                return
            trouble = "no_mail_send" if scopes is not None else "not_sendgrid"
            advice = _ADVICE[trouble]
        else:
            trouble = f"status {found.status}"
            advice = _ADVICE.get(found.status, _ADVICE[404] if found.status < 500 else _ADVICE[503])
        raise UsageError("sendgrid_unusable", f"SendGrid does not work ({trouble}): {advice}.")

    def _exchange(self, call: Callable[[Any], Any]) -> _Answered | _Unanswered:
        """One request through the SDK, with a client of its own: the SDK's keeps state between calls."""
        if not _usable(self._key, self._base_url):
            return _Unanswered("misconfigured", left=False)
        from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]
        from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]

        from leadops.providers.email.sendgrid_line import Line, Trace

        trace = Trace(self._timeout_s)
        api = SendGridAPIClient(self._key, host=self._base_url)
        api.client = (self._line or Line)(
            trace,
            self._tls,
            host=self._base_url,
            version=3,
            request_headers=api._default_headers,
            timeout=self._timeout_s,
        )
        try:
            answer = call(api)
            return _Answered(answer.status_code, dict(answer.headers), answer.body)
        except HTTPError as error:
            return _Answered(error.status_code, dict(error.headers), error.body)
        except Exception as error:  # noqa: BLE001 - whatever it is, what matters is whether bytes may have left
            return _Unanswered("timeout" if trace.overdue else _code_of(error), trace.stood)
        finally:
            trace.end()


_ADVICE: Mapping[int | str, str] = {
    401: "the key is not accepted; check LEADOPS_SENDGRID_KEY",
    403: "the key may not be asked; make a key with Full Access or the scope mail.send",
    404: "LEADOPS_SENDGRID_URL is not SendGrid's; unset it, or use https://api.eu.sendgrid.com for the EU",
    429: "too many calls just now; try again in a minute",
    503: "SendGrid has trouble; see https://status.sendgrid.com and try again",
    "no_mail_send": "the key lacks the scope mail.send; give it Mail Send, then set LEADOPS_SENDGRID_KEY",
    "not_sendgrid": "what answers at LEADOPS_SENDGRID_URL is not SendGrid",
    "misconfigured": "LEADOPS_SENDGRID_KEY is ASCII without spaces, LEADOPS_SENDGRID_URL is http(s)://host",
    "dns": "the host name is not known; check LEADOPS_SENDGRID_URL",
    "refused": "nothing listens there; check LEADOPS_SENDGRID_URL",
    "tls": "the server's certificate is not trusted for this host name; check LEADOPS_SENDGRID_URL",
    "timeout": "no answer in time; check a firewall or proxy, and LEADOPS_SENDGRID_TIMEOUT_S",
    "network": "check the network, a proxy, and LEADOPS_SENDGRID_URL",
}


def _usable(key: str, base_url: str) -> bool:
    """Whether a request can be made of it at all. The SDK takes an empty key from its own variable."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = all("!" <= c <= "~" for c in key + base_url)
    return bool(key and host) and plain and parts.scheme in ("http", "https")


def _scopes(body: bytes) -> list[Any] | None:
    try:
        found = json.loads(body).get("scopes")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, list) else None


_CODES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLError, "tls"),
    (socket.gaierror, "dns"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (http.client.IncompleteRead, "connection_lost"),
    (ConnectionError, "connection_lost"),
    (http.client.HTTPException, "unreadable"),
    (OSError, "network"),
)


def _code_of(error: BaseException) -> str:
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    return next((code for kind, code in _CODES if isinstance(error, kind)), f"sdk_{type(error).__name__}")
