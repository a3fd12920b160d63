"""The same run with its vendors behind real sockets: real adapters and SDKs, the sandbox's own server.

Slower, and its faults come from the server, so it is not the same history twice; the promises are the same.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
from sqlalchemy import Engine

from leadops.demo.past import past_house
from leadops.providers.crm.hubspot import HubSpot
from leadops.providers.email.sendgrid import SendGrid
from leadops.providers.enrichment.apollo import Apollo
from leadops.providers.enrichment.port import EnrichmentPort
from leadops.providers.enrichment.self_hosted import SelfHosted
from leadops.providers.llm.openai import OpenAIWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.runtime.wiring import House
from leadops.sandbox.control import Control
from leadops.sandbox.frame import Ask, Fault, Provider
from leadops.sandbox.server import create_app, running
from leadops.simulator.boundaries import AFTER_CALL, BEFORE_CALL, Boundary, place_of
from leadops.simulator.plan import Outcome
from leadops.simulator.simulation import PUBLIC_URL, Judge, Simulation

PATIENCE_S = 0.4
"""Real seconds an adapter waits: a vendor on this machine that is not silent on purpose answers sooner."""


class OverHttp(Simulation):
    """A simulation whose houses talk to ``http://127.0.0.1``."""

    def __init__(self, *args: Any, **given: Any) -> None:
        self._open = ExitStack()
        self._url = ""
        super().__init__(*args, **given)

    def _served(self) -> str:
        """Where the vendors are; they are started when the first house is opened."""
        if not self._url:
            enrichers = self.enrichers
            providers: list[Provider] = [self.scene.hubspot, self.scene.sendgrid, self.openai]
            providers += [enrichers.apollo, enrichers.own]
            self._url = self._open.enter_context(running(create_app(providers, Control(providers))))
        return self._url

    def _house(self, engine: Engine | None = None) -> House:
        url, playbook = self._served(), self.loaded.playbook
        hubspot, sendgrid = self.scene.hubspot, self.scene.sendgrid
        mapping = playbook.crm.hubspot.model_copy(
            update={"requests_per_second": 1e9, "searches_per_second": 1e9}
        )
        house = past_house(
            engine or self.engine,
            self.loaded,
            self.keyring,
            self.scene,
            self._virtual_clock,
            public_url=PUBLIC_URL,
            writer=OpenAIWriter(
                self.openai.key,
                f"{url}/openai/v1",
                playbook.writer.model_copy(update={"timeout_s": PATIENCE_S, "deadline_s": 2 * PATIENCE_S}),
                playbook,
                TemplateWriter(),
            )
            if self.plan.model
            else None,
        )
        crm = HubSpot(
            hubspot.token,
            mapping,
            playbook.handoff.reps,
            base_url=f"{url}/hubspot",
            timeout_s=PATIENCE_S,
            transport=_Watched(self, hubspot),
            clock=lambda: self._virtual_clock().timestamp(),
            wait=lambda _seconds: None,
        )
        email = SendGrid(
            sendgrid.key,
            f"{url}/sendgrid",
            PATIENCE_S,
            track_opens=playbook.sender.track_opens,
            track_clicks=playbook.sender.track_clicks,
            clock=lambda: self._virtual_clock().timestamp(),
            line=self._line,
        )
        return self._asking(replace(house, crm=crm, email=email), self._enrichers(url))

    def _enrichers(self, url: str) -> tuple[EnrichmentPort, ...]:
        own, apollo = self.enrichers.own, self.enrichers.apollo
        return (
            SelfHosted(own.key, f"{url}/self_hosted/", _Watched(self, own)),
            Apollo(apollo.key, f"{url}/apollo/api/v1", _Watched(self, apollo)),
        )

    def _line(self, *args: Any, **given: Any) -> Any:
        """The SDK's own line over a socket; told before and after each request."""
        from leadops.providers.email.sendgrid_line import Line

        run = self

        class Watched(Line):
            def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:
                path = f"/{request.selector.lstrip('/').partition('/')[2]}"
                ask = Ask(request.get_method(), path, {}, {}, request.data or b"")
                run.before(run.scene.sendgrid, ask)
                answer = super()._make_request(opener, request, timeout)
                run.after(run.scene.sendgrid, ask)
                return answer

        return Watched(*args, **given)

    def before(self, provider: Provider, ask: Ask) -> None:
        """A request is about to leave: it may be the last thing its worker does, and meet a fault."""
        if self.scheduler.current is None:
            return
        if provider is self.scene.sendgrid and ask.path == "/v3/mail/send":
            self.told(ask)
        self.passed(Boundary(BEFORE_CALL, place_of(provider.name, ask.method, ask.path)))
        met = self.faults.of_call(provider.name, self.scheduler.clock())
        if met is not None:
            provider.faults = [_soon_over(met[1])]

    def after(self, provider: Provider, ask: Ask) -> None:
        """Its answer is there."""
        if self.scheduler.current is not None:
            self.passed(Boundary(AFTER_CALL, place_of(provider.name, ask.method, ask.path)))

    def live(self, judge: Judge | None) -> Outcome:
        """As the simulation's; the vendors' server ends with it."""
        with self._open:
            return super().live(judge)


def _soon_over(fault: Fault) -> Fault:
    """Silent for as long as the adapter waits, and a little longer."""
    return replace(fault, seconds=2 * PATIENCE_S, status=fault.status or 503)


class _Watched(httpx.HTTPTransport):
    """The way out to a vendor."""

    def __init__(self, run: OverHttp, provider: Provider) -> None:
        super().__init__()
        self._run, self._provider = run, provider

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(f"/{self._provider.name}")
        ask = Ask(request.method, path, {}, {}, request.read())
        self._run.before(self._provider, ask)
        response = super().handle_request(request)
        self._run.after(self._provider, ask)
        return response
