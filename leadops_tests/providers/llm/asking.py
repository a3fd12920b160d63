"""What is asked of the writer in these tests, and of whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from leadops.playbook.loader import load
from leadops.playbook.model import Playbook, SlotSpec, Template
from leadops.providers.llm.openai import OpenAIWriter
from leadops.providers.llm.port import SlotRequest
from leadops.providers.llm.template import TemplateWriter
from leadops_tests.playbook.folders import DEFAULT

KEY = "sk-test"
TUESDAY = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
PLAYBOOK: Playbook = load(DEFAULT).playbook

TEMPLATE = Template(
    name="judged",
    subject="A call",
    slots={
        "first_name": SlotSpec(evidence="contact.first_name", neutral="there", max_length=30),
        "company": SlotSpec(evidence="company.name", neutral="your team", max_length=50),
        "interest": SlotSpec(evidence="lead.interest", neutral="what we do", max_length=60),
        "pain": SlotSpec(choose="pain_points", neutral="late answers", max_length=80),
        "topic": SlotSpec(
            evidence="lead.message", quote=True, neutral="the report you trust least", max_length=80
        ),
    },
    body="Hi {{first_name}},\n\nThanks for your interest in {{interest}}. Often it is {{pain}}. "
    "For {{company}}: {{topic}}.\n\nShall we talk?",
    version="v1",
)
PLAIN = Template(
    name="plain",
    subject="A call",
    slots={"first_name": SlotSpec(evidence="contact.first_name", neutral="there", max_length=30)},
    body="Hi {{first_name}}.",
    version="v1",
)
ANNA = {
    "contact.first_name": "Anna",
    "company.name": "Acme Inc.",
    "lead.interest": "sales dashboards",
    "lead.message": "We have two dashboards that never show the same revenue, nobody knows which is right.",
    "contact.title": "VP Sales",
    "lead.source": "web",
}


def request(
    evidence: dict[str, str] | None = None, template: Template = TEMPLATE, key: str = "tch_1"
) -> SlotRequest:
    return SlotRequest(key, template, ANNA if evidence is None else evidence)


def writer_for(
    url: str, key: str | None, playbook: Playbook, clock: Callable[[], float] | None = None, **config: Any
) -> OpenAIWriter:
    """A writer with small patience, so that a test of silence is short."""
    patience = {"timeout_s": 5.0, "deadline_s": 8.0} | config
    section = playbook.writer.model_copy(update=patience)
    if clock is None:
        return OpenAIWriter(key, url, section, playbook, TemplateWriter())
    return OpenAIWriter(key, url, section, playbook, TemplateWriter(), clock=clock)
