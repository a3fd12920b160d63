"""The metric tables against a recount: dbt builds them from a run, Python counts people one by one."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from leadops.metrics import build
from leadops.metrics.read import opened, read_table
from leadops.runtime.databases import databases_of
from leadops.settings import Settings
from leadops.simulator import recount
from leadops.store.engine import transaction

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

CUBE = "conversion_cube"
_KEYS = ("source", "tier", "variant")


def metric_tables_are_a_recount(run: Simulation) -> Iterator[tuple[str, str]]:
    """Column by column of source x tier x variant."""
    url = run.observer.url.render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory(prefix="leadops-simulate-") as folder:
        home = Path(folder)
        config = Settings(database_url=SecretStr(url), dagster_url=SecretStr(url), home=home)
        databases = databases_of(config)
        build.build(databases.business, databases.metrics_env, home / "dbt")
    with transaction(run.observer) as connection:
        people = recount.people(recount.Tables.read(connection))
    with opened(url) as connection:
        table = read_table(connection, CUBE)
    found = {row[:3]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    expected = {key: recount.measures(p for p in people if _key(p) == key) for key in map(_key, people)}
    for key in sorted(found.keys() | expected.keys()):
        yield from _differences(key, found.get(key), expected.get(key))


def _key(person: recount.Person) -> tuple[str, str, str]:
    return person.source, person.tier, person.variant


def _differences(
    key: tuple[str, ...], found: dict[str, Any] | None, expected: dict[str, Any] | None
) -> Iterator[tuple[str, str]]:
    name = " x ".join(key)
    if found is None or expected is None:
        yield name, "is in one of the table and the recount only"
        return
    for column, value in found.items():
        if column not in _KEYS and not _same(value, expected.get(column)):
            yield name, f"{column} is {value}, counted {expected.get(column)}"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)
