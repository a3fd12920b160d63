"""SMTP servers for tests: an honest one (aiosmtpd) and one that misbehaves on cue."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller

CUT = "cut"  # close the connection instead of answering
HANG = "hang"  # never answer


class Inbox:
    """What the honest server was given."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # type: ignore[no-untyped-def] # noqa: N802
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 Ok: queued as 4Xyz12AB"


@contextmanager
def honest_server(**options: object) -> Iterator[tuple[int, Inbox]]:
    """(port, inbox) of a well-behaved server on 127.0.0.1."""
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port, inbox
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Scripted:
    """A server that answers each stage with the line given for it, CUT or HANG.

    Stages: banner, ehlo, auth, mail, rcpt, data, body (cut or hang while the message comes in), dot.
    """

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = {
            "banner": "220 test",
            "ehlo": "250-test\r\n250 AUTH PLAIN",
            "auth": "235 ok",
            "mail": "250 ok",
            "rcpt": "250 ok",
            "rset": "250 ok",
            "data": "354 go on",
            "dot": "250 ok",
        } | answers
        self.connections = 0
        self.got: list[bytes] = []  # messages whose final dot came
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            connection.settimeout(10)
            with connection, connection.makefile("rb") as lines:
                try:
                    self._talk(connection, lines)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket, lines) -> None:  # type: ignore[no-untyped-def]
        if not self._answer(connection, "banner"):
            return
        for line in lines:
            verb = line.split(maxsplit=1)[0].lower().decode()
            if verb == "quit":
                connection.sendall(b"221 bye\r\n")
                return
            stage = "ehlo" if verb == "helo" else verb
            if not self._answer(connection, stage):
                return
            if (
                stage == "data"
                and self.answers["data"].startswith("354")
                and not self._body(connection, lines)
            ):
                return

    def _body(self, connection: socket.socket, lines) -> bool:  # type: ignore[no-untyped-def]
        body = b""
        if self.answers.get("body") == CUT:
            return False
        for line in lines:
            if line == b".\r\n":
                self.got.append(body)
                return self._answer(connection, "dot")
            body += line
        return False

    def _answer(self, connection: socket.socket, stage: str) -> bool:
        answer = self.answers.get(stage, "500 what?")
        if answer == HANG:
            self._over.wait(10)
        if answer in (CUT, HANG):
            return False
        connection.sendall(answer.encode() + b"\r\n")
        return not answer.startswith("421")
