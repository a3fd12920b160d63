"""The learned score: trained weekly where there is enough to learn from, and why it is used or is not.

https://docs.dagster.io/guides/automate/schedules
"""

import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg

from leadops.defs.outreach.schedules import default_status
from leadops.defs.shield import codes_only
from leadops.defs.show import Materialized, now, table_spec, total
from leadops.runtime.wiring import House

_WARN = dg.AssetCheckSeverity.WARN


@dg.multi_asset(
    specs=[
        table_spec(
            "score_model",
            group="scoring",
            table="score_models",
            deps=["leads"],
            description="The score learned from what became of earlier leads: trained where more than "
            "volume.model_above came in, promoted only where it surely beats the scorecard on later "
            "leads, retired when it no longer does. Each decision says why; the card says how it was judged.",
        )
    ]
)
@codes_only
def score_model(house: dg.ResourceParam[House]) -> Materialized:
    """Train, judge, and promote, keep or retire."""
    from leadops.stages.train import train

    started = now()
    report = train(house.engine, house.playbook, now=started)
    shown: dict[str, Any] = {
        "decision": report.decision,
        "reason": dg.MetadataValue.md(report.reason),
        "in_use": report.in_use or "the scorecard",
        "seconds": round((now() - started).total_seconds(), 3),
        "figures": dg.MetadataValue.json(report.figures),
        "dagster/row_count": total(house.engine, "score_models"),
    }
    if report.card:
        shown["card"] = dg.MetadataValue.md(report.card)
    judged = report.figures.get("judgement")
    if judged:
        for name in ("auc", "brier", "log_loss", "ece"):
            shown[f"model/{name}"] = round(judged["model"][name], 6)
            shown[f"scorecard/{name}"] = round(judged["rules"][name], 6)
    for name, png in report.plots.items():
        image = f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
        shown[f"plot/{name}"] = dg.MetadataValue.md(image)
    return dg.MaterializeResult(asset_key="score_model", metadata=shown)


@dg.multi_asset_check(
    name="health_of_the_model",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "leads_are_those_it_knows",
            asset="score_model",
            description="No column of the last 30 days' leads has drifted (PSI above 0.25) from the training "
            "period.",
        ),
        dg.AssetCheckSpec(
            "says_the_right_odds",
            asset="score_model",
            description="Of the leads that matured in the last 30 days about as many converted as the model "
            "said.",
        ),
    ],
)
@codes_only
def health_of_the_model(
    context: dg.AssetCheckExecutionContext, house: dg.ResourceParam[House]
) -> Iterator[dg.AssetCheckResult]:
    """Both look at the same leads. Pass where no model is in use or too few leads tell anything."""
    from leadops.stages.model_health import health

    found = health(house.engine, house.playbook, now=now())
    version = found.version or "none in use"
    drifted = {"leads": found.leads, "psi": dg.MetadataValue.json(dict(list(found.drift.items())[:20]))}
    odds = {
        "leads": found.mature,
        "said": round(found.said, 4),
        "seen": round(found.seen, 4),
        "standard_errors_apart": round(found.far, 2),
    }
    told: dict[str, tuple[bool, dict[str, Any]]] = {
        "leads_are_those_it_knows": (not found.shifted, drifted),
        "says_the_right_odds": (not found.miscalibrated, odds),
    }
    for key in context.selected_asset_check_keys:
        passed, metadata = told[key.name]
        yield dg.AssetCheckResult(
            passed=passed,
            asset_key=key.asset_key,
            check_name=key.name,
            severity=_WARN,
            metadata={"model": version, **metadata},
        )


train_score_model = dg.define_asset_job(
    "train_score_model",
    selection=dg.AssetSelection.assets("score_model").without_checks(),
    description="Train the learned score, judge it against the scorecard, promote, keep or retire it.",
    executor_def=dg.in_process_executor,
    tags={"leadops/lane": "train_score_model"},
)
train_score_model_weekly = dg.ScheduleDefinition(
    name="train_score_model_weekly",
    job=train_score_model,
    cron_schedule="30 4 * * 1",
    default_status=default_status(),
)
