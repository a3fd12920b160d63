"""Template files ``templates/<name>.md``: front matter and body, checked. Filling: ``domain/slots.py``."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from leadops.playbook import yaml_lines
from leadops.playbook.model import SLOT, Template
from leadops.playbook.problems import Problem, problems_of, text_of

_FENCE = "---"
_REPLY_PREFIX = re.compile(r"\s*(re|fwd?|aw|wg)\s*:", re.IGNORECASE)
_HARMLESS_CONTROL = "\n"


def read(path: Path, shown: str) -> tuple[Template | None, bytes, list[Problem]]:
    """One template file: (the template or None, the bytes read, problems found).

    ``shown`` is how the file is called in problems. The template's name is the file's name.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = error.strerror or "unreadable"
        return None, b"", [Problem(shown, 1, "", f"cannot be read: {why}", "check the file's permissions")]
    text, bad = text_of(raw, shown)
    if bad:
        return None, raw, [bad]
    template, problems = _parse(path.stem, text, hashlib.sha256(raw).hexdigest()[:12], shown)
    return template, raw, problems


def slot_line(path: Path, slot: str) -> int:
    """The line of a declared slot in a template file that was found good before."""
    text, _ = text_of(path.read_bytes(), path.name)
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines[1:], start=1) if line.rstrip() == _FENCE), len(lines))
    return yaml_lines.parse("\n".join(lines[1:end]), first_line=2).line_of(("slots", slot))


def _parse(name: str, text: str, version: str, shown: str) -> tuple[Template | None, list[Problem]]:
    lines = text.split("\n")
    fences = [i for i, line in enumerate(lines) if line.rstrip() == _FENCE]
    if not fences or fences[0] != 0:
        return None, [
            Problem(
                shown, 1, "", "front matter missing", f"begin the file with a line {_FENCE}, fields, {_FENCE}"
            )
        ]
    if len(fences) < 2:
        return None, [Problem(shown, 1, "", "front matter is not closed", f"end it with a line {_FENCE}")]
    front = yaml_lines.parse("\n".join(lines[1 : fences[1]]), first_line=2)
    problems = [Problem(shown, p.line, p.path, p.message, p.advice) for p in front.problems]
    body_line = fences[1] + 2
    body = "\n".join(lines[fences[1] + 1 :])
    body_line += len(body) - len(body.lstrip("\n"))
    body = "\n".join(line.rstrip() for line in body.strip().split("\n"))
    fields = front.value if front.value is not None else {}
    if not isinstance(fields, dict):
        return None, [
            Problem(shown, 2, "", "front matter must be fields", "write `subject: ...`, `slots: ...`")
        ]
    if front.value is None and front.problems:
        return None, problems  # no YAML: nothing can be said about its fields
    template, wrong = _validate(name, fields, body, version, shown, front)
    problems += wrong
    problems += list(_check_body(body, body_line, fields, shown, front))
    problems += list(_check_subject(fields.get("subject"), shown, front))
    return (None if problems else template), problems


def _validate(
    name: str, fields: dict[object, object], body: str, version: str, shown: str, front: yaml_lines.Document
) -> tuple[Template | None, list[Problem]]:
    problems = [
        Problem(shown, front.line_of((key,)), (key,), "is not a field of the front matter", "delete it")
        for key in ("body", "version")
        if key in fields
    ]
    if fields.get("name", name) != name:
        problems.append(
            Problem(
                shown,
                front.line_of(("name",)),
                ("name",),
                f"differs from the file's name {name!r}",
                "delete the field: the file's name is the template's name",
            )
        )
    try:
        return Template.model_validate({**fields, "name": name, "body": body, "version": version}), problems
    except ValidationError as error:
        return None, problems + problems_of(error, front, shown)


def _check_body(
    body: str, first_line: int, fields: dict[object, object], shown: str, front: yaml_lines.Document
) -> Iterator[Problem]:
    given = fields.get("slots")
    declared = {str(name) for name in given} if isinstance(given, dict) else set()
    used: set[str] = set()
    for number, line in enumerate(body.split("\n"), start=first_line):
        for slot in SLOT.findall(line):
            if slot not in declared and slot not in used:
                yield Problem(
                    shown,
                    number,
                    f"slot {slot}",
                    "used in the body but not declared",
                    "declare it under slots",
                )
            used.add(slot)
        rest = SLOT.sub("", line)
        if "{" in rest or "}" in rest:
            yield Problem(shown, number, "body", "a brace that is no slot", "write {{slot_name}}, lower case")
        if any(unicodedata.category(c) in ("Cc", "Cf") and c not in _HARMLESS_CONTROL for c in line):
            yield Problem(
                shown, number, "body", "an invisible character", "delete it and type the text again"
            )
    for slot in sorted(declared - used):
        yield Problem(
            shown,
            front.line_of(("slots", slot)),
            ("slots", slot),
            "declared but not used in the body",
            f"use {{{{{slot}}}}} or delete the slot",
        )


def _check_subject(subject: object, shown: str, front: yaml_lines.Document) -> Iterator[Problem]:
    if not isinstance(subject, str):
        return  # a wrong type is told by the model
    line = front.line_of(("subject",))
    if "{" in subject or "}" in subject:
        yield Problem(
            shown, line, ("subject",), "a subject has no slots", "write the same words for everybody"
        )
    if any(unicodedata.category(c).startswith("C") or c in "\u2028\u2029" for c in subject):
        yield Problem(shown, line, ("subject",), "must be one line of visible characters", "retype it")
    if _REPLY_PREFIX.match(subject):
        yield Problem(
            shown,
            line,
            ("subject",),
            "a first message must not look like a reply",
            "drop the prefix; a follow-up leaves the subject empty",
        )
