"""Runs an ASGI application on one address until it is told to stop. Knows nothing of what it serves."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from leadops.errors import UsageError

PORT_VARIABLE = "LEADOPS_INGEST_PORT"
GRACE_S = 10


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8400,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Serve `app` until SIGTERM, SIGINT or SIGHUP, finish the requests in flight (at most 10 s), return.

    `on_ready` gets the port listened on (port 0 lets the system choose one).
    Raises UsageError when the address cannot be listened on.
    """
    listener = listen(host, port)
    # No access log: addresses of people's machines are personal data. The application logs request ids.
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    with listener, _quiet_signals(server):
        if on_ready is not None:
            on_ready(listener.getsockname()[1])
        asyncio.run(server.serve(sockets=[listener]))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError naming the port and its variable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError("ingest.port", _why(error, host, port)) from None
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is already in use: stop what listens there, "
            f"or set {PORT_VARIABLE} to a free port."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user: set {PORT_VARIABLE} to one above 1023."
    return f"Cannot listen on {host}:{port} ({error.strerror}): check LEADOPS_BIND and {PORT_VARIABLE}."


class _quiet_signals:  # noqa: N801 - reads as a statement
    """Handlers around uvicorn's own. When done it raises the signal that stopped it once more, which would
    end the process with a signal's status (or a traceback) instead of the 0 of a service that did as told.
    """

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._server.should_exit = True
