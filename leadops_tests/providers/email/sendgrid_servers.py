"""SendGrid for tests, over real sockets: one that does as told, and the check of all that is said to it.

Every message put to `Api` is held against the vendor's own description where that is at hand.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from leadops.sandbox.frame import Ask, Provider
from leadops.settings import PROJECT_ROOT

SEND = "/v3/mail/send"
KEY = "SG.test-key"  # what tests call the key; no real one looks like it


def answer(status: int, body: bytes | str | dict[str, Any] = b"", **headers: str) -> bytes:
    """A whole HTTP answer. Header names are written with _ for -."""
    if isinstance(body, dict):
        headers.setdefault("Content_Type", "application/json")
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    headers = {"Server": "nginx", "Content_Length": str(len(raw)), "Connection": "close", **headers}
    lines = [
        f"HTTP/1.1 {status} {_phrase(status)}",
        *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"


def errors(message: str, where: str | None = None) -> dict[str, Any]:
    """The vendor's error body."""
    return {"errors": [{"message": message, "field": where, "help": None}]}


ACCEPTED = answer(202, X_Message_Id="JQtrNr0IRR-slAi2eCUMSg")


@dataclass(frozen=True, slots=True)
class Play:
    """What the server does with one request. ``cut``: bytes of the answer it sends before it is gone.

    ``hang``: it holds the connection and says nothing more. ``drip``: one byte every so many seconds.
    ``reads=False``: it does not even read the request. ``reset``: it ends with a reset, not a close.
    """

    answer: bytes = ACCEPTED
    cut: int | None = None
    hang: bool = False
    drip: float = 0.0
    reads: bool = True
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request, as it came in. Header names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """A server on 127.0.0.1 that plays ``plays`` in order, the last one for ever.

    ``provider`` answers instead, if there is one. ``tls`` makes it speak TLS.
    """

    plays: list[Play] = field(default_factory=lambda: [Play()])
    provider: Provider | None = None
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Api:
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self._spawn(self._listen)
        return self

    def __exit__(self, *failed: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
        if failed[0] is None:
            self.check()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def bodies(self) -> list[Any]:
        """The messages put to it, in order."""
        return [r.json() for r in self.requests if r.path.endswith(SEND)]

    def check(self) -> int:
        """How many messages it got; fails where one does not keep the vendor's description."""
        found = [problem for body in self.bodies for problem in request_problems(body)]
        assert found == []
        return len(self.bodies)

    def _spawn(self, work: Callable[..., None], *given: Any) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        with self._guard:
            self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                with self._guard:
                    self.connections += 1
                    play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
                self._spawn(self._serve, connection, play)

    def _serve(self, connection: socket.socket, play: Play) -> None:
        connection.settimeout(10)
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection, play)

    def _talk(self, connection: socket.socket, play: Play) -> None:
        told = play.answer
        if play.reads:
            with connection.makefile("rb") as lines:
                request = _read(lines)
            if request is None:
                return
            with self._guard:
                self.requests.append(request)
            if self.provider is not None:
                told = _asked(self.provider, request)
        for byte in told[: play.cut] if play.drip else b"":
            connection.sendall(bytes([byte]))
            if self._over.wait(play.drip):
                return
        if not play.drip:
            connection.sendall(told[: play.cut])
        if play.hang:
            self._over.wait(10)
        if play.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read(lines: Any) -> Request | None:
    first = lines.readline().split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := lines.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = lines.read(length)
    whole = len(body) == length
    return Request(first[0].decode(), first[1].decode(), headers, body) if whole else None


def _asked(provider: Provider, request: Request) -> bytes:
    path = request.path.removeprefix(f"/{provider.name}")
    found = provider.answer(Ask(request.method, path, request.headers, {}, request.body))
    return answer(found.status, found.body, **{k.replace("-", "_"): v for k, v in found.headers.items()})


def deaf_port() -> tuple[int, list[socket.socket]]:
    """A port where a connection never comes about, and what must be closed afterwards: its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = int(listener.getsockname()[1])
    waiting = [listener]
    for _ in range(4):
        caller = socket.socket()
        caller.setblocking(False)
        with suppress(BlockingIOError):
            caller.connect(("127.0.0.1", port))
        waiting.append(caller)
    time.sleep(0.05)  # nothing tells when the kernel has taken them
    return port, waiting


# --- the vendor's own description


@cache
def description() -> dict[str, Any] | None:
    """sendgrid-mail.json: LEADOPS_CONTRACTS, else beside the repository, else the sandbox's copy."""
    places = [Path(os.environ[n]) for n in ("LEADOPS_CONTRACTS",) if os.environ.get(n)]
    places += [
        PROJECT_ROOT.parent / "shared" / "contracts",
        PROJECT_ROOT / "leadops" / "sandbox" / "contracts",
    ]
    for place in places:
        if (path := place / "sendgrid-mail.json").is_file():
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
    return None


def need_description() -> dict[str, Any]:
    """The description, or the test is skipped."""
    found = description()
    if found is None:
        pytest.skip("no sendgrid-mail.json: set LEADOPS_CONTRACTS to the folder of the vendors' descriptions")
    return found


_formats = FormatChecker(formats=())


@_formats.checks("email", raises=EmailNotValidError)
def _is_email(value: object) -> bool:
    validate_email(str(value), check_deliverability=False, globally_deliverable=False)
    return True


@cache
def _validator(pointer: str) -> Draft202012Validator:
    found = json.loads(json.dumps(description()))
    # Known to differ from the service (sendgrid-nodejs#288; `nullable` is no word of OpenAPI 3.1).
    body = found["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    body["properties"]["custom_args"] = {"type": "object"}
    # Nothing but what is described: an option that is misspelt would be ignored without a word.
    body["additionalProperties"] = False
    body["properties"]["personalizations"]["items"]["additionalProperties"] = False
    error = found["components"]["schemas"]["ErrorResponse"]["properties"]["errors"]["items"]["properties"]
    error["field"]["type"] = ["string", "null"]
    error["help"]["type"] = ["object", "string", "null"]
    registry: Registry[Any] = Registry().with_resource("urn:mail", DRAFT202012.create_resource(found))
    return Draft202012Validator({"$ref": f"urn:mail#{pointer}"}, registry=registry, format_checker=_formats)


def request_problems(body: Any) -> list[str]:
    """How a message departs from the description; none where the description is not at hand."""
    if description() is None:
        return []
    pointer = "/components/requestBodies/PostMailSend/content/application~1json/schema"
    return [f"{e.json_path}: {e.message}" for e in _validator(pointer).iter_errors(body)]


def answer_problems(status: int, headers: Mapping[str, str], body: bytes) -> list[str] | None:
    """How an answer to a message departs from the description; None where it says nothing of it."""
    found = need_description()["paths"][SEND]["post"]["responses"].get(str(status))
    if found is None:
        return None
    if "$ref" not in found:
        return ["a body where none is described"] if body else []
    if not headers.get("content-type", "").startswith("application/json"):
        return None  # nginx's page, before the service itself is asked
    pointer = found["$ref"].removeprefix("#") + "/content/application~1json/schema"
    return [f"{e.json_path}: {e.message}" for e in _validator(pointer).iter_errors(json.loads(body))]
