"""The model's word and the scorecard's together."""

from __future__ import annotations

from leadops.domain.learned import take_over
from leadops.domain.scoring import score
from leadops.playbook.loader import load
from leadops.terms import Contribution, Score, Tier
from leadops_tests.house import PLAYBOOK

SCORECARD = load(PLAYBOOK).playbook.scorecard
PARTS = (Contribution("p.plan", "team", 1.2), Contribution("points.source", "4", -0.4))


def taken(rules: Score, total: float, rules_then: float | None = None, version: str = "m-1") -> Score:
    return take_over(
        rules,
        SCORECARD,
        version=version,
        probability=0.3,
        total=total,
        start=40,
        rules_then=rules.total if rules_then is None else rules_then,
        contributions=PARTS,
    )


def test_thresholds_are_the_scorecards() -> None:
    rules = score({"requested": "form_submitted"}, SCORECARD)
    assert taken(rules, SCORECARD.hot).tier is Tier.HOT
    assert taken(rules, SCORECARD.hot - 0.01).tier is Tier.WARM
    assert taken(rules, SCORECARD.warm - 0.01).tier is Tier.COLD


def test_what_came_since_counts_by_the_scorecards_points() -> None:
    then = score({"requested": "form_submitted"}, SCORECARD)
    now = score({"requested": "form_submitted", "engagement": 4}, SCORECARD)
    found = taken(now, 55, rules_then=then.total)
    assert found.total == 63
    assert found.tier is Tier.HOT
    assert "+8 for what came since" in found.reason
    assert taken(now, 99, rules_then=then.total).total == 100


def test_an_unchanged_hash_means_an_unchanged_score() -> None:
    rules = score({"requested": "form_submitted"}, SCORECARD)
    assert taken(rules, 50).inputs_hash == taken(rules, 50).inputs_hash
    assert (
        len(
            {
                rules.inputs_hash,
                taken(rules, 50).inputs_hash,
                taken(rules, 51).inputs_hash,
                taken(rules, 50, version="m-2").inputs_hash,
            }
        )
        == 4
    )


def test_the_reason_names_what_moves_it() -> None:
    found = taken(score({}, SCORECARD), 50)
    assert found.reason.startswith(
        "Warm (50), learned from earlier leads: plan team raises it, the points for source 4 lowers it"
    )
    assert found.learned is not None
    assert found.learned.rules_total == score({}, SCORECARD).total
