from __future__ import annotations

from pathlib import Path

import pytest

from leadops_tests.playbook.folders import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A good playbook in the working directory: problems are shown relative to it."""
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)
