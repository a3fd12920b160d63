"""Real input: Olist's leads through the whole chain, and every count held against the files."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import holidays
import pandas as pd
import pytest
from sqlalchemy import NullPool, create_engine, text

from leadops.metrics.build import Report, build
from leadops.runtime.databases import databases_of
from leadops.settings import PROJECT_ROOT, Settings
from leadops.store.engine import open_engine
from leadops_tests import postgres_server
from leadops_tests.scenarios import olist_made, olist_run
from leadops_tests.scenarios.olist_run import DEALS, LEADS, ZONE, Figures, seen_at

EVERY, FIRST = 16, 7
"""The 500: every sixteenth lead in time order, so all months and sources; from the eighth on, because
that takes in the one lead whose deal is older than its first contact."""

HOURS = {"warm": (time(8), time(18)), "cold": (time(9), time(17))}
"""When a lead may be mailed, by tier. None of Olist's is hot: little more than a source is known of them."""

_log = logging.getLogger("olist")
_TO = re.compile(rb"^To:.*?([0-9a-z-]+)@olist\.example", re.MULTILINE)
_DATE = re.compile(rb"^Date: (.+?)\r?$", re.MULTILINE)


def real_data() -> Path | None:
    """The folder with Olist's files, where it is at hand."""
    given = os.environ.get("LEADOPS_REAL_DATA")
    root = Path(given) if given else PROJECT_ROOT.parent / "shared" / "data"
    folder = root / "olist"
    return folder if all((folder / name).is_file() for name in (LEADS, DEALS)) else None


@dataclass
class Ran:
    """A run that is over: what went in, the database and folders it left, and dbt's tables on it."""

    source: Path
    folder: Path
    url: str
    figures: Figures
    built: Report

    def rows(self, statement: str) -> list[dict[str, Any]]:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    def one(self, statement: str) -> Any:
        (row,) = self.rows(statement)
        (value,) = row.values()
        return value

    @cached_property
    def truth(self) -> Truth:
        tiers = "select split_part(email, '@', 1) as id, tier from leads where became_lead_at is not null"
        return Truth(self.source, {r["id"]: r["tier"] for r in self.rows(tiers)})

    @cached_property
    def mails(self) -> list[tuple[str, datetime, str]]:
        """(lead's id in the file, Date, touch id) of every message in the outbox."""
        found = []
        for path in (self.folder / "outbox").glob("*.eml"):
            head = path.read_bytes().partition(b"\r\n\r\n")[0]
            to, date = _TO.search(head), _DATE.search(head)
            assert to is not None, path.name
            assert date is not None, path.name
            found.append((to[1].decode(), parsedate_to_datetime(date[1].decode()).astimezone(UTC), path.stem))
        return found


class Truth:
    """The files counted by pandas, without any code of the chain.

    ``leads``: one row per mql_id that a person would call a lead: the first in time, in file order.
    Only when a first mail may leave depends on a decision of the chain: ``tiers``, lead -> tier.
    """

    def __init__(self, source: Path, tiers: Mapping[str, str]) -> None:
        raw, self.rejected_leads = self._read(source / LEADS, "first_contact_date")
        ordered = raw.sort_values("first_contact_date", kind="stable")
        leads = ordered.drop_duplicates("mql_id").set_index("mql_id")
        won, self.rejected_deals = self._read(source / DEALS, "won_date")
        won = won.sort_values("won_date", kind="stable").drop_duplicates("mql_id").set_index("mql_id")
        self.strangers = len(won.index.difference(leads.index))
        leads["won_at"] = won["won_date"].dt.tz_localize("UTC").reindex(leads.index)
        leads["at"] = leads["first_contact_date"].dt.tz_localize(ZONE, nonexistent="shift_forward")
        leads["month"] = leads["first_contact_date"].dt.to_period("M").dt.start_time.dt.date
        leads["source"] = leads["origin"].str.strip().replace("", "(blank)")
        leads["won"] = leads["won_at"].notna()
        leads["won_before"] = leads["won_at"] < leads["at"]
        # Not a count of the files but of the clock they were shown on: when the chain could know what.
        leads["seen"] = leads["at"].map(lambda at: seen_at(at.to_pydatetime().astimezone(UTC)))
        leads["won_seen"] = [seen_at(at.to_pydatetime()) if pd.notna(at) else None for at in leads["won_at"]]
        leads["first_mail"] = [_first_open(seen, tiers[str(i)]) for i, seen in leads["seen"].items()]
        leads["won_first"] = [
            pd.notna(won) and won <= mail
            for won, mail in zip(leads["won_seen"], leads["first_mail"], strict=True)
        ]
        self.leads = leads

    @staticmethod
    def _read(path: Path, column: str) -> tuple[pd.DataFrame, int]:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))
        width = len(lines[0])
        rejected = [cells for cells in lines if len(cells) != width]
        frame = pd.DataFrame([c for c in lines[1:] if len(c) == width], columns=lines[0], dtype="string")
        frame[column] = pd.to_datetime(frame[column], errors="coerce")
        bad = frame[column].isna()
        return frame[~bad].copy(), len(rejected) + int(bad.sum())

    def by(self, *columns: str, of: str | None = None) -> dict[tuple[Any, ...], int]:
        """Leads per group; or how many of them are ``of`` (groups with none left out)."""
        frame = self.leads if of is None else self.leads[self.leads[of]]
        return dict(Counter(frame[list(columns)].itertuples(index=False, name=None)))


def _first_open(seen: datetime, tier: str) -> datetime:
    """The first moment from ``seen`` on inside the tier's hours, Monday to Friday, no Brazilian holiday."""
    opens, closes = HOURS[tier]
    closed = holidays.country_holidays("BR")
    day = seen.astimezone(ZONE).date()
    for moment in olist_run.moments(day, day + pd.Timedelta(days=15).to_pytimedelta()):
        local = moment.astimezone(ZONE)
        inside = local.weekday() < 5 and opens <= local.time() < closes and local.date() not in closed
        if moment >= seen and inside:
            return moment
    raise AssertionError("no window in two weeks")


# Generous: the first test of each takes the whole run, on a machine that may have other work.
_SOME = [pytest.mark.full, pytest.mark.timeout(900)]
_FULL = [pytest.mark.full, pytest.mark.timeout(3 * 3600)]
_RUNS = [
    pytest.param("made", marks=_SOME),
    pytest.param("real-500", marks=_FULL),
    pytest.param("real-8000", marks=_FULL),
]


@pytest.fixture(scope="module", params=_RUNS)
def ran(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Ran]:
    # In memory where there is room: the outbox syncs every message to disk, which is not tried here.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    with (
        tempfile.TemporaryDirectory(dir=memory if roomy else None) as made,
        postgres_server.fresh_database(postgres_url) as url,
    ):
        folder = Path(made)
        source = _source(request.param, folder)
        engine = open_engine(url)
        figures = olist_run.run(engine, source, folder)
        engine.dispose()
        environment = databases_of(Settings(database_url=url, home=folder)).metrics_env
        built = build(url, environment, folder / "dbt")
        _log.info("dbt: %d models, %d tests, %.1f s", built.models, built.tests, built.seconds)
        yield Ran(source, folder, url, figures, built)


def _source(which: str, folder: Path) -> Path:
    if which == "made":
        return olist_made.make(folder / "source")
    found = real_data()
    if found is None:
        pytest.skip(f"Olist's files are not at hand: put {LEADS} and {DEALS} into LEADOPS_REAL_DATA/olist")
    if which == "real-8000":
        return found
    return olist_run.sample(found, folder / "source", every=EVERY, first=FIRST)


# --- the metric tables agree with the files, to the row -------------------------------------------------


def test_every_lead_of_the_file_is_one_lead(ran: Ran) -> None:
    known = "select split_part(email, '@', 1) as id from leads where became_lead_at is not null"
    assert Counter(r["id"] for r in ran.rows(known)) == Counter(ran.truth.leads.index)
    assert ran.one("select count(*) from metrics.fct_person_enrolments") == len(ran.truth.leads)


def test_sources_agree_and_a_blank_one_is_not_the_unknown_one(ran: Ran) -> None:
    found = ran.rows("select source, sum(leads)::int as leads, sum(won)::int as won"
                     " from metrics.conversion_cube group by source")  # fmt: skip
    assert {(r["source"],): r["leads"] for r in found} == ran.truth.by("source")
    assert {(r["source"],): r["won"] for r in found if r["won"]} == ran.truth.by("source", of="won")
    assert {"(blank)", "unknown"} <= {r["source"] for r in found}


def test_months_and_deals_agree(ran: Ran) -> None:
    found = ran.rows("select * from metrics.leads_by_month")
    for column, of in (
        ("leads", None),
        ("leads_date_only", None),
        ("won", "won"),
        ("won_before_lead", "won_before"),
    ):
        counted = {(r["cohort_month"], r["source"]): r[column] for r in found if r[column]}
        assert counted == ran.truth.by("month", "source", of=of), column
    assert sum(r["won_before_lead"] for r in found) == ran.truth.leads["won_before"].sum() > 0


def test_a_date_without_time_gives_no_speed_to_lead(ran: Ran) -> None:
    (found,) = ran.rows("select sum(n_with_time)::int as timed, sum(n_without_time)::int as untimed"
                        " from metrics.conversion_cube")  # fmt: skip
    assert found == {"timed": 0, "untimed": len(ran.truth.leads)}


def test_moments_are_those_of_the_files(ran: Ran) -> None:
    found = ran.rows("select split_part(email, '@', 1) as id, became_lead_at, won_at from leads"
                     " where became_lead_at is not null")  # fmt: skip
    leads = ran.truth.leads
    assert {r["id"]: r["became_lead_at"] for r in found} == {
        i: at.to_pydatetime() for i, at in leads["at"].items()
    }
    deals = {i: at.to_pydatetime() for i, at in leads["won_at"].items() if pd.notna(at)}
    assert {r["id"]: r["won_at"] for r in found if r["won_at"]} == deals


# --- who was mailed ------------------------------------------------------------------------------------


def test_who_was_won_before_a_window_opened_was_never_mailed_and_all_others_were(ran: Ran) -> None:
    leads = ran.truth.leads
    assert {to for to, _, _ in ran.mails} == set(leads.index[~leads["won_first"]])
    attempted = ran.one("select sum(leads_attempted)::int from metrics.conversion_cube")
    assert attempted == (~leads["won_first"]).sum()
    assert leads["won_first"].sum() >= leads["won_before"].sum() > 0


def test_the_first_mail_leaves_when_the_first_window_is_looked_at(ran: Ran) -> None:
    first: dict[str, datetime] = {}
    for to, at, _ in ran.mails:
        first[to] = min(first.get(to, at), at)
    assert first == {i: m for i, m in ran.truth.leads["first_mail"].items() if i in first}


def test_nothing_leaves_once_a_deal_is_known(ran: Ran) -> None:
    known = {i: at for i, at in ran.truth.leads["won_seen"].items() if pd.notna(at)}
    assert [(to, at) for to, at, _ in ran.mails if to in known and at >= known[to]] == []
    after = """select t.touch_id from touches t join lead_events e using (lead_id)
        where e.kind = 'deal_won' and t.handed_over_at >= e.received_at"""
    assert ran.rows(after) == []
    stopped = """select count(*) from lead_events e join enrolments n using (lead_id)
        where e.kind = 'deal_won' and n.state in ('active', 'paused', 'paused_ooo')"""
    assert ran.one(stopped) == 0


def test_a_lead_that_was_won_before_it_came_is_given_to_a_person(ran: Ran) -> None:
    found = ran.rows("select split_part(l.email, '@', 1) as id, h.reason"
                     " from handoffs h join leads l using (lead_id)")  # fmt: skip
    leads = ran.truth.leads
    assert {(r["id"], r["reason"]) for r in found} == {
        (i, "lead_returned") for i in leads.index[leads["won_before"]]
    }


# --- the ledger ----------------------------------------------------------------------------------------


def test_each_step_left_at_most_once_and_the_outbox_is_the_ledger(ran: Ran) -> None:
    sent = ran.rows(
        "select touch_id, enrolment_id, sequence, step, message_id from touches where state = 'sent'"
    )
    assert Counter(touch_id for _, _, touch_id in ran.mails) == Counter(r["touch_id"] for r in sent)
    steps = Counter((r["enrolment_id"], r["sequence"], r["step"]) for r in sent)
    assert set(steps.values()) == {1}
    assert len({r["message_id"] for r in sent}) == len(sent) == ran.figures.messages


def test_every_touch_ended_and_the_unsent_say_why(ran: Ran) -> None:
    assert ran.rows("select touch_id from touches where state <> 'sent' and coalesce(reason, '') = ''") == []
    assert {r["state"] for r in ran.rows("select distinct state from touches")} == {"sent", "cancelled"}
    reasons = "select distinct reason from touches where state <> 'sent'"
    assert {r["reason"] for r in ran.rows(reasons)} == {"stopped"}


def test_every_lead_was_enrolled_or_says_why_not(ran: Ran) -> None:
    silent = """select lead_id from leads l where became_lead_at is not null and not_enrolled_reason is null
        and not exists (select 1 from enrolments e where e.lead_id = l.lead_id)"""
    assert ran.rows(silent) == []
    reasons = ran.rows("select not_enrolled_reason as why, count(*) as n from leads"
                       " where not_enrolled_reason is not null group by 1")  # fmt: skip
    # Seen together or the deal first: stopped before the decision to enrol.
    leads = ran.truth.leads
    at_once = sum(
        w is not None and pd.notna(w) and w <= s
        for w, s in zip(leads["won_seen"], leads["seen"], strict=True)
    )
    assert {r["why"]: r["n"] for r in reasons} == {"deal_won": at_once}


def test_every_sequence_ended_by_its_end_or_by_a_deal(ran: Ran) -> None:
    found = ran.rows("select state, exit_reason, count(*) as n from enrolments group by 1, 2")
    assert {(r["state"], r["exit_reason"]) for r in found} == {
        ("finished_no_reply", "completed"),
        ("handed_off", "deal_won"),
    }


def test_nothing_was_lost_on_the_way_in(ran: Ran) -> None:
    assert ran.one("select count(*) from quarantined_events") == (
        ran.truth.rejected_leads + ran.truth.rejected_deals
    )
    assert ran.rows("select * from parked_items") == []
    unread = "select count(*) from lead_events where pending_fold or pending_reply or lead_id is null"
    assert ran.one(unread) == 0
    assert ran.one("select count(*) from leads where became_lead_at is null") == ran.truth.strangers
    assert ran.rows("select lead_id from leads where merged_into is not null") == []


def test_the_crm_was_told_everything_once(ran: Ran) -> None:
    told = [
        json.loads(line)["dedupe_key"]
        for name in ("writebacks.jsonl", "tasks.jsonl")
        for line in (ran.folder / "crm" / name).read_text("utf-8").splitlines()
    ]
    owed = ran.rows("select dedupe_key, state from crm_writebacks")
    assert {r["state"] for r in owed} == {"done"}
    assert Counter(told) == Counter(r["dedupe_key"] for r in owed)


def test_no_column_of_the_deals_but_whose_and_when_was_read(ran: Ran) -> None:
    kept = "select distinct jsonb_object_keys(payload -> 'properties') as name from lead_events e" \
           " join event_payloads p using (event_id) where e.kind = 'deal_won'"  # fmt: skip
    assert ran.rows(kept) == []
    assert ran.built.warnings == 0
