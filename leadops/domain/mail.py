"""One touch as the bytes that go on the wire: RFC 5322, the same bytes for the same arguments.

The bytes are made once, stored, and handed over as they are (R1), so nothing here reads a clock or draws
a boundary at random. What the words are: ``slots.py``. How the bytes leave: ``providers/email``.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.headerregistry import Address, BaseHeader, UnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NoReturn
from urllib.parse import quote

from leadops.domain import suspicion
from leadops.domain.headers import Headers
from leadops.domain.slots import clean
from leadops.errors import BadInput
from leadops.playbook.model import MAILBOX_NAME, Mailbox, Sender
from leadops.terms import Draft

_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{1,200}")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_WEB_ADDRESS = re.compile(r"https?://[!#-+\--;=?-~]+")  # printable ASCII without " < > and the comma
_DATE = re.compile(rb"^Date: [^\r\n]*\r\n", re.MULTILINE)
_HEAD_ENDS = b"\r\n\r\n"
_LONGEST_LINE = 998  # octets, RFC 5322
_LONGEST_NAME = 60
_LONGEST_ENCODED_NAME = 45
"""Bytes: as base64 in one encoded word (RFC 2047: 75 characters) behind `To: `."""
_LONGEST_PLAIN_LINE = 78  # above it the body is encoded: paragraphs stay whole, lines stay short


class _OneLine(UnstructuredHeader, BaseHeader):
    """A header that stays on one line: a relay that unfolds List-Unsubscribe breaks DKIM (RFC 8058)."""

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _IdPerLine(UnstructuredHeader, BaseHeader):
    """Message-IDs, each on its own line: the default folding would encode an id longer than a line."""

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: " + f"{policy.linesep} ".join(str(self).split()) + policy.linesep


class _Subject(UnstructuredHeader, BaseHeader):
    """Folded so that unfolding gives the same text: the default folding adds spaces to long words."""

    def fold(self, *, policy: policy.Policy) -> str:
        text = str(self)
        if not text.isascii():
            # All of it in encoded words: white space between them does not count, none is lost or added.
            return f"{self.name}: {Header(text, 'utf-8', 75, self.name).encode(linesep=policy.linesep)}" + (
                policy.linesep
            )
        lines = [f"{self.name}:"]
        for word in re.findall(r" *[^ ]+", " " + text):
            if len(lines[-1]) + len(word) > _LONGEST_PLAIN_LINE and lines[-1] != f"{self.name}:":
                lines.append("")
            lines[-1] += word
        return policy.linesep.join(lines) + policy.linesep


def _policy() -> policy.EmailPolicy[EmailMessage]:
    headers = Headers()
    headers.map_to_type("subject", _Subject)
    for name in ("message-id", "in-reply-to", "references"):
        headers.map_to_type(name, _IdPerLine)
    for name in ("list-unsubscribe", "list-unsubscribe-post", "x-leadops-touch", "reply-to"):
        headers.map_to_type(name, _OneLine)
    return policy.SMTP.clone(header_factory=headers)


_SMTP = _policy()


def message_id_for(touch_id: str, domain: str) -> str:
    """The Message-ID of a touch, ``<touch_id@domain>``: known before it is sent, the same on every try."""
    if not _TOKEN.fullmatch(touch_id) or not _DOMAIN.fullmatch(domain):
        _refuse("invalid_header", "Message-ID", "use a touch id and an ASCII domain name")
    return f"<{touch_id}@{domain.lower()}>"


def unsubscribe_url(public_url: str, token: str) -> str:
    """Where a person with this reply token opts out: GET shows a page, only POST does it (R12)."""
    return f"{public_url.rstrip('/')}/u/{token}"


def body_text(draft: Draft, mailbox: Mailbox, sender: Sender, unsubscribe_url: str | None = None) -> str:
    """The whole text of the message: the draft's body, signature, postal address, how to opt out.

    The link to opt out, where there is one, ends the last line, after the words.
    """
    signature = sender.signature.strip().replace(MAILBOX_NAME, mailbox.name)
    stop = f"{sender.opt_out_line} {unsubscribe_url}" if unsubscribe_url else sender.opt_out_line
    parts = (draft.body.strip("\n"), signature, f"{sender.postal_address.strip()}\n{stop}")
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text.replace("\r\n", "\n").replace("\r", "\n")


def compose(
    *,
    touch_id: str,
    draft: Draft,
    to_address: str,
    to_name: str | None,
    mailbox: Mailbox,
    sender: Sender,
    reply_token: str,
    message_id: str,
    thread: tuple[str, ...],
    date: datetime,
    unsubscribe_url: str | None = None,
) -> bytes:
    """The message as bytes with CRLF line ends.

    ``thread`` holds the Message-IDs already sent in this thread, oldest first, as they were on the wire;
    ``date`` is aware. A recipient's name that is no plain name is left out. With ``unsubscribe_url``
    (ASCII, http or https; one click needs https) the message offers it beside the mailto (RFC 8058).
    Raises BadInput: ``invalid_header`` (a line break or worse in a header), ``address_not_ascii`` (needs
    SMTPUTF8, which few providers offer), ``naive_date``.
    """
    if date.tzinfo is None:
        raise BadInput("naive_date", f"touch {touch_id}: the date has no time zone; give an aware UTC time")
    _check_ids(touch_id, reply_token, message_id, thread)
    message = EmailMessage(policy=_SMTP)
    message["From"] = _mailbox_address(mailbox)
    message["To"] = Address(display_name=_person(to_name), addr_spec=_addr_spec(to_address, "To"))
    message["Reply-To"] = f"reply+{reply_token}@{sender.reply_domain}"
    message["Subject"] = _subject(draft.subject)
    message["Date"] = format_datetime(date.astimezone(UTC))
    message["Message-ID"] = message_id
    if thread:
        message["In-Reply-To"] = thread[-1]
        message["References"] = " ".join(_references(thread))
    message["List-Unsubscribe"] = _list_unsubscribe(sender, reply_token, unsubscribe_url)
    if unsubscribe_url is not None:
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["X-Leadops-Touch"] = touch_id
    _set_body(message, body_text(draft, mailbox, sender, unsubscribe_url))
    return message.as_bytes(policy=_SMTP)


def digest_of(wire: bytes) -> str:
    """Of every byte of a composed message but its Date, which says when it left: what a person approves."""
    head, _, body = wire.partition(_HEAD_ENDS)
    undated = _DATE.sub(b"", head + b"\r\n", count=1)
    return hashlib.blake2b(undated + b"\r\n" + body, digest_size=16).hexdigest()


def dated(wire: bytes, date: datetime) -> bytes:
    """The same message with another Date, and not one other byte changed. ``date`` is aware."""
    head, ends, body = wire.partition(_HEAD_ENDS)
    line = f"Date: {format_datetime(date.astimezone(UTC))}\r\n".encode("ascii")
    # The last header has its line end in `ends`, so it is lent one.
    return _DATE.sub(line, head + b"\r\n", count=1)[:-2] + ends + body


def _check_ids(touch_id: str, reply_token: str, message_id: str, thread: tuple[str, ...]) -> None:
    if not _TOKEN.fullmatch(touch_id):
        _refuse("invalid_header", "X-Leadops-Touch", "use letters, digits, - and _")
    if not _TOKEN.fullmatch(reply_token):
        _refuse("invalid_header", "Reply-To", "use letters, digits, - and _ in the reply token")
    for found in (message_id, *thread):
        if not _MESSAGE_ID.fullmatch(found) or not _is_header_text(found) or len(found) > _LONGEST_LINE - 20:
            _refuse("invalid_header", "Message-ID or References", "an id looks like <left@right>, ASCII")


def _references(thread: tuple[str, ...]) -> tuple[str, ...]:
    """The whole chain, each id once; a repeated id would be a loop to some readers."""
    return tuple(dict.fromkeys(thread))


def _list_unsubscribe(sender: Sender, reply_token: str, url: str | None) -> str:
    address = quote(sender.unsubscribe_mailto, safe="@+")
    mailto = f"<mailto:{address}?subject=unsubscribe%20{quote(reply_token, safe='')}>"
    if url is None:
        return mailto
    found = f"<{url}>, {mailto}"
    # It must stay on one line, so the whole of it must fit on one.
    if not _WEB_ADDRESS.fullmatch(url) or len(f"List-Unsubscribe: {found}") > _LONGEST_LINE:
        _refuse("invalid_header", "List-Unsubscribe", "LEADOPS_PUBLIC_URL is a short ASCII http(s) address")
    return found


def _mailbox_address(mailbox: Mailbox) -> Address:
    name = mailbox.name.strip()
    if not _is_header_text(name):
        _refuse("invalid_header", "From", "remove the line break from the mailbox's name in the playbook")
    return Address(display_name=name, addr_spec=_addr_spec(mailbox.address, "From"))


def _is_header_text(text: str) -> bool:
    # "=?" begins an encoded word, which may hide a line break from every other check.
    return "=?" not in text and not any(ord(c) < 32 or c in "\x7f\u0085\u2028\u2029" for c in text)


def _person(name: str | None) -> str:
    """The recipient's display name, or nothing: it came from a form, and a mail goes out without it too."""
    cleaned = clean(name, _LONGEST_NAME)
    if cleaned is None or not suspicion.is_name(cleaned):
        return ""
    # A longer one would be folded into two encoded words, and the standard library then adds a space.
    return cleaned if cleaned.isascii() or len(cleaned.encode()) <= _LONGEST_ENCODED_NAME else ""


def _addr_spec(address: str, header: str) -> str:
    if not _ADDRESS.fullmatch(address) or len(address) > 320:
        _refuse("invalid_header", header, "the address is not of the form name@domain")
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        _refuse("address_not_ascii", header, "write to another address of this person, or pass it to a rep")
    if not domain.isascii():
        domain = _idna(domain, header)
    return f"{local}@{domain}"


def _idna(domain: str, header: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        _refuse("invalid_header", header, "the domain cannot be written in ASCII")


def _subject(subject: str) -> str:
    text = subject.strip()
    if not text or not _is_header_text(text):
        _refuse("invalid_header", "Subject", "one line of text")
    return text


def _set_body(message: EmailMessage, text: str) -> None:
    options: dict[str, Any] = {"subtype": "plain", "charset": "utf-8"}
    plain = text.isascii() and max(map(len, text.split("\n"))) <= _LONGEST_PLAIN_LINE
    message.set_content(text, cte="7bit" if plain else "quoted-printable", **options)


def _refuse(code: str, header: str, advice: str) -> NoReturn:
    # Never the value itself: it is a person's, and this text reaches logs.
    raise BadInput(code, f"header {header} cannot be written; {advice}") from None
