"""Olist's files put through ``leadops import`` month by month, and the model asked to train after each month.

No mail is sent: leads are folded, enriched and scored, which is all that the learned score looks at.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from leadops.cli import import_job as job
from leadops.domain.keys import Keyring
from leadops.playbook.model import Playbook
from leadops.providers.crm.port import RawRow
from leadops.providers.crm.records import Position
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.stages.enrich import enrich
from leadops.stages.enrich_whom import manners_of
from leadops.stages.enriching import Enriching
from leadops.stages.fold import fold_pending
from leadops.stages.ingest import ingest
from leadops.stages.score import score
from leadops.stages.train import TrainReport, train

LEADS, DEALS = "marketing_qualified_leads.csv", "closed_deals.csv"
MAPPING = Path(__file__).parents[1] / "scenarios" / "olist" / "mapping.yaml"
KEYRING = Keyring(b"test")


@dataclass(frozen=True)
class Month:
    """``end``: the moment of training; ``by_model``: scores of this month that a model gave."""

    end: datetime
    leads: int
    by_model: int
    report: TrainReport


def replay(engine: Engine, playbook: Playbook, source: Path, work: Path) -> Iterator[Month]:
    """A month of leads and deals comes in, is scored, then the model is trained: as it would have gone."""
    leads = _read(source / LEADS, "first_contact_date")
    deals = _read(source / DEALS, "won_date")
    at = datetime.fromisoformat(min(d for d, _ in leads)[:7] + "-01").replace(tzinfo=UTC)
    last = max(d for d, _ in leads)
    while f"{at:%Y-%m-%d}" <= last:
        end = (at + timedelta(days=32)).replace(day=1)
        before, after = f"{at:%Y-%m-%d}", f"{end:%Y-%m-%d}"
        mine = [row for d, row in leads if before <= d[:10] < after]
        won = [row for d, row in deals if (before <= d[:10] or at.month == 6) and d[:10] < after]
        folder = work / f"{at:%Y-%m}"
        _import(engine, folder / LEADS, mine, end)
        _import(engine, folder / DEALS, won, end)
        by_model = settle(engine, playbook, end)
        yield Month(end, len(mine), by_model, train(engine, playbook, now=end))
        at = end


def settle(engine: Engine, playbook: Playbook, now: datetime) -> int:
    """Fold, enrich and score all that waits; how many scores were a model's."""
    by_model = 0
    while fold_pending(engine, playbook, KEYRING, now=now, limit=1000).did:
        pass
    enriching = Enriching(engine, playbook.enrichment, manners_of(playbook, KEYRING), (OfflineEnrichment(),))
    while enrich(enriching, now=now, limit=1000).did:
        pass
    while (report := score(engine, playbook, now=now, limit=1000)).did:
        by_model += report.counts["by_model"]
    return by_model


def _read(path: Path, column: str) -> list[tuple[str, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row[column], row) for row in csv.DictReader(stream)]


def _import(engine: Engine, path: Path, rows: Sequence[dict[str, str]], now: datetime) -> None:
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.DictWriter(stream, fieldnames=list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    found, shown = job.choose_mapping(path, MAPPING)
    spec = job.choose_spec(found, shown, path.name, None)

    def put(batch: Sequence[RawRow], _cursor: str) -> job.Verdicts:
        items = sorted(ingest(engine, batch, now=now, keyring=KEYRING).items, key=lambda i: i.index)
        return [i.reason or (job.DUPLICATE if i.duplicate else None) for i in items]

    job.run(path, spec, put, batch=1000, start=Position(), tally=job.Tally())


def made(folder: Path, *, leads_a_month: Sequence[int], signal: float, seed: int = 5) -> Path:
    """Files of Olist's shape with a known law: pages differ by ``signal``, sources tell nothing."""
    chance = random.Random(seed)
    pages = {f"{chance.getrandbits(128):032x}": signal * chance.gauss(0, 1) for _ in range(60)}
    leads, deals = [], []
    for n, count in enumerate(leads_a_month):
        first = date(2017, 6 + n, 1) if n < 7 else date(2018, n - 6, 1)
        for _ in range(count):
            who = f"{chance.getrandbits(128):032x}"
            day = first + timedelta(days=chance.randrange(28))
            page = chance.choice(list(pages))
            leads.append((who, day.isoformat(), page, chance.choice(["social", "email", "paid search", ""])))
            if chance.random() < 1 / (1 + 2.718281828 ** (1.8 - pages[page])):
                won = datetime.combine(day, datetime.min.time()) + timedelta(hours=chance.randrange(12, 600))
                deals.append((who, f"{won:%Y-%m-%d %H:%M:%S}", "learned later"))
    folder.mkdir(parents=True)
    for name, header, rows in (
        (LEADS, ("mql_id", "first_contact_date", "landing_page_id", "origin"), leads),
        (DEALS, ("mql_id", "won_date", "lead_type"), deals),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            out = csv.writer(stream)
            out.writerow(header)
            out.writerows(rows)
    return folder
