"""Enrichment in the database: which leads wait for it, what providers have said, what it has cost.

A look-up is written down before it is made (``reserve``) and settled with its answer, so that a budget is
never passed, whoever else asks at the same time, and what was asked for is not asked for twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, on_conflict_update, one_value, put, rows, sql
from leadops.store.gate import lock_exclusive
from leadops.store.tables import enrichment_cache, enrichment_calls, enrichments

Pair = tuple[str, str]
"""(provider, key)."""

# Those that changed, oldest change first, then those to be asked about again. One statement for both: most
# of the time there are none of the second kind.
_CLAIM = sql(
    """with changed as materialized (
        select * from leads where pending_enrichment and merged_into is null
        and (enriching_until is null or enriching_until <= :now)
        order by updated_at, lead_id limit :limit for update skip locked
    ), again as materialized (
        select * from leads where enrich_again_at <= :now and not pending_enrichment and merged_into is null
        and (enriching_until is null or enriching_until <= :now)
        order by enrich_again_at, lead_id limit :limit - (select count(*) from changed)
        for update skip locked
    )
    select * from changed union all select * from again"""
)
_HOLD = sql("update leads set enriching_until = :until where lead_id = any(:ids)", ids=TEXTS)
# A lead that changed while providers were asked waits again: its flag was not this pass's to take down.
_DONE = sql(
    """with done as (
        update leads l set pending_enrichment = l.pending_enrichment and l.state_digest <> m.digest,
            pending_score = l.pending_score or m.scores = 'yes', enriching_until = null,
            enrich_again_at = m.again::timestamptz, enrich_tries = m.tries::integer
        from unnest(:ids, :digests, :scores, :again, :tries) as m(lead_id, digest, scores, again, tries)
        where l.lead_id = m.lead_id
    ), gone as (
        delete from enrichments where lead_id = any(:ids) and provider <> all(:providers)
    )
    select count(*) from leads where pending_enrichment and lead_id <> all(:ids)""",
    ids=TEXTS,
    providers=TEXTS,
    digests=TEXTS,
    scores=TEXTS,
    again=TEXTS,
    tries=TEXTS,
)
_STORED = sql("select * from enrichments where lead_id = any(:ids)", ids=TEXTS)
_DROP = sql(
    """delete from enrichments e using unnest(:leads, :providers) as m(lead_id, provider)
    where e.lead_id = m.lead_id and e.provider = m.provider""",
    leads=TEXTS,
    providers=TEXTS,
)
_AGAIN = on_conflict_update(
    "lead_id, provider",
    *("fields", "inputs_hash", "rank", "key", "cost_usd", "took_ms", "enriched_at"),
)
_CACHED = sql(
    """select c.* from enrichment_cache c join unnest(:providers, :keys) as m(provider, key)
    on c.provider = m.provider and c.key = m.key""",
    providers=TEXTS,
    keys=TEXTS,
)
_ASKED = sql(
    """select distinct c.provider, c.key from enrichment_calls c
    join unnest(:providers, :keys) as m(provider, key) on c.provider = m.provider and c.key = m.key
    where c.outcome = 'asked' and c.called_at > :since""",
    providers=TEXTS,
    keys=TEXTS,
)
_SPENT = sql(
    """select coalesce(sum(cost_usd), 0) from enrichment_calls
    where provider = :provider and called_at >= :since"""
)
_SETTLE = sql(
    """update enrichment_calls c set outcome = m.outcome, detail = m.detail, took_ms = m.took::float8,
        credits = m.credits::float8, cost_usd = m.usd::float8
    from unnest(:ids, :outcomes, :details, :took, :credits, :usd)
        as m(call_id, outcome, detail, took, credits, usd)
    where c.call_id = m.call_id""",
    ids=TEXTS,
    outcomes=TEXTS,
    details=TEXTS,
    took=TEXTS,
    credits=TEXTS,
    usd=TEXTS,
)
_FORGET = sql("delete from enrichment_cache where key = any(:keys) returning key", keys=TEXTS)
_SOON = sql(
    """update leads set enrich_again_at = least(coalesce(enrich_again_at, :at), :at)
    where lead_id = any(:ids) and merged_into is null""",
    ids=TEXTS,
)


@dataclass(frozen=True, slots=True)
class Done:
    """A lead that has been through enrichment. ``scores``: it is to be scored next."""

    lead_id: str
    state_digest: str
    scores: bool
    again_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of one look-up. ``usd``: as charged."""

    call_id: str
    outcome: str
    took_ms: float
    detail: str | None = None
    credits: float = 0.0
    usd: float = 0.0


def claim(
    connection: Connection, *, now: datetime, limit: int, until: datetime | None = None
) -> list[dict[str, Any]]:
    """Up to ``limit`` leads: those that changed, oldest change first, then those to be asked about again.

    Locked until the transaction ends; with ``until`` left alone by others until then.
    """
    found = rows(connection, _CLAIM, limit=limit, now=now)
    if until is not None and found:
        connection.execute(_HOLD, {"ids": sorted(f["lead_id"] for f in found), "until": until})
    return found


def done(connection: Connection, leads: Sequence[Done], providers: Collection[str]) -> int:
    """These go on; what any but these providers has said of them is forgotten.

    Returns how many others wait for enrichment (partial index).
    """
    by_id = sorted(leads, key=lambda d: d.lead_id)
    return int(
        one_value(
            connection,
            _DONE,
            ids=[d.lead_id for d in by_id],
            digests=[d.state_digest for d in by_id],
            scores=["yes" if d.scores else "no" for d in by_id],
            again=[d.again_at.isoformat() if d.again_at else None for d in by_id],
            tries=[str(d.tries) for d in by_id],
            providers=sorted(providers),
        )
    )


def stored(connection: Connection, lead_ids: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """lead id -> provider -> row, of everything these have."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows(connection, _STORED, ids=sorted(lead_ids)):
        found.setdefault(row["lead_id"], {})[row["provider"]] = row
    return found


def save(connection: Connection, values: Sequence[Mapping[str, Any]]) -> None:
    """Upsert rows of ``enrichments``, which all name the same columns."""
    put(connection, enrichments, values, _AGAIN)


def drop(connection: Connection, gone: Iterable[tuple[str, str]]) -> None:
    """Forget what these providers said of these leads: (lead id, provider)."""
    pairs = sorted(gone)
    if pairs:
        connection.execute(_DROP, {"leads": [p[0] for p in pairs], "providers": [p[1] for p in pairs]})


def cached(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, dict[str, Any]]:
    """What is kept under these keys, of any age."""
    wanted = sorted(set(pairs))
    found = rows(connection, _CACHED, providers=[p[0] for p in wanted], keys=[p[1] for p in wanted])
    return {(r["provider"], r["key"]): r for r in found}


def asked_since(connection: Connection, pairs: Iterable[Pair], since: datetime) -> set[Pair]:
    """Of these, what somebody has asked for since and not been answered."""
    wanted = sorted(set(pairs))
    given = {"providers": [p[0] for p in wanted], "keys": [p[1] for p in wanted], "since": since}
    return {(r["provider"], r["key"]) for r in rows(connection, _ASKED, **given)}


def lock_budgets(connection: Connection, providers: Iterable[str]) -> None:
    """Who reads what is left of a budget and takes from it does so alone, until the transaction ends."""
    lock_exclusive(connection, {"enrichment:" + name for name in providers})


def spent(connection: Connection, provider: str, since: datetime) -> float:
    """USD since then, with what may still be charged (one look at an index)."""
    return float(one_value(connection, _SPENT, provider=provider, since=since))


def reserve(connection: Connection, calls: Sequence[Mapping[str, Any]]) -> None:
    """Write down look-ups that are about to be made, at what each may cost."""
    put(connection, enrichment_calls, calls)


def settle(
    connection: Connection, settled: Sequence[Settled], remembered: Sequence[Mapping[str, Any]]
) -> None:
    """What came of look-ups; ``remembered``: rows of the cache."""
    if settled:
        connection.execute(
            _SETTLE,
            {
                "ids": [s.call_id for s in settled],
                "outcomes": [s.outcome for s in settled],
                "details": [s.detail for s in settled],
                "took": [str(s.took_ms) for s in settled],
                "credits": [str(s.credits) for s in settled],
                "usd": [str(s.usd) for s in settled],
            },
        )
    columns = ("found", "fields", "lead_id", "cost_usd", "took_ms", "fetched_at")
    put(connection, enrichment_cache, remembered, on_conflict_update("provider, key", *columns))


def forget(connection: Connection, keys: Iterable[str]) -> int:
    """Erase what is kept under these keys, of all providers. Returns how many answers that were."""
    return len(rows(connection, _FORGET, keys=sorted(keys)))


def again_soon(connection: Connection, lead_ids: Iterable[str], at: datetime) -> None:
    """Something came that these leads wait for."""
    connection.execute(_SOON, {"ids": sorted(lead_ids), "at": at})
