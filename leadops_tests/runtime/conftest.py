"""Fixtures of embedded servers: real ones, in directories every account can enter."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadops.runtime.postgres import EmbeddedPostgres


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that every account can enter; pytest's own are private to root."""
    made = Path(tempfile.mkdtemp(prefix="leadops-pg-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def serve(ground: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Makes a server for a home (not durable, so tests are fast); all are stopped at the end."""
    made: list[EmbeddedPostgres] = []

    def make(home: Path | str = "home", durable: bool = False) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(ground / home, durable=durable, elsewhere=ground / "elsewhere"))
        return made[-1]

    yield make
    for server in made:
        server.stop()
