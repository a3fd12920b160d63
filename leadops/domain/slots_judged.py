"""What a judge (a language model) answered, checked against what may stand in each slot (R29). Pure.

The judge is a stranger: nothing it says reaches a message. It may point, at an entry of a closed list, at a
passage of what the lead wrote, at "this evidence reads well here"; the words are then taken from the
playbook or from the lead's own evidence. Whatever does not point at exactly that is the neutral phrase.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from leadops.domain.slots import NEUTRAL, cleaner_of, fill, is_name_path
from leadops.domain.suspicion_quotes import is_for_machines, is_unquotable
from leadops.playbook.model import SLOT, SlotSpec, Template
from leadops.terms import SlotValue

Lists = Mapping[str, Mapping[str, str]]
"""Name of a closed list of the playbook (pain_points, case_studies): id: sentence."""

_LONGEST_EVIDENCE = 20_000
"""Characters; nobody writes more into a form by hand."""
_JOINING = "-‐–'’ʼ_&"


def judge(
    template: Template,
    evidence: Mapping[str, str],
    answer: Mapping[str, object],
    lists: Lists,
    own_name: str = "",
) -> tuple[SlotValue, ...]:
    """A value for every declared slot, in the template's order.

    ``answer`` is slot: string or null as the judge gave it; what else is in it is not looked at. A choose
    slot takes the sentence of a known id (evidence ``pain_points.trust``). An evidence slot takes the
    cleaned evidence where the answer is that evidence; a quote slot takes a passage of it, word for word.
    Otherwise neutral.

    Null for a choice, a quote, a company, a topic: neutral, for the judge may know better than our rules
    that "asdf" is no company. Null for a person's name: the cleaned name all the same, for models leave
    names out from caution, and a greeting without the name that was given reads as a mailing.
    ``own_name``: a word for ourselves; a passage that names us is not quoted.
    """
    return tuple(
        _judged(slot, spec, evidence, answer.get(slot), lists, own_name)
        for slot, spec in template.slots.items()
    )


def _judged(
    slot: str,
    spec: SlotSpec,
    evidence: Mapping[str, str],
    said: object,
    lists: Lists,
    own_name: str,
) -> SlotValue:
    value: str | None = None
    origin = spec.evidence or ""
    if spec.choose is not None:
        value, origin = _chosen(spec, said, lists)
    elif spec.quote:
        value = passage_of(evidence.get(origin), said, spec, own_name)
    elif said is None and is_name_path(origin):
        value = cleaner_of(spec)(evidence.get(origin), spec.max_length)
    elif isinstance(said, str):
        value = _same(evidence.get(origin), said, spec)
    return SlotValue(slot, spec.neutral, NEUTRAL) if value is None else SlotValue(slot, value, origin)


def _chosen(spec: SlotSpec, said: object, lists: Lists) -> tuple[str | None, str]:
    name = spec.choose or ""
    sentence = lists.get(name, {}).get(said) if isinstance(said, str) else None
    if sentence is None or len(sentence) > spec.max_length:
        return None, ""
    return sentence, f"{name}.{said}"


def _same(evidence: str | None, said: str, spec: SlotSpec) -> str | None:
    """The cleaned evidence, where that is what was said."""
    cleaned = cleaner_of(spec)(evidence, spec.max_length)
    return cleaned if cleaned is not None and cleaner_of(spec)(said, spec.max_length) == cleaned else None


def passage_of(evidence: str | None, said: object, spec: SlotSpec, own_name: str = "") -> str | None:
    """What was said, where it is a clean passage of one line of the evidence, whole words; or None.

    The same words in the same order and the same case: only runs of spaces may differ.
    """
    if evidence is None or not isinstance(said, str) or len(said) > 4 * spec.max_length:
        return None
    evidence = evidence[:_LONGEST_EVIDENCE]
    if is_for_machines(evidence):
        return None
    value = cleaner_of(spec)(said, spec.max_length)
    if value is None:
        return None
    if is_name_path(spec.evidence or ""):
        return _same(evidence, said, spec)
    lines = [_spaced(line) for line in evidence.splitlines()]
    for index, line in enumerate(lines):
        start = line.find(value)
        while start >= 0:
            before, after = line[:start], line[start + len(value) :]
            if _stands_alone(before, after):
                context = "\n".join([*lines[:index], before])
                return None if is_unquotable(value, context, after, own_name) else value
            start = line.find(value, start + 1)
    return None


def _spaced(line: str) -> str:
    return " ".join(unicodedata.normalize("NFC", line).split())


def _stands_alone(before: str, after: str) -> bool:
    """Whether a passage between these is whole words: "day" is no passage of "days" or "day-to-day"."""
    return not (
        (before and _is_inside(before[-1], before[-2:-1])) or (after and _is_inside(after[0], after[1:2]))
    )


def _is_inside(char: str, next_char: str) -> bool:
    if char.isalnum() or unicodedata.category(char)[0] == "M":
        return True
    return char in _JOINING and next_char.isalnum()


def needs_judge(template: Template, evidence: Mapping[str, str]) -> bool:
    """Whether a judge is worth asking: words that a passage may be found in, or a choice with grounds.

    Grounds are evidence that the template declares, other than a name. Without them a choice is a guess.
    """
    judged = [spec for spec in template.slots.values() if spec.is_judged]
    if any(spec.quote and spec.evidence in evidence for spec in judged):
        return True
    return any(spec.choose is not None for spec in judged) and any(
        spec.evidence in evidence
        for spec in template.slots.values()
        if spec.evidence is not None and not is_name_path(spec.evidence)
    )


def alternatives(template: Template, lists: Lists) -> dict[str, tuple[str, ...]]:
    """Choose slot: every line of the body it stands in, once per entry, the other slots neutral."""
    neutral = {value.slot: value.value for value in fill(template, {})}
    found: dict[str, tuple[str, ...]] = {}
    for slot, spec in template.slots.items():
        if spec.choose is not None:
            entries = lists.get(spec.choose, {}).values()
            found[slot] = tuple(_line_of(template, slot, neutral | {slot: entry}) for entry in entries)
    return found


def _line_of(template: Template, slot: str, values: Mapping[str, str]) -> str:
    lines = [line for line in template.body.split("\n") if slot in SLOT.findall(line)]
    return "\n".join(SLOT.sub(lambda hole: values[hole.group(1)], line) for line in lines)
