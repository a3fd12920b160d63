"""`leadops demo`: what `up` starts, against the sandbox, with a past of some weeks and live leads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from leadops.cli.status import StatusDisplay
from leadops.cli.up import Extras, open_counts, run
from leadops.demo import pointers
from leadops.demo.before import Before
from leadops.errors import LeadopsError
from leadops.runtime import probes
from leadops.runtime.ports import PortUse
from leadops.runtime.service import Service
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.settings import PROJECT_ROOT, Settings, settings

HOST = "127.0.0.1"


class NotAnswered(LeadopsError):  # noqa: N818 - what happened, as the CLI prints it
    """The lead that appeared got nothing in time."""


class OneLead:
    """A hot lead appears in the simulated HubSpot; how long until the simulated SendGrid has its message?

    Both moments are the sandbox's own. Called in the loop that watches the services.
    """

    def __init__(self, url: str, stop: StopRequest, give_up_s: float) -> None:
        self._control, self._stop, self._give_up_s = f"{url}/control", stop, give_up_s
        self._appeared: dict[str, Any] | None = None
        self._last_s = 0.0
        self.seconds: float | None = None
        self.subject = ""

    def tick(self) -> None:
        """Have the lead appear at the first call, ask for its message at the others."""
        if self._appeared is None:
            self._appeared = self._ask("POST", "/do/lead", json={"kind": "hot"})["result"]
            self._last_s = time.monotonic() + self._give_up_s
            return
        mails = self._ask("GET", "/received", params={"to": self._appeared["address"]})["received"]
        if mails:
            sent, appeared = (datetime.fromisoformat(m) for m in (mails[0]["at"], self._appeared["at"]))
            self.seconds, self.subject = (sent - appeared).total_seconds(), mails[0]["subject"]
            self._stop.ask()
        elif time.monotonic() > self._last_s:
            self._stop.ask()

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        answer = httpx.request(method, self._control + path, timeout=10, trust_env=False, **more)
        return answer.raise_for_status().json()


def demo(
    until_answered: Annotated[
        bool,
        typer.Option(
            "--until-answered", help="One lead appears, is answered, is timed; then stop everything."
        ),
    ] = False,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two new leads; 0: none.")] = 6.0,
    past: Annotated[bool, typer.Option(help="Simulate some weeks first, once per LEADOPS_HOME.")] = True,
    give_up: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 180.0,
) -> None:
    """Weeks of simulated leads, then live ones: answered, clicking, replying, handed over. Mails nobody."""
    config = _configured()
    stop = StopRequest()
    display = StatusDisplay(Console(), time.monotonic)
    before = Before(config, stop, display.say) if past else None
    one = OneLead(pointers.sandbox_url(config), stop, give_up)
    display.say("HubSpot, OpenAI and SendGrid are simulated on this machine; nobody is mailed.")
    with stop_on_signals(stop):
        run(
            config,
            stop,
            display,
            open_counts,
            on_tick=one.tick if until_answered else lambda: None,
            extras=_extras(config, 0.0 if until_answered else every, before),
        )
    if until_answered:
        if one.seconds is None:
            raise NotAnswered(
                "not_answered", f"The lead got no message within {give_up:.0f} s; see the logs."
            )
        typer.echo(f"Answered {one.seconds:.1f} s after the lead appeared in HubSpot: {one.subject!r}")


def _configured() -> Settings:
    """Settings of the demo: a home of its own, the sandbox at the other end of everything."""
    os.environ.setdefault("LEADOPS_HOME", str(PROJECT_ROOT / ".leadops-demo"))
    os.environ.setdefault("LEADOPS_METRICS_CRON", "*/5 * * * *")  # nobody watches a demo for an hour
    settings.cache_clear()
    config = settings()
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(pointers.environment(config))
    settings.cache_clear()
    return settings()


def _extras(config: Settings, every_s: float, past: Before | None) -> Extras:
    return Extras(
        services=[_sandbox(config, every_s)],
        ports=[PortUse("the sandbox", HOST, config.sandbox_port, "LEADOPS_SANDBOX_PORT")],
        urls={"Sandbox": pointers.sandbox_url(config)},
        before=past.run if past else lambda *_: None,
        on_ready=past.wait if past else lambda: None,
    )


def _sandbox(config: Settings, every_s: float) -> Service:
    environment: Mapping[str, str] = {**os.environ, "LEADOPS_HOME": str(config.home), "PYTHONUNBUFFERED": "1"}
    return Service(
        name="sandbox",
        command=[sys.executable, "-m", "leadops.demo.serve", "--every", str(every_s)],
        env=environment,
        ready=probes.http_ok(HOST, config.sandbox_port, "/control/state"),
        after=(),
    )
