"""Olist's leads through the whole chain on a virtual clock: only what the files say, when they say it.

The two files stand in a CRM folder and grow: a row is appended, as it is in the original, at the first
moment at which the CRM could know it. No answers are made up.
"""

from __future__ import annotations

import csv
import logging
import shutil
import time as wall
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, event

from leadops.playbook.loader import LoadedPlaybook, load
from leadops.providers.crm.files import FilesCrm
from leadops.sandbox.chain import Chain
from leadops_tests.house import PLAYBOOK, house_of

LEADS = "marketing_qualified_leads.csv"
DEALS = "closed_deals.csv"
MAPPING = Path(__file__).parent / "olist" / "mapping.yaml"
ZONE = ZoneInfo("America/Sao_Paulo")
MOMENTS = (time(8, 30), time(9, 30), time(12, 30), time(15, 30), time(20))
"""Where Olist is: before the window opens, three inside it, and one for the evening's deals."""
AFTERMATH_DAYS = 40
"""The longest sequence takes 30 days, and weekends and holidays push it back."""

_log = logging.getLogger("olist")
_WHEN = {LEADS: ("first_contact_date", ZONE), DEALS: ("won_date", UTC)}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file as it stands there; ``at``: from when on the CRM can know it (UTC)."""

    at: datetime
    file: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Input:
    """Both files: headers by file name, and all lines in time order."""

    headers: dict[str, bytes]
    lines: tuple[Line, ...]


@dataclass(slots=True)
class Figures:
    """What a run did and what it cost. Seconds are of the wall clock."""

    rows: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    days: int = 0
    moments: int = 0
    moments_run: int = 0
    statements: int = 0
    commits: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def told(self) -> str:
        """Several lines for a person."""
        spent = "\n".join(
            f"  {n:<10} {s:8.1f} s  {s / max(self.seconds, 1e-9):4.0%}" for n, s in self.stages.items()
        )
        each = max(self.messages, 1)
        return (
            f"{self.rows[LEADS]} leads, {self.rows[DEALS]} deals, {self.messages} messages "
            f"in {self.seconds:.1f} s ({1000 * self.seconds / each:.1f} ms per message), "
            f"{self.days} virtual days, "
            f"{self.moments_run} of {self.moments} moments had something to do\n"
            f"{self.statements} statements ({self.statements / each:.1f} per message), "
            f"{self.commits} commits ({self.commits / each:.1f} per message)\n{spent}"
        )


def read(folder: Path) -> Input:
    """Both files of ``folder``, a row per line. One without a readable date comes with the one before it."""
    headers, lines = {}, list[Line]()
    for name, (column, zone) in _WHEN.items():
        header, *rows = (folder / name).read_bytes().splitlines()
        headers[name] = header + b"\n"
        place = next(csv.reader([header.decode()])).index(column)
        at = datetime.max.replace(tzinfo=UTC)
        for raw in rows:
            at = _moment(next(csv.reader([raw.decode()])), place, zone) or at
            lines.append(Line(at, name, raw + b"\n"))
    return Input(headers, tuple(sorted(lines, key=lambda line: line.at)))


def _moment(cells: Sequence[str], place: int, zone: tzinfo) -> datetime | None:
    try:
        return datetime.fromisoformat(cells[place]).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, IndexError):
        return None


def sample(source: Path, target: Path, *, every: int, first: int) -> Path:
    """Every n-th lead in time order from ``first`` on, with its deal; lines unchanged. Returns ``target``."""
    given = read(source)
    leads = [line for line in given.lines if line.file == LEADS][first::every]
    ids = {_id(line) for line in leads}
    deals = [line for line in given.lines if line.file == DEALS and _id(line) in ids]
    target.mkdir(parents=True)
    for name, kept in ((LEADS, leads), (DEALS, deals)):
        (target / name).write_bytes(given.headers[name] + b"".join(line.raw for line in kept))
    return target


def _id(line: Line) -> bytes:
    return line.raw.partition(b",")[0]


def roomy() -> LoadedPlaybook:
    """The default playbook with caps that 1,300 leads a month do not reach."""
    loaded = load(PLAYBOOK)
    sender = loaded.playbook.sender
    boxes = tuple(m.model_copy(update={"daily_cap": 5_000}) for m in sender.mailboxes)
    wide = sender.model_copy(update={"mailboxes": boxes, "domain_daily_cap": 10_000})
    return replace(loaded, playbook=loaded.playbook.model_copy(update={"sender": wide}))


def moments(first: date, last: date) -> Iterator[datetime]:
    """Every moment at which the chain is looked at, in UTC."""
    day = first
    while day <= last:
        for at in MOMENTS:
            yield datetime.combine(day, at, ZONE).astimezone(UTC)
        day += timedelta(days=1)


def seen_at(at: datetime) -> datetime:
    """The moment at which the chain hears of what the CRM knows from ``at`` on."""
    day = at.astimezone(ZONE).date()
    return next(moment for moment in moments(day, day + timedelta(days=1)) if moment >= at)


def run(engine: Engine, source: Path, folder: Path) -> Figures:
    """Everything in ``source`` through the chain; CRM and outbox stand in ``folder``.

    Progress, a line per virtual month, goes to the logger ``olist``.
    """
    given = read(source)
    crm = folder / "crm"
    crm.mkdir(parents=True)
    shutil.copyfile(MAPPING, crm / "mapping.yaml")
    for name, header in given.headers.items():
        (crm / name).write_bytes(header)
    chain = Chain(house_of(engine, folder, loaded=roomy(), crm=FilesCrm(crm)))
    figures = Figures()
    first = given.lines[0].at.astimezone(ZONE).date()
    last = given.lines[-1].at.astimezone(ZONE).date() + timedelta(days=AFTERMATH_DAYS)
    figures.days = (last - first).days + 1
    waiting = list(reversed(given.lines))
    began = wall.perf_counter()
    month = first.month
    with _counted(engine, figures):
        for now in moments(first, last):
            if now.month != month:
                month = now.month
                _log.info(
                    "%s: %d leads, %d deals, %.0f s",
                    now.date(), figures.rows[LEADS], figures.rows[DEALS], wall.perf_counter() - began,
                )  # fmt: skip
            _step(chain, crm, waiting, now, figures)
    figures.seconds = wall.perf_counter() - began
    figures.stages = dict(sorted(chain.seconds.items(), key=lambda item: -item[1]))
    figures.messages = sum(1 for _ in (folder / "outbox").glob("*.eml"))
    _log.info("%s", figures.told())
    return figures


def _step(chain: Chain, crm: Path, waiting: list[Line], now: datetime, figures: Figures) -> None:
    """One moment: what the CRM knows by now is written, read, and whatever is due is done."""
    figures.moments += 1
    new: dict[str, list[bytes]] = {}
    while waiting and waiting[-1].at <= now:
        line = waiting.pop()
        new.setdefault(line.file, []).append(line.raw)
    for name, raw in new.items():
        figures.rows[name] += len(raw)
        with (crm / name).open("ab") as stream:
            stream.write(b"".join(raw))
    if new:
        while chain.poll(now).more:
            pass
    due = chain.next_moment(now)
    if new or (due is not None and due <= now):
        figures.moments_run += 1
        chain.run_until_quiet(now)


class _counted:  # noqa: N801 - used as a with statement's word
    """Counts statements and commits of an engine while it is open."""

    def __init__(self, engine: Engine, figures: Figures) -> None:
        self._engine, self._figures = engine, figures

    def __enter__(self) -> None:
        event.listen(self._engine, "after_cursor_execute", self._statement)
        event.listen(self._engine, "commit", self._commit)

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "after_cursor_execute", self._statement)
        event.remove(self._engine, "commit", self._commit)

    def _statement(self, *_: object) -> None:
        self._figures.statements += 1

    def _commit(self, *_: object) -> None:
        self._figures.commits += 1
