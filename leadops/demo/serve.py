"""The sandbox of a demo as a process: the simulated vendors, and everybody behind them, on the real clock.

``python -m leadops.demo.serve --every 6``. It goes on where the simulated past ended, if there is one, and
keeps the scene in a file when it is stopped, so that a demo that is started again finds the same world.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

from leadops.demo.live import PACE, Live
from leadops.demo.making import SCENE
from leadops.demo.pointers import KEYS, OPENAI_KEY, key_pairs, service_url
from leadops.demo.scene import Scene
from leadops.errors import LeadopsError, UsageError
from leadops.playbook.loader import load
from leadops.runtime.stopping import StopRequest, stop_on_signals
from leadops.sandbox.control import Control
from leadops.sandbox.openai import OpenAISandbox
from leadops.sandbox.server import create_app, running
from leadops.sandbox.webhooks import Webhooks
from leadops.settings import Settings, settings

LATENCY_S = {"hubspot": (0.02, 0.08), "sendgrid": (0.05, 0.15), "openai": (0.3, 0.9)}
"""About what the real ones take."""


def now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


def serve(config: Settings, every_s: float) -> None:
    """Serve until told to stop. ``every_s``: seconds between two new leads; 0: only those asked for."""
    reps = load(config.playbook).playbook.handoff.reps
    path = config.home / SCENE
    scene = (
        Scene.open(path, now, reps, keys=KEYS, pace=PACE)
        if path.exists()
        else Scene.new(now, reps, keys=KEYS, pace=PACE)
    )
    providers = [scene.hubspot, scene.sendgrid, OpenAISandbox(now, OPENAI_KEY)]
    for provider in providers:
        provider.latency_s = LATENCY_S[provider.name]
    webhooks = _webhooks(config)
    live = Live(scene, webhooks, now, every_s)
    control = Control(providers, {"lead": lambda given: _lead(live, given)})
    stop = StopRequest()
    with stop_on_signals(stop), running(create_app(providers, control), config.sandbox_port) as url:
        sys.stdout.write(f"The simulated world is at {url}/\n")
        live.start()
        while not stop.wait(60.0):
            pass
        live.close()
        webhooks.close()
    scene.save(path)


def _webhooks(config: Settings) -> Webhooks:
    pairs, url = key_pairs(config.home), service_url(config)
    return Webhooks(
        f"{url}/v1/webhooks/sendgrid/events",
        f"{url}/v1/webhooks/sendgrid/inbound",
        pairs["events"]["private"],
        pairs["inbound"]["private"],
    )


def _lead(live: Live, given: dict[str, Any]) -> dict[str, str]:
    """Somebody fills in a form: who, and when the CRM had it."""
    address = live.inject(given.get("kind", "hot"))
    return {"address": address, "at": now().isoformat(timespec="milliseconds")}


def main() -> int:
    """Exit codes as those of the command."""
    parser = argparse.ArgumentParser(prog="python -m leadops.demo.serve", description=__doc__)
    parser.add_argument("--every", type=float, default=6.0)
    try:
        serve(settings(), parser.parse_args().every)
    except LeadopsError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
