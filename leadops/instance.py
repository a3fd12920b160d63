"""Where Dagster keeps its own history: Postgres, or, where nothing is set up, a folder.

The one module that imports from ``dagster._core``: the storages have no public home. ``dagster.yaml``
names the class here as custom storage, because a plain ``postgres_url: {env: ...}`` makes every ``dg``
command fail on a machine where leadops was never started.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes.config_class import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from leadops.settings import settings

URL_VARIABLE = "LEADOPS_DAGSTER_URL"


class Storage(DagsterPostgresStorage):
    """``LEADOPS_DAGSTER_URL`` (``leadops up`` sets it for its children) names the database.

    Without it, as for a bare ``dg dev`` or ``dg check defs``, history goes to a folder in LEADOPS_HOME.
    """

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]  # another storage, on purpose
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DagsterStorage:
        """Also what each child process makes its storage from."""
        url = os.environ.get(URL_VARIABLE)
        if url:
            given: Any = {**config_value, "postgres_url": url}
            return super().from_config_value(inst_data, given)
        folder = settings().home / "dagster-without-postgres"
        folder.mkdir(parents=True, exist_ok=True)
        return DagsterSqliteStorage.from_local(str(folder), inst_data)
