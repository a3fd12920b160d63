"""An installation in a temporary home: settings from the environment, a house on the test's database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from typer.testing import CliRunner, Result

from leadops.cli.main import app
from leadops.runtime.wiring import keyring_of
from leadops.settings import settings
from leadops_tests.house import World, house_of

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)


@contextmanager
def installed(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world the commands see: same database, same CRM folder, same keys."""
    for name, value in (("HOME", home), ("DATABASE_URL", url), ("SECRET_KEY", "test"), ("EMAIL", "outbox")):
        monkeypatch.setenv(f"LEADOPS_{name}", str(value))
    for name in ("CRM_DIR", "OUTBOX_DIR", "PLAYBOOK"):
        monkeypatch.delenv(f"LEADOPS_{name}", raising=False)
    settings.cache_clear()
    engine = create_engine(url, poolclass=NullPool)
    yield World(house_of(engine, home, keyring=keyring_of(settings())), home)
    engine.dispose()
    settings.cache_clear()


def run(*words: str) -> Result:
    """What `leadops WORDS` prints. An error of ours is ``result.exception``."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, list(words))


def read(*words: str) -> Any:
    """The JSON of a command that succeeds."""
    result = run(*words, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def change(world: World, statement: str, **given: Any) -> None:
    with world.house.engine.begin() as connection:
        connection.execute(text(statement), given)
