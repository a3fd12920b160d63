from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadops_tests.cli.installed import installed
from leadops_tests.house import World


@pytest.fixture
def world(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A house and an installation on the same database and in the same home."""
    with installed(database_url, tmp_path, monkeypatch) as made:
        yield made
