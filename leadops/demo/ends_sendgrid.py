"""SendGrid's SDK down to where it would write to a socket. Imports the SDK: import it lazily."""

from __future__ import annotations

import http.client
import io
import urllib.request
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from leadops.demo.carrying import Carrier, Trouble, carried
from leadops.providers.email.sendgrid_line import Line, Trace, Whole, opener_of
from leadops.sandbox import faults
from leadops.sandbox.frame import Answer, Ask, Provider, query_of


class InProcessLine(Line):
    """The adapter's line, with nothing of the system's (proxies, sockets, timers) behind it."""

    def __init__(self, *args: Any, carry: Carrier, provider: Provider, wait: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._way: dict[str, Any] = {"carry": carry, "provider": provider, "wait": wait}

    def opener(self) -> urllib.request.OpenerDirector:
        """Opens the one request in this process."""
        return opener_of(_Handler(partial(_Connection, trace=self.trace, **self._way)))


class _Handler(urllib.request.HTTPHandler):
    def __init__(self, made: Callable[..., http.client.HTTPConnection]) -> None:
        super().__init__()
        self._made = made

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        # An object that is called with the host and the timeout is all that is needed of the class.
        return self.do_open(self._made, req)


class _Connection(http.client.HTTPConnection):
    """Its socket keeps what is written, and has the answer carried when it is read from."""

    response_class = Whole

    def __init__(
        self,
        host: str,
        *,
        trace: Trace,
        carry: Carrier,
        provider: Provider,
        wait: Callable[[float], None],
        timeout: float,
    ) -> None:
        super().__init__(host, timeout=timeout)
        self._trace, self._carry, self._provider, self._wait = trace, carry, provider, wait
        self._patience_s = timeout

    def connect(self) -> None:
        self.sock: Any = _Sock(self._answer)

    def _answer(self, sent: bytes) -> bytes:
        """The bytes that come back. Raises OSError as a socket does."""
        found = carried(self._carry, self._provider, _ask(sent), self._patience_s)
        if isinstance(found, Answer):
            self._trace.stood = True
            return _head(found, len(found.body)) + found.body
        self._wait(found.after_s)
        return self._trouble(found)

    def _trouble(self, trouble: Trouble) -> bytes:
        self._trace.stood = trouble.kind in ("timeout", "cut")
        if trouble.kind == "refused":
            raise ConnectionRefusedError(111, "Connection refused")
        if trouble.kind != "cut":
            raise TimeoutError("timed out")
        if trouble.answer is None:
            return b""
        part, promised = faults.half(trouble.answer)
        return _head(trouble.answer, promised) + part


class _Sock:
    """What ``http.client`` needs of a socket."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._sent = bytearray()

    def sendall(self, data: bytes) -> None:
        self._sent += data

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The answer; only now is the request a whole one."""
        return io.BufferedReader(io.BytesIO(self._answer(bytes(self._sent))))

    def close(self) -> None:
        """Nothing is open."""


def _ask(sent: bytes) -> Ask:
    """As the sandbox's server reads the same bytes."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    pairs = (line.split(": ", 1) for line in lines)
    return Ask(method, unquote(path), {name.lower(): value for name, value in pairs}, query_of(query), body)


def _head(answer: Answer, promised: int) -> bytes:
    known = answer.status in _PHRASES
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES[answer.status] if known else ''}"]
    headers = faults.lower(answer.headers) | {"content-length": str(promised), "connection": "close"}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


_PHRASES = {int(status): status.phrase for status in HTTPStatus}
