"""A model's word on a lead and the scorecard's, put together: total, tier, reason, what was read.

The model speaks of the moment somebody became a lead. What they did since counts by the scorecard's points,
so that a click still raises a tier, and what the scorecard rules out stays ruled out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace

from leadops.domain.scoring import rounded, tier_of
from leadops.playbook.model import Scorecard
from leadops.terms import Contribution, LearnedPart, Score, Tier

KEPT = 12
_NAMED = 3
_LETTERS = 40


def take_over(
    rules: Score,
    scorecard: Scorecard,
    *,
    version: str,
    probability: float,
    total: float,
    start: float,
    rules_then: float,
    contributions: Sequence[Contribution],
) -> Score:
    """The model's score of a lead.

    ``rules``: the scorecard's now; ``rules_then``: its total on what the model read; ``total``: the model's,
    on the scorecard's scale (0..100), ``start``: what it says there of the mean of earlier leads. A lead the
    scorecard rules out keeps the scorecard's score.
    """
    if rules.disqualified is not None:
        return rules
    since = rules.total - rules_then
    found = rounded(total + since)
    tier = tier_of(found, scorecard)
    kept = tuple(contributions[:KEPT])
    told = {"rules": rules.inputs_hash, "model": version, "total": found, "rules_total": rules.total}
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()
    return replace(
        rules,
        total=found,
        tier=tier,
        inputs_hash=digest,
        reason=_reason(found, tier, kept, since, rules.total),
        learned=LearnedPart(version, round(probability, 9), rules.total, kept, start, total),
    )


def _reason(total: float, tier: Tier, parts: Sequence[Contribution], since: float, by_rules: float) -> str:
    """What pulls most, in the order of its weight; never a number a rep could not place."""
    what = ", ".join(f"{said(p)} {'raises' if p.log_odds > 0 else 'lowers'} it" for p in parts[:_NAMED])
    moved = f"; {since:+.0f} for what came since" if abs(since) >= 0.5 else ""
    learned = what or "like the mean of earlier leads"
    return (
        f"{tier.value.capitalize()} ({math.floor(total)}), learned from earlier leads: {learned}{moved}. "
        f"The scorecard alone says {math.floor(by_rules)}"
    )


def said(part: Contribution) -> str:
    """What was seen, in a few words."""
    name = part.column.removeprefix("p.").replace("points.", "the points for ")
    name = name.replace("_", " ").replace(".", " ")
    value = part.value if len(part.value) <= _LETTERS else f"{part.value[: _LETTERS - 1]}…"
    return f"{name} {value}" if value else f"no {name}"
