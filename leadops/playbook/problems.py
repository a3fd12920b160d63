"""What is wrong with a playbook, and where: one line a person can act on. The looking is elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from leadops.errors import UsageError
from leadops.playbook import model
from leadops.playbook.yaml_lines import Document

Where = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. ``where`` is a path inside the file (or words), ``advice`` says what to do."""

    file: str
    line: int
    where: Where | str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        where = self.where if isinstance(self.where, str) else dotted(self.where)
        said = f"{self.file}:{self.line}: {where + ': ' if where else ''}{self.message}"
        return f"{said} ({self.advice})" if self.advice else said


class PlaybookError(UsageError):
    """The playbook cannot be used. ``problems`` is all that was found, in the order of the files.

    ``code`` is ``playbook_not_found`` where there is no such file, otherwise ``playbook_invalid``.
    """

    def __init__(self, problems: Iterable[Problem], code: str = "playbook_invalid") -> None:
        self.problems = tuple(dict.fromkeys(sorted(problems, key=_order)))
        super().__init__(code, "\n".join(map(str, self.problems)))


def _order(problem: Problem) -> tuple[bool, str, int]:
    return problem.file.endswith(".md"), problem.file, problem.line


def dotted(path: Where) -> str:
    """``("steps", 1, "day")`` as ``steps[1].day``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def text_of(raw: bytes, shown: str) -> tuple[str, Problem | None]:
    """The bytes as text with plain newlines, or the problem that they are not UTF-8."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return "", Problem(shown, line, "", "not UTF-8", "save the file as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n"), None


def problems_of(error: ValidationError, document: Document, shown: str) -> list[Problem]:
    """Each of pydantic's errors, with the line it stands on."""
    return list(_translated(error, document, shown))


def _translated(error: ValidationError, document: Document, shown: str) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        if detail["type"] == "unknown_window":
            continue  # told by the loader, with the line of the name
        path = _path(detail, document)
        yield Problem(shown, document.line_of(path), path, _message(detail), _advice(detail))


def _path(detail: ErrorDetails, document: Document) -> Where:
    # "[key]" is pydantic's way to say that the key itself is wrong.
    path = tuple(part for part in detail["loc"] if part != "[key]")
    value: Any = document.value
    out: list[str | int] = []
    for part in path:
        # A numeric key of a mapping comes as text: it is no index.
        out.append(part if isinstance(value, list) else str(part))
        value = _step(value, part)
    return tuple(out)


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return next((v for k, v in value.items() if str(k) == str(part)), None)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown field"
    return detail["msg"].removeprefix("Value error, ")


def _advice(detail: ErrorDetails) -> str:
    kind, last = detail["type"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(last, _field_names(), n=1)
        return f"did you mean {near[0]}?" if near else "delete it, or check its indentation"
    if kind == "value_error":
        return ""  # our own validators say what to do
    for beginning, advice in _ADVICE:
        if kind.startswith(beginning):
            return advice
    return "see playbook.schema.json for what may stand here"


_ADVICE = (
    ("missing", "add it"),
    ("string_type", "write it in quotes"),
    ("string_pattern", "two capital letters, such as US or NO"),
    ("too_short", "add to the list"),
    ("too_long", "shorten the list"),
    ("literal_error", "use one of these"),
    ("enum", "use one of these"),
    ("float", "write a number"),
    ("int", "write a whole number"),
    ("bool", "write true or false"),
    ("time", "write it as HH:MM, e.g. 09:00"),
    ("greater_than", "use a larger number"),
    ("less_than", "use a smaller number"),
    ("finite_number", "write a number"),
    ("string_too_short", "write some text"),
    ("model_type", "write its fields below it, indented"),
    ("dict_type", "write `key: value` lines below it, indented"),
    ("tuple_type", "write a list: lines that begin with `- `"),
)


@cache
def _field_names() -> tuple[str, ...]:
    names: set[str] = set()
    for kind in vars(model).values():
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= set(kind.model_fields)
    return tuple(sorted(names))
