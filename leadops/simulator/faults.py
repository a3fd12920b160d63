"""What goes wrong, when, and how often: drawn from the seed, by name. The catalogue is the documentation.

Nothing here does anything: the simulation asks at each boundary, call and delivery.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadops.errors import UsageError
from leadops.sandbox.frame import Fault
from leadops.sandbox.world.chance import Chance
from leadops.simulator.boundaries import AFTER_COMMIT, Boundary

CATALOGUE: Mapping[str, str] = {
    "duplicate_webhooks": "one webhook in five comes twice, seconds to an hour apart",
    "late_webhooks": "one webhook in eight comes minutes to twenty hours late",
    "reordered_webhooks": "each webhook comes by itself, in an order of its own",
    "lost_webhooks": "one webhook in twenty-five never comes",
    "refused_connections": "one call in forty (of SendGrid: in twelve) finds nobody listening",
    "timeouts_before": "one call in sixty (of SendGrid: in twenty) is never answered and did nothing",
    "timeouts_after": "one call in sixty (of SendGrid: in twenty) takes effect and is never answered",
    "half_answers": "one call in sixty (of SendGrid: in twenty) takes effect, its answer is cut or garbage",
    "errors_500": "for twenty minutes at a time a vendor answers 500, 502 or 503",
    "storms_429": "for an hour at a time a vendor answers 429, with and without Retry-After",
    "slow_answers": "one call in twenty takes up to three minutes",
    "crash": "workers die at boundaries, those rarely passed most often",
    "stall": "workers fall asleep for longer than their lease, and wake up",
    "two_dispatchers": "four workers at once on every stage instead of one",
    "crm_outage": "HubSpot is away for two days (a third of a shorter run)",
    "llm_down": "the language model is away half of the time",
    "llm_attacker": "the language model obeys whoever writes into a form",
    "enrichment_down": "each enrichment vendor is away half of the time: silent, or nobody listens",
    "enrichment_late": "enrichment vendors take a second to nine, half of the time",
    "enrichment_nonsense": "one enrichment answer in six is nonsense: other shapes, impossible values",
    "database_restart": "every connection to the database is cut, now and then",
    "daylight_saving": "the days hold a change of the clocks",
    "tight_caps": "mailboxes may send a few messages a day",
    "absent_reps": "one rep in three does nothing at all",
    "curious_readers": "two readers in five click, and do nothing else",
}
"""Name -> what it does."""

ENRICHERS = frozenset({"apollo", "self_hosted"})
"""Who is asked about leads in the simulated world."""
_EVERY = {"errors_500": timedelta(hours=31), "storms_429": timedelta(hours=37)}
_LASTS = {"errors_500": timedelta(minutes=20), "storms_429": timedelta(minutes=60)}
_CALL_ODDS = {
    "refused_connections": (1 / 40, 1 / 12),
    "timeouts_before": (1 / 60, 1 / 20),
    "timeouts_after": (1 / 60, 1 / 20),
    "half_answers": (1 / 60, 1 / 20),
}
"""Of any vendor, and of SendGrid, who is called once a message and whose doubts cost most."""
_RESTARTS_EVERY = timedelta(hours=40)
TIGHT_CAP = 6
"""Messages a mailbox may send in 24 h where caps are tight, at 50 leads a week; in proportion else."""


def named(given: str) -> frozenset[str]:
    """``none``, ``all`` or names with commas. Raises UsageError: there is no such fault."""
    if given == "none":
        return frozenset()
    if given == "all":
        return frozenset(CATALOGUE)
    names = frozenset(name.strip() for name in given.split(",") if name.strip())
    if unknown := sorted(names - set(CATALOGUE)):
        raise UsageError(
            "no_such_fault", f"There is no fault {unknown[0]!r}: none, all, or of {', '.join(CATALOGUE)}."
        )
    return names


def drawn(seed: int) -> frozenset[str]:
    """About half of all faults, drawn by the seed.

    Faults hide each other: under a storm of 429 nothing is sent that could be sent twice. Runs with different
    halves find what runs with everything do not (swarm testing, Groce et al. 2012).
    """
    chance = Chance(seed)
    return frozenset(name for name in CATALOGUE if chance.happens(0.5, "drawn", name))


def said(names: Iterable[str]) -> str:
    """The option that names these faults."""
    found = sorted(names)
    return "none" if not found else "all" if set(found) == set(CATALOGUE) else ",".join(found)


@dataclass(slots=True)
class Faults:
    """The faults of one run. ``met``: how often each was met. ``over``: from now on nothing goes wrong."""

    names: frozenset[str]
    chance: Chance
    start: datetime
    end: datetime
    met: Counter[str] = field(default_factory=Counter)
    over: bool = False
    _calls: int = 0
    _passed: Counter[Boundary] = field(default_factory=Counter)
    _crm_away: tuple[datetime, datetime] | None = None

    def __post_init__(self) -> None:
        if "crm_outage" in self.names:
            span = self.end - self.start
            lasts = min(timedelta(days=2), span / 3)
            begins = self.start + (span - lasts) * self.chance.uniform("crm outage") * 0.8
            self._crm_away = (begins, begins + lasts)

    def _has(self, name: str) -> bool:
        return name in self.names and not self.over

    def _met(self, name: str) -> str:
        self.met[name] += 1
        return name

    # Calls --------------------------------------------------------------------------------------------

    def of_call(self, vendor: str, now: datetime) -> tuple[str, Fault] | None:
        """(name, what the next call of this vendor meets), None: it goes well."""
        self._calls += 1
        if self.over:
            return None
        if vendor == "hubspot" and self._crm_away and self._crm_away[0] <= now < self._crm_away[1]:
            return self._met("crm_outage"), Fault("status", status=503)
        if vendor == "openai" and self._half_down("llm_down", now):
            return self._met("llm_down"), Fault("slow_before", seconds=600.0)
        if vendor in ENRICHERS and (answer := self._of_enricher(vendor, now)) is not None:
            return answer
        if (status := self._stormy(vendor, now)) is not None:
            return status
        u = self.chance.uniform("call", self._calls)
        for name, both in _CALL_ODDS.items():
            odds = both[vendor == "sendgrid"]
            if name in self.names and u < odds:
                return self._met(name), self._one(name)
            u -= odds
        return None

    def _half_down(self, name: str, now: datetime, *of: str) -> bool:
        return self._has(name) and self.chance.uniform(name, *of, now.date(), now.hour // 6) < 0.5

    def _of_enricher(self, vendor: str, now: datetime) -> tuple[str, Fault] | None:
        if self._half_down("enrichment_down", now, vendor):
            is_silent = self.chance.uniform("silent", vendor, now.date(), now.hour) < 0.5
            kind = Fault("slow_before", seconds=600.0) if is_silent else Fault("cut_before", status=0)
            return self._met("enrichment_down"), kind
        if self._has("enrichment_nonsense") and self.chance.uniform("nonsense", self._calls) < 1 / 6:
            return self._met("enrichment_nonsense"), Fault("garbage")
        return None

    def _stormy(self, vendor: str, now: datetime) -> tuple[str, Fault] | None:
        for name, every in _EVERY.items():
            if not self._has(name):
                continue
            number, into = divmod(now - self.start, every)
            begins = (every - _LASTS[name]) * self.chance.uniform(name, vendor, number)
            if begins <= into < begins + _LASTS[name]:
                return self._met(name), self._status(name)
        return None

    def _status(self, name: str) -> Fault:
        u = self.chance.uniform("status", self._calls)
        if name == "storms_429":
            return Fault("status", status=429, headers={"retry-after": "30"} if u < 0.5 else {})
        return Fault("status", status=(500, 502, 503)[int(3 * u)])

    def _one(self, name: str) -> Fault:
        u = self.chance.uniform("kind", self._calls)
        match name:
            case "refused_connections":
                return Fault("cut_before", status=0)
            case "timeouts_before":
                return Fault("slow_before", seconds=600.0)
            case "timeouts_after":
                return Fault("slow_after", seconds=600.0)
        return Fault("cut_after" if u < 0.5 else "garbage")

    def latency(self, vendor: str, now: datetime) -> timedelta:
        """How long the next call takes."""
        if not self.names or self.over:
            return timedelta()
        u = self.chance.uniform("latency", vendor, self._calls)
        if self._has("slow_answers") and u < 1 / 20:
            self._met("slow_answers")
            return timedelta(seconds=round(5 + 3_500 * u, 3))
        if vendor in ENRICHERS and self._half_down("enrichment_late", now, vendor):
            self._met("enrichment_late")
            return timedelta(seconds=round(1 + 8 * u, 3))
        return timedelta(milliseconds=50 + int(250 * u))

    # Boundaries ---------------------------------------------------------------------------------------

    def crashes_at(self, boundary: Boundary) -> bool:
        """Whether the worker that passes it dies there."""
        if not self._has("crash"):
            return False
        self._passed[boundary] += 1
        n = self._passed[boundary]
        dies = self.chance.uniform("crash", boundary, n) < min(0.1, 0.002 + 0.3 / (n + 2))
        return dies and bool(self._met("crash"))

    def stalls_at(self, boundary: Boundary) -> bool:
        """Whether the worker that passes it falls asleep there for longer than its lease."""
        if not self._has("stall") or boundary.when != AFTER_COMMIT or "outreach." not in boundary.place:
            return False
        self._passed[boundary] += "crash" not in self.names
        dozes = self.chance.uniform("stall", boundary, self._passed[boundary]) < 1 / 60
        return dozes and bool(self._met("stall"))

    # Webhooks -----------------------------------------------------------------------------------------

    def deliveries(self, key: str) -> list[timedelta]:
        """When a webhook comes, counted from when it was sent; none: it is lost."""
        u = self.chance.uniform("webhook", key)
        if self._has("lost_webhooks") and u < 1 / 25:
            self._met("lost_webhooks")
            return []
        first = timedelta(milliseconds=200)
        if self._has("reordered_webhooks"):
            self._met("reordered_webhooks")
            first += timedelta(seconds=round(240 * self.chance.uniform("order", key), 3))
        if self._has("late_webhooks") and self.chance.uniform("late", key) < 1 / 8:
            self._met("late_webhooks")
            first += timedelta(minutes=5 + int(1_200 * self.chance.uniform("how late", key) ** 3))
        found = [first]
        if self._has("duplicate_webhooks") and self.chance.uniform("twice", key) < 1 / 5:
            self._met("duplicate_webhooks")
            found.append(first + timedelta(seconds=round(3_600 * self.chance.uniform("again", key) ** 4, 3)))
        return found

    @property
    def one_by_one(self) -> bool:
        """Whether webhooks of one moment come apart."""
        return bool(self.names & {n for n in CATALOGUE if n.endswith("_webhooks")}) and not self.over

    # Whole run ----------------------------------------------------------------------------------------

    def restarts(self) -> list[datetime]:
        """When the database is restarted."""
        if "database_restart" not in self.names:
            return []
        count = int((self.end - self.start) / _RESTARTS_EVERY) + 1
        span = self.end - self.start
        return sorted(self.start + span * self.chance.uniform("restart", n) for n in range(count))
