"""Requests as an application sends them, and a clock in the test's hand."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from leadops.sandbox.frame import Answer, Ask
from leadops.sandbox.sendgrid import Mail, SendGridSandbox

KEY = "SG.key"
NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def sandbox(**options: Any) -> SendGridSandbox:
    return SendGridSandbox(options.pop("clock", Clock()), KEY, **options)


def message(**changes: Any) -> dict[str, Any]:
    """A request the vendor takes. ``one``: changes to its only personalization."""
    request: dict[str, Any] = {
        "personalizations": [
            {
                "to": [{"email": "anna@acme.example", "name": "Anna"}],
                "custom_args": {"leadops_touch_id": "t-1"},
            }
        ],
        "from": {"email": "sam@seller.example", "name": "Sam Seller"},
        "reply_to": {"email": "reply+tok@in.seller.example"},
        "subject": "Your request",
        "content": [
            {"type": "text/plain", "value": "Hello Anna, see https://seller.example/a."},
            {
                "type": "text/html",
                "value": '<p>Hello, <a href="https://seller.example/a?x=1&amp;y=2">see</a></p>',
            },
        ],
        "headers": {"Message-ID": "<m1@seller.example>", "List-Unsubscribe": "<https://seller.example/u>"},
    }
    request["personalizations"][0] |= changes.pop("one", {})
    return copy.deepcopy({**request, **changes})


def ask(
    vendor: SendGridSandbox,
    method: str,
    path: str,
    body: bytes = b"",
    query: dict[str, str] | None = None,
    **headers: str,
) -> Answer:
    given = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return vendor.answer(Ask(method, path, given, query or {}, body))


def send(vendor: SendGridSandbox, request: Any = None, **headers: str) -> Answer:
    body = (
        request
        if isinstance(request, bytes)
        else json.dumps(message() if request is None else request).encode()
    )
    return ask(vendor, "POST", "/v3/mail/send", body, **headers)


def sent(vendor: SendGridSandbox, **changes: Any) -> Mail:
    """A message that was accepted."""
    answer = send(vendor, message(**changes))
    assert answer.status == 202, answer.body
    return vendor.mailroom.accepted[-1]


def errors(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.body)["errors"]
    return found
