"""GET /v3/messages, for accounts that have bought it: the status of messages, by a small query language.

https://www.twilio.com/docs/sendgrid/api-reference/e-mail-activity; of its queries only equality is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from leadops.sandbox.sendgrid.mail import Mail
from leadops.sandbox.sendgrid.mailroom import Mailroom

_QUERY = re.compile(r"""\(?(msg_id|to_email|unique_args\['([^']+)'\])\s*=\s*"([^"]*)"\)?""")
_FINAL = {"delivered": "delivered", "bounce": "not_delivered", "dropped": "not_delivered"}


def messages(mailroom: Mailroom, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Messages that match, newest first. Raises ValueError for a query or limit that is refused."""
    wanted, limit = _parsed(query.get("query", "")), int(query.get("limit", "0"))
    if not 1 <= limit <= 1000:
        raise ValueError("limit must be between 1 and 1000")
    found = [mail for mail in mailroom.received() if wanted(mail)]
    return [_shown(mailroom, mail) for mail in reversed(found)][:limit]


def _parsed(query: str) -> Callable[[Mail], bool]:
    match = _QUERY.fullmatch(query.strip())
    if match is None:
        raise ValueError("the query is not understood")
    field, argument, value = match.groups()
    if argument is not None:
        return lambda mail: mail.custom_args.get(argument) == value
    if field == "msg_id":
        return lambda mail: mail.sg_message_id == value
    return lambda mail: mail.to_address.lower() == value.lower()


def _shown(mailroom: Mailroom, mail: Mail) -> dict[str, Any]:
    said = mailroom.said_of(mail)
    status = next((_FINAL[kind] for kind in reversed([*said]) if kind in _FINAL), "processing")
    return {
        "from_email": mail.from_address,
        "msg_id": mail.sg_message_id,
        "subject": mail.subject,
        "to_email": mail.to_address,
        "status": status,
        "opens_count": said.get("open", 0),
        "clicks_count": said.get("click", 0),
        "last_event_time": f"{mail.at:%Y-%m-%dT%H:%M:%SZ}",
    }
