"""A file of JSON lines that several processes append to, each keyed line once. Local disks only.

A line is either whole or not there: a torn tail (kill -9, full disk) is cut off before the next
line is written.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leadops.terms import Outcome

KEY = "dedupe_key"
_READ = 1 << 20


class AppendLog:
    """One file. Not for use by two threads at once; by any number of processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: set[bytes] = set()
        self._indexed = 0  # bytes of the file whose keys are known
        self._file: tuple[int, int] | None = None  # device and inode the index is of

    def append(self, items: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[Outcome, str]]:
        """Write each (key, line) whose key is not in the file yet; one outcome and code per item, in order.

        ACCEPTED is on disk (fsync). RETRY wrote nothing (full disk, no permission). REJECTED is no JSON.
        """
        try:
            with self._locked() as fd:
                return self._append(fd, items)
        except OSError as error:
            return [(Outcome.RETRY, code_of(error))] * len(items)

    def _append(self, fd: int, items: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[Outcome, str]]:
        start = end = self._catch_up(fd)
        results: list[tuple[Outcome, str]] = []
        written: set[bytes] = set()
        full: OSError | None = None
        for key, line in items:
            digest = _digest(key)
            data = _encoded(key, line)
            if digest in self._keys or digest in written:
                results.append((Outcome.ACCEPTED, "already_there"))
            elif data is None:
                results.append((Outcome.REJECTED, "not_json"))
            elif full is not None:
                results.append((Outcome.RETRY, code_of(full)))
            else:
                try:
                    _write_all(fd, data, end)
                except OSError as error:
                    full = error
                    os.ftruncate(fd, end)
                    results.append((Outcome.RETRY, code_of(error)))
                    continue
                end += len(data)
                written.add(digest)
                results.append((Outcome.ACCEPTED, ""))
        return self._settle(fd, start, end, written, results)

    def _settle(
        self, fd: int, start: int, end: int, written: set[bytes], results: list[tuple[Outcome, str]]
    ) -> list[tuple[Outcome, str]]:
        try:
            os.fsync(fd)  # also where nothing is new: who wrote it may have died before its own fsync
        except OSError as error:
            os.ftruncate(fd, start)
            self._file = None  # index again: what is on disk is no longer certain
            return [(Outcome.RETRY, code_of(error)) if o is Outcome.ACCEPTED else (o, d) for o, d in results]
        self._keys |= written
        self._indexed = end
        return results

    def _catch_up(self, fd: int) -> int:
        """Index what others wrote, cut a torn tail off; returns the length of the file."""
        stat = os.fstat(fd)
        if self._file != (stat.st_dev, stat.st_ino) or stat.st_size < self._indexed:
            self._keys, self._indexed, self._file = set(), 0, (stat.st_dev, stat.st_ino)
        rest = b""
        at = self._indexed
        while block := os.pread(fd, _READ, at):
            at += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._learn(line)
                self._indexed += len(line) + 1
        if rest:
            os.ftruncate(fd, self._indexed)
        return self._indexed

    def _learn(self, line: bytes) -> None:
        try:
            key = json.loads(line)[KEY]
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # not ours: somebody edited the file
        if isinstance(key, str):
            self._keys.add(_digest(key))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file under an exclusive lock, and really the one that stands at the path."""
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if self._stands(fd):
                    yield fd
                    return
            finally:
                os.close(fd)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._file is None:
            sync_folder(self._path.parent)
        return fd

    def _stands(self, fd: int) -> bool:
        """False where somebody moved the file away (rotation) between our open and our lock."""
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False


def sync_folder(folder: Path) -> None:
    """Make new names in the folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def code_of(error: OSError) -> str:
    """``disk_full`` or the name of the errno, lower case: safe to log."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "disk_full"
    return errno.errorcode.get(error.errno or 0, "io_error").lower()


def _write_all(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done


def _encoded(key: str, line: Mapping[str, Any]) -> bytes | None:
    try:
        text = json.dumps({**line, KEY: key}, ensure_ascii=False, default=str, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return None
    # A lone surrogate becomes its \u escape, which is what JSON would write for it.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "backslashreplace"), digest_size=16).digest()
