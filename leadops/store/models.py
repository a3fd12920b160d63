"""Models of the learned score: which is promoted, all that were trained, and why each decision was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import JSON, one_value, put, rows, sql
from leadops.store.tables import score_model_verdicts, score_models
from leadops.terms import stable_id

_PROMOTED = sql("select version, scorecard_version from score_models where status = 'promoted'")
_ARTIFACT = sql("select artifact from score_models where version = :version")
_ANY = sql("select exists (select 1 from score_models) as found")
_STATUS = sql(
    """update score_models set status = :status, reason = :reason, status_at = :now
    where version = :version and status <> :status"""
)
_JUDGED = sql(
    """update score_models set metrics = jsonb_set(metrics, '{since}',
        coalesce(metrics -> 'since', '[]'::jsonb)
        || cast(:judged as jsonb)) where version = :version""",
    judged=JSON,
)
_FAILURES = sql(
    """select model_failed as failure, count(distinct lead_id) as leads, max(scored_at) as last_at
    from lead_scores where model_failed is not null and scored_at > :since
        and scored_at >= (select status_at from score_models where status = 'promoted')
    group by model_failed order by leads desc, failure"""
)
_LOCK = sql("select pg_advisory_xact_lock(hashtextextended('leadops score_models', 0))")
_ROWS = sql(
    """select version, status, reason, scorecard_version, trained_at, status_at, learned_from, learned_to,
        leads, converted, features, metrics, card
    from score_models order by trained_at desc, version limit :limit"""
)
_ONE = sql(
    """select version, status, reason, scorecard_version, trained_at, status_at, learned_from, learned_to,
        leads, converted, features, metrics, card from score_models where version = :version"""
)
_VERDICTS = sql(
    """select decided_at, decision, reason, version, figures from score_model_verdicts
    order by decided_at desc, verdict_id limit :limit"""
)


def lock(connection: Connection) -> None:
    """One training decides at a time, until the transaction ends."""
    connection.execute(_LOCK)


def promoted(connection: Connection) -> tuple[str, str] | None:
    """(version, scorecard version) of the model in use."""
    found = rows(connection, _PROMOTED)
    return (found[0]["version"], found[0]["scorecard_version"]) if found else None


def earned(connection: Connection) -> bool | None:
    """Whether a model is better than the rules; None where none was ever trained."""
    if promoted(connection) is not None:
        return True
    return False if one_value(connection, _ANY) else None


@dataclass(frozen=True, slots=True)
class Failure:
    """``leads`` left to the scorecard by one type of exception of the model in use, the last one then."""

    failure: str
    leads: int
    last_at: datetime


def failures(connection: Connection, *, since: datetime) -> list[Failure]:
    """Of the model in use, since ``since`` and since it came into use; most leads first."""
    return [Failure(**r) for r in rows(connection, _FAILURES, since=since)]


def artifact(connection: Connection, version: str) -> Mapping[str, Any] | None:
    """The model itself, as JSON."""
    found: Mapping[str, Any] | None = one_value(connection, _ARTIFACT, version=version)
    return found


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """A model just trained (all columns of ``score_models``); one that is there already is left as it is."""
    put(connection, score_models, [values])


def set_status(connection: Connection, version: str, status: str, reason: str, *, now: datetime) -> None:
    """``status``: promoted, rejected or retired. Whoever promotes retires the one before first."""
    connection.execute(_STATUS, {"version": version, "status": status, "reason": reason, "now": now})


def judged_again(connection: Connection, version: str, judgement: Mapping[str, Any]) -> None:
    """Keep how a model did on later leads."""
    connection.execute(_JUDGED, {"version": version, "judged": [dict(judgement)]})


def record(
    connection: Connection,
    decision: str,
    reason: str,
    version: str | None,
    figures: Mapping[str, Any],
    *,
    now: datetime,
) -> None:
    """Why a model is used or is not, as of now."""
    row = {
        "verdict_id": stable_id("ver", now.isoformat(), decision, reason),
        "decided_at": now,
        "decision": decision,
        "reason": reason,
        "version": version,
        "figures": dict(figures),
    }
    put(connection, score_model_verdicts, [row])


def models(connection: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """The newest models, without their artifacts."""
    return rows(connection, _ROWS, limit=limit)


def model(connection: Connection, version: str) -> dict[str, Any] | None:
    """One model, without its artifact."""
    found = rows(connection, _ONE, version=version)
    return found[0] if found else None


def verdicts(connection: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """The newest decisions."""
    return rows(connection, _VERDICTS, limit=limit)
