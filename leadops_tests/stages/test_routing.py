"""Who a person takes first, who nobody writes to, and who moves up for a click."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.playbook.loader import load
from leadops.playbook.model import Disqualifier, Escalation, Route
from leadops.sandbox import chain
from leadops.stages.report import Report
from leadops.terms import Tier
from leadops_tests.house import DEMO, PLAYBOOK, World, house_of, wire

Made = Callable[..., World]


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Made:
    """A world whose playbook is the default one with these parts replaced."""

    def make(**parts: Any) -> World:
        loaded = load(PLAYBOOK)
        book = loaded.playbook.model_copy(update=parts)
        return World(house_of(engine, tmp_path, loaded=replace(loaded, playbook=book)), tmp_path)

    return make


ENROLMENT = """select state, exit_reason, tier_at_enrolment, variant, source,
    ended_at = enrolled_at as at_once, pending_plan from enrolments"""


def test_who_a_person_takes_first_gets_a_handoff_at_once_and_no_message(made: Made) -> None:
    world = made(routing=(Route(tiers=(Tier.HOT,), sources=("referral",)),))
    world.post(wire("demo_requested", **DEMO, properties={"source": "referral", "message": "Call me."}))
    world.post(wire("demo_requested", "other@else.example", **DEMO))
    world.go(world.now + timedelta(days=1))
    assert len(world.outbox()) == 1
    assert world.one(ENROLMENT + " where source = 'referral'") == {
        "state": "handed_off",
        "exit_reason": "rep_first",
        "tier_at_enrolment": "hot",
        "variant": "rep_first",
        "source": "referral",
        "at_once": True,
        "pending_plan": False,
    }
    assert world.one(
        """select h.reason, h.enrolment_id = e.enrolment_id as of_it, h.created_at = e.enrolled_at as at_once,
            (select count(*) from touches t where t.lead_id = h.lead_id) as touches
        from handoffs h join enrolments e on e.lead_id = h.lead_id"""
    ) == {"reason": "rep_first", "of_it": True, "at_once": True, "touches": 0}
    world.post(wire("demo_requested", at=world.now, id="again", **DEMO))
    world.go(world.now + timedelta(days=30))
    assert world.one("select count(*) from enrolments where source = 'referral'") == 1
    assert world.one("select count(*) from handoffs") == 1


def test_a_share_of_them_is_kept_in_the_sequence_to_compare(made: Made) -> None:
    world = made(routing=(Route(share=50),))
    world.post(*[wire("demo_requested", f"p{n}@firm{n}.example", id=str(n), **DEMO) for n in range(60)])
    world.run()
    found = {
        r["variant"]: r["n"] for r in world.rows("select variant, count(*) as n from enrolments group by 1")
    }
    assert sum(found.values()) == 60
    assert 15 <= found["rep_first"] <= 45
    assert len(world.outbox()) == 60 - found["rep_first"]


def test_who_is_disqualified_enters_nothing_and_says_why(made: Made) -> None:
    card = load(PLAYBOOK).playbook.scorecard
    rule = Disqualifier(name="competitor", field="domain", equals=("acme.example",))
    world = made(scorecard=card.model_copy(update={"disqualifiers": (rule,)}))
    world.post(wire("demo_requested", **DEMO))
    world.go(world.now + timedelta(days=5))
    assert world.outbox() == []
    assert world.one("select tier, disqualified, not_enrolled_reason from leads") == {
        "tier": "cold",
        "disqualified": "competitor",
        "not_enrolled_reason": "disqualified",
    }
    assert world.one(
        "select disqualified, reason like 'Disqualified (competitor)%' as said from lead_scores"
    ) == {
        "disqualified": "competitor",
        "said": True,
    }


WARM = DEMO | {"title": "Analyst", "company_size": 20}


def clicked(world: World, actor: str, n: int) -> None:
    world.post(wire("email_clicked", at=world.now, id=f"{actor}{n}", properties={"actor": actor}))


def test_a_persons_click_moves_one_tier_up_once_and_bunches_nothing(made: Made) -> None:
    world = made()
    world.post(wire("form_submitted", **WARM))
    world.go(world.now + timedelta(days=1))
    assert world.one("select tier from enrolments") == "warm"
    for n in range(3):
        clicked(world, "bot", n)
    world.run()
    assert world.one("select tier from enrolments") == "warm"
    clicked(world, "human", 1)
    world.run()
    assert world.one("select tier, tier_at_enrolment from enrolments") == {
        "tier": "hot",
        "tier_at_enrolment": "warm",
    }
    assert world.one("select tier from leads") == "warm", "the score is not what raised it"
    planned = world.rows("select touch_id, due_at from touches where state = 'planned' order by due_at")
    clicked(world, "human", 2)
    world.run()
    assert (
        world.rows("select touch_id, due_at from touches where state = 'planned' order by due_at") == planned
    )
    world.go(world.now + timedelta(days=30))
    sent = [
        r["at"]
        for r in world.rows("select handed_over_at as at from touches where state = 'sent' order by 1")
    ]
    assert len(sent) == 4
    assert min(b - a for a, b in itertools.pairwise(sent)) >= timedelta(hours=48)


def test_nothing_of_the_lower_sequence_leaves_between_the_rise_and_its_new_plan(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made()
    world.post(wire("form_submitted", **WARM))
    world.go(world.now + timedelta(days=1))
    clicked(world, "human", 1)
    with monkeypatch.context() as patch:
        patch.setattr(
            chain, "plan_touches", lambda *_args, **_given: Report("plan")
        )  # whoever would has died
        world.run()
        world.go(world.now + timedelta(days=6))
    assert world.one("select tier from enrolments") == "hot"
    assert world.one("select count(*) from touches where state = 'sent'") == 1
    assert world.one("select count(*) from touches where reason = 'tier_raised'") > 0
    world.run()
    world.go(world.now + timedelta(days=10))
    sent = world.rows("select sequence, step from touches where state = 'sent' order by position")
    assert [(r["sequence"], r["step"]) for r in sent] == [("warm", 1), ("hot", 1), ("hot", 2), ("hot", 3)]


def test_a_cold_lead_who_clicks_becomes_warm_not_hot_and_none_where_it_is_off(made: Made) -> None:
    cold = {"first_name": "Ann", "country": "US"}
    for on in (False, True):
        world = made(escalation=Escalation(on_human_click=on))
        mail = f"{on}@gmail.com".lower()
        world.post(wire("content_downloaded", mail, id=mail, **cold))
        world.go(world.now + timedelta(days=2))
        world.post(wire("email_clicked", mail, at=world.now, id=f"c{on}", properties={"actor": "human"}))
        world.run()
        tier = world.one(
            "select e.tier from enrolments e join leads l using (lead_id) where l.email = :m", m=mail
        )
        assert tier == ("warm" if on else "cold")
