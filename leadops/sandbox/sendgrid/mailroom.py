"""What the vendor took, what it says about it, and what people answer: the sandbox's post office.

The simulated people hold this object itself, without HTTP: they see each accepted message, and turn what
they do with it into the vendor's own webhook bodies.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from leadops.sandbox.sendgrid import events, inbound
from leadops.sandbox.sendgrid.mail import TOUCH_ARG, Draft, Mail, header, links_in
from leadops.sandbox.sendgrid.suppressions import Suppressions


class Mailroom:
    """Messages the vendor accepted, oldest first, and its suppression lists. Thread-safe.

    ``on_mail`` is called once per accepted recipient, in the thread of the request, before it is answered:
    it must return at once. ``keeps_message_id``: whether a Message-ID header survives to the wire; the
    vendor does not promise it (R10), so by default it does not.
    """

    def __init__(self, seed: int = 7, keeps_message_id: bool = False) -> None:
        self.accepted: list[Mail] = []
        self.on_mail: Callable[[Mail], None] | None = None
        self.keeps_message_id = keeps_message_id
        self.suppressions = Suppressions()
        self._seed = seed
        self._lock = threading.RLock()
        self._requests = 0
        self._said: Counter[tuple[str, str]] = Counter()

    def accept(self, drafts: Sequence[Draft], at: datetime) -> str:
        """Take the messages of one request; returns its X-Message-Id."""
        with self._lock:
            self._requests += 1
            made = self._digest("request", at.isoformat(), str(self._requests))[:22]
            mails = [self._mail(draft, made, index, at) for index, draft in enumerate(drafts)]
            self.accepted += mails
        # Outside of the lock: whoever listens has locks of its own.
        if self.on_mail is not None:
            for mail in mails:
                self.on_mail(mail)
        return made

    def event(self, mail: Mail, kind: events.Kind, at: datetime, **more: Any) -> dict[str, Any]:
        """The vendor's webhook JSON of what happened to a message; the suppression lists learn from it.

        ``more`` replaces or adds fields (``type``, ``status``, ``reason``, ``url``, ``useragent``,
        ``sg_machine_open``, ...). The nth event of a kind of a message has the same sg_event_id on every run.
        A message that was dropped (``mail.dropped``) has that one event: every kind answers it.
        Raises ValueError: an unknown kind; an open or click of a message that is not tracked.
        """
        if mail.dropped is not None:
            kind, more = "dropped", {}
        with self._lock:
            nth = self._said[mail.sg_message_id, kind]
            told = self._digest("event", mail.sg_message_id, kind, str(nth))[:16]
            event_id = base64.urlsafe_b64encode(f"{kind}-{nth}-{told}".encode()).decode().rstrip("=")
            made = events.event_of(mail, kind, at, event_id, more)
            if mail.dropped is None:
                self._said[mail.sg_message_id, kind] += 1
            self.suppressions.learn(made)
        return made

    def inbound(
        self,
        mail: Mail | None,
        *,
        from_address: str,
        from_name: str,
        text: str,
        at: datetime,
        subject: str | None = None,
        headers: Mapping[str, str] | None = None,
        to: str | None = None,
    ) -> dict[str, str]:
        """The form of an inbound message; see ``inbound.form_of``. Raises ValueError."""
        told = self._digest("inbound", from_address, at.isoformat(), text)[:20]
        message_id = f"<{told}@{from_address.rpartition('@')[2]}>"
        return inbound.form_of(
            mail,
            from_address=from_address,
            from_name=from_name,
            subject=subject,
            text=text,
            at=at,
            message_id=message_id,
            headers=headers,
            to=to,
        )

    def received(self, to: str | None = None, touch: str | None = None) -> list[Mail]:
        """Accepted messages to an address (any case) or with this touch id, oldest first."""
        with self._lock:
            found = list(self.accepted)
        return [
            mail
            for mail in found
            if (to is None or mail.to_address.lower() == to.lower()) and (touch is None or mail.key == touch)
        ]

    def said_of(self, mail: Mail) -> dict[str, int]:
        """How many events of each kind were made of a message, the kinds in the order they first came."""
        with self._lock:
            return {
                kind: count for (message, kind), count in self._said.items() if message == mail.sg_message_id
            }

    def dump(self) -> dict[str, Any]:
        """JSON-safe; ``load`` is the way back."""
        with self._lock:
            return {
                "accepted": [mail.dump() for mail in self.accepted],
                "suppressions": self.suppressions.dump(),
                "requests": self._requests,
                "said": [[message, kind, count] for (message, kind), count in self._said.items()],
            }

    def load(self, found: Mapping[str, Any]) -> None:
        """Replace everything by what ``dump`` made; ``on_mail`` is not called."""
        with self._lock:
            self.accepted[:] = [Mail.load(mail) for mail in found["accepted"]]
            self.suppressions.load(found["suppressions"])
            self._requests = found["requests"]
            self._said = Counter({(message, kind): count for message, kind, count in found["said"]})

    def _mail(self, draft: Draft, made: str, index: int, at: datetime) -> Mail:
        own = f"<{made}{index or ''}@geopod-ismtpd-{1 + self._seed % 9}>"
        given = header(draft.headers, "Message-ID") if self.keeps_message_id else ""
        reason = None if draft.bypass else self.suppressions.reason(draft.to_address, draft.asm_group)
        return Mail(
            sg_message_id=f"{made}.recvd-{self._digest('host', made)[:10].lower()}-1-{index}.0",
            key=draft.custom_args.get(TOUCH_ARG, ""),
            custom_args=dict(draft.custom_args),
            from_address=draft.from_address,
            from_name=draft.from_name,
            to_address=draft.to_address,
            to_name=draft.to_name,
            reply_to=draft.reply_to,
            subject=draft.subject,
            text=draft.text,
            html=draft.html,
            headers=dict(draft.headers),
            smtp_id=given or own,
            at=at,
            links=links_in(draft.text, draft.html),
            opens_tracked=draft.opens_tracked,
            clicks_tracked=draft.clicks_tracked,
            categories=draft.categories,
            asm_group=draft.asm_group,
            dropped=reason,
        )

    def _digest(self, *parts: str) -> str:
        """Letters and digits. By seed, moment and content: the same on every run of a simulated past, and
        never again after a restart on the real clock."""
        found = hashlib.sha256("\n".join((str(self._seed), *parts)).encode()).digest()
        return base64.urlsafe_b64encode(found).decode().rstrip("=").replace("-", "x").replace("_", "y")
