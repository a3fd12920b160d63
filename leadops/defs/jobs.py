"""The jobs, one per lane: an answer or a stop never waits behind a burst of new leads.

Steps run in one process: a process per step costs seconds each. Checks are not selected: they observe,
on their own schedule, and never stand between a lead and its answer.
"""

from typing import Any

import dagster as dg

_ONE_PROCESS = dg.in_process_executor
_INTAKE = ("replies", "leads")
_SCORING = ("enriched_leads", "lead_scores")
_OUTREACH = ("enrolments", "send_schedule", "message_drafts", "dispatches")


def _job(name: str, description: str, *assets: str) -> Any:
    selection = dg.AssetSelection.assets(*assets).without_checks()
    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        executor_def=_ONE_PROCESS,
        tags={"leadops/lane": name},
    )


first_touch = _job(
    "first_touch",
    "New events -> leads -> scored -> enrolled -> planned -> first message out -> CRM told.",
    *_INTAKE,
    *_SCORING,
    *_OUTREACH,
    "handoffs",
    "crm_writebacks",
)
handle_inbound = _job(
    "handle_inbound",
    "Replies and stops: classified, applied, handed to a rep. Its own lane.",
    *_INTAKE,
    "handoffs",
    "crm_writebacks",
)
due_touches = _job(
    "due_touches",
    "What is due now: words, gates, hand-over, CRM.",
    "message_drafts",
    "dispatches",
    "crm_writebacks",
    "handoffs",
)
write_back_job = _job("write_back", "Drain the CRM outbox.", "crm_writebacks")
