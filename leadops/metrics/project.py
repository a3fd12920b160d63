"""Where the dbt project stands and what a dbt process needs around it: executable, folders, environment.

Nothing here runs dbt or talks to a database; importing it is cheap.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from leadops.errors import UsageError
from leadops.settings import PROJECT_ROOT

PROJECT_DIR = PROJECT_ROOT / "dbt_metrics"
TARGET_DIR = PROJECT_DIR / "target"
MANIFEST = TARGET_DIR / "manifest.json"
SCHEMA = "metrics"

_SOURCE_FOLDERS = ("models", "macros", "tests")
_SOURCE_FILES = ("dbt_project.yml", "profiles.yml")


def dbt_executable() -> Path:
    """The ``dbt`` beside the running Python; the one on PATH otherwise.

    Raises:
        UsageError: dbt is not installed in this environment.
    """
    # Not resolved: the Python of a virtual environment is a link out of it.
    beside = Path(sys.executable).parent / "dbt"
    if beside.exists():
        return beside
    found = shutil.which("dbt")
    if found is None:
        raise UsageError(
            "dbt_missing",
            f"No dbt beside {sys.executable} nor on PATH; install the project's requirements (make install).",
        )
    return Path(found)


def dbt_environment(folder: Path, connection: Mapping[str, str]) -> dict[str, str]:
    """Environment of a dbt process: ours, the connection (LEADOPS_PG_...), artefacts in ``folder``."""
    return {
        **os.environ,
        **connection,
        "DBT_PROJECT_DIR": str(PROJECT_DIR),
        "DBT_PROFILES_DIR": str(PROJECT_DIR),
        "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder),
        "DBT_USE_COLORS": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def newest_source() -> float:
    """Modification time (Unix seconds) of the newest file of the dbt project, artefacts left out."""
    files = [PROJECT_DIR / name for name in _SOURCE_FILES]
    for folder in _SOURCE_FOLDERS:
        files.extend(path for path in (PROJECT_DIR / folder).rglob("*") if path.is_file())
    return max(path.stat().st_mtime for path in files)
