"""A folder as a mail provider: one ``<key>.eml`` per message, whole or not there. Needs no account.

The same key never makes a second file, whoever sends it however often, so a look-up by presence is sound.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leadops.errors import UsageError
from leadops.providers.email.port import EmailPort
from leadops.providers.email.wire import message_id_of
from leadops.terms import Outcome, SendResult, stable_id

_SAFE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,150}")
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
_LOCK = ".outbox.lock"


class Outbox(EmailPort):
    """``folder`` is made at the first message (or by `check`)."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = False
        self._sweeping = threading.Lock()

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:  # noqa: ARG002
        """As the port says. The addresses of the envelope are those of the message, which stands in the file.

        ACCEPTED with detail ``already_there`` where the key has its file, whatever its bytes.
        """
        final = self.path_of(key)
        try:
            self._prepare()
            if final.exists():
                return self._accepted(final, "already_there")
            with self._written(final, wire) as temporary:
                new = self._put(temporary, final)
        except OSError as error:
            return SendResult(Outcome.RETRY, detail=_code_of(error))
        try:
            _sync_folder(self._folder)
        except OSError:
            # The file stands; only a power cut in the next seconds could take it away again.
            return self._accepted(final, "not_synced", wire)
        return self._accepted(final, "", wire) if new else self._accepted(final, "already_there")

    def look_up(self, key: str) -> SendResult | None:
        """ACCEPTED where the file stands; RETRY where it does not and nobody is writing it.

        AMBIGUOUS where that cannot be seen: the folder is missing (not mounted?) or may not be read, or a
        live process is at it.
        """
        final = self.path_of(key)
        try:
            names = {
                entry.name for entry in os.scandir(self._folder) if entry.name.startswith(f".{final.stem}.")
            }
            if final.exists():
                return self._accepted(final, "found")
            if any(_in_use(self._folder / name) for name in names):
                return SendResult(Outcome.AMBIGUOUS, detail="in_flight")
            # The writer may have finished between the two looks.
            return (
                self._accepted(final, "found")
                if final.exists()
                else SendResult(Outcome.RETRY, detail="absent")
            )
        except OSError as error:
            return SendResult(Outcome.AMBIGUOUS, detail=_code_of(error))

    def check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "outbox_invalid", f"{self._folder} cannot be made ({error.strerror}); set LEADOPS_OUTBOX_DIR."
            ) from None
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise UsageError(
                "outbox_forbidden",
                f"{self._folder} must be readable and writable by the user leadops runs as; "
                "change its permissions or LEADOPS_OUTBOX_DIR.",
            )
        self._sweep()

    def path_of(self, key: str) -> Path:
        """The file of a key; a key that is no file name gets one derived from it."""
        safe = key if _SAFE_KEY.fullmatch(key) else stable_id("key", key)
        return self._folder / f"{safe}.eml"

    def _prepare(self) -> None:
        with self._sweeping:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                self._sweep()
                self._swept = True

    def _sweep(self) -> None:
        """Remove what processes left that died in the middle of a message: nobody holds its lock."""
        for path in self._folder.glob(".*.tmp"):
            if not _in_use(path):
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def _written(self, final: Path, wire: bytes) -> Iterator[Path]:
        """The bytes on disk in a hidden file of this folder, locked; gone afterwards."""
        path = self._folder / f".{final.stem}.{secrets.token_hex(6)}.tmp"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            view = memoryview(wire)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(fd)

    def _put(self, temporary: Path, final: Path) -> bool:
        """Give the file its name; False where the name was taken meanwhile. Never overwrites."""
        try:
            os.link(temporary, final)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return self._rename(temporary, final)
        return True

    def _rename(self, temporary: Path, final: Path) -> bool:
        fd = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if final.exists():
                return False
            temporary.rename(final)
            return True
        finally:
            os.close(fd)

    def _accepted(self, final: Path, detail: str, wire: bytes | None = None) -> SendResult:
        message_id = None
        with suppress(OSError):
            message_id = message_id_of(final.read_bytes() if wire is None else wire)
        return SendResult(Outcome.ACCEPTED, provider_ref=final.name, message_id=message_id, detail=detail)


def _in_use(path: Path) -> bool:
    """True where a live process holds the temporary file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _code_of(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "disk_full"
    return errno.errorcode.get(error.errno or 0, "io_error").lower()
