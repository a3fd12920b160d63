"""A whole house on a fresh database, for tests of the stages."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from leadops_tests.house import World, house_of


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path), tmp_path)
