"""A sandbox on a real port, and a provider small enough to see through."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from leadops.sandbox.control import Control
from leadops.sandbox.frame import Answer, Ask, Provider
from leadops.sandbox.server import create_app, running


def clock() -> datetime:
    return datetime.now(UTC)


class Echo(Provider):
    """Answers what it was asked; ``done`` is its state."""

    name = "echo"

    def __init__(self) -> None:
        super().__init__(clock)
        self.done: list[Ask] = []

    def handle(self, ask: Ask) -> Answer:
        self.done.append(ask)
        problems = ("path: odd",) if ask.path == "/odd" else ()
        value = {"method": ask.method, "path": ask.path, "query": ask.query, "body": ask.body.decode()}
        return Answer.of(200, value, {"X-Echo": ask.headers.get("x-ask", "")}, problems)

    def refusal(self, status: int) -> Answer:
        return Answer.of(status, {"vendor": status}, {"X-Refused": "yes"})


@contextmanager
def served(*providers: Provider, control: Control | None = None) -> Iterator[str]:
    """Base URL of a sandbox with these providers."""
    with running(create_app(providers, control or Control(providers))) as url:
        yield url


def raw(url: str, path: str, timeout: float = 10.0) -> bytes:
    """Everything that comes back over a socket of our own for one POST, until the server ends it."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port or 80), timeout) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 2\r\n\r\nhi"
        connection.sendall(head.encode())
        parts = b""
        while part := connection.recv(65536):
            parts += part
        return parts
