"""The sandbox as a process: providers under their prefixes on one port, ``/control`` and the page ``/``.

A provider answers in a worker thread under its own lock. What goes wrong on purpose is done here, to the
connection itself, so that a client meets what it would meet outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import uvicorn
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadops.errors import LeadopsError, UsageError
from leadops.sandbox import faults
from leadops.sandbox.control import Control
from leadops.sandbox.frame import Answer, Ask, Fault, Provider, query_of
from leadops.sandbox.view import page

HOST = "127.0.0.1"
STARTS_WITHIN_S = 10.0
_CUT = "leadops.cut"


def create_app(providers: Sequence[Provider], control: Control) -> Starlette:
    """One ASGI application; each provider under ``/<its name>``. Needs uvicorn: faults cut connections."""
    routes = [
        Route("/", page(providers), methods=["GET"]),
        Mount("/control", routes=control.routes()),
        *(Mount(f"/{provider.name}", app=_Front(provider)) for provider in providers),
    ]
    return _Cuttable(routes=routes)


class _Cuttable(Starlette):
    """Hands the connection's transport down, past the middleware that wraps ``send``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # ASGI cannot end a connection; uvicorn's cycle, whose method `send` is, knows its transport.
        scope[_CUT] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


class _Front:
    """Raw ASGI in front of one provider: latency, faults, the record."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise LeadopsError("sandbox.protocol", "The sandbox speaks HTTP only.")
        body = await _body(receive)
        if body is None:
            return
        ask = _ask(scope, self._provider.name, body)
        await anyio.sleep(await run_sync(self._provider.latency))
        fault = await run_sync(self._provider.next_fault, ask)
        if fault is None:
            await _send(send, await run_sync(self._provider.answer, ask))
        else:
            await self._fail(fault, ask, _Connection(scope, receive, send))

    async def _fail(self, fault: Fault, ask: Ask, connection: _Connection) -> None:
        met = await run_sync(faults.meet, self._provider, ask, fault)
        if met.silent_s > 0:
            with anyio.move_on_after(met.silent_s):
                await connection.gone()
        if met.answer is not None:
            await (connection.send_half if met.cut else connection.send_all)(met.answer)
        if met.cut:
            await connection.cut()


class _Connection:
    """One request's connection, to be treated badly."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport | None = scope.get(_CUT)
        self._receive, self._send = receive, send

    async def gone(self) -> None:
        """Wait until the client has gone away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def cut(self) -> None:
        """End the TCP connection after what was written. Raises LeadopsError under another server."""
        if self._transport is None:
            raise LeadopsError("sandbox.cut", "Only under uvicorn can the sandbox cut a connection.")
        self._transport.close()
        # uvicorn answers 500 for an application that returns too early.
        await self.gone()

    async def send_all(self, answer: Answer) -> None:
        """As if nothing were the matter."""
        await _send(self._send, answer)

    async def send_half(self, answer: Answer) -> None:
        """Headers that promise the whole body, and its first half."""
        part, promised = faults.half(answer)
        await self._send(_start(answer, promised))
        await self._send({"type": "http.response.body", "body": part, "more_body": True})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away before it was sent."""
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(parts)


def _ask(scope: Scope, name: str, body: bytes) -> Ask:
    query = query_of(scope["query_string"].decode("latin-1"))
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    return Ask(scope["method"], scope["path"].removeprefix(f"/{name}") or "/", headers, query, body)


async def _send(send: Send, answer: Answer) -> None:
    await send(_start(answer, len(answer.body)))
    await send({"type": "http.response.body", "body": answer.body})


def _start(answer: Answer, length: int) -> Message:
    headers = {**faults.lower(answer.headers), "content-length": str(length)}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": pairs}


def listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Raises UsageError naming the variable to set."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(
            "sandbox.port",
            f"The sandbox cannot listen on {host}:{port} ({error.strerror}): stop what listens there, or set "
            "LEADOPS_SANDBOX_PORT to a free port.",
        ) from None
    return listener


@contextlib.contextmanager
def running(app: ASGIApp, port: int = 0, host: str = HOST) -> Iterator[str]:
    """The sandbox in a thread of this process while the block runs; yields its address, ``http://host:port``.

    At the end connections are closed at once, also those a fault keeps silent. Raises UsageError for a taken
    port, LeadopsError when it does not start.
    """
    with listen(port, host) as listener:
        server = _Server(_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            if not server.up.wait(STARTS_WITHIN_S) or not server.started:
                raise LeadopsError("sandbox.start", "The sandbox did not start; see its log.")
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STARTS_WITHIN_S)


def _config(app: ASGIApp) -> uvicorn.Config:
    given: dict[str, Any] = {"access_log": False, "log_level": "warning", "server_header": False}
    return uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=1, ws="none", **given)


class _Server(uvicorn.Server):
    """Says when it listens, or has failed to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        finally:
            self.up.set()
