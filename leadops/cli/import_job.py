"""What ``leadops import`` does, without a terminal and without a database: rows in batches, counts, errors.

The command itself is ``import_.py``; what rows mean is decided by the mapping.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from leadops.errors import BadInput, UsageError
from leadops.providers.crm.mapping import MAPPING_FILE, column_of, default_mapping, load_mapping, spec_for
from leadops.providers.crm.mapping_model import FileSpec, Mapping
from leadops.providers.crm.port import RawRow
from leadops.providers.crm.records import HeaderError, Position, read_rows

FIRST_PROBLEMS = 10
ERROR_COLUMNS = ("line", "column", "reason", "row")

Verdicts = Sequence[str | None]
"""One per row of a batch: why it was refused; None: accepted. ``duplicate`` rows are DUPLICATE."""
DUPLICATE = "\x00duplicate"
Put = Callable[[Sequence[RawRow], str], Verdicts]
"""Takes a batch and the text of the position after it, commits both together."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that was refused. ``column`` where the reason speaks of one."""

    line: int
    column: str | None
    reason: str
    row: dict[str, Any]


@dataclass(slots=True)
class Tally:
    """Counts of one run of the command; ``problems`` are the first FIRST_PROBLEMS only."""

    from_line: int = 1
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    finished: bool = False

    def add(self, rows: Sequence[RawRow], verdicts: Verdicts) -> list[Problem]:
        """Count a batch; returns all of its problems."""
        found = []
        for row, verdict in zip(rows, verdicts, strict=True):
            self.rows += 1
            if row.event is not None:
                self.kinds[str(row.event.get("kind"))] += 1
            if verdict == DUPLICATE:
                self.duplicates += 1
            elif verdict is None:
                self.accepted += 1
            else:
                self.quarantined += 1
                line = int(row.where.rpartition(":")[2])
                found.append(Problem(line, column_of(verdict), verdict, row.raw))
        self.problems += found[: FIRST_PROBLEMS - len(self.problems)]
        return found


def choose_mapping(file: Path, mapping: Path | None) -> tuple[Mapping, str]:
    """The mapping and its name: the one given, else mapping.yaml beside the file, else the default one."""
    beside = file.parent / MAPPING_FILE
    if mapping is None and not beside.exists():
        return default_mapping(), "the default mapping"
    path = mapping or beside
    return load_mapping(path), str(path)


def choose_spec(mapping: Mapping, shown: str, file_name: str, label: str | None) -> FileSpec:
    """The spec called ``label``, else the one whose pattern fits, else the only one. Raises UsageError."""
    labels = ", ".join(spec.label for spec in mapping.files)
    if label is not None:
        named = next((spec for spec in mapping.files if spec.label == label), None)
        if named is None:
            raise UsageError("unknown_spec", f"{shown} has no spec {label!r}; it has: {labels}")
        return named
    fits = spec_for(mapping, file_name)
    if fits is None and len(mapping.files) > 1:
        raise UsageError(
            "no_spec", f"no pattern in {shown} fits {file_name}; choose with --spec one of: {labels}"
        )
    return fits or mapping.files[0]


def cursor_name(file: Path, spec: FileSpec) -> str:
    """``import:<digest>`` of the file's bytes and of what the mapping makes of them."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=12))
    digest.update(spec.model_dump_json().encode())
    return f"import:{digest.hexdigest()}"


def cursor_text(at: Position, *, finished: bool) -> str:
    """A position as the text that is committed with its batch."""
    return json.dumps({"offset": at.offset, "line": at.line, "header": at.header, "finished": finished})


def position_in(text: str | None) -> tuple[Position, bool]:
    """The position of a cursor text and whether the file was finished; the beginning for None."""
    if text is None:
        return Position(), False
    kept = json.loads(text)
    header = None if kept["header"] is None else tuple(kept["header"])
    return Position(kept["offset"], kept["line"], header), bool(kept["finished"])


def run(
    file: Path,
    spec: FileSpec,
    put: Put,
    *,
    batch: int,
    start: Position,
    tally: Tally,
    on_problems: Callable[[Sequence[Problem]], None] = lambda _: None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Tally:
    """Read the file from ``start`` to its end and put its rows in batches, counting into ``tally``.

    Each batch goes with the position after it, the last one with its end marked: an interrupted run
    goes on after the last batch that was put. Raises UsageError where the header does not fit the spec.
    """
    tally.from_line = start.line + 1
    for rows, at, last in batches(file, spec, start, batch):
        verdicts = put(rows, cursor_text(at, finished=last))
        on_problems(tally.add(rows, verdicts))
        on_bytes(at.offset)
    tally.finished = True
    return tally


def batches(
    file: Path, spec: FileSpec, start: Position, batch: int
) -> Iterator[tuple[list[RawRow], Position, bool]]:
    """Rows in batches, each with the position after it and whether it is the last.

    Raises UsageError where the header does not fit the spec.
    """
    rows: list[RawRow] = []
    at = start
    try:
        with file.open("rb") as stream:
            for step in read_rows(stream, file.name, spec, start, final=True):
                at = step.position
                if step.row is not None:
                    rows.append(step.row)
                if len(rows) >= batch:
                    yield rows, at, False
                    rows = []
    except HeaderError as error:
        has = f" The header has: {', '.join(error.header)}." if error.header else ""
        advice = f"{has} Correct the mapping, or list the column under optional." if has else ""
        raise UsageError("header_mismatch", f"{error.where}: {error}.{advice}") from None
    yield rows, at, True


def dry_put(now: datetime) -> Put:
    """A put that only looks: what intake would say of each row. Knows of no duplicates."""
    from leadops.domain.intake import parse_event
    from leadops.domain.keys import Keyring

    keyring = Keyring(b"dry run: nothing of this is kept")

    def put(rows: Sequence[RawRow], _cursor: str) -> Verdicts:
        return [_refusal(row) for row in rows]

    def _refusal(row: RawRow) -> str | None:
        if row.event is None:
            return row.error
        try:
            parse_event(row.event, now=now, keyring=keyring)
        except BadInput as error:
            return str(error)
        return None

    return put


@contextmanager
def error_file(path: Path | None, *, append: bool) -> Iterator[Callable[[Sequence[Problem]], None]]:
    """A csv file that takes problems (line, column, reason, row as JSON); nothing where ``path`` is None."""
    if path is None:
        yield lambda _: None
        return
    try:
        stream = path.open("a" if append else "w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError("errors_file", f"{path}: cannot be written: {error.strerror}") from None
    with stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow(ERROR_COLUMNS)

        def take(problems: Sequence[Problem]) -> None:
            for p in problems:
                writer.writerow([p.line, p.column or "", p.reason, json.dumps(p.row, ensure_ascii=False)])
            stream.flush()

        yield take
