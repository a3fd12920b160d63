"""What a `choose` slot needs of the playbook: a list with entries that fit, and something to choose by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadops.playbook import template_files, yaml_lines
from leadops.playbook.model import SlotSpec, Template
from leadops.playbook.problems import Problem

LISTS = ("pain_points", "case_studies")
_NAMES = ("contact.first_name", "contact.last_name")


def problems(
    document: yaml_lines.Document,
    shown: str,
    templates: Mapping[str, Template],
    folder: Path,
    folder_shown: str,
) -> Iterator[Problem]:
    """Of the lists themselves (``shown`` is the playbook's name), and of the slots that choose from them.

    Lists are looked up in the raw values: a typo elsewhere must not hide these.
    """
    raw = document.value if isinstance(document.value, dict) else {}
    lists = {name: _texts(raw.get(name)) for name in LISTS}
    for name, entries in lists.items():
        for key, text in entries.items():
            if text != text.strip() or not text or not text.isprintable() or "{" in text or "}" in text:
                path = (name, key)
                yield Problem(
                    shown,
                    document.line_of(path),
                    path,
                    "an entry is one line of text without braces or space around it",
                    "it stands in a mail as it is written here",
                )
    for name, template in templates.items():
        for slot, spec in template.slots.items():
            wrong = _wrong(template, spec, lists)
            if wrong is not None:
                file = folder / f"{name}.md"
                line = template_files.slot_line(file, slot)
                yield Problem(f"{folder_shown}/{name}.md", line, ("slots", slot), *wrong)


def _texts(value: Any) -> dict[str, str]:
    found = value if isinstance(value, dict) else {}
    return {str(key): text for key, text in found.items() if isinstance(text, str)}


def _wrong(
    template: Template, spec: SlotSpec, lists: Mapping[str, Mapping[str, str]]
) -> tuple[str, str] | None:
    if spec.choose is None:
        return None
    entries = lists[spec.choose]
    if not entries:
        return (
            f"chooses from {spec.choose}, which is empty",
            f"add entries under {spec.choose} in the playbook, or delete the slot",
        )
    long = {key: len(text) for key, text in entries.items() if len(text) > spec.max_length}
    if long:
        key = max(long, key=lambda k: long[k])
        return (
            f"{spec.choose}.{key} has {long[key]} characters, more than max_length {spec.max_length}",
            f"write max_length: {long[key]}, or shorten the entry",
        )
    if not any(s.evidence is not None and s.evidence not in _NAMES for s in template.slots.values()):
        return (
            "has nothing to choose by: the other slots of this template say nothing but a name",
            "add a slot with evidence such as lead.interest or company.name",
        )
    return None
