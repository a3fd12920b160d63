"""Every CRM adapter against the same suite (``conformance.py``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leadops.providers.crm.files import FilesCrm
from leadops.providers.crm.port import CrmPort
from leadops_tests.providers.crm.conformance import Bench, CrmConformance, fixture_of
from leadops_tests.providers.crm.inprocess import Account

MAPPING = """
files:
  - {pattern: "*.jsonl", format: events}
"""


class FilesBench(Bench):
    """A folder; somebody appends events to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "crm"
        self.folder.mkdir()
        (self.folder / "mapping.yaml").write_text(MAPPING)
        self.crm = FilesCrm(self.folder)
        self.lines = 0

    @property
    def now(self) -> datetime:
        return datetime(2026, 3, 3, 16, 0, tzinfo=UTC)

    def another(self) -> CrmPort:
        return FilesCrm(self.folder)

    def wrong(self) -> CrmPort:
        path = self.folder.parent / "file"
        path.write_text("")
        return FilesCrm(path)

    def add_lead(self, email: str, company: str = "Acme") -> tuple[tuple[str, str], ...]:
        self._append("lead_created", email, company)
        return (("files", email),)

    def change_lead(self, email: str, company: str) -> None:
        self._append("lead_updated", email, company)

    def _append(self, kind: str, email: str, company: str) -> None:
        self.lines += 1
        event = {
            "source": "files",
            "id": f"{kind}:{self.lines}",
            "kind": kind,
            "occurred_at": f"2026-03-03T15:00:{self.lines:02d}Z",
            "contact": {"email": email, "company": company},
        }
        self._write(json.dumps(event))

    def break_row(self) -> None:
        self._write("{broken")

    def _write(self, line: str) -> None:
        with (self.folder / "leads.jsonl").open("a") as stream:
            stream.write(line + "\n")

    def written(self, kind: str) -> list[str]:
        path = self.folder / ("tasks.jsonl" if kind == "task" else "writebacks.jsonl")
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if json.loads(line)["kind"] == kind]


class HubSpotBench(Bench):
    """The sandbox's account, set up."""

    def __init__(self, _: Path) -> None:
        self.account = Account()
        self.crm = self.account.crm
        self.crm.setup()

    @property
    def now(self) -> datetime:
        return self.account.now

    def another(self) -> CrmPort:
        return self.account.adapter()

    def wrong(self) -> CrmPort:
        return self.account.adapter(token="pat-wrong")

    def add_lead(self, email: str, company: str = "Acme") -> tuple[tuple[str, str], ...]:
        self.account.later(seconds=1)
        return (("hubspot", self.account.contact(email, company=company)),)

    def change_lead(self, email: str, company: str) -> None:
        found = self.account.portal.find("contacts", email=email)[0]
        self.account.portal.update(
            "contacts", found.id, {"company": company}, at=self.account.later(seconds=1)
        )

    def break_row(self) -> None:
        """A contact without the date HubSpot always gives."""
        self.account.later(seconds=1)
        broken = self.account.contact("broken@acme.example")
        record: Any = self.account.portal.get("contacts", broken)
        del record.properties["createdate"]

    def written(self, kind: str) -> list[str]:
        portal = self.account.portal
        if kind == "score":
            scored = [r for r in portal.records("contacts") if r.properties.get("leadops_score")]
            return [" ".join(v or "" for v in r.properties.values()) for r in scored]
        object_type = {"touch": "emails", "task": "tasks", "enrolment": "notes"}[kind]
        found = [r for r in portal.records(object_type) if portal.associated(object_type, r.id, "contacts")]
        return [" ".join(v or "" for v in r.properties.values()) for r in found]


bench = fixture_of({"files": FilesBench, "hubspot": HubSpotBench})


class TestConformance(CrmConformance):
    pass
