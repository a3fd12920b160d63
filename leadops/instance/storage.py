"""Where Dagster keeps its own history: Postgres over a pool, or, where nothing is set up, a folder.

``dagster.yaml`` names the class here as custom storage, for two reasons. A plain ``postgres_url: {env: ...}``
makes every ``dg`` command fail on a machine where leadops was never started. And the stock storages open a
connection for every statement and look into the catalogue for columns that every database of ours has: of
950 ms that a run of seven assets took, 650 went into that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes.config_class import ConfigurableClassData
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import Engine, create_engine

from leadops.settings import settings
from leadops.store.engine import ping_after_idling

URL_VARIABLE = "LEADOPS_DAGSTER_URL"
_IDLE_S = 1.0


@lru_cache
def _pool(url: str, process: int) -> Engine:  # noqa: ARG001 - a child must not use its parent's connections
    """One for all three storages of a process; a restarted database goes unnoticed."""
    engine = create_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=3, max_overflow=20, pool_recycle=600, pool_use_lifo=True
    )
    ping_after_idling(engine, _IDLE_S)
    return engine


def _once(name: str) -> Callable[..., bool]:
    """The storage's probe of that name, asked until it says True: a column does not go away again."""

    def probe(self: Any, *arguments: Any) -> bool:
        seen = self.__dict__.setdefault("_probes_seen", set())
        if (name, arguments) in seen:
            return True
        found = bool(getattr(super(type(self), self), name)(*arguments))
        if found:
            seen.add((name, arguments))
        return found

    probe.__name__ = name
    return probe


class _Pooled:
    """Before one of the stock storages: its engine is the process's pool."""

    _engine: Engine
    postgres_url: str

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._engine = _pool(self.postgres_url, os.getpid())

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Nothing to do: there is a pool already."""


class RunStorage(_Pooled, PostgresRunStorage):
    has_run_stats_index_cols = _once("has_run_stats_index_cols")
    has_backfill_id_column = _once("has_backfill_id_column")


class EventLogStorage(_Pooled, PostgresEventLogStorage):
    has_table = _once("has_table")
    has_asset_key_col = _once("has_asset_key_col")


class ScheduleStorage(_Pooled, PostgresScheduleStorage):
    pass


class Storage(DagsterPostgresStorage):
    """``LEADOPS_DAGSTER_URL`` (``leadops up`` sets it for its children) names the database.

    Without it, as for a bare ``dg dev`` or ``dg check defs``, history goes to a folder in LEADOPS_HOME.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._run_storage = RunStorage(postgres_url)
        self._event_log_storage = EventLogStorage(postgres_url)
        self._schedule_storage = ScheduleStorage(postgres_url)

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]  # another storage, on purpose
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - its shape is Dagster's
    ) -> DagsterStorage:
        """Also what each child process makes its storage from."""
        if url := os.environ.get(URL_VARIABLE):
            return cls(url, inst_data)
        folder = settings().home / "dagster-without-postgres"
        folder.mkdir(parents=True, exist_ok=True)
        return DagsterSqliteStorage.from_local(str(folder), inst_data)
