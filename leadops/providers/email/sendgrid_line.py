"""The SDK's HTTP line, watched: it tells whether a connection ever stood, and ends after a deadline.

The SDK goes through urllib, which wraps a refused connection and a broken send into the same error, takes
the end of a connection for the end of an answer's head, follows a redirect of a POST with a GET that
carries the key, and bounds each read but not the whole. Imports the SDK's HTTP client: import it lazily.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import threading
import urllib.request
from contextlib import suppress
from functools import cache, partial
from typing import Any

import python_http_client  # type: ignore[import-untyped]

# At DEBUG it would write the key and whole messages to the log.
logging.getLogger("python_http_client.client").setLevel(logging.WARNING)


class Trace:
    """What is known of one exchange. ``stood``: there was a connection, so bytes may have left."""

    def __init__(self, deadline_s: float) -> None:
        self.stood = False
        self.overdue = False
        self._deadline_s = deadline_s
        self._timer: threading.Timer | None = None

    def begin(self, sock: socket.socket) -> None:
        """The connection stands; from now on the whole exchange has until the deadline."""
        self.stood = True
        self._timer = threading.Timer(self._deadline_s, self._cut, (sock,))
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self, sock: socket.socket) -> None:
        self.overdue = True
        with suppress(OSError):
            # The plain one: TLS would say goodbye first, to somebody who does not answer.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Head(io.BufferedReader):
    """Remembers the last line that was read."""

    last = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last = super().readline(size)
        return self.last


class Whole(http.client.HTTPResponse):
    """An answer whose head came in whole, up to its empty line."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._head = _Head(self.fp.detach())
        self.fp = self._head

    def begin(self) -> None:
        super().begin()
        if self._head.last.strip(b"\r\n") or not self._head.last:
            raise http.client.IncompleteRead(b"")


class _Watched(http.client.HTTPConnection):
    response_class = Whole

    def __init__(self, *args: Any, trace: Trace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trace = trace

    def connect(self) -> None:
        super().connect()
        self._trace.begin(self.sock)


class _WatchedTls(_Watched, http.client.HTTPSConnection):
    """In this order ``connect`` returns after the handshake."""


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Watched, trace=_watched(req)[0]), req)


class _Tls(urllib.request.AbstractHTTPHandler):
    """Not urllib's own: on newer Pythons that makes a context each time, also where none is needed."""

    https_request = urllib.request.AbstractHTTPHandler.do_request_

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        trace, tls = _watched(req)
        return self.do_open(partial(_WatchedTls, trace=trace), req, context=tls or _context())


def _watched(request: urllib.request.Request) -> tuple[Trace, ssl.SSLContext | None]:
    """By whom, and what it trusts."""
    found: tuple[Trace, ssl.SSLContext | None] = request.watched  # type: ignore[attr-defined]
    return found


_making = threading.Lock()


def _context() -> ssl.SSLContext:
    """One for the process: to make it reads every certificate there is."""
    with _making:
        return _made_context()


@cache
def _made_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def opener_of(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """These, and what makes an error of a status. Neither redirects nor files nor FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        *handlers,
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class Line(python_http_client.Client):  # type: ignore[misc]
    """The SDK's client over the watched line. Made for one exchange. ``tls``: not the system's trust."""

    def __init__(self, trace: Trace, tls: ssl.SSLContext | None = None, **given: Any) -> None:
        super().__init__(**given)
        self.trace, self.tls = trace, tls

    def _build_client(self, name: str | None = None) -> Line:
        """The same, one step further along the URL."""
        made = object.__new__(type(self))
        path = [*self._url_path, name] if name else self._url_path
        made.__dict__ = {**self.__dict__, "_url_path": path}
        return made

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:  # noqa: ARG002
        request.watched = (self.trace, self.tls)
        return super()._make_request(self.opener(), request, timeout=timeout)

    def opener(self) -> urllib.request.OpenerDirector:
        """What opens the request."""
        return _opener()


@cache
def _opener() -> urllib.request.OpenerDirector:
    """One for the process: to make it costs as much as the request. Proxies are those of its environment."""
    return opener_of(urllib.request.ProxyHandler(), urllib.request.UnknownHandler(), _Plain(), _Tls())
