"""Playbook files to a checked playbook: everything wrong is found in one go, each with file and line.

Shape and rules of the fields: ``model.py``. YAML itself: ``yaml_lines.py``. Template files:
``template_files.py``. Lists to choose from: ``loader_choices.py``. Here is what needs several of them: names
that must exist elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leadops.playbook import loader_choices, template_files, yaml_lines
from leadops.playbook.model import Playbook, Template
from leadops.playbook.problems import PlaybookError, Problem, Where, problems_of, text_of
from leadops.terms import Channel

__all__ = ["LoadedPlaybook", "PlaybookError", "Problem", "load", "schema"]

TEMPLATE_FOLDER = "templates"
SCHEMA_FILE = "playbook.schema.json"


@dataclass(frozen=True)
class LoadedPlaybook:
    """A playbook that was found good. ``digest`` (sha256, hex) covers every byte that was read."""

    playbook: Playbook
    templates: dict[str, Template]
    digest: str
    path: Path

    @property
    def unused_templates(self) -> tuple[str, ...]:
        """Templates that no step names: allowed, but often a slip."""
        used = {
            name
            for sequence in self.playbook.sequences.values()
            for step in sequence.steps
            for name in (step.template, *step.templates.values())
        }
        return tuple(sorted(set(self.templates) - used))


def load(path: Path) -> LoadedPlaybook:
    """Read and check ``path`` and ``templates/*.md`` beside it.

    Raises PlaybookError with all problems; code ``playbook_not_found`` where ``path`` is no file.
    """
    shown = _shown(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = error.strerror or "unreadable"
        problem = Problem(shown, 1, "", f"cannot be read: {why}", "check the path, or LEADOPS_PLAYBOOK")
        raise PlaybookError([problem], "playbook_not_found") from None
    templates, template_bytes, bad_names, problems = _templates(path.parent / TEMPLATE_FOLDER)
    text, not_text = text_of(raw, shown)
    if not_text:
        raise PlaybookError([*problems, not_text])
    document = yaml_lines.parse(text)
    problems += [Problem(shown, p.line, p.path, p.message, p.advice) for p in document.problems]
    if document.value is None and document.problems:
        raise PlaybookError(problems)
    problems += _cross_check(document, shown, templates, bad_names)
    folder = path.parent / TEMPLATE_FOLDER
    problems += loader_choices.problems(document, shown, templates, folder, _shown(folder))
    playbook = None
    try:
        playbook = Playbook.model_validate(document.value)
    except ValidationError as error:
        problems += problems_of(error, document, shown)
    if problems or playbook is None:
        raise PlaybookError(problems)
    return LoadedPlaybook(playbook, templates, _digest([("playbook", raw), *template_bytes]), path)


def schema() -> dict[str, Any]:
    """The JSON schema of playbook.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Playbook.model_json_schema(),
        "title": "leadops playbook",
    }


def _shown(path: Path) -> str:
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _digest(parts: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, raw in parts:
        digest.update(f"{len(name)}:{name}{len(raw)}:".encode())
        digest.update(raw)
    return digest.hexdigest()


def _templates(
    folder: Path,
) -> tuple[dict[str, Template], list[tuple[str, bytes]], set[str], list[Problem]]:
    """All template files of the folder: good ones by name, bytes read, names of bad ones, problems."""
    good: dict[str, Template] = {}
    read: list[tuple[str, bytes]] = []
    bad: set[str] = set()
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.md")):
        template, raw, wrong = template_files.read(file, _shown(file))
        read.append((file.stem, raw))
        problems += wrong
        if template is None:
            bad.add(file.stem)
        else:
            good[file.stem] = template
    return good, read, bad, problems


def _cross_check(
    document: yaml_lines.Document, shown: str, templates: dict[str, Template], bad: set[str]
) -> list[Problem]:
    """Names that must exist elsewhere. Looked up in the raw values: a typo elsewhere must not hide these."""
    windows = _dict(_dict(document.value).get("windows"))
    problems: list[Problem] = []
    for tier, sequence in _dict(_dict(document.value).get("sequences")).items():
        at = ("sequences", str(tier))
        for key in ("window", "first_touch_window"):
            name = _dict(sequence).get(key)
            if isinstance(name, str) and name not in windows:
                known = ", ".join(map(str, windows)) or "none"
                path: Where = (*at, key)
                problems.append(
                    Problem(
                        shown,
                        document.line_of(path),
                        path,
                        f"unknown window {name!r}",
                        f"windows has: {known}",
                    )
                )
        for where, name, begins in _template_names(_dict(sequence), at):
            wrong = _wrong_template(name, begins, templates, bad)
            if wrong:
                problems.append(Problem(shown, document.line_of(where), where, *wrong))
    return problems


def _wrong_template(
    name: str, begins: bool, templates: dict[str, Template], bad: set[str]
) -> tuple[str, str] | None:
    if name in bad:
        return None  # its file's own problems are told
    if name not in templates:
        return f"no template {name!r}", f"write {TEMPLATE_FOLDER}/{name}.md, or correct the name"
    subject = templates[name].subject.strip()
    if begins and not subject:
        return f"template {name!r} begins a thread or a task but has no subject", "give it a subject"
    if subject and not begins:
        return (
            f"template {name!r} is a follow-up but has a subject",
            "leave the subject empty: a follow-up stays in its thread",
        )
    return None


def _template_names(
    sequence: dict[Any, Any], at: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """(path, template name, needs a subject) of every mention: the first e-mail, and every rep's task."""
    steps = sequence.get("steps")
    seen_email = False
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        fields = _dict(step)
        is_email = fields.get("channel", Channel.EMAIL.value) == Channel.EMAIL.value
        begins = not (is_email and seen_email)  # a rep's task has a title of its own
        seen_email = seen_email or is_email
        here = (*at, "steps", index)
        if isinstance(fields.get("template"), str):
            yield (*here, "template"), fields["template"], begins
        for variant, name in _dict(fields.get("templates")).items():
            if isinstance(name, str):
                yield (*here, "templates", str(variant)), name, begins


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
