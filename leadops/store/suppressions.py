"""Never contact: keyed digests with reason and actor; nothing here can be turned back into a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, put, rows, sql
from leadops.store.tables import suppressions

_FOUND = sql("select key, reason from suppressions where key = any(:keys)", keys=TEXTS)


def suppress(
    connection: Connection, keys: Mapping[str, str], *, reason: str, actor: str, now: datetime
) -> None:
    """``keys``: key -> scope. What is suppressed already keeps its first reason."""
    put(
        connection,
        suppressions,
        [
            {"key": k, "scope": s, "reason": reason, "actor": actor, "suppressed_at": now}
            for k, s in sorted(keys.items())
        ],
    )


def found(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """Those of these keys that are suppressed: key -> reason."""
    return {r["key"]: r["reason"] for r in rows(connection, _FOUND, keys=sorted(keys))}
