"""Processes to be killed: ``python -m leadops_tests.simulator.killing`` forks them as they are wanted.

The nursery imports everything once, keeps one thread and opens no connection, so that a fork of it is what a
fresh process is, but for the seconds that takes. A child runs the stages for one moment of a virtual clock
after the other: real adapters over HTTP, real Postgres. It notes every boundary it passes and dies by SIGKILL
at the one that was named (P1, R1, R2). Only ``during call`` is not its own doing: there whoever holds the
sandbox kills it, after the request took effect and before the answer leaves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import sendgrid  # noqa: F401 - imported before the fork, not after each

from leadops.demo.past import Clock
from leadops.domain import addresses, timing
from leadops.domain.keys import Keyring
from leadops.playbook.loader import LoadedPlaybook, load
from leadops.providers.crm.hubspot import HubSpot
from leadops.providers.crm.hubspot_events import zone_of
from leadops.providers.crm.hubspot_write import Writer
from leadops.providers.email.sendgrid import SendGrid
from leadops.providers.email.sendgrid_line import Line
from leadops.runtime.wiring import House
from leadops.sandbox.chain import Chain
from leadops.settings import PROJECT_ROOT
from leadops.simulator.boundaries import AFTER_CALL, BEFORE_CALL, Boundary, Passed, place_of, watch_commits
from leadops.simulator.mail_in import Delivery
from leadops.stages.ingest import IngestReport, ingest
from leadops.stages.report import Report
from leadops.store import touches
from leadops.store.engine import open_engine, sql
from leadops_tests.house import PLAYBOOK
from leadops_tests.stages.sending import note

PUBLIC_URL = "https://hooks.northwind.example"
KEYRING = Keyring(b"killed")
PATIENCE_S = 60.0
REST = "rest"
_STAGES = "leadops.stages."


class Spot(NamedTuple):
    """A boundary and which of our statements was at it: a stage commits in more than one place.

    ``by``: the stages' functions on the stack, outermost first, each with its line.
    """

    when: str
    place: str
    by: str

    @property
    def stage(self) -> str:
        """The stage's module."""
        return self.by.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.when}: {self.place} (in {self.by})"


def by_whom() -> str:
    """See ``Spot.by``; blank where no stage is at work."""
    frame, found = sys._getframe(1), []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_STAGES):
            found.append(f"{module.removeprefix(_STAGES)}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back  # type: ignore[assignment]
    return " > ".join(reversed(found))


# In the child -------------------------------------------------------------------------------------------


class Mortal:
    """Notes each boundary with the process that stands at it, and dies at ``deadly``."""

    def __init__(self) -> None:
        self.notes = Path()
        self.deadly: Spot | None = None

    def __call__(self, boundary: Boundary) -> None:
        """What no stage does (a look at what is pending) is nobody's boundary."""
        if not (by := by_whom()):
            return
        spot = Spot(boundary.when, boundary.place, by)
        note(self.notes, [os.getpid(), *spot])
        if spot == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalHttp(httpx.BaseTransport):
    """HubSpot's connections; after a call means that its whole answer was read."""

    def __init__(self, passed: Passed) -> None:
        # No TLS on loopback: to make a context reads every certificate there is.
        self._inner, self._passed = httpx.HTTPTransport(verify=False), passed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        place = _place(request.method, request.url.path)
        self._passed(Boundary(BEFORE_CALL, place))
        response = self._inner.handle_request(request)
        response.read()
        self._passed(Boundary(AFTER_CALL, place))
        return response


class MortalLine(Line):
    """SendGrid's: the SDK's own client, down to a real socket."""

    def __init__(self, *args: Any, passed: Passed, **given: Any) -> None:
        super().__init__(*args, **given)
        self._passed = passed

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:
        place = _place(request.get_method(), urlsplit(request.full_url).path)
        self._passed(Boundary(BEFORE_CALL, place))
        response = super()._make_request(opener, request, timeout=timeout)
        self._passed(Boundary(AFTER_CALL, place))
        return response


def _place(method: str, path: str) -> str:
    """``path`` begins with the vendor's name, under which the sandbox serves it."""
    _, vendor, rest = path.split("/", 2)
    return place_of(vendor, method, "/" + rest)


def open_house(given: Mapping[str, Any], loaded: LoadedPlaybook, clock: Clock, passed: Passed) -> House:
    """As a process of production binds it, on the virtual clock; budgets of requests are about real time."""
    playbook, url = loaded.playbook, given["sandbox"]
    fast = {"requests_per_second": 1e9, "searches_per_second": 1e9}
    engine = open_engine(given["database"], pool_size=2)
    watch_commits(engine, passed)
    return House(
        engine=engine,
        loaded=loaded,
        keyring=KEYRING,
        crm=HubSpot(
            given["hubspot_key"],
            playbook.crm.hubspot.model_copy(update=fast),
            playbook.handoff.reps,
            base_url=f"{url}/hubspot",
            transport=MortalHttp(passed),
            clock=lambda: clock().timestamp(),
        ),
        email=SendGrid(
            given["sendgrid_key"],
            f"{url}/sendgrid",
            track_opens=playbook.sender.track_opens,
            track_clicks=playbook.sender.track_clicks,
            clock=lambda: clock().timestamp(),
            line=lambda *args, **more: MortalLine(*args, passed=passed, **more),
        ),
        public_url=PUBLIC_URL,
    )


class Life(Chain):
    """One process, from its birth on; it writes down what each batch came to."""

    def __init__(self, given: Mapping[str, Any], loaded: LoadedPlaybook) -> None:
        self.clock, self.mortal = Clock(datetime.fromisoformat(given["now"])), Mortal()
        super().__init__(open_house(given, loaded, self.clock, self.mortal))
        self._told = Path()

    def moment(self, given: Mapping[str, Any]) -> None:
        """What came from outside, then every stage until nothing is left to do."""
        now = self.clock.now = datetime.fromisoformat(given["now"])
        self.mortal.notes, self._told = Path(given["notes"]), Path(given["told"])
        self.mortal.deadly = Spot(*given["deadly"]) if given["deadly"] else None
        for delivery in given["deliveries"]:
            rows = Delivery(**delivery).rows(now)
            self._took(delivery["key"], ingest(self.house.engine, rows, now=now, keyring=self.house.keyring))
        self._poll(now)
        self.run_pending(now, leave={"outreach", "write_back"})
        self._tell("reconcile", self.reconcile(now))
        self.run_pending(now)
        self._tell("escalate", self.escalate(now))
        self.run_pending(now)

    def _poll(self, now: datetime) -> None:
        more = True
        while more:
            polled = self.poll(now)
            self._took("crm", polled.ingested)
            more = polled.more

    def _run(self, stage: str, now: datetime) -> list[Report]:
        reports = super()._run(stage, now)
        for report in reports:
            self._tell(stage, report)
        return reports

    def _took(self, key: str, report: IngestReport) -> None:
        """The answer 202, so to speak: whoever delivers has it now, and does not come again."""
        assert not report.quarantined, report
        note(self._told, {"took": key, "ids": [item.event_id for item in report.items]})

    def _tell(self, stage: str, report: Report) -> None:
        note(self._told, {"stage": stage, "counts": dict(report.counts), "parked": dict(report.parked)})


# Mutants ------------------------------------------------------------------------------------------------


def _reword(module: Any, name: str, old: str, new: str) -> Callable[[], None]:
    statement = getattr(module, name)
    assert old in statement.text, statement.text
    return lambda: setattr(module, name, sql(statement.text.replace(old, new)))


MUTANTS: Mapping[str, Callable[[], None]] = {
    "a lapsed hand-over is planned again": _reword(
        touches, "_EXPIRED_HANDOVERS", "state = 'unknown'", "state = 'planned'"
    ),
    "claims never expire": _reword(
        touches, "_EXPIRED_CLAIMS", "state = 'claimed' and", "state = 'claimed' and false and"
    ),
    "what the CRM has is not looked for": lambda: setattr(Writer, "_there", lambda *_args, **_given: {}),
}
"""What the tests of kills must catch: name -> what makes a nursery's children like that."""


# The nursery --------------------------------------------------------------------------------------------


def nurse() -> None:
    """Each line of input is a moment (JSON). Who lives it is forked, and reads on until told to rest.

    Lines of output: ``null`` after each moment, a child's exit code after its end.
    """
    loaded = load(PLAYBOOK)
    MUTANTS.get(os.environ.get("LEADOPS_TEST_MUTANT", ""), lambda: None)()
    _grow_up()
    gc.freeze()  # a child's collector leaves the nursery's pages alone
    for line in sys.stdin:
        assert threading.active_count() == 1, "a fork would copy locks that other threads hold"
        child = os.fork()
        if child == 0:
            _be_born(line, loaded)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(what: int | None) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _grow_up() -> None:
    """What a process reads once in its life and keeps (0.7 s): lists of suffixes, holidays, zones."""
    httpx.HTTPTransport(verify=False).close()
    addresses.registrable_domain("acme.example")
    addresses.normalise_phone("+1 212 555 0100", "US")
    timing.is_holiday(date(2026, 3, 3), "US")
    zone_of("america_slash_new_york")


def _be_born(line: str, loaded: LoadedPlaybook) -> None:
    """In the child: it never returns into the nursery's frames."""
    code = 1
    try:
        life = Life(json.loads(line), loaded)
        while line.strip() != REST:
            life.moment(json.loads(line))
            _say(None)
            line = sys.stdin.readline()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    """The nursery as its user sees it: one child at a time, born when there is a moment to live."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors
        self._alive = False

    def live(self, moment: Mapping[str, Any]) -> bool:
        """Whether whoever lived it survived. Raises AssertionError: it failed."""
        code = self._ask(json.dumps(moment))
        assert code in (None, -signal.SIGKILL), self._trouble(f"a child ended with {code}")
        self._alive = code is None
        return self._alive

    def rest(self) -> None:
        """Who is alive ends, as a process does that is asked to; the next moment is somebody else's."""
        if self._alive:
            code = self._ask(REST)
            assert code == 0, self._trouble(f"a child ended with {code}")
            self._alive = False

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
        told = self._process.stdout.readline() if ready else ""
        assert told, self._trouble("no answer")
        return json.loads(told)

    def _trouble(self, what: str) -> str:
        return f"{what}: {self._errors.read_text()[-4000:]}"


@contextmanager
def nursery(folder: Path, mutant: str = "") -> Iterator[Nursery]:
    """A nursery while the block runs; it and its children are gone afterwards."""
    errors = folder / "errors"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            start_new_session=True,
            cwd=PROJECT_ROOT,
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "LEADOPS_TEST_MUTANT": mutant},
        )
    with process:
        try:
            yield Nursery(process, errors)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    nurse()
