"""A folder as a CRM: rows come in as csv and jsonl files, what we did goes out as two jsonl files.

What a row means is decided by ``mapping.yaml`` in the folder. ``writebacks.jsonl`` (touches, scores,
enrolments) and ``tasks.jsonl`` (what reps must do) are ours and never read as input.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from leadops.errors import ProviderError, UsageError
from leadops.providers.crm.appendlog import AppendLog, code_of
from leadops.providers.crm.mapping import MAPPING_FILE, default_mapping, load_mapping, spec_for
from leadops.providers.crm.mapping_model import FileSpec, Mapping
from leadops.providers.crm.port import CrmPort, Poll, RawRow, Writeback, WritebackResult
from leadops.providers.crm.records import HeaderError, Position, read_rows, storable

WRITEBACKS = "writebacks.jsonl"
TASKS = "tasks.jsonl"
OURS = frozenset({WRITEBACKS, TASKS, MAPPING_FILE})
SETTLED_S = 120.0
"""A file untouched for so long will not be finished by its writer: its last row counts without a line end."""

_MARK = 4096  # bytes of head and of tail that must not have changed for reading on


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far one file was read, and what it looked like, so that another file in its place is noticed."""

    position: Position = field(default_factory=Position)
    inode: int = 0
    mark: str = ""  # digest of the first bytes and of those just before the position
    problem: str = ""  # why it is not read on; told once


class FilesCrm(CrmPort):
    """``folder`` may not exist yet: nothing to read, and made at the first write-back.

    ``clock`` gives seconds since the epoch, compared with the files' times of change.
    """

    name = "files"

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._logs = {name: AppendLog(folder / name) for name in (WRITEBACKS, TASKS)}
        self._writing = threading.Lock()

    def mapping(self) -> Mapping:
        """The folder's mapping, or the default one. Raises UsageError where it is not usable."""
        path = self._folder / MAPPING_FILE
        return load_mapping(path) if path.exists() else default_mapping()

    def check(self) -> None:
        if self._folder.exists() and not self._folder.is_dir():
            raise UsageError(
                "crm_dir_invalid", f"{self._folder} is not a folder; set LEADOPS_CRM_DIR to one."
            )
        self.mapping()
        if self._folder.exists() and not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise UsageError(
                "crm_dir_forbidden",
                f"{self._folder} must be readable and writable by the user leadops runs as; "
                "change its permissions or LEADOPS_CRM_DIR.",
            )

    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        """As the port says. Files in order of their names, each from where it was left.

        A file that was replaced, cut or rewritten is read from its start (events deduplicate by id).
        """
        mapping = self.mapping()
        before, after = _seen_in(cursor), dict[str, _Seen]()
        rows: list[RawRow] = []
        more = False
        for path, spec in self._inputs(mapping):
            seen = before.get(path.name, _Seen())
            if more or should_stop() or len(rows) >= limit:
                # `more` costs one empty poll at most; a missed file would cost a lead its answer.
                more = True
                if path.name in before:
                    after[path.name] = seen
                continue
            after[path.name], found, more = self._read(path, spec, seen, limit - len(rows), should_stop)
            rows += found
        return Poll(tuple(rows), _cursor_of(after), more)

    def _inputs(self, mapping: Mapping) -> list[tuple[Path, FileSpec]]:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ProviderError("crm_dir_unreadable", f"{self._folder}: {error.strerror}") from None
        found = []
        for name in names:
            spec = spec_for(mapping, name)
            if spec is not None and not name.startswith(".") and not self._is_ours(name):
                found.append((self._folder / name, spec))
        return found

    def _is_ours(self, name: str) -> bool:
        """By name and by what it really is: a link to our own file would be an echo."""
        if name.lower() in OURS:
            return True
        path = self._folder / name
        try:
            return any(
                own.exists() and path.samefile(own) for own in (self._folder / n for n in (WRITEBACKS, TASKS))
            )
        except OSError:
            return False

    def _read(
        self, path: Path, spec: FileSpec, seen: _Seen, limit: int, should_stop: Callable[[], bool]
    ) -> tuple[_Seen, list[RawRow], bool]:
        rows: list[RawRow] = []
        more = False
        shown = str(storable(path.name))
        try:
            with _open_regular(path) as stream:
                status = os.fstat(stream.fileno())
                start = _resume(stream, status, seen)
                final = self._clock() - status.st_mtime > SETTLED_S
                at = start.position
                for step in read_rows(stream, shown, spec, at, final=final):
                    at = step.position
                    rows += [step.row] if step.row is not None else []
                    if len(rows) >= limit or should_stop():
                        more = True
                        break
                return _Seen(at, status.st_ino, _mark(stream, at.offset)), rows, more
        except HeaderError as error:
            return self._not_read(seen, str(error), error.where, {"header": error.header})
        except OSError as error:
            return self._not_read(seen, f"the file cannot be read ({code_of(error)})", f"{shown}:1", {})

    @staticmethod
    def _not_read(
        seen: _Seen, problem: str, where: str, raw: dict[str, Any]
    ) -> tuple[_Seen, list[RawRow], bool]:
        """Leave the file where it is and tell why, once; the other files go on."""
        told = seen.problem == problem
        rows = [] if told else [RawRow(None, problem, {"problem": problem, **raw}, where)]
        return replace(seen, problem=problem), rows, False

    def write(self, items: Sequence[Writeback]) -> list[WritebackResult]:
        """As the port says. A full disk or a missing permission is RETRY; nothing half-written stays."""
        results: dict[int, WritebackResult] = {}
        for name, log in self._logs.items():
            own = [(i, w) for i, w in enumerate(items) if (TASKS if w.kind == "task" else WRITEBACKS) == name]
            if not own:
                continue
            with self._writing:
                outcomes = log.append([(w.dedupe_key, _line(w)) for _, w in own])
            for (i, w), (outcome, detail) in zip(own, outcomes, strict=True):
                results[i] = WritebackResult(w.dedupe_key, outcome, detail)
        return [results[i] for i in range(len(items))]


def _line(item: Writeback) -> dict[str, Any]:
    return {
        "dedupe_key": item.dedupe_key,
        "kind": item.kind,
        "lead_id": item.lead_id,
        "crm_ids": [list(pair) for pair in item.crm_ids],
        "payload": dict(item.payload),
    }


def _open_regular(path: Path) -> BinaryIO:
    """Open for reading; a pipe or a folder in the place of a file is an OSError, not a hang."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file")
    return os.fdopen(fd, "rb")


def _resume(stream: BinaryIO, status: os.stat_result, seen: _Seen) -> _Seen:
    """What was seen, where the file still is that file; else a fresh start."""
    same = (
        seen.inode == status.st_ino
        and status.st_size >= seen.position.offset
        and seen.mark == _mark(stream, seen.position.offset)
    )
    return seen if same else _Seen()


def _mark(stream: BinaryIO, offset: int) -> str:
    """Digest of what was read of the file: its first bytes and the last ones before ``offset``."""
    digest = hashlib.blake2b(digest_size=12)
    for start in sorted({0, max(0, offset - _MARK)}):
        stream.seek(start)
        digest.update(stream.read(min(_MARK, offset - start)))
    return digest.hexdigest()


def _cursor_of(seen: dict[str, _Seen]) -> str:
    files = {
        name: {
            "offset": s.position.offset,
            "line": s.position.line,
            "header": s.position.header,
            "inode": s.inode,
            "mark": s.mark,
            "problem": s.problem,
        }
        for name, s in sorted(seen.items())
    }
    return json.dumps({"v": 1, "files": files}, separators=(",", ":"))


def _seen_in(cursor: str | None) -> dict[str, _Seen]:
    return dict(_entries(cursor)) if cursor else {}


def _entries(cursor: str) -> Iterator[tuple[str, _Seen]]:
    try:
        for name, s in json.loads(cursor)["files"].items():
            header = None if s["header"] is None else tuple(s["header"])
            position = Position(int(s["offset"]), int(s["line"]), header)
            yield name, _Seen(position, int(s["inode"]), str(s["mark"]), str(s["problem"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ProviderError(
            "crm_cursor_invalid",
            "The stored position of the files CRM is not one of ours; delete its row in crm_cursors to "
            "read the folder again (events already known are recognised).",
        ) from None
