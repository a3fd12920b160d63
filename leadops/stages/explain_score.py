"""Every score a lead has had, read back, with the lines that say it to a rep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from leadops.domain.score_words import by_model, by_rules, tenths
from leadops.stages.story import ScoreStory
from leadops.store.engine import rows, sql
from leadops.terms import Contribution, LearnedPart, Score, SignalPoints, Tier

_SCORES = sql("select * from lead_scores where lead_id = :lead order by scored_at, score_id desc")


def scores_of(connection: Connection, lead_id: str) -> tuple[ScoreStory, ...]:
    """The oldest first."""
    return tuple(_story(r) for r in rows(connection, _SCORES, lead=lead_id))


def _story(row: Mapping[str, Any]) -> ScoreStory:
    score = _score(row)
    return ScoreStory(
        total=score.total,
        tier=score.tier.value,
        fit=score.fit,
        engagement=score.engagement,
        attainable=score.attainable,
        disqualified=score.disqualified,
        reason=score.reason,
        scorecard_version=score.scorecard_version,
        scored_at=row["scored_at"],
        signals=score.signals,
        shown=tenths(score.total),
        lines=by_rules(score),
        learned_lines=by_model(score),
        learned=score.learned,
        model_failed=score.model_failed,
    )


def _score(row: Mapping[str, Any]) -> Score:
    same = (
        "total", "scorecard_version", "inputs_hash", "reason", "fit", "engagement", "disqualified",
        "attainable", "model_failed",
    )  # fmt: skip
    return Score(
        **{name: row[name] for name in same},
        tier=Tier(row["tier"]),
        signals=tuple(SignalPoints(**s) for s in row["signals"]),
        learned=_learned(row),
    )


def _learned(row: Mapping[str, Any]) -> LearnedPart | None:
    if row["model_version"] is None:
        return None
    return LearnedPart(
        row["model_version"],
        row["probability"],
        row["rules_total"],
        tuple(Contribution(**c) for c in row["contributions"] or ()),
        row["model_start"],
        row["model_total"],
    )
