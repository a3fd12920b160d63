"""What was written into the account lately: what a person looks at beside the requests."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from leadops.sandbox.hubspot.portal import Portal, Record

NEWEST = 40
_WORDS = {
    "tasks": ("hs_task_subject", "task"),
    "emails": ("hs_email_subject", "e-mail"),
    "notes": ("hs_note_body", "note"),
}
_OURS = "leadops_"


def summary_of(portal: Portal, newest: int = NEWEST) -> list[tuple[str, ...]]:
    """(time, what, whose, words) of the latest tasks, e-mails, notes and leadops_* properties."""
    found = heapq.nlargest(newest, _records(portal), key=lambda pair: pair[1].updated_at)
    return [_row(portal, kind, record) for kind, record in found]


def _records(portal: Portal) -> Iterator[tuple[str, Record]]:
    for kind in _WORDS:
        yield from ((kind, record) for record in portal.records(kind))
    for record in portal.records("contacts"):
        if record.properties.get("leadops_scored_at"):
            yield "contacts", record


def _row(portal: Portal, kind: str, record: Record) -> tuple[str, ...]:
    at = f"{record.updated_at:%H:%M:%S}"
    if kind == "contacts":
        words = ", ".join(
            f"{name.removeprefix(_OURS)}: {value}"
            for name, value in sorted(record.properties.items())
            if name.startswith(_OURS) and value and len(value) < 60
        )
        return at, "contact", _who(record), words
    name, what = _WORDS[kind]
    people = portal.associated(kind, record.id, "contacts")
    whose = _who(portal.get("contacts", people[0])) if people else ""
    return at, what, whose, (record.properties.get(name) or "")[:200]


def _who(contact: Record) -> str:
    given = contact.properties
    full = " ".join(p for p in (given.get("firstname"), given.get("lastname")) if p)
    return full or given.get("email") or contact.id
