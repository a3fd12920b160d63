"""Cutting a growing file into rows: only whole records, each with the position after it.

A position can be kept and read on from later. Bounded memory whatever the file. What the rows
mean is ``mapping.py``'s.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from leadops.providers.crm.mapping import missing_columns, to_event, wire_row
from leadops.providers.crm.mapping_model import FileSpec, Format
from leadops.providers.crm.port import RawRow

MAX_RECORD = 256 * 1024  # bytes; a longer one is an error, not a row
MAX_RECORD_LINES = 500  # a quote opened and never closed ends here
_OLD_ENDS = r"its lines end in a carriage return alone; save the file with line feeds (\n)"
_STRAY_QUOTE = "a quote is opened in this line and not closed where the row should end"


@dataclass(frozen=True, slots=True)
class Position:
    """Everything before ``offset`` (bytes) was read; ``line`` counts the lines before it."""

    offset: int = 0
    line: int = 0
    header: tuple[str, ...] | None = None  # csv only


@dataclass(frozen=True, slots=True)
class Step:
    """One record: its row (None for a header, a blank line, a row to skip) and where it ends."""

    row: RawRow | None
    position: Position


class HeaderError(Exception):
    """A csv file's header does not fit its spec: none of its rows can be read. ``where`` is file:line."""

    def __init__(self, message: str, where: str, header: list[str]) -> None:
        super().__init__(message)
        self.where = where
        self.header = header


class _BrokenError(Exception):
    """Why a record cannot be read. ``raw`` is what there is of it."""

    def __init__(self, message: str, raw: dict[str, Any]) -> None:
        super().__init__(message)
        self.raw = raw


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The bytes of one record; ``problem`` where it is none."""

    data: bytes
    end: int
    lines: int
    problem: str | None = None


def read_rows(
    stream: BinaryIO, name: str, spec: FileSpec, start: Position, *, final: bool = False
) -> Iterator[Step]:
    """The records after ``start``, until the last whole one.

    A last record without its line end (or with an open quote) waits for the next call, unless ``final``.
    A broken record is a row with an error; the next line goes on.

    Raises HeaderError before the first row.
    """
    kind = spec.format_of(name)
    at = start
    stream.seek(start.offset)
    while (chunk := _next_chunk(stream, spec, kind, at.offset, final)) is not None:
        where = f"{name}:{at.line + 1}"
        row: RawRow | None = None
        header = at.header
        try:
            if chunk.problem is not None:
                raise _BrokenError(chunk.problem, {"text": _shown(chunk.data, spec)})
            if kind != "csv":
                row = _json_row(chunk.data, spec, where, wire=kind == "events")
            elif header is None:
                header = _header(chunk.data, spec, where)
            else:
                row = _csv_row(chunk.data, spec, header, where)
        except _BrokenError as error:
            broken = error
            if chunk.lines > 1:
                # More likely a stray quote that swallowed good rows than a broken row of several lines.
                chunk = _first_line(chunk, at.offset)
                broken = _BrokenError(_STRAY_QUOTE, {"text": _shown(chunk.data, spec)})
            row = RawRow(None, str(broken), broken.raw, where)
        at = Position(chunk.end, at.line + chunk.lines, header)
        skipped = row is not None and row.event is None and row.error is None
        yield Step(None if skipped else row, at)
        stream.seek(at.offset)


def storable(value: Any) -> Any:
    """The value with what no database text can hold (U+0000, lone surrogates) replaced by U+FFFD."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {storable(str(k)): storable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [storable(v) for v in value]
    return value


def _next_chunk(stream: BinaryIO, spec: FileSpec, kind: Format, offset: int, final: bool) -> _Chunk | None:
    """The record at ``offset``, where the stream stands; None where it is not whole yet."""
    first = stream.readline(MAX_RECORD + 1)
    if len(first) > MAX_RECORD and not first.endswith(b"\n"):
        return _overlong(stream, offset, first, final)
    if not first or not (first.endswith(b"\n") or final):
        return None
    parts, size, scan = [first], len(first), QuoteScan(spec.delimiter)
    in_quotes = kind == "csv" and scan.open_after(_decoded(first, spec))
    while in_quotes:
        more = stream.readline(MAX_RECORD + 1)
        size += len(more)
        runs_away = size > MAX_RECORD or len(parts) >= MAX_RECORD_LINES
        at_end = not more or not more.endswith(b"\n")
        if runs_away or (at_end and final and (not more or scan.open_after(_decoded(more, spec)))):
            return _Chunk(first, offset + len(first), 1, _STRAY_QUOTE)
        if at_end and not final:
            return None
        parts.append(more)
        in_quotes = not at_end and scan.open_after(_decoded(more, spec))
    return _Chunk(b"".join(parts), offset + size, len(parts))


def _first_line(chunk: _Chunk, offset: int) -> _Chunk:
    first = chunk.data[: chunk.data.index(b"\n") + 1]
    return _Chunk(first, offset + len(first), 1)


def _overlong(stream: BinaryIO, offset: int, first: bytes, final: bool) -> _Chunk | None:
    end = offset + len(first)
    while part := stream.readline(MAX_RECORD):
        end += len(part)
        if part.endswith(b"\n"):
            break
    else:
        if not final:
            return None
    what = _OLD_ENDS if b"\r" in first[:-2] else f"the line is longer than {MAX_RECORD} bytes"
    return _Chunk(first[:500], end, 1, what)


class QuoteScan:
    """Whether a csv record goes on in the next line, by the same rules as Python's csv reader.

    A quote opens only at the start of a field: ``5" pipe`` opens nothing.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._in_quotes = False

    def open_after(self, line: str) -> bool:
        """Take the next line of the record; True while a quoted field is still open."""
        if '"' not in line:
            return self._in_quotes
        in_quotes, field_start, after_quote = self._in_quotes, not self._in_quotes, False
        for char in line:
            if in_quotes:
                in_quotes, after_quote = char != '"', char == '"'
            elif char == '"' and (field_start or after_quote):
                in_quotes, after_quote = True, False
            else:
                after_quote = False
            field_start = not in_quotes and char == self._delimiter
        self._in_quotes = in_quotes
        return in_quotes


def _decoded(data: bytes, spec: FileSpec) -> str:
    return data.decode(spec.encoding, "replace")


def _text(data: bytes, spec: FileSpec) -> str:
    text = data.decode(spec.encoding)
    return text.removeprefix("\ufeff").rstrip("\r\n")


def _shown(data: bytes, spec: FileSpec) -> str:
    return str(storable(_decoded(data[:2000], spec)))


def _header(data: bytes, spec: FileSpec, where: str) -> tuple[str, ...] | None:
    if b"\r" in data.rstrip(b"\r\n") and b"\n" not in data[:-1]:
        raise HeaderError(_OLD_ENDS, where, [])
    try:
        cells = _cells(_text(data, spec), spec)
    except (UnicodeDecodeError, csv.Error):
        raise HeaderError(f"the header is not {spec.encoding} text", where, []) from None
    if not cells:
        return None
    header = [str(storable(cell)).strip() for cell in cells]
    twice = [c for c in spec.columns if header.count(c) > 1]
    missing = missing_columns(spec, header)
    if twice or missing:
        what = "stands twice in the header" if twice else "is not in the header"
        raise HeaderError(f"column {(twice or missing)[0]!r}: {what}", where, header)
    return tuple(header)


def _cells(text: str, spec: FileSpec) -> list[str]:
    # Strict for records of several lines: words after a closing quote mean that the quote was a stray one.
    rows = list(csv.reader([text], delimiter=spec.delimiter, strict="\n" in text))
    return rows[0] if rows else []


def _csv_row(data: bytes, spec: FileSpec, header: tuple[str, ...], where: str) -> RawRow | None:
    try:
        cells = [str(storable(cell)) for cell in _cells(_text(data, spec), spec)]
    except UnicodeDecodeError:
        raise _BrokenError(f"the line is not {spec.encoding} text", {"text": _shown(data, spec)}) from None
    except csv.Error:
        raise _BrokenError("the line is not csv", {"text": _shown(data, spec)}) from None
    if len(cells) <= 1 and not any(cell.strip() for cell in cells):
        return None
    if len(cells) != len(header):
        raise _BrokenError(f"the row has {len(cells)} fields, the header {len(header)}", {"fields": cells})
    return to_event(dict(zip(header, cells, strict=True)), spec, where)


def _json_row(data: bytes, spec: FileSpec, where: str, *, wire: bool) -> RawRow | None:
    if not data.strip():
        return None
    try:
        found = storable(json.loads(_text(data, spec), parse_constant=_no_constant))
    except (ValueError, RecursionError):
        raise _BrokenError("the line is not JSON", {"text": _shown(data, spec)}) from None
    if not isinstance(found, dict):
        raise _BrokenError("the line is not a JSON object", {"text": _shown(data, spec)})
    if wire:
        return wire_row(found, spec, where)
    mapped = to_event(flat_row(found), spec, where)
    return RawRow(mapped.event, mapped.error, found, where)


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON, and no database takes them


def flat_row(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A row with nested objects under dotted names; every value as text, None as blank."""
    out: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            out.update(flat_row(item, f"{prefix}{key}."))
        elif isinstance(item, str):
            out[prefix + key] = item
        else:
            out[prefix + key] = "" if item is None else json.dumps(item, ensure_ascii=False)
    return out
