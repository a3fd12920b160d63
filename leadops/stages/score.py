"""Enriched leads -> score with its points -> tier. A score is a record: changed inputs add a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.fold import state_from_json
from leadops.domain.modes import Scorer
from leadops.domain.score_words import by_model, by_rules
from leadops.domain.scoring import inputs_of
from leadops.domain.scoring import score as decide
from leadops.learning.serve import taken_over
from leadops.playbook.model import Playbook
from leadops.stages.modes import model_that_scores
from leadops.stages.report import Report
from leadops.store import crm
from leadops.store import leads as store
from leadops.store.engine import TEXTS, put, rows, sql, transaction
from leadops.store.evidence import evidence_of
from leadops.store.tables import lead_scores
from leadops.terms import Contribution, EvidenceField, LearnedPart, Score, SignalPoints, stable_id

FLAG = "pending_score"
_CURRENT = sql(
    """select distinct on (lead_id) lead_id, inputs_hash, scored_at from lead_scores where lead_id = any(:ids)
    order by lead_id, scored_at desc, score_id""",
    ids=TEXTS,
)


def score(
    engine: Engine,
    playbook: Playbook,
    *,
    now: datetime,
    limit: int = 500,
    scorer: Scorer | None = None,
) -> Report:
    """Score up to ``limit`` leads. Counts: scored, unchanged, a tier, disqualified, by_model, parked;
    model_failed and model_failed:EXCEPTION, of leads left to the scorecard by the model's failure.

    ``scorer``: "model" asks the promoted model, where there is one; "rules" the scorecard alone; None: as the
    mode says.
    """
    report = Report("score")
    with transaction(engine) as connection:
        claimed = store.claim(connection, FLAG, limit)
        ids = [lead["lead_id"] for lead in claimed]
        evidence = evidence_of(connection, ids)
        current = {r["lead_id"]: r for r in rows(connection, _CURRENT, ids=sorted(ids))}
        scored: dict[str, Score] = {}
        for lead in claimed:
            try:
                scored[lead["lead_id"]] = _score_one(lead, evidence[lead["lead_id"]], playbook, now)
            except Exception as error:  # noqa: BLE001 - one lead must not hold up the others
                report.parked[lead["lead_id"]] = f"score_{type(error).__name__}"
                report.count("parked")
        version = model_that_scores(connection, playbook, now=now, scorer=scorer) if scored else None
        if version is not None:
            scored = taken_over(connection, playbook, version, scored, now)
        changed = {
            i: s for i, s in scored.items() if i not in current or current[i]["inputs_hash"] != s.inputs_hash
        }
        _save(connection, changed, {i: _after(current.get(i), now) for i in changed}, now)
        # An unchanged score may still belong to a new lead event: the decision to enrol looks again.
        report.pending = store.scored(connection, ids, scored, changed=changed.keys())
        store.park(connection, "score", report.parked, now=now)
        report.count("scored", len(changed))
        report.count("unchanged", len(scored) - len(changed))
        for s in scored.values():
            if s.model_failed is not None:
                report.count("model_failed")
                report.count(f"model_failed:{s.model_failed}")
        for s in changed.values():
            report.count(s.tier.value)
            report.count("disqualified", s.disqualified is not None)
            report.count("by_model", s.learned is not None)
        report.lead_ids |= set(changed)
    return report


def _score_one(
    lead: Mapping[str, Any], evidence: Mapping[str, EvidenceField], playbook: Playbook, now: datetime
) -> Score:
    return decide(inputs_of(state_from_json(lead["state"]), evidence, now), playbook.scorecard)


def _after(current: Mapping[str, Any] | None, now: datetime) -> datetime:
    """The newest score is the current one: no two of a lead bear the same time."""
    if current is None or current["scored_at"] < now:
        return now
    later: datetime = current["scored_at"] + timedelta(microseconds=1)
    return later


def _save(
    connection: Connection, changed: Mapping[str, Score], at: Mapping[str, datetime], now: datetime
) -> None:
    if not changed:
        return
    ids = sorted(changed)
    put(connection, lead_scores, [_row(i, changed[i], at[i]) for i in ids])
    crm.enqueue(connection, [_told(i, changed[i], at[i]) for i in ids], now=now)


def _row(lead_id: str, s: Score, now: datetime) -> dict[str, Any]:
    return {
        "score_id": stable_id("sco", lead_id, s.scorecard_version, s.inputs_hash, now.isoformat()),
        "lead_id": lead_id,
        "total": s.total,
        "tier": s.tier.value,
        "fit": s.fit,
        "engagement": s.engagement,
        "attainable": s.attainable,
        "disqualified": s.disqualified,
        "signals": [_flat(p) for p in s.signals],
        "scorecard_version": s.scorecard_version,
        "inputs_hash": s.inputs_hash,
        "reason": s.reason,
        "model_failed": s.model_failed,
        "scored_at": now,
        **_learned(s.learned),
    }


def _flat(part: SignalPoints | Contribution) -> dict[str, Any]:
    """A record of plain values: ``asdict`` copies each of them, a fifth of the whole stage."""
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def _learned(part: LearnedPart | None) -> dict[str, Any]:
    if part is None:
        names = ("model_version", "rules_total", "probability", "contributions", "model_start", "model_total")
        return dict.fromkeys(names)
    return {
        "model_version": part.model_version,
        "rules_total": part.rules_total,
        "probability": part.probability,
        "contributions": [_flat(c) for c in part.contributions],
        "model_start": part.start,
        "model_total": part.total,
    }


def _told(lead_id: str, s: Score, now: datetime) -> crm.Owed:
    return crm.Owed(
        stable_id("score", lead_id, s.scorecard_version, s.inputs_hash, now.isoformat()),
        "score",
        lead_id,
        {
            "total": s.total,
            "tier": s.tier.value,
            "fit": s.fit,
            "engagement": s.engagement,
            "disqualified": s.disqualified,
            "why": s.reason,
            "lines": [f"{line.points:+g} {line.words}" for line in by_model(s) or by_rules(s)],
            "scorecard": s.scorecard_version,
            "learned": None if s.learned is None else asdict(s.learned),
            "at": now.isoformat(),
        },
    )
