"""Scores with their points, who is enrolled and who is not, raised tiers, and what a rep is given."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.providers.enrichment.port import LocalEnrichment
from leadops.stages.escalate import escalate
from leadops.stages.fold import fold_pending
from leadops.store.engine import sql, transaction
from leadops.terms import EvidenceField, LeadState
from leadops_tests.house import DEMO, World, house_of, wire


def execute(world: World, statement: str, **given: Any) -> None:
    with transaction(world.house.engine) as connection:
        connection.execute(sql(statement), given)


def scores(world: World) -> int:
    found: int = world.one("select count(*) from lead_scores")
    return found


def click(world: World, actor: str, n: int = 1) -> list[dict[str, Any]]:
    return [
        wire("email_clicked", at=world.now, id=f"c{actor}{i}{world.now}", properties={"actor": actor})
        for i in range(n)
    ]


def test_a_score_is_kept_with_the_points_that_make_it(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    score = world.one("select total, tier, signals, reason from lead_scores")
    signals = score["signals"]
    assert score["total"] == pytest.approx(
        100 * sum(s["points"] for s in signals) / sum(s["max_points"] for s in signals), abs=0.1
    )
    assert score["tier"] == "hot"
    assert "signal" in signals[0]
    assert score["reason"]
    assert world.one("select score, tier from leads") == {"score": score["total"], "tier": "hot"}


def test_the_crm_is_told_who_they_are_what_they_did_and_who_scored(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    kept = world.one("select total, tier, fit, engagement, disqualified, scorecard_version from lead_scores")
    told = world.one("select payload from crm_writebacks where kind = 'score'")
    assert {name: told[name] for name in ("total", "tier", "fit", "engagement", "disqualified")} == {
        name: kept[name] for name in ("total", "tier", "fit", "engagement", "disqualified")
    }
    assert kept["fit"] > 0
    assert (told["scorecard"], told["learned"]) == (kept["scorecard_version"], None)
    assert "+18 title 'VP Operations' has 'vp': 18 of 18" in told["lines"]
    assert sum(float(line.split()[0]) for line in told["lines"]) == pytest.approx(kept["total"])


def test_the_same_inputs_add_no_score_and_new_engagement_does(world: World) -> None:
    world.post(wire("form_submitted", **DEMO))
    world.run()
    assert scores(world) == 1
    execute(world, "update leads set pending_enrichment = true")
    world.run()
    world.later(days=1)
    execute(world, "update lead_events set pending_fold = true")
    world.post(wire("email_delivered", at=world.now))
    world.run()
    assert scores(world) == 1
    for n in (2, 3):  # twice within one instant of the clock
        world.post(wire("pricing_viewed", at=world.now - timedelta(minutes=n)))
        world.run()
        assert scores(world) == n
    current = "select total from lead_scores order by scored_at desc limit 1"
    assert world.one("select score from leads") == world.one(current)


@pytest.mark.parametrize("actor", ["bot", "unknown"])
def test_what_no_person_clicked_raises_nothing(world: World, actor: str) -> None:
    world.post(wire("form_submitted", email="anna@acme.example"))
    world.run()
    before = world.rows("select tier from enrolments"), scores(world)
    world.later(hours=1)
    world.post(*click(world, actor, 30), *[wire("email_opened", at=world.now, id=f"o{i}") for i in range(30)])
    world.run()
    assert (world.rows("select tier from enrolments"), scores(world)) == before


def folded(world: World, *events: dict[str, Any]) -> bool:
    """Whether the fold of these sends the one lead through enrichment and score again."""
    h = world.house
    before = world.one("select (state ->> 'event_count')::int from leads")
    world.post(*events)
    fold_pending(h.engine, h.playbook, h.keyring, now=world.now)
    lead = world.one("select (state ->> 'event_count')::int as n, pending_enrichment from leads")
    assert lead["n"] == before + len(events)  # what is known of them is written, whatever else it does
    return bool(lead["pending_enrichment"])


def test_a_receipt_is_known_and_decides_nothing(world: World) -> None:
    world.post(wire("form_submitted", **DEMO))
    world.run()
    world.later(hours=1)
    told = ("email_processed", "email_delivered", "email_opened")
    receipts = [wire(kind, at=world.now, id=kind) for kind in told]
    assert not folded(world, *receipts, *click(world, "bot", 3), *click(world, "unknown"))
    execute(world, "update leads set pending_enrichment = true")
    assert folded(world, wire("email_opened", at=world.now, id="again"))  # a flag is never taken down here


NEWS: Mapping[str, dict[str, Any]] = {
    "email_clicked": {"properties": {"actor": "human"}},
    "page_viewed": {},
    "pricing_viewed": {},
    "demo_requested": {},
    "form_submitted": {},
    "lead_updated": {"title": "Chief of Staff"},
    "email_bounced": {"properties": {"bounce": "soft"}},
    "opted_out": {},
    "disposition": {"properties": {"disposition": "recycle"}},
    "consent_given": {},
    "meeting_held": {},
}


@pytest.mark.parametrize("kind", list(NEWS))
def test_all_other_news_of_a_lead_is_looked_at(world: World, kind: str) -> None:
    world.post(wire("form_submitted", **DEMO))
    world.run()
    world.later(hours=1)
    assert folded(world, wire(kind, at=world.now, **NEWS[kind]))


ATTRIBUTION = """select enrolment_id, tier, tier_at_enrolment, variant, source, mailbox, lead_event_id
    from enrolments"""


def test_a_persons_interest_raises_the_tier_and_what_was_sent_stays_sent(world: World) -> None:
    world.post(wire("form_submitted", **(DEMO | {"title": "Analyst", "company_size": 20})))
    world.go(world.now + timedelta(days=1))
    start = world.one(ATTRIBUTION)
    assert start["tier"] == "warm"
    sent = world.rows("select * from touches where state = 'sent'")
    assert len(sent) == 1
    world.post(*click(world, "human", 4))
    world.post(*[wire("pricing_viewed", at=world.now, id=f"p{i}") for i in range(3)])
    world.post(wire("demo_requested", at=world.now))
    world.run()
    now = world.one(ATTRIBUTION)
    assert now == start | {"tier": "hot"}
    assert world.rows("select * from touches where state = 'sent'") == sent
    cancelled = world.rows("select reason from touches where state = 'cancelled'")
    assert [c["reason"] for c in cancelled] == ["tier_raised"] * 3
    planned = world.rows(
        "select sequence, position, due_at, mailbox from touches where state = 'planned' order by position"
    )
    assert [(p["sequence"], p["position"]) for p in planned] == [("hot", 5), ("hot", 6), ("hot", 7)]
    assert planned[0]["due_at"] >= sent[0]["handed_over_at"] + timedelta(hours=48)
    assert {p["mailbox"] for p in planned} == {sent[0]["mailbox"]}
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 4
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "finished_no_reply",
        "exit_reason": "completed",
    }


def test_every_lead_that_is_not_enrolled_says_why(world: World) -> None:
    old = world.now - timedelta(days=9)
    world.post(
        wire("form_submitted", "old@a.example", at=old),
        wire("form_submitted", None, crm_id="7", id="nobody"),
        wire("form_submitted", "test@a.example", properties={"test": True}),
        wire("opted_out", "gone@a.example", at=old),
        wire("form_submitted", "gone@a.example"),
    )
    world.run()
    found = world.rows(
        "select coalesce(email, '-') as email, not_enrolled_reason as why from leads order by 1"
    )
    assert {f["email"]: f["why"] for f in found} == {
        "old@a.example": "too_old",
        "-": "no_address",
        "test@a.example": "test_or_spam",
        "gone@a.example": "opted_out",
    }
    assert world.rows("select * from enrolments") == []
    assert world.outbox() == []


def test_a_suppressed_address_is_refused_whatever_the_fold_knows(world: World) -> None:
    key = world.house.keyring.email("anna@acme.example")
    execute(
        world,
        "insert into suppressions values (:key, 'address', 'by_hand', 'somebody', :now)",
        key=key,
        now=world.now,
    )
    world.post(wire("demo_requested", **DEMO))
    world.run()
    assert world.one("select not_enrolled_reason from leads") == "suppressed"


def test_a_customer_who_comes_back_is_given_to_a_rep_and_never_mailed(world: World) -> None:
    world.post(wire("deal_won", at=world.now - timedelta(days=30), crm_id="1", source="crm"))
    world.post(wire("demo_requested", **DEMO, properties={"message": "We need more seats."}))
    world.go(world.now + timedelta(days=20))
    assert world.outbox() == []
    assert world.one("select not_enrolled_reason from leads") == "deal_won"
    assert world.one(
        """select h.reason, e.kind = 'demo_requested' as it
        from handoffs h join lead_events e using (event_id)"""
    ) == {
        "reason": "lead_returned",
        "it": True,
    }
    world.post(wire("rep_activity", at=world.now))
    world.run()
    assert world.one("select count(*) from handoffs where acted_at is not null") == 1
    assert world.one("select count(*) from handoffs") == 1


def test_who_comes_again_is_enrolled_again_only_after_the_cooldown(world: World) -> None:
    world.post(wire("demo_requested", id="1", **DEMO))
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 3
    world.post(wire("demo_requested", id="2", at=world.now, **DEMO))
    world.run()
    assert world.one("select count(*) from enrolments") == 1
    assert world.one("select not_enrolled_reason from leads") == "cooldown"
    world.later(days=95)
    world.post(wire("page_viewed", at=world.now))  # of itself no reason to write to anybody
    world.run()
    assert world.one("select count(*) from enrolments") == 1
    world.post(wire("demo_requested", id="3", at=world.now, **DEMO))
    world.run()
    assert world.one("select count(*) from enrolments") == 2
    assert len(world.outbox()) == 4
    assert world.one("select not_enrolled_reason from leads") is None


class Picky(LocalEnrichment):
    """Knows nothing, and breaks on one of them."""

    name = "picky"

    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        if state.address == "bad@acme.example":
            raise ConnectionError("bad@acme.example")
        return {}


THREE = [wire("demo_requested", f"{n}@acme.example", id=n, **DEMO) for n in ("good", "bad", "fine")]


def test_a_provider_that_breaks_on_one_lead_holds_up_nobody_not_even_that_one(
    engine: Engine, tmp_path: Path
) -> None:
    world = World(house_of(engine, tmp_path, enrichment=(Picky(),)), tmp_path)
    world.post(*THREE)
    world.run()
    assert len(world.outbox()) == 3
    assert world.one("select stage, reason from parked_items") == {
        "stage": "enrich",
        "reason": "enrich_picky_ConnectionError",
    }


@pytest.mark.parametrize(
    ("stage", "breaks", "sent"),
    [
        (
            "score",
            "update leads set state = state - 'emails' where email = 'bad@acme.example'",
            2,
        ),
        (
            "enrol",
            "update leads set tier = null where email = 'bad@acme.example'",
            2,
        ),
        (
            "plan",
            """update enrolments e set tier = 'cold' from leads l
                where l.lead_id = e.lead_id and l.email = 'bad@acme.example'""",
            2,
        ),
    ],
)
def test_one_bad_lead_of_three_is_put_aside_and_the_others_go_on(
    world: World, stage: str, breaks: str, sent: int
) -> None:
    h = world.house
    from leadops.stages.enrich import enrich
    from leadops.stages.enrol import enrol, plan_touches
    from leadops.stages.fold import fold_pending
    from leadops.stages.score import score

    steps = {
        "fold": lambda: fold_pending(h.engine, h.playbook, h.keyring, now=world.now),
        "enrich": lambda: enrich(dataclasses.replace(h.enriching, providers=()), now=world.now),
        "score": lambda: score(h.engine, h.playbook, now=world.now),
        "enrol": lambda: enrol(h.engine, h.playbook, h.keyring, now=world.now),
        "plan": lambda: plan_touches(
            h.engine, _unplannable(h.playbook) if stage == "plan" else h.playbook, now=world.now
        ),
    }
    world.post(*THREE)
    for name, step in steps.items():
        if name == stage:
            execute(world, breaks)
        report = step()
        if name == stage:
            assert report.counts["parked"] == 1
    assert world.one("select stage from parked_items") == stage
    bad = "bad@acme.example" if stage != "plan" else None
    item = world.one("select item_id from parked_items")
    if bad:
        assert item == world.one("select lead_id from leads where email = :email", email=bad)
    world.run()
    assert len(world.outbox()) == sent
    assert (
        world.one("select count(*) from leads where pending_enrichment or pending_score or pending_enrolment")
        == 0
    )
    assert world.one("select count(*) from enrolments where pending_plan") == 0


def _unplannable(playbook: Any) -> Any:
    """A playbook that has lost the window of its cold sequence."""
    cold = playbook.sequences["cold"].model_copy(update={"window": "gone"})
    return playbook.model_copy(update={"sequences": playbook.sequences | {"cold": cold}})


def test_a_replied_lead_has_an_owner_and_everything_that_was_said(world: World) -> None:
    world.post(wire("demo_requested", **DEMO, properties={"owner": "rep-jonas"}))
    world.go(world.now + timedelta(days=3))
    assert len(world.outbox()) == 2
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me on Thursday."}))
    world.run()
    assert world.one("select owner from handoffs") == "rep-jonas"
    tasks = [json.loads(line) for line in (world.folder / "crm" / "tasks.jsonl").read_text().splitlines()]
    payload = json.dumps(tasks)
    sent = world.rows(
        "select subject, body from message_bodies b join touches t using (draft_id) where t.state = 'sent'"
    )
    assert len(sent) == 2
    for message in sent:
        assert json.dumps(message["body"])[1:-1] in payload
    assert "Call me on Thursday." in payload
    assert world.one("select reason from lead_scores order by scored_at limit 1") in payload


def test_an_overdue_handoff_is_escalated_to_somebody_else_once(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me."}))
    world.run()
    given = world.one("select owner, sla_due_at from handoffs")
    late = given["sla_due_at"] + timedelta(minutes=1)
    h = world.house
    assert (
        escalate(h.engine, h.playbook, now=given["sla_due_at"] - timedelta(minutes=1)).counts["escalated"]
        == 0
    )
    assert [escalate(h.engine, h.playbook, now=late).counts["escalated"] for _ in range(3)] == [1, 0, 0]
    task = world.one("select payload from crm_writebacks where dedupe_key like '%escalated'")
    assert task["owner"] != given["owner"]
    world.now = late
    world.post(wire("rep_activity", at=world.now))
    world.run()
    assert escalate(h.engine, h.playbook, now=late + timedelta(days=1)).pending == 0


def test_a_rep_who_acts_in_time_is_not_escalated(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.post(wire("meeting_booked", at=world.now))
    world.run()
    assert world.one("select reason from handoffs") == "meeting_booked"
    world.later(minutes=5)
    world.post(wire("disposition", at=world.now, properties={"disposition": "interested"}))
    world.run()
    assert (
        escalate(world.house.engine, world.house.playbook, now=world.now + timedelta(days=3)).counts[
            "escalated"
        ]
        == 0
    )
