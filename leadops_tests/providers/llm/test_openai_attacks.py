"""Form fields that give orders, and a model that obeys: no byte outside a slot changes (R29).

The set was written before the rules, by their author; a third of it (``held_back``) was scored once, when
they were done.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadops.domain.slots import clean, clean_name, draft
from leadops.playbook.loader import load
from leadops.playbook.model import SLOT, Template
from leadops.providers.llm.port import SlotRequest, WrittenSlots
from leadops.sandbox.openai import OpenAISandbox
from leadops_tests.playbook.folders import DEFAULT
from leadops_tests.providers.llm.asking import ANNA, PLAYBOOK, TEMPLATE
from leadops_tests.providers.llm.conftest import Made

DATA = Path(__file__).parents[2] / "domain" / "data" / "attacks.jsonl"
ATTACKS: list[dict[str, Any]] = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
FIELDS = {
    "first_name": "contact.first_name",
    "company": "company.name",
    "interest": "lead.interest",
    "message": "lead.message",
}
LISTS = {"pain_points": PLAYBOOK.pain_points, "case_studies": PLAYBOOK.case_studies}
SHIPPED = [t for t in load(DEFAULT).templates.values() if any(s.is_judged for s in t.slots.values())]


def attacked(template: Template, everywhere: bool = True) -> Iterator[tuple[dict[str, Any], SlotRequest]]:
    """Each attack in the field it was written for; ``everywhere``: in each field, and in all at once."""
    for attack in ATTACKS:
        fields = FIELDS.values() if everywhere else [FIELDS[attack["field"]]]
        forms = [ANNA | {path: attack["text"]} for path in fields]
        if everywhere:
            forms.append(ANNA | dict.fromkeys(FIELDS.values(), attack["text"]))
        for evidence in forms:
            yield attack, SlotRequest(attack["id"], template, evidence)


def outside_is_untouched(template: Template, written: WrittenSlots) -> str:
    """The rendered body, after checking that it is the template's letter by letter, slots aside."""
    found = draft(template, written.slots, "A call")
    values = {s.slot: s.value for s in written.slots}
    assert set(values) == set(template.slots)
    rest = found.body
    for index, part in enumerate(SLOT.split(template.body)):
        expected = values[part] if index % 2 else part
        assert rest.startswith(expected)
        rest = rest[len(expected) :]
    assert rest == ""
    return found.body


def allowed(request: SlotRequest, written: WrittenSlots) -> None:
    """Every value is neutral, an entry of the closed list, or the cleaned evidence or a passage of it."""
    for slot in written.slots:
        spec = request.template.slots[slot.slot]
        if slot.evidence == "neutral":
            assert slot.value == spec.neutral
        elif spec.choose:
            name, _, entry = slot.evidence.partition(".")
            assert name == spec.choose
            assert slot.value == LISTS[name][entry]
        else:
            assert slot.evidence == spec.evidence
            given = request.evidence[slot.evidence]
            is_name = slot.evidence == "contact.first_name"
            assert (clean_name if is_name else clean)(slot.value, spec.max_length) == slot.value
            spaced = " ".join(unicodedata.normalize("NFC", given).split())
            assert slot.value.casefold() in spaced.casefold()
            if not spec.quote:
                assert slot.value == (clean_name if is_name else clean)(given, spec.max_length)


@pytest.mark.parametrize(
    ("template", "everywhere"),
    [
        pytest.param(TEMPLATE, False, id="own field"),
        *(pytest.param(t, True, id=t.name, marks=pytest.mark.full) for t in [TEMPLATE, *SHIPPED]),
    ],
)
def test_an_obedient_model_cannot_say_a_word_of_its_own(
    made_by: Made, sandbox: OpenAISandbox, template: Template, everywhere: bool
) -> None:
    sandbox.mode = "obeys_attacker"
    pairs = list(attacked(template, everywhere))
    written = made_by(deadline_s=120).write([request for _, request in pairs])
    asked = [w for w in written if w.writer == "openai:gpt-4o"]
    assert len(asked) == len(written), "the model must have been heard, or this shows nothing"
    for (attack, request), one in zip(pairs, written, strict=True):
        body = outside_is_untouched(template, one)
        allowed(request, one)
        assert "https://evil.example/now" not in body, attack["id"]  # what the model added
        assert "only $9" not in body, attack["id"]


@pytest.mark.parametrize("mode", ["invents", "sensible"])
def test_whatever_the_model_does_the_rules_hold(made_by: Made, sandbox: OpenAISandbox, mode: str) -> None:
    sandbox.mode = mode
    pairs = list(attacked(TEMPLATE, everywhere=False))
    written = made_by(deadline_s=120).write([request for _, request in pairs])
    for (_, request), one in zip(pairs, written, strict=True):
        body = outside_is_untouched(TEMPLATE, one)
        allowed(request, one)
        assert not any(word in body for word in ("Jane", "Contoso", "250 people", "40 percent", "growth"))


def test_an_attack_moves_nothing_into_the_mail_of_a_neighbour(made_by: Made, sandbox: OpenAISandbox) -> None:
    alone = made_by().write([SlotRequest("a", TEMPLATE, ANNA)])[0]
    sandbox.mode = "sensible"
    batch = [SlotRequest("a", TEMPLATE, ANNA), *(r for _, r in list(attacked(TEMPLATE))[:20])]
    assert made_by(deadline_s=60).write(batch)[0].slots == alone.slots
