"""TCP ports: asked for before anything is started, so that a taken one leaves nothing half started."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from leadops.errors import UsageError


@dataclass(frozen=True)
class PortUse:
    """`what` is going to listen on host:port, which `variable` sets."""

    what: str
    host: str
    port: int
    variable: str


def require_free(uses: Iterable[PortUse]) -> None:
    """Raise UsageError with one sentence per port that cannot be listened on, or is wanted twice."""
    problems = []
    wanted: dict[int, PortUse] = {}
    for use in uses:
        other = wanted.setdefault(use.port, use)
        if other is not use:
            problems.append(
                f"Port {use.port} is given to both {other.what} and {use.what}: "
                f"change {other.variable} or {use.variable}."
            )
        elif (why := _why_not(use)) is not None:
            problems.append(why)
    if problems:
        raise UsageError("port_in_use", "\n".join(problems))


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def reachable_host(host: str) -> str:
    """The address under which this machine itself reaches a server bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _why_not(use: PortUse) -> str | None:
    with socket.socket(_family(use.host), socket.SOCK_STREAM) as probe:
        # As servers do: a connection lingering in TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((use.host, use.port))
            probe.listen(1)
        except OSError as error:
            return _sentence(use, error)
        except OverflowError:
            return f"{use.variable} is {use.port}, which is no port: choose one from 1 to 65535."
    return None


def _sentence(use: PortUse, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {use.port} ({use.what}) is already in use: stop what listens there, "
            f"or set {use.variable} to a free port."
        )
    if error.errno == errno.EACCES:
        return f"Port {use.port} ({use.what}) may not be opened by this user: set {use.variable} above 1023."
    return f"Cannot listen on {use.host}:{use.port} ({use.what}): {error.strerror}; check {use.variable}."


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
