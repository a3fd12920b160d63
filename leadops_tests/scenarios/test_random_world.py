"""Promise 3 over worlds nobody thought of: whatever happens to whom, no lead is lost, nothing doubled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.store.engine import open_engine, sql, transaction
from leadops.terms import LIVE_ENROLMENT_STATES, TouchReason
from leadops_tests.house import DEMO, World, house_of, wire

STARTS = ["form_submitted", "demo_requested", "content_downloaded", "lead_created", "message_received"]
ENGAGED = [
    "pricing_viewed",
    "page_viewed",
    "email_opened",
    "email_clicked",
    "email_delivered",
    "lead_updated",
]
ENDS = [
    "opted_out",
    "email_complained",
    "meeting_booked",
    "rep_activity",
    "deal_won",
    "deal_lost",
    "email_bounced",
]
WORDS: list[dict[str, Any]] = [
    {"text": "Please call me tomorrow."},
    {"text": "No, thank you."},
    {"text": "unsubscribe"},
    {"text": "I am out of the office until 20 March 2026.", "headers": {"auto-submitted": "auto-replied"}},
    {"text": "We have received your message.", "headers": {"auto-submitted": "auto-generated"}},
    {"text": "I no longer work here.", "headers": {"auto-submitted": "auto-replied"}},
    {"text": "copy", "folder": "Sent"},
]


class Walk:
    """People to whom things happen at random."""

    def __init__(self, world: World, seed: int, people: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.people = [f"p{i}@company{i % max(2, people // 3)}.example" for i in range(people)]
        self.sent: list[dict[str, Any]] = []

    def event(self) -> dict[str, Any]:
        pick, roll = self.chance.choice, self.chance.random()
        email: str | None = pick(self.people)
        properties: dict[str, Any] = {}
        if roll < 0.40:
            kind = pick(STARTS)
        elif roll < 0.60:
            kind, properties = pick(ENGAGED), {"actor": pick(["human", "bot", "unknown"])}
        elif roll < 0.74:
            kind, properties = "reply_received", dict(pick(WORDS))
            email = self._cite(email, properties)
        elif roll < 0.86:
            kind, properties = pick(ENDS), {"bounce": pick(["hard", "soft", "soft", "block"])}
        elif roll < 0.95:
            kind, properties = (
                "disposition",
                {"disposition": pick(["recycle", "recycle", "not_now", "interested"])},
            )
        else:
            kind, properties = (
                pick(["identity_merged", "identity_split"]),
                {"emails": self.chance.sample(self.people, 2)},
            )
            email = None
        return self._dressed(kind, email, properties)

    def _cite(self, email: str | None, properties: dict[str, Any]) -> str | None:
        touches = self.world.rows("select message_id from touches where state = 'sent' and message_id <> ''")
        if touches and self.chance.random() < 0.6:
            properties["in_reply_to"] = self.chance.choice(touches)["message_id"]
            return self.chance.choice([email, "alias@gmail.com", None])
        return email

    def _dressed(self, kind: str, email: str | None, properties: dict[str, Any]) -> dict[str, Any]:
        contact = {k: v for k, v in DEMO.items() if email and self.chance.random() < 0.5}
        if email and self.chance.random() < 0.1:
            contact["crm_id"] = str(self.chance.randrange(20))
        late = timedelta(minutes=self.chance.choice([0, 0, 0, 5, 60, 1440, 20000]))
        return wire(
            kind,
            email,
            at=self.world.now - late,
            id=str(self.chance.random()),
            properties=properties,
            **contact,
        )

    def day(self, events: int, ticks: int | None) -> None:
        """What happens on a day; then the chain runs at every due moment, or ``ticks`` times a day."""
        until = self.world.now + timedelta(days=1)
        made = [self.event() for _ in range(events)]
        made += self.chance.choices(self.sent or made, k=events // 5)  # webhooks come twice
        self.sent += made
        self.chance.shuffle(made)
        self.world.post(*made)
        if ticks is None:
            self.world.go(until)
        for _ in range(ticks or 0):
            self.world.run()
            self.world.later(hours=24 / (ticks or 1))


@pytest.fixture
def pooled(database_url: str) -> Iterator[Engine]:
    """Connections are kept: thousands of transactions in a row."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def ran(engine: Engine, folder: Path, seed: int, people: int, days: int, ticks: int | None = None) -> World:
    world = World(house_of(engine, folder), folder)
    walk = Walk(world, seed, people)
    for _ in range(days):
        walk.day(walk.chance.randrange(0, 9), ticks)
    world.run()
    return world


def sent_before_a_merge(world: World) -> set[str]:
    """Touches of leads that have since turned out to be somebody else too: that one may have been stopped."""
    merged = """select touch_id from touches t
        where exists (select 1 from leads m where m.merged_into = t.lead_id)"""
    return {r["touch_id"] for r in world.rows(merged)}


def check_everything(world: World) -> None:
    from leadops.defs.checks import PROPERTIES

    given = {"now": world.now, "late": world.now - timedelta(minutes=15)}
    for held in PROPERTIES:
        wanted = {k: v for k, v in given.items() if k in sql(held.query).compile().params}
        if held.severity.value == "ERROR":
            found = {r["id"] for r in world.rows(held.query, **wanted)}
            if held.name == "nothing_after_a_stop":
                found -= sent_before_a_merge(world)
            assert found == set(), held.name
    assert world.rows("select * from parked_items") == []
    live = ", ".join(f"'{s}'" for s in LIVE_ENROLMENT_STATES)
    assert (
        world.rows(f"select lead_id from enrolments where state in ({live}) group by 1 having count(*) > 1")
        == []
    )
    _reasons_add_up(world)
    _nobody_is_sent_the_same_twice(world)


def _reasons_add_up(world: World) -> None:
    found = world.rows("select state, reason, count(*) as n from touches group by 1, 2")
    known = {None, *(r.value for r in TouchReason)}
    assert all((f["reason"] is None) is (f["state"] == "sent") for f in found)
    assert {f["reason"] for f in found} <= known
    by_state = Counter({"sent": 0})
    for f in found:
        by_state[f["state"]] += f["n"]
    assert sum(by_state.values()) == world.one("select count(*) from touches")
    assert len(world.outbox()) == by_state["sent"]


def _nobody_is_sent_the_same_twice(world: World) -> None:
    twice = """select enrolment_id from touches where state = 'sent'
        group by enrolment_id, sequence, step having count(*) > 1"""
    assert world.rows(twice) == []


DECISIONS = ("enrolments", "touches", "lead_scores", "handoffs", "crm_writebacks", "suppressions", "replies")


def check_replay(world: World) -> None:
    tables = (*DECISIONS, "lead_keys")
    before = {t: world.rows(f"select t::text from {t} t order by 1") for t in tables}
    states = world.rows("select lead_id, state from leads where merged_into is null order by 1")
    with transaction(world.house.engine) as connection:
        connection.execute(sql("update lead_events set pending_fold = true"))
    world.run()
    assert world.rows("select lead_id, state from leads where merged_into is null order by 1") == states
    for t in tables:
        assert world.rows(f"select t::text from {t} t order by 1") == before[t], t


@pytest.mark.parametrize("seed", [2])
def test_a_random_month_loses_nobody(pooled: Engine, tmp_path: Path, seed: int) -> None:
    world = ran(pooled, tmp_path, seed, people=40, days=30, ticks=1)
    check_everything(world)
    check_replay(world)
    assert world.one("select count(*) from enrolments") > 10


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_many_random_months_lose_nobody(pooled: Engine, tmp_path: Path, seed: int) -> None:
    world = ran(pooled, tmp_path, seed, people=25, days=60)
    check_everything(world)
    check_replay(world)
