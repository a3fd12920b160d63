"""The playbook as it is simulated: with what the plan asks for, and rules that a playbook may leave out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leadops.playbook.enrichment import Enrichment, EnrichmentSource
from leadops.playbook.loader import LoadedPlaybook
from leadops.playbook.model import Disqualifier, Playbook, Route
from leadops.simulator.faults import TIGHT_CAP
from leadops.simulator.plan import Plan
from leadops.terms import Tier

USD_PER_LOOKUP = 0.1
_ROUTING = (
    Route(tiers=(Tier.HOT,), sources=("referrals",), share=40),
    Route(tiers=(Tier.WARM,), sources=("offline", "email_marketing"), share=100),
    Route(tiers=(Tier.COLD,), sources=("organic_search",), share=30),
)
_DISQUALIFIERS = (
    Disqualifier(
        name="student",
        field="title",
        contains=("intern", "student", "werkstudent", "praktikantin", "stagiaire"),
    ),
    # Of most people only an enrichment vendor tells it, of some when they are being written to already.
    Disqualifier(name="school", field="industry", equals=("higher education",)),
)


def simulated(loaded: LoadedPlaybook, plan: Plan) -> LoadedPlaybook:
    """This playbook for a run of this plan. Who routes nobody or asks nobody gets rules that do."""
    playbook = loaded.playbook
    changed: dict[str, Any] = {
        "routing": playbook.routing or _ROUTING,
        "scorecard": playbook.scorecard.model_copy(
            update={"disqualifiers": (*playbook.scorecard.disqualifiers, *_DISQUALIFIERS)}
        ),
        "enrichment": _enrichment(plan),
    }
    if plan.review:
        changed["mode"] = "review"
    if "tight_caps" in plan.faults:
        changed["sender"] = _tight(playbook, plan)
    return replace(loaded, playbook=playbook.model_copy(update=changed))


def _enrichment(plan: Plan) -> Enrichment:
    """The simulated world's vendors, with a budget that is soon spent."""
    budget = USD_PER_LOOKUP * max(3, round(0.15 * plan.leads))
    return Enrichment(
        waterfall=(
            EnrichmentSource(provider="offline"),
            EnrichmentSource(provider="self_hosted", usd_per_lookup=USD_PER_LOOKUP / 10),
            EnrichmentSource(
                provider="apollo", usd_per_lookup=USD_PER_LOOKUP, monthly_budget_usd=round(budget, 2)
            ),
        ),
        deadline_seconds=2,
        retries=2,
    )


def _tight(playbook: Playbook, plan: Plan) -> Any:
    """Caps that are met."""
    cap = max(3, round(TIGHT_CAP * plan.per_week / 50))
    boxes = tuple(box.model_copy(update={"daily_cap": cap}) for box in playbook.sender.mailboxes)
    changed = {"mailboxes": boxes, "domain_daily_cap": round(1.5 * cap)}
    return playbook.sender.model_copy(update=changed)
