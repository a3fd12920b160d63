"""The adapters meet the same in one process as over a socket: results, requests, what the vendor recorded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadops.demo.carrying import Carrier, Cut, Faulty, NotReached, Silence, plain
from leadops.demo.ends import hubspot_end, openai_end, sendgrid_end
from leadops.errors import ProviderError
from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Playbook
from leadops.providers.crm.hubspot import HubSpot
from leadops.providers.email.sendgrid import SendGrid
from leadops.providers.llm.openai import OpenAIWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.sandbox.frame import Answer, Ask, Fault, Provider
from leadops.sandbox.hubspot import HubSpotSandbox
from leadops.sandbox.openai import OpenAISandbox
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops.terms import Outcome
from leadops_tests.domain.test_mail import compose
from leadops_tests.providers.crm.conformance import never, one_of_each
from leadops_tests.providers.crm.inprocess import REPS
from leadops_tests.providers.email.sendgrid_servers import deaf_port
from leadops_tests.providers.email.servers import free_port
from leadops_tests.providers.llm.asking import PLAYBOOK, request
from leadops_tests.sandbox.serving import served

SHORT_S, LONG_S = 0.4, 20.0
"""Patience with silence, and with everything else: a busy machine shall make no timeout of an answer."""
NOW = datetime.now(UTC).replace(microsecond=0)
"""Near the moment uvicorn writes into its answers, by which waits are reckoned."""
FROM, TO = "mara@mail.northwind.example", "zoe@acme.example"
QUICK = HubSpotMapping(requests_per_second=1e9, searches_per_second=1e9)
STATUSES = (400, 401, 403, 429, 500, 502, 503)


def model(**section: Any) -> Playbook:
    """The default playbook with so much patience with a model."""
    return PLAYBOOK.model_copy(update={"writer": PLAYBOOK.writer.model_copy(update=section)})


@dataclass
class Bench:
    """One simulated vendor. ``asks``: what reached it; ``waits``: the seconds that passed in this process."""

    provider: Any
    patience_s: float = LONG_S
    asks: list[Ask] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        handle = self.provider.handle

        def seen(ask: Ask) -> Answer:
            self.asks.append(ask)
            answer: Answer = handle(ask)
            return answer

        self.provider.handle = seen

    def record(self) -> list[tuple[Any, ...]]:
        return [
            (e.method, e.path, e.status, e.problems, e.request, e.response, e.fault)
            for e in self.provider.exchanges
        ]


class HubSpotBench(Bench):
    def __init__(self, patience_s: float = LONG_S) -> None:
        sandbox = HubSpotSandbox(lambda: NOW, "pat-test-1")
        sandbox.options.limits = False
        super().__init__(sandbox, patience_s)
        self.here().setup()
        anna = {"email": "anna@acme.example"}
        self._who = (("hubspot", sandbox.portal.create("contacts", anna, at=NOW, source="CRM_UI")),)
        self.asks.clear()

    def there(self, url: str) -> HubSpot:
        return HubSpot(
            self.provider.token,
            QUICK,
            REPS,
            base_url=url,
            timeout_s=self.patience_s,
            clock=NOW.timestamp,
            wait=lambda _s: None,
        )

    def here(self, carry: Carrier = plain) -> HubSpot:
        return hubspot_end(
            self.provider,
            QUICK,
            REPS,
            lambda: NOW,
            carry=carry,
            wait=self.waits.append,
            timeout_s=self.patience_s,
        )

    def use(self, crm: HubSpot) -> list[Any]:
        """What a poll and each kind of write-back come to."""
        found: list[Any] = []
        try:
            found.append(crm.poll(None, 100, never).rows)
        except ProviderError as error:
            found.append(error.code)
        found += [(r.outcome, r.detail) for r in crm.write(one_of_each(self._who))]
        return [*found, self.provider.portal.dump()]


class SendGridBench(Bench):
    def __init__(self, patience_s: float = LONG_S) -> None:
        super().__init__(SendGridSandbox(lambda: NOW, "SG.key"), patience_s)

    def there(self, url: str) -> SendGrid:
        return SendGrid(self.provider.key, url, self.patience_s, clock=NOW.timestamp, track_opens=True)

    def here(self, carry: Carrier = plain) -> SendGrid:
        return sendgrid_end(
            self.provider,
            lambda: NOW,
            carry=carry,
            wait=self.waits.append,
            timeout_s=self.patience_s,
            track_opens=True,
        )

    def use(self, email: SendGrid) -> list[Any]:
        """What two messages come to. How long to wait is told by a clock that is a real one over HTTP."""
        found = [email.send(key, FROM, TO, compose()) for key in ("tch_1", "tch_2")]
        told = [(r.outcome, r.detail, r.provider_ref, r.ours, r.retry_after_s is None) for r in found]
        return [*told, self.provider.mailroom.dump()]


class OpenAIBench(Bench):
    def __init__(self, patience_s: float = LONG_S) -> None:
        super().__init__(OpenAISandbox(lambda: NOW, "sk-test"), patience_s)
        self.model = model(timeout_s=patience_s, deadline_s=7 * patience_s, concurrency=2)

    def there(self, url: str) -> OpenAIWriter:
        return OpenAIWriter("sk-test", f"{url}/v1", self.model.writer, self.model, TemplateWriter())

    def here(self, carry: Carrier = plain) -> OpenAIWriter:
        return openai_end(self.provider, self.model, lambda: NOW, carry=carry, wait=self.waits.append)

    def use(self, writer: OpenAIWriter) -> list[Any]:
        return [writer.write([request()]), writer.write([request(key="tch_2")])]


BENCHES: dict[str, Callable[..., Any]] = {
    "hubspot": HubSpotBench,
    "sendgrid": SendGridBench,
    "openai": OpenAIBench,
}
vendors = pytest.mark.parametrize("vendor", BENCHES)


@contextlib.contextmanager
def over_http(bench: Any) -> Iterator[Any]:
    """The adapter over a real socket."""
    with served(bench.provider) as url:
        adapter = bench.there(f"{url}/{bench.provider.name}")
        yield adapter
        _close(adapter)


def in_process(bench: Any, carry: Carrier) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext(bench.here(carry))


def patience_with(fault: Fault) -> float:
    return SHORT_S if fault.kind.startswith("slow") and fault.seconds > SHORT_S else LONG_S


def _close(adapter: Any) -> None:
    getattr(adapter, "close", lambda: None)()


# --- what goes wrong


class Once:
    """One carrier's misfortune for every request; whether the vendor had done it before is told."""

    def __init__(self, trouble: Callable[[Answer], Exception], *, done: bool) -> None:
        self._trouble, self._done = trouble, done

    def __call__(self, provider: Provider, ask: Ask, /) -> Answer:
        raise self._trouble(provider.handle(ask) if self._done else Answer(0))


FAULTS: dict[str, Fault] = {
    **{f"status {status}": Fault("status", status) for status in STATUSES},
    "status 429 with headers": Fault("status", 429, {"Retry-After": "1", "X-RateLimit-Remaining": "0"}),
    "status 503 with a body": Fault("status", 503, body="<html>upstream"),
    "silence before": Fault("slow_before", seconds=30),
    "silence after": Fault("slow_after", seconds=30),
    "cut after silence": Fault("slow_before", seconds=0.05),
    "done, cut after silence": Fault("slow_after", seconds=0.05),
    "garbage": Fault("garbage"),
    "cut before": Fault("cut_before"),
    "cut in the middle": Fault("cut_after"),
}
WIRE: dict[str, tuple[Fault, Carrier]] = {
    "Silence": (Fault("slow_before", seconds=30), Once(lambda _a: Silence(), done=False)),
    "done, Silence": (Fault("slow_after", seconds=30), Once(lambda _a: Silence(), done=True)),
    "Cut": (Fault("cut_before"), Once(lambda _a: Cut(), done=False)),
    "Cut late": (Fault("slow_before", seconds=0.05), Once(lambda _a: Cut(after_s=0.05), done=False)),
    "Cut too late": (Fault("slow_before", seconds=30), Once(lambda _a: Cut(after_s=30), done=False)),
    "Cut in the middle": (Fault("cut_after"), Once(Cut, done=True)),
}


def forever(fault: Fault) -> Fault:
    return Fault(fault.kind, fault.status, dict(fault.headers), fault.body, times=-1, seconds=fault.seconds)


def met(
    vendor: str,
    fault: Fault | None,
    times: int,
    use: Callable[[Any], Any],
    patience_s: float = LONG_S,
) -> tuple[list[Any], Any]:
    bench = BENCHES[vendor](patience_s)
    if fault is not None:
        given = forever(fault)
        given.times = times
        bench.provider.faults.append(given)
    with use(bench) as adapter:
        return bench.use(adapter), bench


def quiet(cases: Mapping[str, Any], fault_of: Callable[[Any], Fault]) -> list[Any]:
    """The cases; those that wait for real silence are long, and a busy machine may confuse them."""
    silent = {name for name, case in cases.items() if patience_with(fault_of(case)) != LONG_S}
    return [pytest.param(name, marks=[pytest.mark.full] if name in silent else []) for name in cases]


@pytest.mark.parametrize("times", [1, pytest.param(-1, marks=pytest.mark.full)])
@pytest.mark.parametrize("case", quiet(FAULTS, lambda fault: fault))
@vendors
def test_a_fault_is_met_as_over_http(vendor: str, case: str, times: int) -> None:
    fault, patience_s = FAULTS[case], patience_with(FAULTS[case])
    expected, there = met(vendor, fault, times, over_http, patience_s)
    found, here = met(vendor, fault, times, lambda b: in_process(b, Faulty()), patience_s)
    assert found == expected
    assert here.record() == there.record()
    assert [_told(a) for a in here.asks] == [_told(a) for a in there.asks]


@pytest.mark.parametrize("case", quiet(WIRE, lambda case: case[0]))
@vendors
def test_what_a_carrier_raises_is_met_as_over_http(vendor: str, case: str) -> None:
    fault, carry = WIRE[case]
    expected, _ = met(vendor, fault, -1, over_http, patience_with(fault))
    found, _ = met(vendor, None, 0, lambda b: in_process(b, carry), patience_with(fault))
    assert found == expected


@vendors
def test_where_nothing_listens(vendor: str) -> None:
    bench = BENCHES[vendor]()
    there = bench.there(f"http://127.0.0.1:{free_port()}")
    expected = bench.use(there)
    _close(there)
    assert bench.use(bench.here(Once(lambda _a: NotReached(), done=False))) == expected
    assert bench.asks == []


@vendors
def test_where_no_connection_comes_about(vendor: str) -> None:
    bench = BENCHES[vendor](SHORT_S)
    port, opened = deaf_port()
    with contextlib.ExitStack() as stack:
        for each in opened:
            stack.enter_context(contextlib.closing(each))
        there = bench.there(f"http://127.0.0.1:{port}")
        expected = bench.use(there)
        _close(there)
    assert bench.use(bench.here(Once(lambda _a: Silence(left=False), done=False))) == expected
    assert bench.waits


# --- requests


def _told(ask: Ask) -> tuple[Any, ...]:
    """All of a request but the address it was sent to."""
    return ask.method, ask.path, ask.query, {k: v for k, v in ask.headers.items() if k != "host"}, ask.body


@vendors
def test_requests_and_answers_are_the_same_as_over_http(vendor: str) -> None:
    expected, there = met(vendor, None, 0, over_http)
    found, here = met(vendor, None, 0, lambda b: in_process(b, Faulty()))
    assert found == expected
    assert here.record() == there.record()
    assert [_told(a) for a in here.asks] == [_told(a) for a in there.asks]
    assert len(here.asks) >= 2
    assert not [p for e in here.provider.exchanges for p in e.problems]


def test_checks_pass_in_process() -> None:
    for made in BENCHES.values():
        bench = made()
        bench.here().check()


# --- crashes, threads, time


class Crash(BaseException):
    """A process that is killed."""


@vendors
def test_a_crash_passes_through_and_nothing_is_asked_or_waited_for_after_it(vendor: str) -> None:
    bench = BENCHES[vendor]()
    carried: list[Ask] = []

    def carry(provider: Provider, ask: Ask) -> Answer:
        carried.append(ask)
        if len(carried) == 2:
            raise Crash
        raise Cut(after_s=0.1)

    adapter = bench.here(carry)
    with pytest.raises(Crash):
        _much(vendor, bench, adapter)
    assert len(carried) == 2
    assert bench.waits == ([] if vendor == "openai" else [0.1])  # there the two were under way at once
    bench.here().check()


def _much(vendor: str, bench: Any, adapter: Any) -> object:
    """At least two requests; of OpenAI's a batch of more than are made at once."""
    if vendor == "openai":
        return adapter.write([request(key=f"tch_{n}") for n in range(6)])
    return bench.use(adapter)


@vendors
def test_all_is_done_on_the_callers_thread(vendor: str) -> None:
    bench = BENCHES[vendor]()
    threads: set[int] = set()

    def carry(provider: Provider, ask: Ask) -> Answer:
        threads.add(threading.get_ident())
        return provider.handle(ask)

    before = threading.active_count()
    bench.use(bench.here(carry))
    assert threads == {threading.get_ident()}
    assert threading.active_count() == before


class Moving:
    """A clock that ``wait`` moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.mark.parametrize("moves", [True, False])
def test_a_batch_is_asked_in_order_and_its_silences_pass_together(moves: bool) -> None:
    """Two at once, each silent for 0.4 s of 1 s: two, two more, and for the fifth there is no time."""
    clock = Moving()
    sandbox = OpenAISandbox(clock, "sk-test")
    sandbox.faults.append(Fault("slow_before", seconds=30, times=-1))
    patience = model(timeout_s=0.4, deadline_s=1.0, concurrency=2)
    writer = openai_end(
        sandbox, patience, clock, carry=Faulty(), wait=clock.wait if moves else lambda _seconds: None
    )
    found = [w.writer for w in writer.write([request(key=f"tch_{n}") for n in range(6)])]
    silent = "template:openai_timeout"
    assert found == [*[silent] * 4, *["template:openai_deadline"] * 2]
    if moves:
        assert (clock.now - NOW).total_seconds() == pytest.approx(1.0, abs=1e-3)


def test_the_same_batch_twice_is_the_same_twice() -> None:
    def lived() -> tuple[Any, ...]:
        bench = OpenAIBench()
        bench.provider.faults.append(Fault("status", 500, times=3))
        bench.provider.faults.append(Fault("cut_before", times=2))
        writer = bench.here(Faulty())
        found = writer.write([request(key=f"tch_{n}") for n in range(8)])
        return found, bench.record(), bench.asks, bench.waits

    assert lived() == lived()


def test_a_carrier_may_let_others_run_meanwhile() -> None:
    inner = OpenAIBench()

    def carry(provider: Provider, ask: Ask) -> Answer:
        assert inner.here().write([request()])[0].writer == "openai:gpt-4o"
        return provider.handle(ask)

    found = OpenAIBench().here(carry).write([request(), request()])
    assert [w.writer for w in found] == ["openai:gpt-4o"] * 2
    assert len(inner.asks) == 2


def test_a_pause_after_failures_is_over_in_the_clocks_time() -> None:
    clock = Moving()
    sandbox = OpenAISandbox(clock, "sk-test")
    sandbox.faults.append(Fault("status", 401, times=5))
    writer = openai_end(sandbox, PLAYBOOK, clock, carry=Faulty(), wait=clock.wait)
    for _ in range(5):
        assert writer.write([request()])[0].writer == "template:openai_key"
    assert writer.write([request()])[0].writer == "template:openai_pause"
    clock.wait(31)
    assert writer.write([request()])[0].writer == "openai:gpt-4o"


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert SendGridBench().here().send("tch_1", FROM, TO, compose()).outcome is Outcome.ACCEPTED
    assert HubSpotBench().here().poll(None, 10, never).rows
    assert OpenAIBench().here().write([request()])[0].writer == "openai:gpt-4o"


def test_a_loop_that_runs_here_already_stands_in_nobodys_way() -> None:
    """A browser driven from this thread, or a test's own loop: words are written all the same."""
    sandbox = OpenAISandbox(lambda: NOW, "sk-test")
    writer = openai_end(sandbox, model(timeout_s=1.0, deadline_s=2.0, concurrency=2), lambda: NOW)

    async def inside() -> str:
        (written,) = writer.write([request(key="tch_1")])
        assert asyncio.get_running_loop() is not None
        return written.writer

    with ThreadPoolExecutor(1) as thread:  # a browser's loop may run on this one already
        assert thread.submit(lambda: asyncio.run(inside())).result() == writer.name
