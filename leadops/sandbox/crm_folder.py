"""A files CRM with somebody at the other end: leads trickle in, and some of them answer what they get.

Everything goes through the folder that the files CRM polls; nothing here touches the database.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import os
from datetime import datetime
from pathlib import Path

from leadops.sandbox import people

MAPPING = """\
# What the columns of this folder's files mean (see docs/files-crm.md).
files:
  - pattern: "events*.jsonl"
    format: events
  - pattern: "leads*.csv"
    source: crm
    kind:
      column: request
      map:
        demo_requested: demo_requested
        form_submitted: form_submitted
        content_downloaded: content_downloaded
    id: id
    occurred_at: {column: created_at}
    contact:
      email: {column: email}
      first_name: {column: first_name}
      last_name: {column: last_name}
      company: {column: company}
      title: {column: title}
      company_size: {column: company_size}
      country: {column: country}
      timezone: {column: timezone}
      crm_id: {column: id}
    properties:
      source: {column: source}
      interest: {column: interest}
"""


class CrmFolder:
    """The folder and what is appended to it."""

    def __init__(self, folder: Path, outbox: Path) -> None:
        self.folder = folder
        self.outbox = outbox
        self.leads = folder / "leads.csv"
        self.events = folder / "events.jsonl"
        self._answered: set[str] = set()

    def open(self, sample: int, at: datetime) -> int:
        """Make the folder with ``sample`` leads if it is new; returns how many leads it holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mapping = self.folder / "mapping.yaml"
        if not mapping.exists():
            mapping.write_text(MAPPING, encoding="utf-8")
        if not self.leads.exists():
            self._append(self.leads, ",".join(people.COLUMNS) + "\n")
            for row in people.crowd(sample, at):
                self.add(dict(row))
        self._answered = {p.name for p in self.outbox.glob("*.eml")} if self.outbox.exists() else set()
        with self.leads.open(encoding="utf-8", newline="") as stream:
            return sum(1 for _ in csv.DictReader(stream))

    def add(self, row: dict[str, str]) -> None:
        """Append one lead, as a CRM export job would."""
        line = io.StringIO()
        csv.DictWriter(line, people.COLUMNS, lineterminator="\n").writerow(row)
        self._append(self.leads, line.getvalue())

    def answer_some(self, at: datetime) -> int:
        """Leads who got something new may answer it, in their own words. Returns how many did."""
        answers = 0
        for path in sorted(self.outbox.glob("*.eml")) if self.outbox.exists() else ():
            if path.name in self._answered:
                continue
            self._answered.add(path.name)
            answers += self._answer(path, at)
        return answers

    def _answer(self, path: Path, at: datetime) -> bool:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        to = str(message["To"].addresses[0].addr_spec)
        number = to.partition("@")[0].rpartition(".")[2]
        words = people.reply_words(int(number)) if number.isdigit() else None
        if words is None or message["In-Reply-To"]:
            return False
        event = {
            "source": "inbox",
            "id": f"reply-{path.stem}",
            "kind": "reply_received",
            "occurred_at": at.isoformat(),
            "contact": {"email": to},
            "properties": {
                "subject": f"Re: {message['Subject']}",
                "text": words,
                "in_reply_to": str(message["Message-ID"]),
                "to": str(message["Reply-To"]),
            },
        }
        self._append(self.events, json.dumps(event, ensure_ascii=False) + "\n")
        return True

    def message_to(self, address: str) -> Path | None:
        """The message this address got, if any."""
        for path in self.outbox.glob("*.eml") if self.outbox.exists() else ():
            if address.encode() in path.read_bytes():
                return path
        return None

    @staticmethod
    def _append(path: Path, text: str) -> None:
        with path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
