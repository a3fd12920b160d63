"""Reading ``mapping.yaml`` and applying it: a row of a file in, a wire event out.

Used by the files CRM and by ``leadops import``, so that a file means the same in both. What a
mapping looks like stands in ``mapping_model.py``; cutting files into rows in ``records.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from leadops.domain.firmographics import company_size
from leadops.errors import UsageError
from leadops.playbook import yaml_lines
from leadops.playbook.problems import dotted
from leadops.providers.crm.mapping_model import TEMPLATE_COLUMN, FileSpec, KindByColumn, Mapping, Value, When
from leadops.providers.crm.port import RawRow
from leadops.terms import EventKind, stable_id

MAPPING_FILE = "mapping.yaml"
_HAS_TIME = re.compile(r"%[-]?[HIMSfpcXzZs]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR_COLUMN = re.compile(r"^column '(.*?)': ")
_FLAGS = frozenset({"test", "spam"})  # properties that are true or false in an event
_YES = frozenset({"true", "yes", "y", "1", "x", "t"})
_CONTACT_COLUMNS = (
    "email", "name", "first_name", "last_name", "company", "title", "phone", "country", "timezone",
    "company_size", "crm_id",
)  # fmt: skip


class _RowError(Exception):
    """Why a row is no event. Never leaves this module."""


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises UsageError (``mapping_not_found``, ``mapping_invalid``) whose text has one line per problem:
    ``file:line: field: what``.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("mapping_invalid", f"{path}: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise UsageError("mapping_not_found", f"{path}: cannot be read: {error.strerror}") from None
    return parse_mapping(text, path.name)


def parse_mapping(text: str, shown: str = MAPPING_FILE) -> Mapping:
    """The mapping a YAML text holds; raises UsageError as `load_mapping`. ``shown`` names the file in it."""
    document = yaml_lines.parse(text)
    problems = [
        (
            p.line,
            f"{dotted(p.path)}: " if p.path else "",
            f"{p.message}{f' ({p.advice})' if p.advice else ''}",
        )
        for p in document.problems
    ]
    found: Mapping | None = None
    if not problems:
        try:
            found = Mapping.model_validate(document.value if document.value is not None else {})
        except ValidationError as error:
            problems = [_problem(detail, document) for detail in error.errors(include_url=False)]
    if found is None:
        lines = [f"{shown}:{line}: {where}{what}" for line, where, what in sorted(set(problems))]
        raise UsageError("mapping_invalid", "\n".join(lines))
    return found


def _problem(detail: Any, document: yaml_lines.Document) -> tuple[int, str, str]:
    path: list[str | int] = []
    value = document.value
    for part in detail["loc"]:
        # pydantic also names the branch of a union; only what really stands in the file is a place.
        if _stands_in(value, part):
            value = value[part]
        elif not (detail["type"] in ("missing", "extra_forbidden") and part == detail["loc"][-1]):
            continue
        path.append(part)
    what = "unknown field" if detail["type"] == "extra_forbidden" else str(detail["msg"])
    what = "is missing" if detail["type"] == "missing" else what.removeprefix("Value error, ")
    return document.line_of(path), f"{dotted(path)}: " if path else "", what


def _stands_in(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def default_mapping() -> Mapping:
    """What holds where a CRM folder has no mapping: ``events*.jsonl`` with wire events, and
    ``leads*.csv`` with the columns id, created_at, source, interest, message and those of a contact.
    """
    contact = {name: {"column": name} for name in _CONTACT_COLUMNS}
    properties = {name: {"column": name} for name in ("source", "interest", "message")}
    return Mapping.model_validate(
        {
            "files": [
                {"pattern": "events*.jsonl", "format": "events"},
                {
                    "pattern": "leads*.csv",
                    "kind": "lead_created",
                    "id": "id",
                    "occurred_at": {"column": "created_at"},
                    "contact": contact,
                    "properties": properties,
                    "optional": [*_CONTACT_COLUMNS, *properties],
                },
            ]
        }
    )


def spec_for(mapping: Mapping, file_name: str) -> FileSpec | None:
    """The first spec whose pattern fits the name (case-sensitive), or None."""
    return next((spec for spec in mapping.files if fnmatchcase(file_name, spec.pattern)), None)


def column_of(error: str | None) -> str | None:
    """The column a row's error speaks of, where it speaks of one."""
    found = _ERROR_COLUMN.match(error or "")
    return found[1] if found else None


def missing_columns(spec: FileSpec, header: list[str]) -> list[str]:
    """Columns the spec reads and a csv header lacks, without the optional ones."""
    if "*" in spec.optional:
        return []
    return [c for c in spec.columns if c not in header and c not in spec.optional]


def to_event(row: Map[str, str], spec: FileSpec, where: str) -> RawRow:
    """The wire event of one row, or a RawRow that says why there is none.

    ``where`` is ``file:line``; the line is part of the id where the spec names no id column. A blank value
    is absent from the event. A row the spec says to skip has neither ``event`` nor ``error``.
    """
    raw: dict[str, Any] = dict(row)
    try:
        kind = _kind(row, spec)
        if kind is None:
            return RawRow(None, None, raw, where)
        occurred_at, by_day = _moment(row, spec)
        event: dict[str, Any] = {
            "source": spec.source,
            "id": _id(row, spec, kind, where),
            "kind": kind.value,
            "occurred_at": occurred_at,
            "contact": _contact(row, spec),
            "properties": _properties(row, spec),
            "consent": _values(row, spec, spec.consent),
        }
    except _RowError as error:
        return RawRow(None, str(error), raw, where)
    if by_day:
        event["day_precision"] = True
    return RawRow(event, None, raw, where)


def wire_row(given: dict[str, Any], spec: FileSpec, where: str) -> RawRow:
    """A row that already is a wire event; only its source may be left to the spec."""
    return RawRow({"source": spec.source, **given}, None, given, where)


def _cell(row: Map[str, str], spec: FileSpec, column: str) -> str:
    text = (row.get(column) or "").strip()
    return "" if text in spec.blanks else text


def _required(row: Map[str, str], spec: FileSpec, column: str) -> str:
    text = _cell(row, spec, column)
    if not text:
        raise _RowError(f"column {column!r}: " + ("is blank" if column in row else "is not in the row"))
    return text


def _kind(row: Map[str, str], spec: FileSpec) -> EventKind | None:
    if isinstance(spec.kind, EventKind):
        return spec.kind
    if not isinstance(spec.kind, KindByColumn):
        raise _RowError("the mapping names no kind")
    given = _cell(row, spec, spec.kind.column).casefold()
    known = {text.strip().casefold(): kind for text, kind in spec.kind.map.items()}
    if given in known:
        return known[given]
    if spec.kind.otherwise is None:
        what = "holds a value that kind.map does not name" if given else "is blank, and it decides the kind"
        raise _RowError(f"column {spec.kind.column!r}: {what}")
    return None if spec.kind.otherwise == "skip" else EventKind(spec.kind.otherwise)


def _id(row: Map[str, str], spec: FileSpec, kind: EventKind, where: str) -> str:
    prefix = kind.value if spec.id_prefix is None else spec.id_prefix
    if not spec.id:
        line = where.rpartition(":")[2]
        return stable_id(prefix or "row", line, *(part for pair in sorted(row.items()) for part in pair))
    parts = [_required(row, spec, column) for column in spec.id]
    if len(parts) > 1:  # "a:b" + "c" and "a" + "b:c" are two events
        parts = [part.replace("%", "%25").replace(":", "%3A") for part in parts]
    return ":".join([prefix, *parts] if prefix else parts)


def _moment(row: Map[str, str], spec: FileSpec) -> tuple[str, bool]:
    when = spec.occurred_at
    if when is None:
        raise _RowError("the mapping names no occurred_at")
    text = _required(row, spec, when.column)
    try:
        found, by_day = _read_moment(text, when)
        return found.astimezone(UTC).isoformat(), by_day
    except (ValueError, OverflowError):
        wanted = when.format or "ISO 8601, such as 2024-05-31 or 2024-05-31T09:30:00Z"
        raise _RowError(f"column {when.column!r}: is not a date as wanted ({wanted})") from None


def _read_moment(text: str, when: When) -> tuple[datetime, bool]:
    zone = ZoneInfo(when.timezone)
    if when.format in ("epoch", "epoch_ms"):
        seconds = float(text) / (1000 if when.format == "epoch_ms" else 1)
        return _EPOCH + timedelta(seconds=seconds), False
    if when.format is not None:
        found = datetime.strptime(text, when.format)  # noqa: DTZ007 - the zone follows
        by_day = not _HAS_TIME.search(when.format)
    else:
        by_day = len(text) == 10
        found = datetime.combine(date.fromisoformat(text), time()) if by_day else datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=zone)), by_day


def _text(value: Value, row: Map[str, str], spec: FileSpec) -> str:
    if value.constant is not None:
        return value.constant
    if value.column is not None:
        return _cell(row, spec, value.column)
    cells = {column: _cell(row, spec, column) for column in value.columns}
    if not all(cells.values()):
        return ""
    return TEMPLATE_COLUMN.sub(lambda found: cells[found[1]], value.template or "")


def _values(row: Map[str, str], spec: FileSpec, values: Map[str, Value]) -> dict[str, Any]:
    found = {name: _text(value, row, spec) for name, value in values.items()}
    return {name: text for name, text in found.items() if text}


def _properties(row: Map[str, str], spec: FileSpec) -> dict[str, Any]:
    found = _values(row, spec, spec.properties)
    for flag in _FLAGS & found.keys():
        found[flag] = str(found[flag]).casefold() in _YES
    return found


def _contact(row: Map[str, str], spec: FileSpec) -> dict[str, Any]:
    contact: dict[str, Any] = _values(row, spec, dict(spec.contact.items()))
    if "company_size" in contact:
        size = company_size(contact.pop("company_size"))
        if size is not None:
            contact["company_size"] = size
    return contact
