"""Mail over SMTP. Everything here serves one question: may the server have taken the message?

Until the final dot has begun to leave, it cannot have: RETRY, or REJECTED where the server said no for
good. After it, only the server's answer settles it; without one the outcome is AMBIGUOUS.
"""

from __future__ import annotations

import os
import re
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from functools import cache

from leadops.errors import UsageError
from leadops.providers.email.port import EmailPort
from leadops.providers.email.wire import message_id_of
from leadops.terms import Outcome, SendResult

IMPLICIT_TLS_PORT = 465
_MAX_IDLE = 8
_ENHANCED = re.compile(rb"\b([245]\.\d{1,3}\.\d{1,3})\b")
_QUEUED = re.compile(rb"(?:queued as|id=|message-?id:?)\s*<?([A-Za-z0-9._-]{4,80})", re.IGNORECASE)
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_AUTH_CODES = frozenset({530, 534, 535, 538})


class _RefusedError(Exception):
    """The server, or the way to it, said no before the final dot. ``detail`` is a code."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


class Smtp(EmailPort):
    """One submission server. Connections are kept and shared; a broken one is replaced before a message.

    TLS: implicit on port 465, STARTTLS where ``starttls`` is set, and never silently without.
    """

    name = "smtp"

    def __init__(
        self,
        host: str,
        port: int = 25,
        user: str | None = None,
        password: str | None = None,
        starttls: bool = False,
        timeout_s: float = 20.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._user, self._password = user, password
        self._starttls, self._timeout_s, self._tls = starttls, timeout_s, tls
        self._idle: list[smtplib.SMTP] = []
        self._guard = threading.Lock()
        self._pid = os.getpid()

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:  # noqa: ARG002
        """As the port says; SMTP has no keys, so the same key sent twice is two messages.

        ``detail`` is a code: the stage and the answer's numbers (``recipient_550_5.1.1``), or ``timeout``.
        """
        if any(c in address for address in (from_address, to_address) for c in "\r\n<>"):
            return SendResult(Outcome.REJECTED, detail="bad_address")
        client: smtplib.SMTP | None = None
        try:
            client = self._connection()
            _envelope(client, from_address, to_address, wire)
            _message(client, wire)
        except _RefusedError as error:
            self._leave(client)
            return SendResult(error.outcome, detail=error.detail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            _drop(client)
            return SendResult(Outcome.RETRY, detail=_code_of(error))
        return self._final(client, wire)

    def _final(self, client: smtplib.SMTP, wire: bytes) -> SendResult:
        """The final dot and its answer. From here on no answer is no knowledge."""
        try:
            client.send(b".\r\n")
            code, text = client.getreply()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            _drop(client)
            return SendResult(Outcome.AMBIGUOUS, message_id=message_id_of(wire), detail=_code_of(error))
        detail = _detail("message", code, text)
        if 200 <= code < 300:
            self._give_back(client)
            found = _QUEUED.search(text)
            reference = found[1].decode("ascii") if found else None
            return SendResult(Outcome.ACCEPTED, reference, message_id_of(wire), detail)
        if 400 <= code < 600:
            self._leave(client)
            return SendResult(Outcome.RETRY if code < 500 else Outcome.REJECTED, detail=detail)
        _drop(client)
        return SendResult(Outcome.AMBIGUOUS, message_id=message_id_of(wire), detail=detail)

    def look_up(self, key: str) -> SendResult | None:  # noqa: ARG002
        """None: an SMTP server tells nothing about the past."""
        return None

    def check(self) -> None:
        """Connect, secure and log in; raises UsageError with what failed."""
        try:
            client = self._connect()
        except _RefusedError as error:
            advice = _ADVICE.get(error.detail, "check LEADOPS_SMTP_HOST and LEADOPS_SMTP_PORT")
            raise UsageError(
                "smtp_unusable", f"{self._host}:{self._port} does not work ({error.detail}): {advice}."
            ) from None
        self._give_back(client)

    def close(self) -> None:
        """Say goodbye on all idle connections."""
        with self._guard:
            idle, self._idle = self._idle, []
        for client in idle:
            with suppress(OSError, smtplib.SMTPException):
                client.quit()

    def _connection(self) -> smtplib.SMTP:
        """An idle connection that still answers, else a new one."""
        while (client := self._take()) is not None:
            try:
                if client.rset()[0] == 250:
                    return client
            except (OSError, smtplib.SMTPException):
                pass
            _drop(client)
        return self._connect()

    def _take(self) -> smtplib.SMTP | None:
        with self._guard:
            if self._pid != os.getpid():  # forked: these sockets are the parent's
                self._idle, self._pid = [], os.getpid()
            return self._idle.pop() if self._idle else None

    def _give_back(self, client: smtplib.SMTP) -> None:
        with self._guard:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(client)
                return
        _drop(client)

    def _leave(self, client: smtplib.SMTP | None) -> None:
        """After a refusal the connection may be used again; should it not (421), RSET will tell."""
        if client is not None and client.sock is not None:
            self._give_back(client)

    def _connect(self) -> smtplib.SMTP:
        """A connection that is ready for MAIL FROM, or _RefusedError."""
        client: smtplib.SMTP | None = None
        try:
            client = self._dial()
            client.ehlo_or_helo_if_needed()
            if self._starttls and self._port != IMPLICIT_TLS_PORT:
                client.starttls(context=self._context())
                client.ehlo_or_helo_if_needed()
            if self._user:
                client.login(self._user, self._password or "")
            return client
        except smtplib.SMTPAuthenticationError:
            detail = "auth"
        except smtplib.SMTPConnectError as error:
            detail = _detail("connect", error.smtp_code, error.smtp_error)
        except smtplib.SMTPHeloError as error:
            detail = _detail("helo", error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError:
            detail = "starttls_unsupported" if self._starttls and not _is_tls(client) else "auth"
        except (OSError, smtplib.SMTPException, ValueError) as error:
            detail = _code_of(error)
        _drop(client)
        raise _RefusedError(Outcome.RETRY, detail)

    def _dial(self) -> smtplib.SMTP:
        name = _own_name()
        if self._port == IMPLICIT_TLS_PORT:
            return smtplib.SMTP_SSL(
                self._host, self._port, name, timeout=self._timeout_s, context=self._context()
            )
        return smtplib.SMTP(self._host, self._port, name, timeout=self._timeout_s)

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()


_ADVICE = {
    "auth": "check LEADOPS_SMTP_USER and LEADOPS_SMTP_PASSWORD",
    "starttls_unsupported": "the server offers no STARTTLS; unset LEADOPS_SMTP_STARTTLS or use another port",
    "tls": "the server's certificate is not trusted for this host name",
    "dns": "the host name is not known; check LEADOPS_SMTP_HOST",
    "refused": "nothing listens there; check LEADOPS_SMTP_HOST and LEADOPS_SMTP_PORT",
    "timeout": "no answer in time; check the port, a firewall, LEADOPS_SMTP_TIMEOUT_S",
}


@cache
def _own_name() -> str:
    """What we call ourselves in EHLO. Asked once: the resolver may take seconds for it."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _is_tls(client: smtplib.SMTP | None) -> bool:
    return client is not None and isinstance(client.sock, ssl.SSLSocket)


def _envelope(client: smtplib.SMTP, from_address: str, to_address: str, wire: bytes) -> None:
    """MAIL, RCPT and DATA; returns where the server waits for the bytes, else raises _RefusedError."""
    options = [f"size={len(wire)}"] if client.has_extn("size") else []
    if not wire.isascii() and client.has_extn("8bitmime"):
        options.append("body=8bitmime")
    if not (from_address.isascii() and to_address.isascii()):
        if not client.has_extn("smtputf8"):
            raise _RefusedError(Outcome.REJECTED, "smtputf8_unsupported")
        options.append("smtputf8")
    code, text = client.mail(from_address, options)
    if code != 250:
        # The sender's standing, not the lead's; only a message too large is the message's own fault.
        outcome = Outcome.REJECTED if code == 552 else Outcome.RETRY
        raise _RefusedError(outcome, _detail("sender", code, text))
    code, text = client.rcpt(to_address)
    if code not in (250, 251, 252):
        raise _RefusedError(_by_code(code), _detail("recipient", code, text))
    code, text = client.docmd("DATA")
    if code != 354:
        raise _RefusedError(_by_code(code), _detail("data", code, text))


def _message(client: smtplib.SMTP, wire: bytes) -> None:
    """Everything but the final dot: without it no server takes the message."""
    data = _LINE_ENDS.sub(b"\r\n", wire)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    client.send(re.sub(rb"(?m)^\.", b"..", data))


def _by_code(code: int) -> Outcome:
    return Outcome.REJECTED if 500 <= code < 600 and code not in _AUTH_CODES else Outcome.RETRY


def _detail(stage: str, code: int, text: bytes | str) -> str:
    """Codes only: the server's words may hold an address."""
    if code in _AUTH_CODES:
        return "auth"
    enhanced = _ENHANCED.search(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    return f"{stage}_{code}" + (f"_{enhanced[1].decode('ascii')}" if enhanced else "")


def _code_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
        # smtplib reports a read that timed out as a lost connection; either way nobody answered.
        return "timeout" if "timed out" in str(error) else "connection_lost"
    return "protocol" if isinstance(error, smtplib.SMTPException | ValueError) else "network"


def _drop(client: smtplib.SMTP | None) -> None:
    if client is not None:
        with suppress(OSError):
            client.close()
