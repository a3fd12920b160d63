"""Give a lead to a person: one open handoff per lead, with owner, SLA and everything the lead received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.domain.handoff import choose_rep, sla_due
from leadops.playbook.model import Playbook
from leadops.store import crm
from leadops.store.engine import TEXTS, rows, sql, stamp
from leadops.terms import stable_id


@dataclass(frozen=True, slots=True)
class Due:
    """A lead that a person must take: why, and which event said so."""

    lead_id: str
    event_id: str
    reason: str
    enrolment_id: str | None = None
    words: str | None = None  # what the lead wrote, where they wrote


_LEADS = sql(
    """select l.lead_id, l.owner, l.email, l.name, l.company, l.title, l.country, l.source, l.tier, l.score,
        l.became_lead_at, (select s.reason from lead_scores s where s.lead_id = l.lead_id
            order by s.scored_at desc limit 1) as score_reason
    from leads l where l.lead_id = any(:ids)""",
    ids=TEXTS,
)
_RECEIVED = sql(
    """select t.lead_id, t.position, t.channel, t.state, t.template, t.handed_over_at, b.subject, b.body
    from touches t left join message_bodies b using (draft_id)
    where t.lead_id = any(:ids) and t.handed_over_at is not null order by t.handed_over_at""",
    ids=TEXTS,
)


def hand_off(connection: Connection, due: Sequence[Due], playbook: Playbook, *, now: datetime) -> int:
    """Record handoffs and their CRM tasks; returns how many were new."""
    waiting = crm.open_handoffs(connection, {d.lead_id for d in due})
    first: dict[str, Due] = {}
    for d in due:
        if d.lead_id not in waiting:
            first.setdefault(d.lead_id, d)
    if not first:
        return 0
    known = {r["lead_id"]: r for r in rows(connection, _LEADS, ids=sorted(first))}
    received: dict[str, list[dict[str, Any]]] = {}
    for r in rows(connection, _RECEIVED, ids=sorted(first)):
        received.setdefault(r["lead_id"], []).append(r)
    given, tasks = [], {}
    for lead_id, d in sorted(first.items()):
        lead = known[lead_id]
        rep = choose_rep(lead_id, lead["owner"], playbook)
        handoff = crm.Handoff(
            handoff_id=stable_id("hof", lead_id, d.event_id, d.reason),
            lead_id=lead_id,
            enrolment_id=d.enrolment_id,
            event_id=d.event_id,
            reason=d.reason,
            owner=rep.id,
            created_at=now,
            sla_due_at=sla_due(now, rep, playbook),
        )
        given.append(handoff)
        tasks[handoff.handoff_id] = crm.Owed(
            f"task:{handoff.handoff_id}",
            "task",
            lead_id,
            _context(handoff, lead, d, received.get(lead_id, [])),
        )
    new = crm.hand_off(connection, given)
    crm.enqueue(connection, [tasks[i] for i in sorted(new)], now=now)
    return len(new)


def _context(
    handoff: crm.Handoff, lead: dict[str, Any], due: Due, received: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What the rep reads before picking up the phone."""
    who = lead["name"] or lead["email"] or handoff.lead_id
    return {
        "title": f"{_SAY.get(due.reason, 'Take over')}: {who}",
        "owner": handoff.owner,
        "due_at": stamp(handoff.sla_due_at),
        "reason": due.reason,
        "lead": {k: lead[k] for k in ("lead_id", "name", "email", "company", "title", "country", "source")},
        "became_lead_at": stamp(lead["became_lead_at"]),
        "score": {"total": lead["score"], "tier": lead["tier"], "why": lead["score_reason"]},
        "they_wrote": due.words,
        "received": [
            {
                "at": stamp(t["handed_over_at"]),
                "channel": t["channel"],
                "outcome": t["state"],
                "subject": t["subject"],
                "body": t["body"],
            }
            for t in received
        ],
    }


_SAY = {
    "replied": "Answer the reply",
    "meeting_booked": "Prepare the meeting",
    "rep_first": "Be the first to reach a new lead",
    "lead_returned": "A known lead came back",
    "unknown_outcome": "Check whether a message arrived",
    "not_reached": "No message could be sent; reach them another way",
    "unmatched_message": "Read a message from somebody unknown",
}
