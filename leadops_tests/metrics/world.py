"""A random world of leads, enrolments, touches and replies, with hand-made edges, as rows of our tables."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from leadops.simulator.recount import LIVE, Row, Tables, W
from leadops.store.tables import (
    enrolments,
    handoffs,
    lead_events,
    leads,
    message_drafts,
    replies,
    touches,
)
from leadops.terms import EnrolmentState, ReplyClass, TouchState

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World(Tables):
    drafts: list[Row] = field(default_factory=list)

    def lead(self, lead_id: str, became: datetime | None, **more: Any) -> str:
        self.leads.append(
            {
                "lead_id": lead_id,
                "source": "web",
                "became_lead_at": became,
                "lead_day_precision": False,
                "is_test": False,
                "last_event_at": became or START,
                "state": {},
                "state_digest": "x",
                "tier": None,
                "first_human_reply_at": None,
                "meeting_booked_at": None,
                "won_at": None,
                "merged_into": None,
                "created_at": became or START,
                "updated_at": became or START,
                **more,
            }
        )
        return lead_id

    def enrol(self, lead_id: str, at: datetime, **more: Any) -> str:
        enrolment_id = f"enr-{len(self.enrolments):04d}"
        self.enrolments.append(
            {
                "enrolment_id": enrolment_id,
                "lead_id": lead_id,
                "state": "active",
                "exit_reason": None,
                "source": "web",
                "tier_at_enrolment": "hot",
                "variant": "standard",
                "tier": "hot",
                "sequence_version": "1",
                "mailbox": "sales",
                "reply_token": enrolment_id,
                "lead_event_id": "none",
                "lead_event_at": at,
                "enrolled_at": at,
                **more,
            }
        )
        return enrolment_id

    def touch(self, enrolment_id: str, position: int, due: datetime, **more: Any) -> str:
        touch_id = f"{enrolment_id}-{position}"
        self.touches.append(
            {
                "touch_id": touch_id,
                "enrolment_id": enrolment_id,
                "lead_id": next(e["lead_id"] for e in self.enrolments if e["enrolment_id"] == enrolment_id),
                "position": position,
                "sequence": "hot",
                "step": position,
                "channel": "email",
                "template": "hello",
                "state": "sent",
                "reason": None,
                "urgency": 0,
                "planned_at": due,
                "first_due_at": due,
                "due_at": due,
                "why": {},
                "mailbox": "sales",
                "settled_at": None,
                **more,
            }
        )
        return touch_id

    def store(self, connection: Connection) -> None:
        """Insert everything, parents first."""
        pairs = [
            (leads, self.leads),
            (lead_events, self.lead_events),
            (enrolments, self.enrolments),
            (touches, self.touches),
            (message_drafts, self.drafts),
            (replies, self.replies),
            (handoffs, self.handoffs),
        ]
        for table, rows in pairs:
            if rows:
                connection.execute(insert(table), rows)


def random_world(seed: int, people: int = 350) -> World:
    """``people`` leads and what became of them; the same seed gives the same world."""
    chance = random.Random(seed)
    world = World()
    for number in range(people):
        _random_lead(world, chance, f"lead-{number:04d}")
    add_edges(world)
    return world


def _around(chance: random.Random, at: datetime, share: float) -> datetime | None:
    """Sometimes a stamp near ``at``: before it, inside W, on its very end, one second past, or long after."""
    if chance.random() > share:
        return None
    offsets = [-timedelta(days=2), timedelta(0), timedelta(days=3), W, W + timedelta(seconds=1), 2 * W]
    return at + chance.choice(offsets)


def _random_lead(world: World, chance: random.Random, lead_id: str) -> None:
    became = START + timedelta(seconds=chance.randrange(100 * 86400))
    by_day = chance.random() < 0.2
    if by_day:  # midnight in a zone from -10 to +13
        became = became.replace(hour=0, minute=0, second=0) - timedelta(
            hours=chance.choice([-10, -5, 0, 1, 2, 13])
        )
    merged = chance.random() < 0.05 and bool(world.leads)
    world.lead(
        lead_id,
        None if chance.random() < 0.04 else became,
        source=chance.choice(["web", "social", "paid search", "", "  "]),
        lead_day_precision=by_day,
        is_test=chance.random() < 0.05,
        tier=chance.choice([None, "hot", "warm", "cold"]),
        first_human_reply_at=_around(chance, became, 0.35),
        meeting_booked_at=_around(chance, became, 0.25),
        won_at=_around(chance, became, 0.2),
        merged_into=chance.choice(world.leads)["lead_id"] if merged else None,
        updated_at=became + timedelta(minutes=1),
    )
    for nth in range(chance.choice([0, 1, 1, 1, 2])):
        _random_enrolment(
            world, chance, lead_id, became + timedelta(days=20 * nth, seconds=chance.randrange(90)), nth
        )
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        event_id = f"evt-{len(world.lead_events)}"
        at = became + timedelta(days=chance.randrange(40))
        _event(world, event_id, at)
        world.replies.append(
            {
                "event_id": event_id,
                "lead_id": lead_id if chance.random() < 0.9 else None,
                "class": chance.choice([str(c) for c in ReplyClass]),
                "matched_by": "token",
                "why": "rule",
                "occurred_at": at,
                "classified_at": at,
            }
        )


def _event(world: World, event_id: str, at: datetime) -> None:
    world.lead_events.append(
        {
            "event_id": event_id,
            "source": "web",
            "source_event_id": event_id,
            "kind": "reply_received",
            "occurred_at": at,
            "received_at": at,
        }
    )


def _random_enrolment(world: World, chance: random.Random, lead_id: str, at: datetime, nth: int) -> None:
    taken = any(e["lead_id"] == lead_id and e["state"] in LIVE for e in world.enrolments)
    states = [str(s) for s in EnrolmentState if not taken or s not in LIVE]
    state = chance.choice([*states, "finished_no_reply", "finished_no_reply"])
    reasons = {
        "cancelled": ["merged", "deal_won", "deal_lost", "meeting_booked"],
        "finished_replied": ["replied"],
    }
    enrolment_id = world.enrol(
        lead_id,
        at,
        state=state,
        exit_reason=None if state in LIVE else chance.choice(reasons.get(state, ["completed"])),
        source=chance.choice(["web", "social", " "]),
        tier_at_enrolment=chance.choice(["hot", "warm", "cold"]),
        variant=chance.choice(["standard", "short"]),
    )
    for position in range(1, chance.choice([1, 2, 3, 4])):
        due = at + timedelta(days=3 * (position - 1), seconds=chance.choice([0, 5, 60, 61, 7200]))
        touch_state = chance.choice([*[str(s) for s in TouchState], "sent", "sent", "sent"])
        touch_id = world.touch(
            enrolment_id,
            position,
            due,
            planned_at=at,
            channel=chance.choice(["email", "email", "email", "rep_task"]),
            state=touch_state,
            reason=None if touch_state == "sent" else "scheduled",
            settled_at=due + timedelta(seconds=chance.choice([1, 25, 89, 300, 3601]))
            if touch_state == "sent"
            else None,
        )
        if touch_state == "sent":
            world.drafts.append(_draft(touch_id, due))


def _draft(touch_id: str, at: datetime) -> Row:
    return {
        "draft_id": f"draft-{touch_id}",
        "touch_id": touch_id,
        "template": "hello",
        "template_version": "1",
        "writer": "template",
        "slot_evidence": {},
        "neutral_slots": 0,
        "body_digest": "x",
        "drafted_at": at,
    }


def add_edges(world: World) -> None:
    """Leads made by hand, each of a source of its own, so that a test can find its row."""
    noon = datetime(2026, 2, 10, 12, tzinfo=UTC)
    # Midnight in Berlin on 1 March is February in UTC.
    world.lead("edge-day", datetime(2026, 2, 28, 23, tzinfo=UTC), source="edge day", lead_day_precision=True)
    world.lead("edge-won-before", noon, source="edge won before", won_at=noon - timedelta(seconds=1))
    world.lead("edge-blank", noon, source="   ", tier=None)
    # The source's clock ran ahead: we answered before it happened.
    world.lead("edge-clock", noon, source="edge clock")
    early = world.enrol("edge-clock", noon, source="edge clock")
    world.touch(early, 1, noon, settled_at=noon - timedelta(seconds=3))
    # Two records that were one person: the enrolment that went on belongs to the one that stays.
    world.lead("edge-stays", noon, source="edge merge")
    world.lead("edge-between", noon, source="edge merge", merged_into="edge-stays")
    world.lead("edge-merged", noon, source="edge merge", merged_into="edge-between")
    gone = {"state": "cancelled", "exit_reason": "merged", "source": "edge merge", "variant": "gone"}
    world.enrol("edge-stays", noon, **gone)
    kept = world.enrol("edge-merged", noon + timedelta(minutes=1), source="edge merge", variant="kept")
    world.touch(kept, 1, noon + timedelta(minutes=1), settled_at=noon + timedelta(minutes=2))
    # A person took them first: what the rep did is the attempt, what the rep did not do is none.
    for lead_id, acted in (("edge-rep", noon + timedelta(minutes=9)), ("edge-rep-late", None)):
        world.lead(lead_id, noon, source="edge rep")
        given = {"state": "handed_off", "exit_reason": "rep_first", "variant": "rep_first"}
        enrolment = world.enrol(lead_id, noon, source="edge rep", **given)
        for reason in ("replied", "rep_first"):
            world.handoffs.append(
                {
                    "handoff_id": f"hof-{lead_id}-{reason}",
                    "lead_id": lead_id,
                    "enrolment_id": enrolment,
                    "event_id": f"evt-{lead_id}",
                    "reason": reason,
                    "owner": "rep",
                    "created_at": noon,
                    "sla_due_at": noon + timedelta(minutes=30),
                    "acted_at": noon + timedelta(minutes=1) if reason == "replied" else acted,
                    "escalated_at": None,
                }
            )
    # A rep's task is not an attempt to reach the lead.
    world.lead("edge-task", noon, source="edge task")
    task = world.enrol("edge-task", noon, source="edge task")
    world.touch(task, 1, noon, channel="rep_task", settled_at=noon + timedelta(seconds=9))
