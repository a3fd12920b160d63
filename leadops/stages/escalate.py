"""Handoffs whose SLA has passed without a rep's action -> another person is told, once (R32)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from leadops.playbook.model import Playbook
from leadops.stages.report import Report
from leadops.store import crm
from leadops.store.engine import rows, sql, transaction

_OVERDUE = sql(
    """update handoffs set escalated_at = :now
    where acted_at is null and escalated_at is null and sla_due_at < :now
    returning handoff_id, lead_id, owner, reason, sla_due_at"""
)
_OPEN = sql("select count(*) as open from handoffs where acted_at is null")


def escalate(engine: Engine, playbook: Playbook, *, now: datetime) -> Report:
    """Counts: escalated. ``pending``: handoffs no rep has acted on yet."""
    report = Report("escalate")
    with transaction(engine) as connection:
        late = rows(connection, _OVERDUE, now=now)
        tasks = []
        for handoff in late:
            reps = [r.id for r in playbook.handoff.reps]
            place = reps.index(handoff["owner"]) + 1 if handoff["owner"] in reps else 0
            tasks.append(
                crm.Owed(
                    f"task:{handoff['handoff_id']}:escalated",
                    "task",
                    handoff["lead_id"],
                    {
                        "title": f"Overdue: {handoff['owner']} has not acted ({handoff['reason']})",
                        "owner": reps[place % len(reps)],
                        "due_at": now.isoformat(),
                        "handoff_id": handoff["handoff_id"],
                        "sla_due_at": handoff["sla_due_at"].isoformat(),
                    },
                )
            )
            report.lead_ids.add(handoff["lead_id"])
        crm.enqueue(connection, tasks, now=now)
        report.count("escalated", len(late))
        report.pending = int(rows(connection, _OPEN)[0]["open"])
    return report
