"""The sandbox's HubSpot as a transport: a request becomes an Ask, without a socket.

It speaks the vendor's rules, keeps a record, and can be told to fail with the frame's own faults.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Rep
from leadops.providers.crm.hubspot import HubSpot
from leadops.sandbox.frame import Answer, Ask, Fault
from leadops.sandbox.hubspot import HubSpotSandbox

TOKEN = "pat-test-1"
START = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
REPS = (
    Rep(id="rep-ana", name="Ana Reyes", email="ana.reyes@seller.example"),
    Rep(id="rep-ben", name="Ben Okafor", email="ben.okafor@seller.example"),
)


class Sandboxed(httpx.BaseTransport):
    """``asks``: every request that came. Faults of kind ``status`` and ``garbage`` are met as in the server.

    ``forget_traces``: writes are all or nothing, as without objectWriteTraceId. ``fails_on``: a batch write
    with these bytes is answered 500. ``swallow``: so many batch writes are answered without their results.
    ``refuses``: a request with these bytes is answered 400.
    """

    def __init__(self, sandbox: HubSpotSandbox) -> None:
        self.sandbox = sandbox
        self.asks: list[Ask] = []
        self.forget_traces = False
        self.fails_on: bytes | None = None
        self.swallow = 0
        self.refuses: bytes | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        ask = Ask(
            request.method,
            request.url.path,
            {k.lower(): v for k, v in request.headers.items()},
            dict(request.url.params),
            request.content,
        )
        self.asks.append(ask)
        answer = self._answer(ask)
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

    def _answer(self, ask: Ask) -> Answer:
        if self.refuses is not None and self.refuses in ask.body:
            return self.sandbox.refusal(400)
        if ask.path.endswith(("/batch/upsert", "/batch/update", "/batch/create")):
            if self.fails_on is not None and self.fails_on in ask.body:
                return self.sandbox.refusal(500)
            if self.forget_traces:
                ask = replace(ask, body=_without_traces(ask))
            if self.swallow > 0:
                self.swallow -= 1
                answer = self.sandbox.answer(ask)
                return Answer.of(answer.status, json.loads(answer.body) | {"results": []})
        fault = self.sandbox.next_fault(ask)
        if fault is None:
            return self.sandbox.answer(ask)
        if fault.kind == "status":
            refused = self.sandbox.refusal(fault.status)
            return Answer(fault.status, refused.body, {**refused.headers, **fault.headers})
        self.sandbox.answer(ask)
        return Answer(200, b"<html>" if fault.body is None else fault.body.encode(), {})


def _without_traces(ask: Ask) -> bytes:
    body = ask.json()
    inputs = [{k: v for k, v in i.items() if k != "objectWriteTraceId"} for i in body["inputs"]]
    return json.dumps({"inputs": inputs}).encode()


class Account:
    """One simulated HubSpot account with a clock in the test's hand, and our adapter on it."""

    def __init__(self, **options: Any) -> None:
        self.now = START
        self.sandbox = HubSpotSandbox(lambda: self.now, TOKEN)
        self.sandbox.options.limits = False
        for name, value in options.items():
            setattr(self.sandbox.options, name, value)
        self.portal = self.sandbox.portal
        self.wire = Sandboxed(self.sandbox)
        self.waits: list[float] = []
        self.crm = self.adapter()

    def adapter(self, mapping: HubSpotMapping | None = None, token: str = TOKEN, **given: Any) -> HubSpot:
        quick = {"requests_per_second": 1e6, "searches_per_second": 1e6}
        return HubSpot(
            token,
            mapping or HubSpotMapping(**quick),
            REPS,
            base_url="http://hubspot.test",
            transport=self.wire,
            clock=lambda: self.now.timestamp(),
            wait=self.waits.append,
            **given,
        )

    def later(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now

    def contact(self, email: str = "anna@acme.example", source: str = "CRM_UI", **properties: str) -> str:
        return self.portal.create("contacts", {"email": email, **properties}, at=self.now, source=source)

    def log(self, object_type: str, contacts: str | Sequence[str], **properties: str) -> str:
        """An activity of a rep's about these contacts."""
        ids = [contacts] if isinstance(contacts, str) else contacts
        return self.portal.create(
            object_type, properties, at=self.now, associations=[("contacts", i) for i in ids]
        )

    def fail(self, status: int = 0, kind: str = "status", **given: Any) -> None:
        self.sandbox.faults.append(Fault(kind, status=status, **given))  # type: ignore[arg-type]

    def asked(self, path: str) -> int:
        return sum(path in ask.path for ask in self.wire.asks)

    def problems(self) -> list[str]:
        """What of HubSpot's rules any request has broken."""
        return [p for e in self.sandbox.exchanges for p in e.problems]
