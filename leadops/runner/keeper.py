"""The runner's own process: loads everything once, forks a worker per lane, starts again what ended.

A fork shares what is loaded: five workers cost a little more memory than one, and one that ended is back in
milliseconds. So this process itself opens no connection and starts no thread.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leadops.runner.lanes import Lane
from leadops.runtime.child import die_with
from leadops.runtime.restarts import delay_s, failures_after
from leadops.runtime.stopping import StopRequest

log = logging.getLogger("leadops.runner")
_LOOK_S = 0.1


@dataclass(slots=True)
class _Place:
    """One worker's place. Times are monotonic seconds."""

    lane: Lane
    pid: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0


def keep(lanes: Sequence[Lane], serve: Callable[[Lane], None], stop: StopRequest, drain_s: float) -> None:
    """Fork a process for each of ``lanes`` that calls ``serve``, and keep them alive until ``stop`` is asked.

    Then each may finish its run, for ``drain_s`` at most.
    """
    gc.collect()
    gc.freeze()  # what is shared stays shared: the collector would write into every page
    places = [_Place(lane) for lane in lanes]
    while not stop.wait(_LOOK_S):
        for place in places:
            _notice_end(place)
            if place.pid is None and time.monotonic() >= place.start_at:
                place.pid, place.started_at = _fork(place.lane, serve), time.monotonic()
    _end(places, stop, drain_s)


def _notice_end(place: _Place) -> None:
    if place.pid is None:
        return
    ended, status = os.waitpid(place.pid, os.WNOHANG)
    if not ended:
        return
    code, now = os.waitstatus_to_exitcode(status), time.monotonic()
    place.failures = failures_after(place.failures, now - place.started_at)
    wait_s = delay_s(place.failures)
    place.pid, place.start_at = None, now + wait_s
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    log.warning("%s: its worker ended with %s; the next one starts in %.0f s", place.lane.name, how, wait_s)


def _fork(lane: Lane, serve: Callable[[Lane], None]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()  # Ctrl-C in a terminal is the keeper's business
        # The keeper's own answers to signals; SIGPIPE stays ignored, as Python has it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        die_with(parent)
        random.seed()
        serve(lane)
        code = 0
    except BaseException:
        log.exception("%s: the worker failed", lane.name)
    finally:
        logging.shutdown()
        os._exit(code)


def _end(places: Sequence[_Place], stop: StopRequest, drain_s: float) -> None:
    running = {place.pid for place in places if place.pid is not None}
    for pid in running:
        os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + drain_s
    while running and time.monotonic() < deadline and not stop.forced:
        running -= {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]}
        time.sleep(0.02)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
