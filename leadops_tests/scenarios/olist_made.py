"""Made-up files of the shape of Olist's, seeded, with every oddity the real ones have and some they lack."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from leadops_tests.scenarios.olist_run import DEALS, LEADS, ZONE

PEOPLE = 120
START = date(2018, 1, 27)  # a Saturday: the first leads wait for Monday
DAYS = 70  # across Carnival, Easter and the end of daylight saving time
SOURCES = ("organic search", "paid search", "social", "email", "referral", "unknown", "")


def make(folder: Path, seed: int = 20180131) -> Path:
    """Write both files into ``folder`` (made here) and return it."""
    chance = random.Random(seed)
    leads = [_lead(chance, n) for n in range(PEOPLE)]
    deals = [deal for n in range(PEOPLE) if (deal := _deal(chance, n, leads[n])) is not None]
    rows = [",".join(lead) for lead in leads]
    chance.shuffle(rows)
    # The same row again, at once and at the end; and the same id with other words, later: the first counts.
    again = [leads[3][0], (START + timedelta(days=DAYS - 1)).isoformat(), "another-page", "display"]
    rows = [rows[0], *rows, rows[5], ",".join(again)]
    # Three rows that nothing can take in: too few fields, no date, and a deal of an impossible date.
    rows.insert(40, "too-few-fields,2018-02-01")
    rows.insert(60, f"{_id(chance)},,some-page,social")
    stranger = [_id(chance), *_rest("2018-03-02 10:00:00")]
    closed = [",".join(d) for d in [*deals, deals[0], stranger]]
    closed.insert(4, ",".join([leads[50][0], *_rest("2018-02-31 10:00:00")]))
    folder.mkdir(parents=True)
    header = "mql_id,first_contact_date,landing_page_id,origin"
    (folder / LEADS).write_text("\n".join([header, *rows]) + "\n", "utf-8")
    (folder / DEALS).write_text(
        "\n".join(["mql_id,seller_id,won_date,declared_monthly_revenue", *closed]) + "\n", "utf-8"
    )
    return folder


def _id(chance: random.Random) -> str:
    return f"{chance.getrandbits(128):032x}"


def _lead(chance: random.Random, n: int) -> list[str]:
    # The first seven have a source each, so that none is missing whatever the seed.
    source = SOURCES[n] if n < len(SOURCES) else chance.choice(SOURCES)
    day = START + timedelta(days=chance.randrange(DAYS))
    return [_id(chance), day.isoformat(), f"page-{chance.randrange(9)}", source]


def _deal(chance: random.Random, n: int, lead: list[str]) -> list[str] | None:
    midnight = datetime.combine(date.fromisoformat(lead[1]), datetime.min.time(), ZONE).astimezone(UTC)
    after = {
        0: -timedelta(days=2),  # won before first contact, by days
        1: -timedelta(seconds=1),  # ... and by a second
        2: timedelta(0),  # at the very moment the day began
        4: timedelta(hours=10),  # on the same day
        7: timedelta(days=200),  # long after the sequence
    }.get(n)
    if after is None and chance.random() < 0.2:
        after = timedelta(seconds=chance.randrange(40 * 86_400))
    return None if after is None else [lead[0], *_rest(f"{midnight + after:%Y-%m-%d %H:%M:%S}")]


def _rest(won: str) -> list[str]:
    return ["seller", won, "1000.0"]
