"""A house on a real database with the clock of the wall, the location bound to it, and Dagster's instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine

from leadops.definitions import build_defs
from leadops_tests.house import World, house_of


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path), tmp_path, now=datetime.now(UTC))


@pytest.fixture
def location(world: World) -> dg.Definitions:
    return build_defs({"house": world.house})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
