"""How good is this lead: enrichment with provenance, then the scorecard with its points."""

from typing import Any

import dagster as dg

from leadops.defs.shield import codes_only
from leadops.defs.show import Materialized, drain, now, preview, result, table_spec, total
from leadops.runtime.wiring import House
from leadops.stages.enrich import enrich, spending
from leadops.stages.score import score


@dg.multi_asset(
    specs=[
        table_spec(
            "enriched_leads",
            group="scoring",
            table="enrichments",
            deps=["leads"],
            description="What is known of each lead beyond their own words: company domain, title level, "
            "company size, each field with the provider and the event it came from.",
        )
    ]
)
@codes_only
def enriched_leads(house: dg.ResourceParam[House]) -> Materialized:
    """Enrich leads that changed."""
    report, seconds = drain(lambda: enrich(house.enriching, now=now()))
    more: dict[str, Any] = {"dagster/row_count": total(house.engine, "enrichments")}
    for provider, (spent, budget) in spending(house.engine, house.enriching, now()).items():
        of = "no budget" if budget is None else f"of {budget:.2f}"
        more[f"spent_this_month/{provider}"] = f"{spent:.2f} USD, {of}"
    return result("enriched_leads", report, seconds, **more)


@dg.multi_asset(
    specs=[
        table_spec(
            "lead_scores",
            group="scoring",
            table="lead_scores",
            deps=["enriched_leads", "score_model"],
            description="Every score given, with the points of each of the scorecard's signals, its "
            "version, and "
            "one sentence for the rep. The newest is current; hot, warm or cold by the playbook's "
            "thresholds.",
        )
    ]
)
@codes_only
def lead_scores(house: dg.ResourceParam[House]) -> Materialized:
    """Score enriched leads."""
    report, seconds = drain(lambda: score(house.engine, house.playbook, now=now()))
    newest = preview(
        house.engine,
        """select lead_id, round(total::numeric, 1) as total, tier, reason, scored_at from lead_scores
        where lead_id = any(:leads) order by scored_at desc limit 10""",
        report.lead_ids,
    )
    tiers = preview(
        house.engine,
        """select tier, count(*) as leads, round(avg(score)::numeric, 1) as mean_score from leads
        where lead_id = any(:leads) and tier is not null group by tier order by tier""",
        report.lead_ids,
    )
    extra = {
        "scorecard": house.playbook.scorecard.version,
        "dagster/row_count": total(house.engine, "lead_scores"),
    }
    return result("lead_scores", report, seconds, newest=newest, tiers=tiers, **extra)
