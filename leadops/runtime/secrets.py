"""Secrets that leadops makes for itself: one file each under LEADOPS_HOME, mode 0600, written once."""

from __future__ import annotations

import os
import secrets as random
from pathlib import Path
from typing import Literal

from leadops.errors import UsageError
from leadops.runtime.locks import file_lock
from leadops.settings import Settings


def secret(settings: Settings, name: Literal["secret_key", "ingest_key"]) -> str:
    """The configured value, else the one kept in LEADOPS_HOME, made at the first call.

    Raises UsageError where the setting or the kept file is empty: an empty key would silently key nothing.
    """
    given = getattr(settings, name)
    if given is None:
        return kept_secret(settings.home / name)
    value = str(given.get_secret_value()).strip()
    if not value:
        raise UsageError(
            "empty_secret", f"LEADOPS_{name.upper()} is set but empty: give it a value or unset it."
        )
    return value


def kept_secret(path: Path) -> str:
    """The secret in ``path``; whoever comes first makes it, everybody else reads that one."""
    try:
        return _read(path) or _made(path)
    except PermissionError:
        raise UsageError(
            "secret_unreadable", f"{path} belongs to another user: run leadops as the one who made it."
        ) from None


def _made(path: Path) -> str:
    with file_lock(path.with_name(f".{path.name}.lock")):
        found = _read(path)
        if found is None:
            # A leading letter: YAML and shells never take it for a number or an option.
            found = "k" + random.token_urlsafe(32)
            _write(path, found)
    return found


def _read(path: Path) -> str | None:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    if not value:
        raise UsageError(
            "empty_secret", f"{path} is empty: restore it from a backup, or delete it to have a new one made."
        )
    return value


def _write(path: Path, value: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(value + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
