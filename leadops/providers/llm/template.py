"""The writer that needs nobody: evidence where it is clean, the neutral phrase where it is not."""

from __future__ import annotations

from collections.abc import Mapping

from leadops.domain import slots
from leadops.playbook.model import Template
from leadops.providers.llm.port import SlotWriter, WrittenSlots


class TemplateWriter(SlotWriter):
    """Costs nothing, never fails, and gives the same words for the same lead."""

    name = "template"

    def write(self, template: Template, evidence: Mapping[str, str]) -> WrittenSlots:
        return WrittenSlots(slots.fill(template, evidence))
