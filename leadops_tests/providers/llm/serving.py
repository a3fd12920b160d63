"""A simulated provider behind a real socket: stdlib HTTP server that counts, waits and cuts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from leadops.sandbox.frame import Answer, Ask, Fault, Provider

GARBAGE = b"<html><body>upstream connect error</body>\x00\xff"


class Served(ThreadingHTTPServer):
    """``connections`` opened, ``most_at_once`` requests under way. ``before``: called with each Ask."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, provider: Provider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self.asks: list[Ask] = []
        self.before: Callable[[Ask], Answer | None] = lambda ask: None
        self.over = threading.Event()
        self.count = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.count:
            self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for the client's delayed acknowledgement
    server: Served

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        served = self.server
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        ask = Ask(self.command, url.path, headers, dict(parse_qsl(url.query)), body)
        with served.count:
            served.asks.append(ask)
            served.at_once += 1
            served.most_at_once = max(served.most_at_once, served.at_once)
        try:
            self._answer(ask)
        finally:
            with served.count:
                served.at_once -= 1

    def _answer(self, ask: Ask) -> None:
        served, provider = self.server, self.server.provider
        own = served.before(ask)
        if own is not None:
            self._send(own)
            return
        served.over.wait(provider.latency())
        fault = provider.next_fault(ask)
        if fault is None:
            self._send(provider.answer(ask))
        else:
            self._fail(fault, ask)

    def _fail(self, fault: Fault, ask: Ask) -> None:
        provider = self.server.provider
        if fault.kind == "status":
            own = provider.refusal(fault.status)
            body = own.body if fault.body is None else fault.body.encode()
            self._send(Answer(fault.status, body, {**own.headers, **fault.headers}))
            return
        answer = Answer(0) if fault.kind.endswith("before") else provider.answer(ask)
        if fault.kind == "garbage":
            self._send(Answer(200, GARBAGE, {"content-type": "application/json"}))
            return
        if fault.kind.startswith("slow"):
            self.server.over.wait(fault.seconds)
        if fault.kind == "cut_after":
            self._send(answer, answer.body[: len(answer.body) // 2])
        self._cut()

    def _send(self, answer: Answer, part: bytes | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if part is None else part)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(provider: Provider) -> Iterator[Served]:
    """The provider on a port of 127.0.0.1 while the block runs."""
    served = Served(provider)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.over.set()
        served.shutdown()
        served.server_close()
        thread.join(10)
