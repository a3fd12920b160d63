"""An answer as the vendor's Inbound Parse posts it: the fields of a multipart/form-data form. Pure.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from leadops.sandbox.sendgrid.mail import Mail, header

_POLICY = SMTP.clone(linesep="\n", max_line_length=78)


def form_of(
    mail: Mail | None,
    *,
    from_address: str,
    from_name: str,
    subject: str | None,
    text: str,
    at: datetime,
    message_id: str,
    headers: Mapping[str, str] | None = None,
    to: str | None = None,
) -> dict[str, str]:
    """The form. Raises ValueError: neither ``mail`` nor ``to``, or a header with a line break.

    In reply to ``mail``: to its Reply-To, cites it (In-Reply-To, References), its subject with one "Re:"
    unless another is given. ``headers`` are added or replace these; an empty value takes one away.
    """
    recipient = to or (mail.reply_to if mail is not None else "")
    if not recipient:
        raise ValueError("an inbound message needs a recipient: give `to`, or the mail it answers")
    about = _subject(mail, subject)
    sender = Address(from_name, addr_spec=from_address)
    message = _message(mail, sender, recipient, about, at, message_id)
    for name, value in (headers or {}).items():
        del message[name]
        if value:
            message[name] = value
    return_path = (headers or {}).get("Return-Path", from_address).strip("<>")
    envelope = {"to": [recipient], "from": return_path}
    return {
        "headers": message.as_string(policy=_POLICY).rstrip("\n") + "\n",
        "dkim": f"{{@{sender.domain} : pass}}",
        "to": recipient,
        "from": str(sender),
        "subject": about,
        "text": text,
        "sender_ip": "203.0.113.9",
        "envelope": json.dumps(envelope, separators=(",", ":")),
        "attachments": "0",
        "charsets": json.dumps(dict.fromkeys(("to", "from", "subject", "text"), "UTF-8")),
        "SPF": "pass",
    }


def _subject(mail: Mail | None, subject: str | None) -> str:
    if mail is None or (subject and subject != mail.subject):
        return subject or ""
    return mail.subject if mail.subject.lower().startswith("re:") else f"Re: {mail.subject}"


def _message(
    mail: Mail | None, sender: Address, recipient: str, subject: str, at: datetime, message_id: str
) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["Received"] = f"from mail.{sender.domain} by mx.sendgrid.net with ESMTP; {format_datetime(at)}"
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    if mail is not None:
        before = header(mail.headers, "References")
        message["In-Reply-To"] = mail.smtp_id
        message["References"] = f"{before} {mail.smtp_id}".strip()
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = 'text/plain; charset="UTF-8"'
    return message
