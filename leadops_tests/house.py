"""A whole house for tests: real Postgres, the default playbook, files and outbox in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from leadops.domain.keys import Keyring
from leadops.playbook.loader import load
from leadops.providers.crm.files import FilesCrm
from leadops.providers.crm.port import RawRow
from leadops.providers.email.outbox import Outbox
from leadops.runtime.wiring import House
from leadops.sandbox.chain import Chain
from leadops.settings import PROJECT_ROOT
from leadops.stages.ingest import IngestReport, ingest

PLAYBOOK = PROJECT_ROOT / "playbook" / "playbook.yaml"
TUESDAY = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
"""10:00 in New York on a business day without holidays nearby."""


def house_of(engine: Engine, folder: Path, **replaced: Any) -> House:
    """A house on this database. Any part can be given instead."""
    parts: dict[str, Any] = {
        "engine": engine,
        "loaded": load(PLAYBOOK),
        "keyring": Keyring(b"test"),
        "crm": FilesCrm(folder / "crm"),
        "email": Outbox(folder / "outbox"),
    }
    return House(**(parts | replaced))


def wire(kind: str, email: str | None = "anna@acme.example", **given: Any) -> dict[str, Any]:
    """One event as ``POST /v1/events`` takes it. ``at`` is a datetime; contact fields by name."""
    at: datetime = given.pop("at", TUESDAY)
    properties = given.pop("properties", {})
    source = given.pop("source", "web")
    event_id = given.pop("id", None)
    contact = {"email": email, **given} if email else given
    event = {
        "source": source,
        "kind": kind,
        "occurred_at": at.isoformat(),
        "contact": contact,
        "properties": properties,
    }
    return event | ({"id": event_id} if event_id else {})


DEMO: Mapping[str, Any] = {
    "first_name": "Anna",
    "company": "Acme",
    "title": "VP Operations",
    "company_size": 400,
    "country": "US",
}
"""Contact fields of somebody who scores hot when they ask for a demo."""


@dataclass
class World:
    """A house with a clock in the test's hand."""

    house: House
    folder: Path
    now: datetime = TUESDAY
    chain: Chain = field(init=False)

    def __post_init__(self) -> None:
        self.chain = Chain(self.house)

    def clock(self) -> datetime:
        return self.now

    def post(self, *events: dict[str, Any]) -> IngestReport:
        rows = [RawRow(event=e, error=None, raw=e, where="test") for e in events]
        return ingest(self.house.engine, rows, now=self.now, keyring=self.house.keyring)

    def run(self) -> None:
        """Every stage until nothing is left to do at this moment."""
        self.chain.run_until_quiet(self.now)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def go(self, until: datetime, on_tick: Callable[[], None] | None = None) -> None:
        """Run from due touch to due touch up to ``until``."""
        self.run()
        while (due := self.chain.next_moment(self.now)) is not None and due <= until:
            self.now = max(due, self.now + timedelta(seconds=1))
            self.run()
            if on_tick:
                on_tick()
        self.now = until
        self.run()

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.house.engine.connect() as connection:
            return [dict(r) for r in connection.execute(text(statement), parameters).mappings()]

    def one(self, statement: str, **parameters: Any) -> Any:
        found = self.rows(statement, **parameters)
        assert len(found) == 1, found
        return next(iter(found[0].values())) if len(found[0]) == 1 else found[0]

    def outbox(self) -> list[Path]:
        return sorted((self.folder / "outbox").glob("*.eml"))
