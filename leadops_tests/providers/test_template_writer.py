from __future__ import annotations

from leadops.playbook.model import SlotSpec, Template
from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.providers.llm.template import TemplateWriter
from leadops.terms import SlotValue

TEMPLATE = Template(
    name="hot_1",
    subject="Hello",
    slots={
        "first_name": SlotSpec(evidence="contact.first_name", neutral="there"),
        "company": SlotSpec(evidence="company.name", neutral="your team", max_length=10),
    },
    body="Hi {{first_name}}, how is {{company}}?",
    version="1",
)


def _request(evidence: dict[str, str]) -> SlotRequest:
    return SlotRequest("tch_1", TEMPLATE, evidence)


def test_it_is_a_slot_writer_that_costs_nothing() -> None:
    writer = TemplateWriter()
    assert isinstance(writer, SlotWriter)
    assert writer.name == "template"
    written = writer.write([_request({"contact.first_name": "anna", "company.name": "Acme"})])
    assert written == [
        WrittenSlots(
            (
                SlotValue("first_name", "Anna", "contact.first_name"),
                SlotValue("company", "Acme", "company.name"),
            ),
            "template",
            tokens=0,
            cost_usd=0.0,
        )
    ]


def test_missing_and_unclean_evidence_becomes_neutral() -> None:
    (written,) = TemplateWriter().write([_request({"company.name": "Longer than ten"})])
    assert [(s.value, s.evidence) for s in written.slots] == [("there", "neutral"), ("your team", "neutral")]
