"""Who the events are about: inbound messages classified, events folded into one row per person."""

import dagster as dg

from leadops.defs.shield import codes_only
from leadops.defs.show import Materialized, drain, now, preview, result, table_spec, total
from leadops.runtime.wiring import House
from leadops.stages.fold import fold_pending
from leadops.stages.replies import match_replies


@dg.multi_asset(
    specs=[
        table_spec(
            "replies",
            group="leads",
            table="replies",
            deps=["lead_events"],
            description="Inbound messages, each matched to a conversation and classified: a person, an "
            "out-of-office, a machine, an opt-out. A message not yet here holds every touch of its sender.",
        )
    ]
)
@codes_only
def replies(house: dg.ResourceParam[House]) -> Materialized:
    """Match and classify what came in."""
    report, seconds = drain(lambda: match_replies(house.engine, house.playbook, house.keyring, now=now()))
    newest = preview(
        house.engine,
        """select event_id, lead_id, class, matched_by, why, occurred_at from replies
        where lead_id = any(:leads) order by classified_at desc limit 10""",
        report.lead_ids,
    )
    rows = {"dagster/row_count": total(house.engine, "replies")}
    return result("replies", report, seconds, newest=newest, **rows)


@dg.multi_asset(
    specs=[
        table_spec(
            "leads",
            group="leads",
            table="leads",
            deps=["lead_events", "replies"],
            description="One row per person: the fold of everything they did, whoever told us. Several "
            "records "
            "of one person are one lead. Stops take effect in the same commit.",
        )
    ]
)
@codes_only
def leads(house: dg.ResourceParam[House]) -> Materialized:
    """Fold pending events into people."""
    report, seconds = drain(lambda: fold_pending(house.engine, house.playbook, house.keyring, now=now()))
    newest = preview(
        house.engine,
        """select lead_id, source, country, became_lead_at, stop_reason, tier from leads
        where lead_id = any(:leads) and merged_into is null order by updated_at desc limit 10""",
        report.lead_ids,
    )
    rows = {"dagster/row_count": total(house.engine, "leads")}
    return result("leads", report, seconds, newest=newest, **rows)
