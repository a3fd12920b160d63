"""The metrics counted again, one person at a time, from the rows alone and without SQL."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import rows, sql

Row = dict[str, Any]
W = timedelta(days=30)
LIVE = ("active", "paused", "paused_ooo")
Z = 1.959963984540054
HUMAN = {"human", "positive", "negative", "opt_out"}


@dataclass
class Tables:
    """The rows that the metrics are made of."""

    leads: list[Row] = field(default_factory=list)
    enrolments: list[Row] = field(default_factory=list)
    touches: list[Row] = field(default_factory=list)
    replies: list[Row] = field(default_factory=list)
    lead_events: list[Row] = field(default_factory=list)
    handoffs: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, connection: Connection) -> Tables:
        """All of them."""
        names = ("leads", "enrolments", "touches", "replies", "lead_events", "handoffs")
        return cls(**{name: rows(connection, sql(f"select * from {name}")) for name in names})


@dataclass(frozen=True)
class Person:
    """What one lead of the cohort adds to each metric."""

    lead: Row
    as_of: datetime
    enrolment: Row | None
    enrolments: tuple[Row, ...]
    touches: tuple[Row, ...]
    human_replies: int
    rep_first_at: datetime | None

    @property
    def became(self) -> datetime:
        found: datetime = self.lead["became_lead_at"]
        return found

    @property
    def mature(self) -> bool:
        return self.as_of - self.became >= W

    @property
    def lead_source(self) -> str:
        return self.lead["source"].strip() or "(blank)"

    @property
    def source(self) -> str:
        return (self.enrolment["source"].strip() or "(blank)") if self.enrolment else self.lead_source

    @property
    def tier(self) -> str:
        return self.enrolment["tier_at_enrolment"] if self.enrolment else self.lead["tier"] or "(unscored)"

    @property
    def variant(self) -> str:
        return self.enrolment["variant"] if self.enrolment else "(none)"

    @property
    def month(self) -> date:
        at = self.became
        if self.lead["lead_day_precision"]:
            # The world makes midnights of zones -10 .. +13: midnight UTC of the day given, less the offset.
            at = next(
                day
                for day in (at.astimezone(UTC).replace(hour=0) + timedelta(days=n) for n in (-1, 0, 1))
                if timedelta(hours=-10) <= day - at <= timedelta(hours=13)
            )
        return at.date().replace(day=1)

    @property
    def attempt(self) -> datetime | None:
        times = [t["settled_at"] for t in self.touches if t["state"] == "sent" and t["channel"] == "email"]
        return min([*times, *([self.rep_first_at] if self.rep_first_at else [])], default=None)

    @property
    def seconds(self) -> float | None:
        if self.lead["lead_day_precision"]:
            return None
        return math.inf if self.attempt is None else max(0.0, (self.attempt - self.became).total_seconds())

    @property
    def reached(self) -> bool:
        by_mail = self.attempt is not None and all(e["state"] != "bounced" for e in self.enrolments)
        return by_mail or self.rep_first_at is not None

    def _own(self) -> list[Row]:
        """Touches of the enrolment the person is attributed to, in order."""
        assert self.enrolment
        mine = [t for t in self.touches if t["enrolment_id"] == self.enrolment["enrolment_id"]]
        return sorted(mine, key=lambda t: t["position"])

    @property
    def held(self) -> bool:
        if self.enrolment is None or not self._own():
            return False
        first = self._own()[0]
        return bool(first["first_due_at"] > max(self.became, first["planned_at"]) + timedelta(seconds=60))

    @property
    def started(self) -> bool:
        return self.enrolment is not None and any(t["state"] == "sent" for t in self._own())

    @property
    def measured(self) -> bool:
        return self.enrolment is not None and self.started and self.enrolment["enrolled_at"] <= self.as_of - W

    @property
    def good_exit(self) -> bool:
        if self.enrolment is None or self.enrolment["state"] == "finished_no_reply":
            return False
        good = self.enrolment["state"] in {"finished_replied", "handed_off"}
        return good or self.enrolment["exit_reason"] in {"replied", "meeting_booked", "deal_won"}

    def within(self, stamp: str) -> bool:
        at = self.lead[stamp]
        return at is not None and timedelta(0) <= at - self.became <= W

    def before(self, stamp: str) -> bool:
        at = self.lead[stamp]
        return at is not None and at < self.became


def people(world: Tables, as_of: datetime | None = None) -> list[Person]:
    """The cohort, person by person; ``as_of`` by default the newest stamp in the world."""
    leads = {lead["lead_id"]: lead for lead in world.leads}

    def survivor(lead_id: str) -> str:
        while leads[lead_id]["merged_into"]:
            lead_id = str(leads[lead_id]["merged_into"])
        return lead_id

    moment = as_of or newest(world)
    found = []
    for lead in world.leads:
        if lead["became_lead_at"] is None or lead["is_test"] or lead["merged_into"]:
            continue
        mine = [e for e in world.enrolments if survivor(e["lead_id"]) == lead["lead_id"]]
        went_on = [e for e in mine if e["exit_reason"] != "merged"] or mine
        ids = {e["enrolment_id"] for e in mine}
        heard = [r for r in world.replies if r["lead_id"] and survivor(r["lead_id"]) == lead["lead_id"]]
        first = min(went_on, key=lambda e: (e["enrolled_at"], e["enrolment_id"]), default=None)
        acted = [
            h["acted_at"]
            for h in world.handoffs
            if first
            and h["enrolment_id"] == first["enrolment_id"]
            and h["reason"] == "rep_first"
            and h["acted_at"]
        ]
        found.append(
            Person(
                lead=lead,
                as_of=moment,
                enrolment=first,
                enrolments=tuple(mine),
                touches=tuple(t for t in world.touches if t["enrolment_id"] in ids),
                human_replies=sum(r["class"] in HUMAN for r in heard),
                rep_first_at=min(acted, default=None),
            )
        )
    return found


def newest(world: Tables) -> datetime:
    """The newest stamp of receiving, folding, enrolling or settling."""
    stamps: list[datetime] = [e["received_at"] for e in world.lead_events]
    stamps += [lead["updated_at"] for lead in world.leads]
    stamps += [e["enrolled_at"] for e in world.enrolments]
    stamps += [t["settled_at"] for t in world.touches if t["settled_at"]]
    return max(stamps)


def measures(group: Iterable[Person]) -> dict[str, Any]:
    """Every column of the wide tables over a group of people."""
    who = list(group)
    found: dict[str, Any] = {**_counts(who), **_sequence(who), **_attempts(who)}
    rates = {
        "contact_rate": ("contacted", "leads"),
        "contact_rate_mature": ("contacted_mature", "leads_mature"),
        "meeting_booked_rate": ("meetings_booked", "leads"),
        "meeting_booked_rate_mature": ("meetings_booked_mature", "leads_mature"),
        "won_rate": ("won", "leads"),
        "sequence_completion_rate": ("sequences_completed", "sequences_started_mature"),
    }
    for name, (successes, n) in rates.items():
        found |= _rate(name, found[successes], found[n])
    found["contact_rate_of_reached"] = _share(found["contacted_reached"], found["leads_reached"])
    found["meeting_booked_rate_of_enrolled"] = _share(
        found["meetings_booked_enrolled"], found["leads_enrolled"]
    )
    found["meeting_booked_rate_of_reached"] = _share(found["meetings_booked_reached"], found["leads_reached"])
    done = found["sequences_completed"] + found["sequences_good_exit"]
    found["completed_or_good_exit_rate"] = _share(done, found["sequences_started_mature"])
    readable = [found["leads"] >= 30 and found[k] >= 5 for k in ("contacted", "meetings_booked", "won")]
    found["verdict"] = "enough" if all(readable) else "partly" if any(readable) else "insufficient"
    found["as_of"] = who[0].as_of
    return found


def _counts(who: list[Person]) -> dict[str, int]:
    contacted = [p for p in who if p.within("first_human_reply_at")]
    met = [p for p in who if p.within("meeting_booked_at")]
    return {
        "leads": len(who),
        "leads_mature": sum(p.mature for p in who),
        "leads_enrolled": sum(p.enrolment is not None for p in who),
        "leads_attempted": sum(p.attempt is not None for p in who),
        "leads_reached": sum(p.reached for p in who),
        "contacted": len(contacted),
        "contacted_mature": sum(p.mature for p in contacted),
        "contacted_reached": sum(p.reached for p in contacted),
        "contacted_before_lead": sum(p.before("first_human_reply_at") for p in who),
        "meetings_booked": len(met),
        "meetings_booked_mature": sum(p.mature for p in met),
        "meetings_booked_enrolled": sum(p.enrolment is not None for p in met),
        "meetings_booked_reached": sum(p.reached for p in met),
        "meetings_before_lead": sum(p.before("meeting_booked_at") for p in who),
        "won": sum(p.lead["won_at"] is not None for p in who),
        "won_before_lead": sum(p.before("won_at") for p in who),
    }


def _sequence(who: list[Person]) -> dict[str, int]:
    measured = [p for p in who if p.measured]
    states = Counter(p.enrolment["state"] for p in measured if p.enrolment)
    return {
        "sequences_started": sum(p.started for p in who),
        "sequences_started_mature": len(measured),
        "sequences_completed": states["finished_no_reply"],
        "sequences_good_exit": sum(p.good_exit for p in measured),
        "exited_replied": states["finished_replied"],
        **{f"exited_{s}": states[s] for s in ("handed_off", "opted_out", "bounced", "cancelled", "failed")},
        "still_running": sum(states[s] for s in LIVE),
    }


def _attempts(who: list[Person]) -> dict[str, Any]:
    timed = [(p, p.seconds) for p in who if p.seconds is not None]
    every = [s for _, s in timed]
    free = [s for p, s in timed if not p.held]
    return {
        "n_with_time": len(every),
        "n_without_time": len(who) - len(every),
        "n_never_sent": sum(map(math.isinf, every)),
        "n_held_by_policy": sum(p.held for p, _ in timed),
        "n_clock_ahead": sum(p.attempt is not None and p.attempt < p.became for p, _ in timed),
        "ttfa_p50_s": _percentile(every, 0.5),
        "ttfa_p95_s": _percentile(every, 0.95),
        "ttfa_p50_not_held_s": _percentile(free, 0.5),
        "ttfa_p95_not_held_s": _percentile(free, 0.95),
        "ttfa_within_90s": _share(sum(s <= 90 for s in every), len(every)),
        "ttfa_within_5min": _share(sum(s <= 300 for s in every), len(every)),
        "ttfa_within_15min": _share(sum(s <= 900 for s in every), len(every)),
        "ttfa_within_60min": _share(sum(s <= 3600 for s in every), len(every)),
    }


def _percentile(values: list[float], share: float) -> float | None:
    """The smallest value with at least ``share`` of the values at or below it."""
    ordered = sorted(values)
    return next((v for i, v in enumerate(ordered, 1) if i / len(ordered) >= share), None)


def _share(successes: int, n: int) -> float | None:
    return successes / n if n else None


def _rate(name: str, successes: int, n: int) -> dict[str, Any]:
    """Share, Wilson interval (roots of the score equation), verdict."""
    low = high = None
    if n:
        # (p - s/n)^2 = z^2 p (1 - p) / n, solved for p.
        a, b, c = 1 + Z**2 / n, -(2 * successes / n + Z**2 / n), (successes / n) ** 2
        root = math.sqrt(max(0.0, b * b - 4 * a * c))
        low, high = (-b - root) / (2 * a), (-b + root) / (2 * a)
    return {
        name: _share(successes, n),
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_verdict": "enough" if n >= 30 and successes >= 5 else "insufficient",
    }
