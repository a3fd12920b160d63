"""The people of the sandbox on a clock that runs: a viewer sees everything happen within a minute or two."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

import pytest
from sqlalchemy import Engine, text

from leadops.demo.live import PACE, Live
from leadops.demo.past import Clock, past_house, rows_of
from leadops.demo.scene import Scene
from leadops.domain.keys import Keyring
from leadops.playbook.loader import load
from leadops.runtime.wiring import House
from leadops.sandbox.chain import Chain
from leadops.sandbox.world import Effects
from leadops.stages.ingest import ingest
from leadops_tests.house import PLAYBOOK

NIGHT = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
"""A Tuesday, in the middle of the night in Berlin and New York."""


@dataclass
class Door:
    """What the ingestion service does with a webhook, without HTTP."""

    house: House
    clock: Clock
    events: list[Mapping[str, Any]] = field(default_factory=list)
    inbound: list[Mapping[str, str]] = field(default_factory=list)

    def post_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.events += events
        self._take(Effects(events=[dict(e) for e in events]))

    def post_inbound(self, form: Mapping[str, str]) -> None:
        self.inbound.append(form)
        self._take(Effects(inbound=[dict(form)]))

    def one_click(self, url: str) -> None:
        self._take(Effects(unsubscribes=[url]))

    def _take(self, effects: Effects) -> None:
        rows = list(rows_of(effects, self.clock()))
        done = ingest(self.house.engine, rows, now=self.clock(), keyring=self.house.keyring)
        assert done.quarantined == 0


class _Service(ThreadingHTTPServer):
    """Where one-click requests arrive; the first ``busy`` of them are answered 503."""

    daemon_threads = True

    def __init__(self, busy: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.busy = busy
        self.seen: Queue[tuple[int, str, bytes]] = Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 503 if self.server.busy > 0 else 200
        self.server.busy -= 1
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.seen.put((status, self.path, body))

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(busy: int = 0) -> Iterator[_Service]:
    server = _Service(busy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Show:
    """The whole demo on a clock in the test's hand."""

    live: Live
    chain: Chain
    clock: Clock
    door: Door
    scene: Scene
    service: _Service

    def watch(self, seconds: int) -> None:
        """Second by second, as the runner and the people would go on."""
        for _ in range(seconds):
            self.clock.now += timedelta(seconds=1)
            self.live.tick()
            self.chain.poll(self.clock.now)
            self.chain.run_pending(self.clock.now)

    def again_and_again(self) -> tuple[int, str, bytes]:
        """Tick until another one-click request has arrived."""
        for _ in range(50):
            self.clock.now += timedelta(seconds=5)
            self.live.tick()
            with suppress(Empty):
                return self.service.seen.get(timeout=0.2)
        raise AssertionError("no second request")

    def value(self, statement: str) -> Any:
        with self.chain.house.engine.connect() as connection:
            return connection.execute(text(statement)).scalar()


@contextmanager
def _show(engine: Engine, every_s: float = 0.0, busy: int = 0) -> Iterator[Show]:
    with _serving(busy) as service:
        clock, loaded = Clock(NIGHT), load(PLAYBOOK)
        scene = Scene.new(clock, loaded.playbook.handoff.reps, seed=5, pace=PACE)
        scene.hubspot.options.limits = False
        house = past_house(engine, loaded, Keyring(b"test"), scene, clock, public_url=service.url)
        house.crm.setup()
        door = Door(house, clock)
        live = Live(scene, door, clock, every_s)
        try:
            yield Show(live, Chain(house), clock, door, scene, service)
        finally:
            live.close()


def test_a_hot_lead_on_demand_is_answered_within_seconds(engine: Engine) -> None:
    with _show(engine) as show:
        address = show.live.inject("hot")
        show.watch(5)
        (mail,) = show.scene.sendgrid.mailroom.received(to=address)
        assert mail.at - NIGHT <= timedelta(seconds=5)
        assert show.value("select tier from leads") == "hot"


def test_answers_stops_handoffs_and_opt_outs_within_two_minutes(engine: Engine) -> None:
    """Forty hot leads, so that somebody does each of these after the first message."""
    with _show(engine) as show:
        for _ in range(40):
            show.live.inject("hot")
        show.watch(120)
        said = [k.said for k in show.scene.world.known.values()]
        assert {"interested", "question"} <= set(said), said
        assert show.value("select count(*) from replies where class in ('human', 'positive')") >= 4
        assert show.value("select count(*) from enrolments where exit_reason = 'replied'") >= 4
        assert show.value("select count(*) from handoffs") >= 4
        assert show.value("select count(*) from leads where meeting_booked_at is not null") >= 1
        assert show.value("select count(*) from touches where state = 'cancelled'") >= 8
        assert {"processed", "delivered"} <= {e["event"] for e in show.door.events}
        late = "from touches t join leads l using (lead_id) where t.handed_over_at > l.stopped_at"
        assert show.value(f"select count(*) {late}") == 0


def test_one_click_goes_to_the_link_of_the_message(engine: Engine) -> None:
    """RFC 8058; a service that is not there yet is asked again."""
    with _show(engine, busy=1) as show:
        while not any(k.fate == ("one_click", 1) for k in show.scene.world.known.values()):
            show.live.inject("hot")
            show.watch(2)
            assert len(show.scene.world.known) < 400
        show.watch(70)
        assert show.service.seen.get(timeout=10)[0] == 503
        status, path, body = show.again_and_again()
        assert (status, body) == (200, b"List-Unsubscribe=One-Click")
        show.door.one_click(show.service.url + path)
        show.chain.run_pending(show.clock.now)
        assert show.value("select count(*) from enrolments where exit_reason = 'opted_out'") >= 1
        assert show.value("select count(*) from suppressions") >= 1


def test_somebody_new_every_few_seconds(engine: Engine) -> None:
    with _show(engine, every_s=8.0) as show:
        show.watch(41)
        assert show.scene.hubspot.portal.count("contacts") == 5


def test_the_thread_ticks_by_itself_and_stops(engine: Engine) -> None:
    came = threading.Event()

    class Watched(Door):
        def post_events(self, events: Sequence[Mapping[str, Any]]) -> None:
            came.set()

    with _show(engine) as show:
        live = Live(show.scene, Watched(show.chain.house, show.clock), show.clock, 0.0)
        live.start()
        assert came.wait(10)
        live.close()
        came.clear()
        assert "sandbox-people" not in {t.name for t in threading.enumerate()}
        assert not came.is_set()


def test_a_kind_nobody_knows_is_refused(engine: Engine) -> None:
    with _show(engine) as show:
        with pytest.raises(ValueError, match="hot, anybody"):
            show.live.inject("lukewarm")  # type: ignore[arg-type]
        assert show.live.verbs()["lead"]({"kind": "anybody"})["address"]
