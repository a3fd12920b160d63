"""How a stage's report and a table look in Dagster: metadata and column schema. Ids and counts only.

Nothing personal may get here: Dagster keeps metadata and logs where erasure does not reach.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine, Table

from leadops.stages.report import Report
from leadops.store.engine import TEXTS, one_value, rows, sql, transaction
from leadops.store.tables import metadata as tables

Materialized = dg.MaterializeResult[Any]

OWNERS = ["team:revops"]
MAX_IDS = 50
MAX_BATCHES = 200


def now() -> datetime:
    """The clock of the edge; everything below takes it as an argument."""
    return datetime.now(UTC)


def table_spec(
    name: str, *, group: str, table: str, deps: Sequence[str] = (), description: str, code_version: str = "1"
) -> dg.AssetSpec:
    """An asset that is one of our tables: column schema from the very definition that creates it."""
    return dg.AssetSpec(
        key=name,
        group_name=group,
        deps=list(deps),
        description=description,
        owners=OWNERS,
        kinds={"python", "postgres"},
        tags={"leadops/table": table},
        code_version=code_version,
        metadata={
            "dagster/table_name": f"public.{table}",
            "dagster/column_schema": column_schema(tables.tables[table]),
        },
    )


def column_schema(table: Table) -> dg.TableSchema:
    """Name, type, nullability and comment of every column."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=c.name,
                type=str(c.type).lower(),
                description=c.comment or f"References {next(iter(c.foreign_keys)).target_fullname}"
                if c.comment or c.foreign_keys
                else None,
                constraints=dg.TableColumnConstraints(nullable=bool(c.nullable), unique=c.primary_key),
            )
            for c in table.columns
        ]
    )


def drain(stage: Callable[[], Report]) -> tuple[Report, float]:
    """Run a stage batch after batch until it finds nothing more; (report, seconds)."""
    started = now()
    total = stage()
    for _ in range(MAX_BATCHES):
        if not total.did or not total.pending:
            break
        batch = stage()
        if not batch.did:
            break
        total.absorb(batch)
    return total, (now() - started).total_seconds()


def result(key: str, report: Report, seconds: float, **more: Any) -> Materialized:
    """What this batch did and what is still pending."""
    return dg.MaterializeResult(asset_key=key, metadata=described(report, seconds, **more))


def described(report: Report, seconds: float, **more: Any) -> dict[str, Any]:
    """Metadata of one materialization: every count, the leads concerned, what was parked."""
    shown: dict[str, Any] = {f"did/{name}": n for name, n in sorted(report.counts.items()) if n}
    shown |= {name: round(amount, 6) for name, amount in sorted(report.amounts.items())}
    shown["pending"] = report.pending
    shown["seconds"] = round(seconds, 3)
    shown["leads"] = len(report.lead_ids)
    if report.lead_ids:
        shown["lead_ids"] = dg.MetadataValue.json(sorted(report.lead_ids)[:MAX_IDS])
    if report.parked:
        parked = dict(sorted(report.parked.items())[:MAX_IDS])
        shown["parked"] = dg.MetadataValue.json(parked)
    return shown | more


def preview(engine: Engine, statement: str, leads: Collection[str] | None = None) -> dg.MarkdownMetadataValue:
    """A small table for the asset's page. ``leads``: of these (some of them), as ``lead_id = any(:leads)``:
    what a run shows is what it did, or its price would grow with the tables (P6).
    """
    if leads is not None and not leads:
        return dg.MetadataValue.md("*nothing in this batch*")
    given = {} if leads is None else {"leads": sorted(leads)[:MAX_IDS]}
    with transaction(engine) as connection:
        found = rows(connection, sql(statement, **({"leads": TEXTS} if given else {})), **given)
    if not found:
        return dg.MetadataValue.md("*no rows yet*")
    head = list(found[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(r[c]) for c in head) + " |" for r in found]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value).replace("|", "\\|")


_FEW = 2_000
_ABOUT = sql(
    """select greatest(c.reltuples::bigint, s.n_live_tup) as n from pg_class c
    join pg_stat_user_tables s on s.relid = c.oid where c.oid = to_regclass(:table)"""
)


def total(engine: Engine, table: str) -> dg.IntMetadataValue:
    """Row count as Dagster's own ``dagster/row_count`` wants it: what Postgres itself counts along, but for
    small tables."""
    with transaction(engine) as connection:
        about = one_value(connection, _ABOUT, table=table)
        if about is None or about < _FEW:
            about = one_value(connection, sql(f"select count(*) from {tables.tables[table].name}"))
    return dg.MetadataValue.int(int(about))
