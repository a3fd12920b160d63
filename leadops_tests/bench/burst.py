"""Single leads and bursts: from the accepted POST to the mail provider's door, and all that lies between."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from leadops_tests.bench import floor
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.whole import Posted, Whole, again, running
from leadops_tests.running import eventually

Say = Callable[[str], None]
GIVE_UP_S = 240.0


def single(say: Say, *, leads: int = 20, workers: int = 1) -> list[Figure]:
    """Seconds of one lead at a time, with gaps of 0.5 to 3 s. ``workers`` 0: through the sensors alone."""
    chance = random.Random(7)
    how = "runner" if workers else "sensors"
    with running(workers) as whole:
        found = []
        for number in range(leads):
            time.sleep(chance.uniform(0.5, 3) if workers else chance.uniform(1, 9))
            posted = whole.post(number)
            assert posted is not None, "the event was not accepted"
            at = eventually(lambda p=posted: whole.first_at().get(p.address), "answered", GIVE_UP_S, 0.02)  # type: ignore[misc]
            found.append(at - posted.at)
            say(f"{number + 1:>4} {found[-1]:7.2f} s")
        where = _where(whole, posted, at) if workers else {}
        lowest = floor.single(whole.provider)
    more = {"all": [round(s, 3) for s in found], "n": leads, "ms_since_accepted": where}
    return [
        Figure(f"single_{how}_p50", statistics.median(found), "s", lowest, floor.SINGLE, more),
        Figure(f"single_{how}_p95", _p95(found), "s", lowest, floor.SINGLE),
    ]


_EVENTS = """select dagster_event_type as type, coalesce(step_key, '') as step,
    extract(epoch from timestamp at time zone 'UTC') as at from event_logs
    where run_id = (select run_id from event_logs where dagster_event_type = 'PIPELINE_START'
        and timestamp > to_timestamp(:since) at time zone 'UTC' order by id limit 1) order by id"""


def _where(whole: Whole, posted: Posted, at: float) -> dict[str, int]:
    """What its run had come to when: milliseconds since the event was accepted."""
    found = {
        f"{r['type'].lower().replace('pipeline', 'run')} {r['step']}".strip(): round(
            1000 * (float(r["at"]) - posted.at)
        )
        for r in whole.stack.rows(_EVENTS, "leadops_dagster", since=posted.at - 0.05)
        if r["type"]
        in ("PIPELINE_STARTING", "PIPELINE_START", "STEP_START", "STEP_SUCCESS", "PIPELINE_SUCCESS")
    }
    return {**found, "mail arrived": round(1000 * (at - posted.at))}


def _p95(seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def burst(say: Say, *, leads: int = 1_000, workers: int = 1) -> list[Figure]:
    """From the first POST until the last mail has arrived."""
    with running(workers) as whole:
        for number in range(3):
            whole.post(10_000_000 + number)
        eventually(lambda: len(whole.receipts()) == 3, "the first three", GIVE_UP_S)
        time.sleep(4)
        before, began = whole.cpu(), time.time()
        accepted = whole.burst(range(leads))
        say(f"accepted {len(accepted)} in {time.time() - began:.1f} s")
        peak = 0.0
        while len(arrived := _arrived(whole, accepted)) < len(accepted) and time.time() - began < GIVE_UP_S:
            if not peak and len(arrived) > len(accepted) // 2:
                peak = whole.memory_mb()  # once: to ask every process takes a tenth of a second from them
            say(f"{len(arrived):>6} arrived after {time.time() - began:5.1f} s")
            time.sleep(1.0)
        after = whole.cpu()
        seconds = max(arrived.values()) - began
        doubled = whole.doubled()
        waits = sorted(arrived[p.address] - p.at for p in accepted if p.address in arrived)
        lowest = floor.burst(whole.provider, leads)
        more = {
            "accepted": len(accepted),
            "lost": len(accepted) - len(arrived),
            "doubled": doubled,
            "leads_per_s": round(len(arrived) / seconds, 1),
            "wait_p50_s": round(statistics.median(waits), 2),
            "wait_p95_s": round(_p95(waits), 2),
            "cpu_s": {name: round(after[name] - before.get(name, 0.0), 2) for name in after},
            "memory_mb": peak,
            "workers": workers,
        }
    return [Figure(f"burst_{leads}_workers_{workers}", seconds, "s", lowest, floor.BURST, more)]


def idle(say: Say, *, seconds: float = 60.0, workers: int = 1) -> list[Figure]:
    """Percent of one core while nothing happens, by what the process is."""
    with running(workers) as whole:
        time.sleep(20)
        before, began = whole.cpu(), time.time()
        time.sleep(seconds)
        spent = {name: c - before.get(name, 0.0) for name, c in whole.cpu().items()}
        shares = {name: round(100 * s / (time.time() - began), 2) for name, s in spent.items()}
    say(str(shares))
    ours = sum(shares.get(name, 0.0) for name in ("runner", "ingest", "dashboard", "other"))
    return [Figure("idle_outside_dagster", ours, "% of one core", more=shares)]


def _arrived(whole: Whole, accepted: Sequence[Posted]) -> dict[str, float]:
    found = whole.first_at()
    return {p.address: found[p.address] for p in accepted if p.address in found}


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a burst in whose middle everything was killed."""

    accepted: int
    arrived: int
    lost: int
    doubled: int
    unknown: int
    seconds_again: float


def killed(say: Say, *, leads: int = 500, workers: int = 1) -> Ending:
    """SIGKILL to every process of leadops, Postgres too, in the middle of a burst; then started again."""
    with running(workers) as whole:
        stop, accepted = threading.Event(), list[Posted]()
        poster = threading.Thread(target=lambda: accepted.extend(whole.burst(range(leads), stop)))
        poster.start()
        eventually(lambda: len(whole.receipts()) >= leads // 4, "a quarter arrived", GIVE_UP_S, 0.05)
        whole.stack.kill_everything()
        stop.set()
        poster.join()
        say(f"killed with {len(whole.receipts())} arrived of {len(accepted)} accepted")
        began = time.time()
        restarted = again(whole)
        try:
            say(f"up again after {time.time() - began:.1f} s")
            _settled(restarted, accepted, say)
            return _ending(restarted, accepted, time.time() - began)
        finally:
            with suppress(Exception):
                restarted.stack.stop()


_IN_DOUBT = "select l.email from leads l join touches t using (lead_id) where t.state = 'unknown'"


def _ending(whole: Whole, accepted: Sequence[Posted], seconds: float) -> Ending:
    arrived = _arrived(whole, accepted)
    # Of these nobody can know; a person is asked about each, so none is lost.
    in_doubt = [r["email"] for r in whole.stack.rows(_IN_DOUBT)]
    lost = [p for p in accepted if p.address not in arrived and p.address not in in_doubt]
    return Ending(len(accepted), len(arrived), len(lost), whole.doubled(), len(in_doubt), seconds)


def killed_figures(say: Say, *, leads: int = 1_000, workers: int = 1) -> list[Figure]:
    """The same as figures: what was lost, doubled, in doubt."""
    ending = killed(say, leads=leads, workers=workers)
    more = {"accepted": ending.accepted, "arrived": ending.arrived, "seconds": round(ending.seconds_again, 1)}
    return [
        Figure("killed_lost", ending.lost, "leads", more=more),
        Figure("killed_doubled", ending.doubled, "mails"),
        Figure("killed_unknown", ending.unknown, "touches"),
    ]


_UNDER_WAY = """select count(*) as n from touches
    where step = 1 and state in ('planned', 'claimed', 'handing_over')"""
_NOT_LOOKED_AT = "select count(*) as n from lead_events where pending_fold"


def _settled(whole: Whole, accepted: Sequence[Posted], say: Say) -> None:
    """Until nothing of the burst is planned for now, claimed or under way."""

    def rest() -> bool:
        left = int(whole.stack.rows(_UNDER_WAY)[0]["n"])
        waiting = int(whole.stack.rows(_NOT_LOOKED_AT)[0]["n"])
        say(f"{len(_arrived(whole, accepted)):>6} arrived, {left} under way, {waiting} not looked at")
        return left == 0 and waiting == 0

    eventually(rest, "everything settled", GIVE_UP_S, 2.0)
