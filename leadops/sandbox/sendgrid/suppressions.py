"""The vendor's lists of addresses it no longer delivers to, and why it drops a message.

Shapes: the vendored description of the suppressions API. Reasons: the vendor's page on the event webhook
(https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event#dropped).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LISTS = ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
_REASONS = (
    ("bounces", "Bounced Address"),
    ("spam_reports", "Spam Reporting Address"),
    ("unsubscribes", "Unsubscribed Address"),
    ("invalid_emails", "Invalid"),
)


class Suppressions:
    """Entries by list and address (lower case). Blocks are listed and stop nothing, as with the vendor."""

    def __init__(self) -> None:
        self._lists: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in LISTS}
        self._groups: set[tuple[int, str]] = set()

    def add(self, name: str, email: str, at: datetime, **more: str) -> None:
        """Put an address on a list; a later entry replaces an earlier one. Raises KeyError: no such list."""
        self._lists[name][email.lower()] = {"created": int(at.timestamp()), "email": email, **more}

    def add_to_group(self, group: int, email: str) -> None:
        self._groups.add((group, email.lower()))

    def on(self, name: str, email: str) -> dict[str, Any] | None:
        """The entry, None if there is none."""
        return self._lists[name].get(email.lower())

    def of(self, name: str) -> list[dict[str, Any]]:
        """A list, newest first, as the vendor lists them."""
        return sorted(self._lists[name].values(), key=lambda entry: -entry["created"])

    def remove(self, name: str, email: str) -> bool:
        """Whether it was there."""
        return self._lists[name].pop(email.lower(), None) is not None

    def reason(self, email: str, group: int | None = None) -> str | None:
        """Why a message to this address is dropped, in the vendor's words; None: it is delivered."""
        for name, reason in _REASONS:
            if self.on(name, email) is not None:
                return reason
        return (
            "Unsubscribed Address" if group is not None and (group, email.lower()) in self._groups else None
        )

    def learn(self, event: Mapping[str, Any]) -> None:
        """What an event of the webhook puts on which list."""
        email, at = event["email"], datetime.fromtimestamp(event["timestamp"], UTC)
        match event["event"]:
            case "bounce" if event["type"] == "blocked":
                self.add("blocks", email, at, reason=event["reason"], status=event.get("status", ""))
            case "bounce":
                self.add("bounces", email, at, reason=event["reason"], status=event.get("status", ""))
            case "dropped" if event["reason"] == "Invalid":
                self.add(
                    "invalid_emails", email, at, reason="Mail domain mentioned in email address is unknown"
                )
            case "spamreport":
                self.add("spam_reports", email, at, ip="10.63.202.100")
            case "unsubscribe":
                self.add("unsubscribes", email, at)
            case "group_unsubscribe":
                self.add_to_group(int(event["asm_group_id"]), email)

    def dump(self) -> dict[str, Any]:
        """JSON-safe; ``load`` is the way back."""
        return {"lists": self._lists, "groups": sorted(self._groups)}

    def load(self, found: Mapping[str, Any]) -> None:
        """Replace everything by what ``dump`` made."""
        self._lists = {name: dict(found["lists"].get(name, {})) for name in LISTS}
        self._groups = {(group, email) for group, email in found["groups"]}
