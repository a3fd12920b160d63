"""The sandbox's people on the real clock: somebody new every few seconds, and everybody reacts.

Ties world and providers to the outside: signed webhooks, answers, one-click requests. One thread, or
:meth:`Live.tick` by whoever has a loop of their own. Nothing here waits for anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, get_args

import httpx

from leadops.demo.scene import Scene
from leadops.sandbox.frame import Clock
from leadops.sandbox.world.forms import address_of

PACE = 120.0
"""What takes people two hours takes them a minute at most."""
ONE_CLICK = b"List-Unsubscribe=One-Click"
TICK_S = 0.25
_TRIES, _AGAIN = 20, timedelta(seconds=3)
Kind = Literal["hot", "anybody"]
log = logging.getLogger(__name__)


class Posts(Protocol):
    """How webhooks leave; ``leadops.sandbox.webhooks.Webhooks`` is one. Neither call blocks."""

    def post_events(self, events: Sequence[Mapping[str, Any]]) -> None: ...
    def post_inbound(self, form: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class _OneClick:
    url: str
    due: datetime
    tries: int = 1


class Live:
    """Everybody in ``scene`` from now on. ``every_s``: seconds between two new leads; 0: nobody by itself.

    ``clock`` gives aware UTC. Starts nothing: call :meth:`start`, or :meth:`tick` again and again.
    """

    def __init__(self, scene: Scene, webhooks: Posts, clock: Clock, every_s: float = 8.0) -> None:
        self.scene, self._webhooks, self._clock = scene, webhooks, clock
        self._every = timedelta(seconds=every_s)
        self._next = clock() + self._every if every_s > 0 else None
        self._count = 0
        self._guard = threading.RLock()
        self._clicks: list[_OneClick] = []
        self._client = httpx.Client(timeout=10.0, trust_env=False)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="sandbox-one-click")
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # Running ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Tick in a thread of its own until :meth:`close`."""
        self._thread = threading.Thread(target=self._run, name="sandbox-people", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what people had in mind to do stays in the scene."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=15)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            try:
                self.tick()
            except Exception:
                # One person who cannot act must not stop the others; what failed is not tried again.
                log.exception("the sandbox's people stumbled")

    def tick(self) -> None:
        """Whatever is due by now."""
        with self._guard:
            now = self._clock()
            if self._next is not None and now >= self._next:
                self._next = now + self._every
                # Every other one is hot: they are answered at once, at any hour of whoever watches.
                self.inject("hot" if self._count % 2 else "anybody")
            with self.scene.hubspot.lock:
                effects = self.scene.world.step(now)
            self._clicks += [_OneClick(url, now) for url in effects.unsubscribes]
            due = [click for click in self._clicks if click.due <= now]
            self._clicks = [click for click in self._clicks if click.due > now]
        self._webhooks.post_events(effects.events)
        for form in effects.inbound:
            self._webhooks.post_inbound(form)
        for click in due:
            self._pool.submit(self._post, click)

    def _post(self, click: _OneClick) -> None:
        """As a mail program's button does it (RFC 8058); again where the service does not answer."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            status = self._client.post(click.url, content=ONE_CLICK, headers=headers).status_code
        except httpx.HTTPError:
            status = 503
        if status >= 500 and click.tries < _TRIES:
            with self._guard:
                self._clicks.append(_OneClick(click.url, self._clock() + _AGAIN, click.tries + 1))

    # On demand ----------------------------------------------------------------------------------------

    def inject(self, kind: Kind = "hot") -> str:
        """Somebody fills in a form now; their address. ``hot``: a VP who asks for a demo.

        Raises ValueError: no such kind.
        """
        if kind not in get_args(Kind):
            raise ValueError(f"kind: one of {', '.join(get_args(Kind))}")
        with self._guard:
            now, world = self._clock(), self.scene.world
            self._count += 1
            # The moment is part of the key: after a restart other people come.
            key = f"live.{now.timestamp():.3f}.{self._count}"
            arrival = world.somebody(key, now, hot=kind == "hot")
            with self.scene.hubspot.lock:
                world.arrive(arrival)
            return address_of(world.person(key), arrival)

    def verbs(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """For ``POST /control/do/<verb>``: ``lead`` with {"kind": "hot"} answers {"address": ...}."""
        return {"lead": lambda given: {"address": self.inject(given.get("kind", "hot"))}}
