"""The two ends of the simulated past: the real adapters' requests, answered by the sandbox in this process.

No socket is opened. What the adapters send is byte for byte what they send over HTTP, so the sandbox checks
it all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import httpx

from leadops.providers.email.port import EmailPort
from leadops.providers.email.sendgrid_request import mail_of, result_of
from leadops.sandbox.frame import Ask, Provider
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops.terms import SendResult


class InProcess(httpx.BaseTransport):
    """Hands each request of an httpx client to one provider; paths begin after its prefix."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer without I/O."""
        ask = Ask(
            method=request.method,
            path=request.url.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.url.params),
            body=request.read(),
        )
        answer = self._provider.handle(ask)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)


class DirectSendGrid(EmailPort):
    """SendGrid by its adapter's own mapping of requests and answers, but without its SDK."""

    name = "sendgrid"

    def __init__(
        self,
        sandbox: SendGridSandbox,
        clock: Callable[[], datetime],
        *,
        track_opens: bool = False,
        track_clicks: bool = False,
    ) -> None:
        self._sandbox, self._clock = sandbox, clock
        self._track_opens, self._track_clicks = track_opens, track_clicks
        self._headers = {"authorization": f"Bearer {sandbox.key}", "content-type": "application/json"}

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:  # noqa: ARG002
        """As the port says; the addresses are those in the bytes."""
        body = mail_of(key, wire, track_opens=self._track_opens, track_clicks=self._track_clicks)
        ask = Ask("POST", "/v3/mail/send", self._headers, body=json.dumps(body).encode())
        answer = self._sandbox.handle(ask)
        return result_of(answer.status, answer.headers, answer.body, self._clock().timestamp())

    def look_up(self, key: str) -> SendResult | None:  # noqa: ARG002
        """None, as with the vendor."""
        return None

    def check(self) -> None:
        """Nothing to be configured."""
