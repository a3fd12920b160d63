"""An account of the sandbox's HubSpot in this process, without a socket.

It speaks the vendor's rules, keeps a record, and can be told to fail with the frame's own faults.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leadops.demo.carrying import Faulty
from leadops.demo.ends import InProcess
from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Rep
from leadops.providers.crm.hubspot import HubSpot
from leadops.sandbox.frame import Answer, Ask, Fault, Provider
from leadops.sandbox.hubspot import HubSpotSandbox

TOKEN = "pat-test-1"
START = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
REPS = (
    Rep(id="rep-ana", name="Ana Reyes", email="ana.reyes@seller.example"),
    Rep(id="rep-ben", name="Ben Okafor", email="ben.okafor@seller.example"),
)


class Sandboxed(InProcess):
    """``asks``: every request that came. Faults are met as in the server.

    ``forget_traces``: writes are all or nothing, as without objectWriteTraceId. ``fails_on``: a batch write
    with these bytes is answered 500. ``swallow``: so many batch writes are answered without their results.
    ``refuses``: a request with these bytes is answered 400.
    """

    def __init__(self, sandbox: HubSpotSandbox) -> None:
        super().__init__(sandbox, self._carry)
        self._faulty = Faulty()
        self.asks: list[Ask] = []
        self.forget_traces = False
        self.fails_on: bytes | None = None
        self.swallow = 0
        self.refuses: bytes | None = None

    def _carry(self, sandbox: Provider, ask: Ask) -> Answer:
        self.asks.append(ask)
        if self.refuses is not None and self.refuses in ask.body:
            return sandbox.refusal(400)
        if ask.path.endswith(("/batch/upsert", "/batch/update", "/batch/create")):
            if self.fails_on is not None and self.fails_on in ask.body:
                return sandbox.refusal(500)
            if self.forget_traces:
                ask = replace(ask, body=_without_traces(ask))
            if self.swallow > 0:
                self.swallow -= 1
                answer = sandbox.answer(ask)
                return Answer.of(answer.status, json.loads(answer.body) | {"results": []})
        return self._faulty(sandbox, ask)


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
