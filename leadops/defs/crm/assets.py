"""Leads given to a person. Written by the fold in the commit of the stop; here the SLA is watched."""

import dagster as dg

from leadops.defs.shield import codes_only
from leadops.defs.show import Materialized, described, now, preview, table_spec, total
from leadops.runtime.wiring import House
from leadops.stages.escalate import escalate


@dg.multi_asset(
    specs=[
        table_spec(
            "handoffs",
            group="crm",
            table="handoffs",
            deps=["leads", "replies"],
            description="Leads a rep must take: owner, reason, SLA, and when the rep acted. One open "
            "handoff per "
            "lead; an overdue one is given to the next rep.",
        )
    ]
)
@codes_only
def handoffs(house: dg.ResourceParam[House]) -> Materialized:
    """Escalate what no rep has acted on in time."""
    started = now()
    report = escalate(house.engine, house.playbook, now=started)
    waiting = preview(
        house.engine,
        """select handoff_id, lead_id, owner, reason, sla_due_at, escalated_at from handoffs
        where acted_at is null order by sla_due_at limit 10""",
    )
    seconds = (now() - started).total_seconds()
    rows = {"dagster/row_count": total(house.engine, "handoffs")}
    return dg.MaterializeResult(
        asset_key="handoffs", metadata=described(report, seconds, waiting=waiting, **rows)
    )
