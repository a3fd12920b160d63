"""Make dbt's manifest, which Dagster reads when it loads the metrics location.

Run at install (``python -m leadops.metrics.prepare``): parsing takes seconds, needs no database and
should not happen when a code server starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from leadops.errors import LeadopsError, UsageError
from leadops.metrics import project
from leadops.runtime.locks import file_lock

# Artefacts of a parse that are kept: the second lets dbt skip what did not change.
_KEPT = ("partial_parse.msgpack", "manifest.json")


class PrepareError(LeadopsError):
    """dbt could not parse the project."""


def prepare() -> Path:
    """Parse the dbt project and put its manifest in place; returns the manifest's path.

    Raises:
        UsageError: dbt is missing, or the project's folder cannot be written.
        PrepareError: the project does not parse; the message ends with what dbt said.
    """
    try:
        project.TARGET_DIR.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=project.TARGET_DIR, prefix="parse-") as folder:
            _parse(Path(folder))
            for name in _KEPT:
                # Readers see the old manifest or the new one, never half of one.
                (Path(folder) / name).replace(project.TARGET_DIR / name)
    except PermissionError as error:
        raise UsageError(
            "metrics_not_writable",
            f"Cannot write {project.TARGET_DIR} ({error.strerror}); run "
            "`python -m leadops.metrics.prepare` as the owner of the checkout, at install.",
        ) from None
    return project.MANIFEST


def ensure_manifest() -> Path:
    """The manifest's path; prepared first when it is missing or older than the project's files."""
    if _is_current():
        return project.MANIFEST
    if project.MANIFEST.exists() and not os.access(project.TARGET_DIR, os.W_OK):
        return project.MANIFEST  # an image with its own file times: what was built is what there is
    try:
        # Code servers start together: the first one parses, the others find it done.
        with file_lock(project.TARGET_DIR / "prepare.lock"):
            return project.MANIFEST if _is_current() else prepare()
    except PermissionError:
        return prepare()  # which says what to do


def _is_current() -> bool:
    if not all((project.TARGET_DIR / name).exists() for name in _KEPT):
        return False
    return project.MANIFEST.stat().st_mtime >= project.newest_source()


def _parse(folder: Path) -> None:
    parsed = subprocess.run(
        [str(project.dbt_executable()), "--no-version-check", "parse", "--quiet"],
        cwd=project.PROJECT_DIR,
        env=project.dbt_environment(folder, {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if parsed.returncode != 0 or not (folder / "manifest.json").exists():
        said = (parsed.stdout + parsed.stderr).strip()[-2000:]
        raise PrepareError("metrics_not_parsed", f"dbt could not parse {project.PROJECT_DIR}:\n{said}")


def main() -> int:
    """Entry point: 0 done, 1 the project does not parse, 2 wrong use or installation."""
    try:
        prepare()
    except UsageError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except LeadopsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
