"""Without simulated people: every message is delivered at once, and a person at the controls does the rest.

For the sandbox on its own (`leadops sandbox`); a simulated world puts itself in this place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from leadops.sandbox.frame import Clock
from leadops.sandbox.sendgrid.events import KINDS, Kind
from leadops.sandbox.sendgrid.mail import Mail
from leadops.sandbox.sendgrid.mailroom import Mailroom
from leadops.sandbox.webhooks import Webhooks


class _About(BaseModel):
    """Which message: by its touch id, its sg_message_id or its recipient; the latest that matches."""

    model_config = ConfigDict(extra="forbid")

    touch: str | None = None
    message: str | None = None
    to: str | None = None

    @model_validator(mode="after")
    def _says_which(self) -> _About:
        if sum(given is not None for given in (self.touch, self.message, self.to)) != 1:
            raise ValueError("say which message: touch, message or to")
        return self


class EventInput(_About):
    """POST /control/do/event: something happened to a message."""

    kind: Literal[KINDS]  # type: ignore[valid-type]
    fields: dict[str, Any] = Field(default_factory=dict)


class ReplyInput(_About):
    """POST /control/do/reply: its recipient, or somebody else, answers a message."""

    text: str = Field(min_length=1)
    subject: str | None = None
    from_address: str | None = None
    from_name: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)


class Postman:
    """Says "processed" and "delivered" (or "dropped") of every message, and what it is told to say."""

    def __init__(self, mailroom: Mailroom, webhooks: Webhooks, clock: Clock) -> None:
        self._mailroom, self._webhooks, self._clock = mailroom, webhooks, clock
        mailroom.on_mail = self._deliver

    def verbs(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """For ``Control``: event and reply."""
        return {"event": self._event, "reply": self._reply}

    def _deliver(self, mail: Mail) -> None:
        kinds: tuple[Kind, ...] = ("processed", "delivered") if mail.dropped is None else ("dropped",)
        now = self._clock()
        self._webhooks.post_events([self._mailroom.event(mail, kind, now) for kind in kinds])

    def _event(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = EventInput.model_validate(given)
        made = self._mailroom.event(self._found(asked), asked.kind, self._clock(), **asked.fields)
        self._webhooks.post_events([made])
        return made

    def _reply(self, given: dict[str, Any]) -> dict[str, str]:
        asked = ReplyInput.model_validate(given)
        mail = self._found(asked)
        form = self._mailroom.inbound(
            mail,
            from_address=asked.from_address or mail.to_address,
            from_name=mail.to_name if asked.from_name is None else asked.from_name,
            subject=asked.subject,
            text=asked.text,
            at=self._clock(),
            headers=asked.headers,
        )
        self._webhooks.post_inbound(form)
        return form

    def _found(self, about: _About) -> Mail:
        """Raises ValueError: there is none."""
        found = self._mailroom.received(about.to, about.touch)
        if about.message is not None:
            found = [mail for mail in found if mail.sg_message_id.startswith(about.message)]
        if not found:
            raise ValueError("no message like that was accepted")
        return found[-1]
