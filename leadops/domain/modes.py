"""Who decides: whether a person approves each message, and whether rules or the model score.

``auto`` and ``review`` are what a person chose. ``by_volume`` follows how many leads came in the trailing
30 days: with few of them a person can read every message and there is nothing to learn from; with many the
model may score, if it has shown that it is better than the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from leadops.playbook.model import Volume

TRAILING = timedelta(days=30)
ModeSetting = Literal["auto", "review", "by_volume"]
Scorer = Literal["rules", "model"]


@dataclass(frozen=True, slots=True)
class Mode:
    """``review``: nothing is sent to a lead before a person has approved it. ``reason``: one sentence."""

    setting: ModeSetting
    review: bool
    scorer: Scorer
    reason: str


def needs_count(setting: ModeSetting) -> bool:
    """Whether ``decide`` looks at the number of leads at all."""
    return setting == "by_volume"


def enough(bounds: Volume) -> int:
    """Counting further than this changes no decision."""
    return max(bounds.review_below, bounds.model_above + 1)


def decide(setting: ModeSetting, leads: int, model_earned_it: bool | None, bounds: Volume) -> Mode:
    """The mode at this moment.

    ``leads``: who became a lead in the trailing 30 days, counted up to ``enough``; looked at in
    ``by_volume`` alone. ``model_earned_it``: whether the newest model is better than the rules; None where
    there is none.
    """
    scorer: Scorer = "model" if model_earned_it else "rules"
    if setting == "auto":
        said = f"mode is auto: messages leave by themselves; {_scores(model_earned_it)}"
        return Mode(setting, review=False, scorer=scorer, reason=said)
    if setting == "review":
        said = f"mode is review: a person approves every message; {_scores(model_earned_it)}"
        return Mode(setting, review=True, scorer=scorer, reason=said)
    came = _came(leads, bounds)
    if leads < bounds.review_below:
        said = f"{came}, fewer than {bounds.review_below}: a person approves every message; the rules score"
        return Mode(setting, review=True, scorer="rules", reason=said)
    if leads <= bounds.model_above:
        said = f"{came}, {bounds.review_below} to {bounds.model_above}: messages leave by themselves; "
        return Mode(setting, review=False, scorer="rules", reason=said + "the rules score")
    said = f"{came}: messages leave by themselves; {_scores(model_earned_it)}"
    return Mode(setting, review=False, scorer=scorer, reason=said)


def _came(leads: int, bounds: Volume) -> str:
    if leads > bounds.model_above:
        return f"more than {bounds.model_above} leads in 30 days"
    return f"{leads} {'lead' if leads == 1 else 'leads'} in 30 days"


def _scores(model_earned_it: bool | None) -> str:
    if model_earned_it is None:
        return "the rules score: there is no model"
    return "the model scores: it is better" if model_earned_it else "the rules score: the model is no better"
