"""What the vendor says of a message in its event webhook. Pure.

Shapes: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event; the
vendored description covers the webhook's settings only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from leadops.sandbox.sendgrid.mail import Mail

Kind = Literal[
    "processed",
    "delivered",
    "deferred",
    "bounce",
    "dropped",
    "open",
    "click",
    "spamreport",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
_IP = "198.51.100.23"
_UNKNOWN_USER = "550 5.1.1 The email account that you tried to reach does not exist."
_BLOCKED = "554 5.7.1 Message blocked by the recipient's server."


def event_of(mail: Mail, kind: Kind, at: datetime, event_id: str, more: dict[str, Any]) -> dict[str, Any]:
    """The JSON object of one event; ``more`` replaces or adds fields. Raises ValueError: what cannot be.

    Custom args stand at the top level and never over the vendor's own fields.
    """
    _require_possible(mail, kind)
    own: dict[str, Any] = {
        "email": mail.to_address,
        "timestamp": int(at.timestamp()),
        "event": kind,
        "sg_event_id": event_id,
        "sg_message_id": mail.sg_message_id,
    }
    if mail.categories:
        own["category"] = list(mail.categories)
    if kind in ("processed", "delivered", "deferred", "bounce", "dropped"):
        own["smtp-id"] = mail.smtp_id
    return {**mail.custom_args, **own, **_fields(mail, kind, more), **more}


def _require_possible(mail: Mail, kind: Kind) -> None:
    if kind not in KINDS:
        raise ValueError(f"no event of the vendor: {kind}")
    if (kind == "open" and not mail.opens_tracked) or (kind == "click" and not mail.clicks_tracked):
        raise ValueError(f"{kind}s of this message are not tracked: the vendor cannot know of one")


def _fields(mail: Mail, kind: Kind, more: dict[str, Any]) -> dict[str, Any]:
    """The fields of this kind with values as they usually are."""
    match kind:
        case "delivered":
            return {"response": "250 2.0.0 OK", "ip": _IP, "tls": 1}
        case "deferred":
            return {"response": "450 4.2.1 Try again later", "attempt": "1", "ip": _IP, "tls": 1}
        case "bounce":
            return _bounce(more)
        case "dropped":
            reason = more.get("reason") or mail.dropped or "Bounced Address"
            return {"reason": reason, **({"status": "5.0.0"} if reason == "Bounced Address" else {})}
        case "open":
            return {"useragent": BROWSER, "ip": _IP, "sg_machine_open": False, "sg_content_type": "html"}
        case "click":
            place = {"index": 0, "type": "html" if mail.html is not None else "text"}
            url = mail.links[0] if mail.links else ""
            return {"useragent": BROWSER, "ip": _IP, "url": url, "url_offset": place}
        case "group_unsubscribe" | "group_resubscribe":
            return {"useragent": BROWSER, "ip": _IP, "url": "", "asm_group_id": mail.asm_group or 1}
        case _:
            return {}


def _bounce(more: dict[str, Any]) -> dict[str, Any]:
    """type "bounce" is for good; "blocked" is the sender's trouble or a passing one, and the vendor's word
    for a soft one. A status 4.x.x is always blocked."""
    soft = more.get("type") == "blocked" or str(more.get("status", "")).startswith("4")
    return {
        "type": "blocked" if soft else "bounce",
        "status": "5.7.1" if soft else "5.1.1",
        "reason": _BLOCKED if soft else _UNKNOWN_USER,
        "bounce_classification": "Reputation" if soft else "Invalid Address",
        "ip": _IP,
        "tls": 1,
    }
