"""Words of a message: which evidence may stand in a slot, how it is cleaned, how a body is rendered (R29).

A slot holds the cleaned evidence or the template's neutral phrase, nothing else, and no byte outside a
slot depends on the lead. What is doubtful is not repaired: the neutral phrase always reads right. Who
fills the slots: ``providers/llm``. What becomes of the draft: ``mail.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from leadops.domain import suspicion
from leadops.domain.placeholders import PLACEHOLDERS
from leadops.errors import BadInput
from leadops.playbook.model import EVIDENCE_PATHS, SLOT, SlotSpec, Template
from leadops.terms import Draft, EvidenceField, LeadState, SlotValue

__all__ = ["EVIDENCE_PATHS", "clean", "clean_name", "draft", "evidence_of", "fill", "reply_subject"]

NEUTRAL = "neutral"
"""The evidence of a slot that holds its neutral phrase."""

_NAME_PATHS = frozenset({"contact.first_name", "contact.last_name"})
_EDGES = " .,;:!?&/-–"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLACEHOLDERS = (
    PLACEHOLDERS
    | _words("test testing tester xxx asdf qwerty anonymous no keine kein aucun ninguno")
    | {"no company", "no name"}
)
_NOT_FIRST_NAMES = _words(
    "mr mrs ms miss mx dr prof sir madam mme mlle herr frau hr fr sr sra dott ing dipl info admin sales "
    "support marketing office contact team webmaster postmaster user customer lead name firstname"
)
_PARTICLES = _words("van von der den de del della da di do dos du la le bin ibn al el ter ten zu")
_REPLY = re.compile(r"\s*(?:re\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


def evidence_of(state: LeadState, enrichment: Mapping[str, EvidenceField]) -> dict[str, str]:
    """What is known for certain about a lead, by evidence path; as given, not yet cleaned.

    ``enrichment`` is looked up under ``company_name`` (or ``company.name``) and ``industry`` (or
    ``company.industry``). A path without a value is absent.
    """
    found: dict[str, str | None] = {
        "contact.first_name": _first_name(state),
        "contact.last_name": state.last_name,
        "contact.title": state.title,
        "contact.company": state.company,
        "company.name": _enriched(enrichment, "company_name", "company.name") or state.company,
        "company.industry": _enriched(enrichment, "industry", "company.industry"),
        "lead.interest": state.interest,
        "lead.message": state.message,
        "lead.source": None if state.source == "(blank)" else state.source,
    }
    return {path: value for path, value in found.items() if value and value.strip()}


def _enriched(enrichment: Mapping[str, EvidenceField], *names: str) -> str | None:
    for name in names:
        field = enrichment.get(name)
        if field is not None and isinstance(field.value, str) and field.value.strip():
            return field.value
    return None


def _first_name(state: LeadState) -> str | None:
    """The given first name; otherwise the first word of a Western name that is no form of address."""
    if state.first_name and state.first_name.strip(" .").casefold() not in _NOT_FIRST_NAMES:
        return state.first_name
    name = state.name or ""
    if "," in name:
        name = name.partition(",")[2]
    words = [w for w in name.split() if w.strip(".").casefold() not in _NOT_FIRST_NAMES]
    # Where the family name comes first (Chinese, Japanese, Korean, Hungarian in part) a guess would be rude.
    if not words or not unicodedata.name(words[0][0], "").startswith(("LATIN", "CYRILLIC", "GREEK")):
        return None
    return words[0]


def clean(value: str | None, max_length: int) -> str | None:
    """The value fit to stand inside a sentence: NFC, single spaces, no punctuation at its end; or None.

    None for whatever might be read as more than a name or a short phrase: links, addresses, line
    breaks, invisible or direction-changing characters, braces and markup, phone numbers, whole
    sentences, instructions, promises, placeholders ("n/a"), and what is longer than ``max_length``.
    """
    if value is None or len(value) > 20 * max_length:
        return None
    text = unicodedata.normalize("NFC", value)
    if not suspicion.is_visible_line(text):
        return None
    text = " ".join(text.split())
    if suspicion.is_suspicious(text):
        return None
    text = text.strip(_EDGES)
    if not text or len(text) > max_length or text.casefold() in _PLACEHOLDERS:
        return None
    return None if suspicion.is_suspicious(text) else text


def clean_name(value: str | None, max_length: int) -> str | None:
    """A person's name as one would write it, or None: letters of any script, hyphen, apostrophe, space.

    Names typed all in capitals or all in small letters get their capitals; mixed case is left alone.
    """
    text = clean(value, max_length)
    if text is None or not suspicion.is_name(text):
        return None
    words = text.split(" ")
    letters = sum(map(str.isalpha, text))
    if len(words) > 4 or text.casefold() in _NOT_FIRST_NAMES or (letters < 2 and text.isascii()):
        return None
    # Two capitals are initials more often than shouting: AJ stays AJ.
    if (text.isupper() and letters > 2) or text.islower():
        text = " ".join(_capitalised(word, first=i == 0) for i, word in enumerate(words))
    return text if len(text) <= max_length else None


def _capitalised(word: str, first: bool) -> str:
    if not first and word.casefold() in _PARTICLES:
        return word.lower()
    return "-".join(_capitalised_part(part) for part in word.split("-"))


def _capitalised_part(part: str) -> str:
    for mark in "'’ʼ":
        head, found, tail = part.partition(mark)
        if found and len(head) == 1 and len(tail) > 1:  # O'Neil, D'Angelo; but not Ma'am
            return head.title() + mark + _title(tail)
    return _title(part)


def _title(part: str) -> str:
    # title() of the first letter, not upper(): Georgian has no capital there, and dž becomes Dž.
    lowered = part[1:].replace("İ", "i").lower()
    return unicodedata.normalize("NFC", part[:1].title() + lowered)


def fill(template: Template, evidence: Mapping[str, str]) -> tuple[SlotValue, ...]:
    """A value for every declared slot, in the template's order: cleaned evidence or the neutral phrase.

    What takes judgement is neutral here: an entry to choose, a passage to quote.
    """
    return tuple(_filled(slot, spec, evidence) for slot, spec in template.slots.items())


def _filled(slot: str, spec: SlotSpec, evidence: Mapping[str, str]) -> SlotValue:
    if spec.evidence is None or spec.is_judged:
        return SlotValue(slot, spec.neutral, NEUTRAL)
    value = cleaner_of(spec)(evidence.get(spec.evidence), spec.max_length)
    if value is None:
        return SlotValue(slot, spec.neutral, NEUTRAL)
    return SlotValue(slot, value, spec.evidence)


def is_name_path(path: str) -> bool:
    """Whether this evidence is part of a person's name."""
    return path in _NAME_PATHS


def cleaner_of(spec: SlotSpec) -> Callable[[str | None, int], str | None]:
    """How evidence of this slot is cleaned: (value, longest) to the value fit to stand there, or None."""
    return clean_name if spec.evidence in _NAME_PATHS else clean


def draft(
    template: Template,
    slots: Sequence[SlotValue],
    thread_subject: str | None,
    writer: str = "template",
    tokens: int = 0,
    cost: float = 0.0,
) -> Draft:
    """The words of one touch. ``thread_subject`` is the subject the thread began with, None at its start.

    The template's own subject counts where it has one; otherwise "Re: " and the thread's, with one "Re:".
    ``cost`` in US dollars. Raises BadInput ``slot_missing`` or ``subject_missing`` (template name only).
    """
    values = {slot.slot: slot.value for slot in slots}
    missing = set(SLOT.findall(template.body)) - set(values)
    if missing:
        names = ", ".join(sorted(missing))
        raise BadInput(
            "slot_missing", f"template {template.name}: no value for slot {names}; fill every slot"
        )
    # One pass: a value that itself looks like a slot is text.
    body = SLOT.sub(lambda found: values[found.group(1)], template.body)
    return Draft(
        subject=_subject(template, thread_subject),
        body=body,
        slots=tuple(slots),
        template=template.name,
        template_version=template.version,
        writer=writer,
        tokens=tokens,
        cost_usd=cost,
    )


def _subject(template: Template, thread_subject: str | None) -> str:
    if template.subject.strip():
        return template.subject.strip()
    if thread_subject is None or not _REPLY.sub("", thread_subject, count=1).strip():
        raise BadInput(
            "subject_missing",
            f"template {template.name} has no subject and there is no thread to reply in; give it a subject",
        )
    return reply_subject(thread_subject)


def reply_subject(thread_subject: str) -> str:
    """The subject of an answer in a thread: unchanged, with exactly one "Re:" before it (R10)."""
    found = _REPLY.match(thread_subject)
    return "Re: " + (thread_subject[found.end() :] if found else thread_subject).strip()
