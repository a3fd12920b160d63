"""What is said to a lead and when: enrolment, plan, words, hand-over. Write-backs share the last step.

Drafts, dispatches and write-backs are outputs of one step, so that the first lead does not wait for the
last one's words.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from leadops.defs.shield import codes_only
from leadops.defs.show import (
    MAX_BATCHES,
    Materialized,
    drain,
    now,
    preview,
    result,
    table_spec,
    total,
)
from leadops.runtime.wiring import House
from leadops.stages.enrol import enrol, plan_touches
from leadops.stages.outreach import OutreachReport, send_due, tend
from leadops.stages.settle import reconcile
from leadops.stages.write_back import write_back
from leadops.store import reviews
from leadops.store.engine import transaction

TAGGED_IDS = 20
SEND_LIMIT = 500


@dg.multi_asset(
    specs=[
        table_spec(
            "enrolments",
            group="outreach",
            table="enrolments",
            deps=["lead_scores"],
            description="Each person's run through their tier's sequence, at most one live per person; "
            "or, on the "
            "lead, why they were not enrolled. Source, tier and variant at enrolment never change.",
        )
    ]
)
@codes_only
def enrolments(house: dg.ResourceParam[House]) -> Materialized:
    """Decide for scored leads: enrol, raise, refuse with a reason, leave."""
    report, seconds = drain(lambda: enrol(house.engine, house.playbook, house.keyring, now=now()))
    newest = preview(
        house.engine,
        """select enrolment_id, lead_id, state, exit_reason, tier, variant, enrolled_at from enrolments
        where lead_id = any(:leads) order by enrolled_at desc limit 10""",
        report.lead_ids,
    )
    rows = {"dagster/row_count": total(house.engine, "enrolments")}
    return result("enrolments", report, seconds, newest=newest, **rows)


@dg.multi_asset(
    specs=[
        table_spec(
            "send_schedule",
            group="outreach",
            table="touches",
            deps=["enrolments"],
            description="Every touch of every enrolment with its due time in the recipient's window, and "
            "why then. "
            "A pure function of enrolment and playbook: looking at it changes nothing.",
        )
    ]
)
@codes_only
def send_schedule(house: dg.ResourceParam[House]) -> Materialized:
    """Plan touches of new and raised enrolments."""
    report, seconds = drain(lambda: plan_touches(house.engine, house.playbook, now=now()))
    coming = preview(
        house.engine,
        """select touch_id, lead_id, sequence, step, channel, reason, due_at from touches
        where lead_id = any(:leads) and state = 'planned' order by due_at limit 10""",
        report.lead_ids,
    )
    rows = {"dagster/row_count": total(house.engine, "touches")}
    return result("send_schedule", report, seconds, coming=coming, **rows)


@dg.multi_asset(
    specs=[
        table_spec(
            "message_drafts",
            group="outreach",
            table="message_drafts",
            deps=["send_schedule", "enriched_leads"],
            description="The words of each due touch: template, who filled its slots, and from what "
            "evidence. "
            "A touch that has words keeps them.",
        ),
        table_spec(
            "dispatches",
            group="outreach",
            table="touches",
            deps=["message_drafts", "replies"],
            description="The send ledger: what became of every touch. At most one message per enrolment "
            "and step, "
            "whatever crashes; nothing after a stop; what is ambiguous is never sent again.",
        ),
        table_spec(
            "crm_writebacks",
            group="crm",
            table="crm_writebacks",
            deps=["dispatches", "lead_scores", "enrolments", "handoffs"],
            description="The outbox to the CRM: every touch, score, enrolment and rep task, told once. A "
            "slow CRM "
            "delays nothing else.",
        ),
    ],
    can_subset=True,
)
@codes_only
def outreach(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> Iterator[Materialized]:
    """Send what is due, then tell the CRM."""
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    if selected & {"message_drafts", "dispatches"}:
        yield from _send(context, house, selected)
    if "crm_writebacks" in selected:
        delivery = house.playbook.delivery
        report, seconds = drain(lambda: write_back(house.engine, house.crm, delivery, now=now()))
        rows = {"dagster/row_count": total(house.engine, "crm_writebacks")}
        yield result("crm_writebacks", report, seconds, crm=house.crm.name, **rows)


def _send(context: dg.AssetExecutionContext, house: House, selected: set[str]) -> Iterator[Materialized]:
    started = now()
    tended = tend(house.outreach, now=started)
    reconciled = reconcile(house.engine, house.email, house.playbook, now=started)
    report = _send_all(house)
    report.dispatches.counts.update(tended.counts + reconciled.counts)
    seconds = (now() - started).total_seconds()
    if report.dispatches.answered:
        context.instance.add_run_tags(
            context.run.run_id, {"leadops/answered": _ids(report.dispatches.answered)}
        )
    if "message_drafts" in selected:
        rows = {"dagster/row_count": total(house.engine, "message_drafts")}
        newest = preview(
            house.engine,
            """select d.touch_id, t.lead_id, d.template, d.writer, d.neutral_slots, d.tokens,
            round(d.cost_usd::numeric, 6) as cost_usd, d.drafted_at
            from touches t join message_drafts d using (touch_id)
            where t.lead_id = any(:leads) order by d.drafted_at desc, d.draft_id limit 10""",
            report.drafts.lead_ids,
        )
        yield result(
            "message_drafts", report.drafts, seconds, writer=house.writer.name, newest=newest, **rows
        )
    if "dispatches" in selected:
        why = preview(
            house.engine,
            """select state, coalesce(reason, '') as reason, count(*) as touches from touches
            where lead_id = any(:leads) group by 1, 2 order by 1, 2""",
            report.dispatches.lead_ids,
        )
        rows = {"dagster/row_count": total(house.engine, "touches"), **_mode(house, report)}
        yield result(
            "dispatches", report.dispatches, seconds, provider=house.email.name, their_touches=why, **rows
        )


def _mode(house: House, report: OutreachReport) -> dict[str, Any]:
    """Whether a person approves what is sent, why, and how much waits for one."""
    with transaction(house.engine) as connection:
        backlog = reviews.backlog(connection)
    shown: dict[str, Any] = {"in_review": backlog.waiting}
    if backlog.since is not None:
        shown["in_review_since"] = dg.MetadataValue.timestamp(backlog.since)
    if report.mode is not None:
        shown |= {"mode": report.mode.setting, "mode_reason": report.mode.reason}
    return shown


def _ids(lead_ids: set[str]) -> str:
    """Ids for a run's tag: enough to find a lead's run by, never a wall."""
    shown = " ".join(sorted(lead_ids)[:TAGGED_IDS])
    more = len(lead_ids) - TAGGED_IDS
    return f"{shown} and {more} more" if more > 0 else shown


def _send_all(house: House) -> OutreachReport:
    total_report = send_due(house.outreach, now, limit=SEND_LIMIT)
    for _ in range(MAX_BATCHES):
        if not total_report.dispatches.pending:
            break
        batch = send_due(house.outreach, now, limit=SEND_LIMIT)
        if not batch.dispatches.did:
            break
        total_report.absorb(batch)
    return total_report
