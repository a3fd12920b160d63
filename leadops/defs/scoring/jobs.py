"""A candidate scorecard over the leads there were: `leadops playbook diff` in the UI."""

from pathlib import Path

import dagster as dg

from leadops.defs.shield import codes_only
from leadops.defs.show import now
from leadops.playbook import loader
from leadops.runtime.wiring import House
from leadops.settings import settings
from leadops.stages.shadow import Shadow, shadow


class Candidate(dg.Config):
    """``other``: path of the candidate playbook.yaml, on the machine that runs this; empty: the one in use,
    to see how its tiers have converted. ``days``: leads of how far back."""

    other: str = ""
    days: float = 365.0


@dg.op(description="Scores the leads of the past by the candidate, each as it was known when it came in.")
@codes_only
def compare_scorecards(
    context: dg.OpExecutionContext, config: Candidate, house: dg.ResourceParam[House]
) -> None:
    """Nothing is stored; the result is this step's metadata."""
    candidate = loader.load(Path(config.other) if config.other else settings().playbook).playbook.scorecard
    found = shadow(house.engine, house.playbook.scorecard, candidate, now=now(), days=config.days)
    context.add_output_metadata(
        {
            "current": found.current_version,
            "candidate": found.candidate_version,
            "leads": found.leads,
            "mature": found.mature,
            "changed_tier": found.changed,
            "moved": dg.MetadataValue.json(found.moved),
            "tiers": dg.MetadataValue.md(_table(found)),
            "most_changed": dg.MetadataValue.json([m.lead_id for m in found.movers]),
            **({"auc_current": found.auc[0], "auc_candidate": found.auc[1]} if found.auc else {}),
        }
    )


def _table(found: Shadow) -> str:
    head = "| tier | leads / 30 days | candidate | converted | candidate |\n| --- | --- | --- | --- | --- |"
    return "\n".join(
        [
            head,
            *(
                f"| {a.tier} | {a.per_30_days:g} | {b.per_30_days:g} | {a.said()} | {b.said()} |"
                for a, b in zip(found.current, found.candidate, strict=True)
            ),
        ]
    )


@dg.job(
    name="playbook_diff",
    description="What another scorecard would have made of the leads there were: `leadops playbook diff`.",
    executor_def=dg.in_process_executor,
)
def playbook_diff() -> None:
    """One step."""
    compare_scorecards()
