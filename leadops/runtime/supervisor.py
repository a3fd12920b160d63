"""Starts, watches, restarts and stops a set of child processes together, and leaves none behind.

Knows nothing of what the children are (`leadops.runtime.stack` does). All methods are called from one
thread that lives as long as the supervisor (see `leadops.runtime.service.start`). The caller holds
LEADOPS_HOME (`leadops.runtime.single`) before anything here runs.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from leadops.errors import LeadopsError
from leadops.runtime import child_logs, processes, service
from leadops.runtime.restarts import delay_s, failures_after
from leadops.runtime.service import Child, Service
from leadops.runtime.stopping import StopRequest

POLL_S = 0.2
FAMILY_EVERY_S = 5.0

Health = Literal["waiting", "starting", "ready", "restarting", "ended"]


class ServiceFailed(LeadopsError):  # noqa: N818 - what happened, as the CLI prints it
    """A service did not become ready; everything started with it has been stopped."""


@dataclass
class _Slot:
    """What the supervisor knows of one service."""

    service: Service
    child: Child | None = None
    ready: bool = False
    excused: bool = False
    failures: int = 0
    start_again_at: float | None = None
    ready_after_s: float | None = None

    def health(self) -> Health:
        if self.child is not None:
            return "ready" if self.ready else "starting"
        if self.start_again_at is not None:
            return "restarting"
        return "ended" if self.failures else "waiting"


class Supervisor:
    """`start()`, then `watch()` until somebody asks to stop, then `stop()` (also after an error)."""

    def __init__(
        self,
        services: Sequence[Service],
        home: Path,
        stop: StopRequest,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`log` gets one line per thing that happened. Raises ValueError for a name used twice or unknown."""
        _check_names(services)
        self._slots = [_Slot(item) for item in services]
        self._home = home
        self._stop = stop
        self._log = log
        self._clock = clock
        self._now = now
        self._family_at = 0.0
        self._record = processes.Record(processes.record_path(home), uuid.uuid4().hex, {})

    def log_path(self, name: str) -> Path:
        """Where the output of a service goes."""
        return self._home / "logs" / f"{name}.log"

    def health(self) -> Mapping[str, Health]:
        """State of every service, in their order."""
        return {slot.service.name: slot.health() for slot in self._slots}

    def start(self) -> Mapping[str, float]:
        """Start all in order and wait until each is ready; returns seconds from the call to ready, by name.

        Services that wait for nothing in common become ready side by side. Returns early when a stop is
        asked for meanwhile. Raises ServiceFailed, with everything stopped again, when one that is needed
        ends or is late; another one is told about and tried again.
        """
        ended = processes.end_leftovers(self._home)
        if ended:
            self._log(f"ended {ended} processes an earlier leadops had left running")
        began = self._clock()
        try:
            self._save()  # the token first: a child must never run unrecorded
            while not self._stop.requested and not all(s.ready or s.excused for s in self._slots):
                self._start_what_may()
                for slot in self._slots:
                    self._check_starting(slot, began)
                self._stop.wait(POLL_S)
        except BaseException:
            self.stop()
            raise
        return {s.service.name: s.ready_after_s for s in self._slots if s.ready_after_s is not None}

    def watch(self, on_tick: Callable[[], None] = lambda: None, every_s: float = 0.5) -> None:
        """Keep them running until a stop is asked for; `on_tick` is called in between."""
        while not self._stop.wait(every_s):
            self.tick()
            on_tick()

    def tick(self) -> None:
        """Notice what ended, start again what is due, see who is ready. Never waits."""
        for slot in self._slots:
            self._notice_end(slot)
            if slot.start_again_at is not None and self._clock() >= slot.start_again_at:
                self._launch_again(slot)
            if slot.child is not None and not slot.ready and slot.service.ready():
                slot.ready = True
                self._log(f"{slot.service.name} is ready again")
        if self._clock() - self._family_at >= FAMILY_EVERY_S:
            self._look_after_families()

    def stop(self) -> None:
        """End all in reverse order; returns when nothing of theirs runs any more. May be called twice.

        Those that nothing still running was started after are ended side by side.
        """
        left: set[processes.Identity] = set()
        for slot in self._slots:
            slot.start_again_at = None
        while wave := self._not_needed():
            with ThreadPoolExecutor(len(wave)) as pool:
                for survivors in pool.map(self._end, wave):
                    left |= survivors
        # Those that left their parent and its group, and children of services that ended by themselves.
        strays = {p for found in self._record.processes.values() for p in found if processes.alive(p)}
        strays |= processes.marked(self._record.token)
        left |= processes.end(strays, grace_s=5.0, give_up=lambda: self._stop.forced)
        left = {process for process in left if processes.alive(process)}
        if left:
            self._log(f"could not end: {', '.join(str(process.pid) for process in left)}")
        else:
            self._record.clear()

    def _not_needed(self) -> list[_Slot]:
        running = [slot for slot in self._slots if slot.child is not None]
        needed: set[str] = set()
        for position, slot in enumerate(running):
            before = (other.service.name for other in running[:position])
            needed.update(before if slot.service.after is None else slot.service.after)
        return [slot for slot in running if slot.service.name not in needed]

    def _end(self, slot: _Slot) -> set[processes.Identity]:
        child, slot.child, slot.ready = slot.child, None, False
        return service.end(child, lambda: self._stop.forced) if child is not None else set()

    def _start_what_may(self) -> None:
        for position, slot in enumerate(self._slots):
            if slot.child is None and not slot.excused and self._may_start(position):
                self._launch(slot)

    def _may_start(self, position: int) -> bool:
        after = self._slots[position].service.after
        before = self._slots[:position]
        return all(slot.ready for slot in before if after is None or slot.service.name in after)

    def _launch(self, slot: _Slot) -> None:
        name = slot.service.name
        path = self.log_path(name)
        slot.start_again_at = None
        slot.ready = False
        try:
            child_logs.keep_short(path)
            child_logs.note(path, f"{name} starts at {self._now():%Y-%m-%dT%H:%M:%SZ}")
            slot.child = service.start(slot.service, path, self._record.token, self._clock())
        except OSError as error:
            raise ServiceFailed("service_failed", f"{name} cannot be started: {error.strerror}.") from None
        self._remember(slot.child)
        self._save()

    def _launch_again(self, slot: _Slot) -> None:
        try:
            self._launch(slot)
        except ServiceFailed as failed:  # a full disk must not end the services that still work
            slot.failures += 1
            slot.start_again_at = self._clock() + delay_s(slot.failures)
            self._log(str(failed))

    def _check_starting(self, slot: _Slot, began: float) -> None:
        child = slot.child
        if child is None or slot.ready:
            return
        code = child.exit_code()
        if code is not None:
            self._not_ready(slot, f"ended with {_exit(code)} before it was ready")
        elif slot.service.ready():
            slot.ready = True
            slot.ready_after_s = self._clock() - began
        elif self._clock() - child.started_at > slot.service.ready_timeout_s:
            self._not_ready(slot, f"was not ready after {slot.service.ready_timeout_s:.0f} seconds")

    def _not_ready(self, slot: _Slot, what: str) -> None:
        failed = self._failed(slot, what)
        if slot.service.needed:
            raise failed
        if not slot.excused:
            self._log(str(failed))
        slot.excused = True
        self._notice_end(slot)

    def _failed(self, slot: _Slot, what: str) -> ServiceFailed:
        name = slot.service.name
        path = self.log_path(name)
        return ServiceFailed("service_failed", f"{name} {what}. The end of {path}:\n{child_logs.tail(path)}")

    def _notice_end(self, slot: _Slot) -> None:
        child = slot.child
        code = child.exit_code() if child is not None else None
        if child is None or code is None:
            return
        name = slot.service.name
        slot.child = None
        slot.ready = False
        slot.failures = failures_after(slot.failures, self._clock() - child.started_at)
        if slot.service.restart:
            wait = delay_s(slot.failures)
            slot.start_again_at = self._clock() + wait
            self._log(
                f"{name} ended with {_exit(code)}; next start in {wait:.0f} s (see {self.log_path(name)})"
            )
        else:
            self._log(f"{name} ended with {_exit(code)}")

    def _look_after_families(self) -> None:
        self._family_at = self._clock()
        children = [slot.child for slot in self._slots if slot.child is not None]
        changed = [child for child in children if child.refresh_family()]
        for child in changed:
            self._remember(child)
        if changed:
            self._save()
        for child in children:
            child_logs.keep_short(self.log_path(child.service.name))

    def _remember(self, child: Child) -> None:
        # What an ended child of that name had started may still be finishing its work.
        before = {p for p in self._record.processes.get(child.service.name, ()) if processes.alive(p)}
        self._record.processes[child.service.name] = sorted(
            before | {child.identity} | child.family, key=lambda process: process.create_time
        )

    def _save(self) -> None:
        try:
            self._record.write()
        except OSError as error:
            self._log(
                f"cannot write {self._record.path} ({error.strerror}): after kill -9 strays may stay behind"
            )


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _check_names(services: Sequence[Service]) -> None:
    seen: set[str] = set()
    for item in services:
        if item.name in seen:
            raise ValueError(f"two services are called {item.name}")
        unknown = set(item.after or ()) - seen
        if unknown:
            raise ValueError(f"{item.name} starts after {sorted(unknown)}, which are not listed before it")
        seen.add(item.name)
