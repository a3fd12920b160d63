"""What another scorecard would have made of the leads there were, seen as they were seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from leadops.learning.as_of import cohort, known_at
from leadops.playbook.loader import load
from leadops.playbook.model import Scorecard
from leadops.stages.shadow import Shadow, shadow
from leadops.store.engine import transaction
from leadops_tests.house import DEMO, PLAYBOOK, TUESDAY, World, wire

CARD = load(PLAYBOOK).playbook.scorecard
LATER = TUESDAY + timedelta(days=60)


def changed(**given: Any) -> Scorecard:
    return CARD.model_copy(update={"version": "candidate", **given})


def seen(world: World, candidate: Scorecard, days: float = 365) -> Shadow:
    return shadow(world.house.engine, CARD, candidate, now=LATER, days=days)


@pytest.fixture
def history(world: World) -> World:
    """Six hot leads of whom three book a meeting, four cold ones of whom none does, one won much later."""
    for n in range(6):
        world.post(wire("demo_requested", f"hot{n}@firm{n}.example", id=f"h{n}", **DEMO))
    for n in range(4):
        world.post(wire("content_downloaded", f"cold{n}@gmail.com", id=f"c{n}"))
    world.run()
    world.later(days=3)
    world.post(
        *[wire("meeting_booked", f"hot{n}@firm{n}.example", id=f"m{n}", at=world.now) for n in range(3)]
    )
    world.post(wire("page_viewed", "cold0@gmail.com", at=world.now, id="late view"))
    world.later(days=40)
    world.post(wire("deal_won", "cold1@gmail.com", id="late", at=world.now))
    world.run()
    return world


def test_volumes_movers_and_what_came_of_each_tier(history: World) -> None:
    before = history.rows("select tier, score from leads order by lead_id")
    found = seen(history, changed(hot=99.0))
    assert (found.leads, found.mature, found.changed, found.moved) == (10, 10, 6, {"hot -> warm": 6})
    hot, _, cold = found.current
    assert (hot.leads, hot.mature, hot.converted, hot.rate) == (6, 6, 3, 0.5)
    assert hot.low is not None
    assert hot.high is not None
    assert hot.low < 0.5 < hot.high
    assert (cold.leads, cold.converted) == (4, 0), (
        "what was won after 30 days is no conversion of these 30 days"
    )
    assert [t.leads for t in found.candidate] == [0, 6, 4]
    assert found.candidate[0].rate is None
    assert found.auc == (pytest.approx((21 - 4.5) / 21, abs=1e-3),) * 2
    assert {(m.tier, m.candidate_tier) for m in found.movers} == {("hot", "warm")}
    assert history.rows("select tier, score from leads order by lead_id") == before


def test_the_same_scorecard_moves_nobody(history: World) -> None:
    found = seen(history, CARD)
    assert (found.changed, found.moved, found.movers) == (0, {}, ())


def test_a_lead_is_seen_as_it_was_when_it_came_in(history: World) -> None:
    with transaction(history.house.engine) as connection:
        cuts = cohort(connection, since=TUESDAY - timedelta(days=1), until=LATER, now=LATER)
        looks = known_at(connection, cuts)
    assert len(looks) == 10
    assert {k.inputs["page_views"] for k in looks} == {0}
    assert {k.state.meeting_booked_at for k in looks} == {None}
    assert all(e.occurred_at <= k.cut.occurred for k in looks for e in k.events)


def test_who_is_too_young_has_not_failed_and_nobody_is_no_trouble(world: World) -> None:
    empty = seen(world, changed())
    assert (empty.leads, empty.auc, [t.rate for t in empty.current]) == (0, None, [None] * 3)
    world.post(wire("demo_requested", **DEMO))
    world.run()
    found = shadow(world.house.engine, CARD, changed(), now=TUESDAY + timedelta(days=29), days=365)
    assert (found.leads, found.mature) == (1, 0)


def test_only_the_days_asked_for_and_neither_tests_nor_merged_ones(world: World) -> None:
    old = TUESDAY - timedelta(days=100)
    world.post(
        wire("demo_requested", "old@a.example", at=old, id="1", **DEMO),
        wire("demo_requested", "test@a.example", id="2", properties={"test": True}),
        wire("demo_requested", "new@a.example", id="3", **DEMO),
    )
    world.run()
    assert seen(world, CARD, days=365).leads == 2
    assert seen(world, CARD, days=90).leads == 1
