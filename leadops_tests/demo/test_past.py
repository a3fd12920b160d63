"""The simulated past: everybody in a sensible state, the promises kept, the same again for the same seed."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from leadops.demo.making import MARKER, SCENE, Wanted, make_past
from leadops.demo.past import PastReport
from leadops.demo.scene import Scene
from leadops.domain.keys import Keyring
from leadops.errors import UsageError
from leadops.metrics import build
from leadops.playbook.loader import load
from leadops.runtime.databases import databases_of
from leadops.settings import Settings
from leadops_tests import postgres_server
from leadops_tests.house import PLAYBOOK

END = datetime(2026, 3, 12, 18, 0, tzinfo=UTC)
PUBLIC = "http://127.0.0.1:8400"
SMALL = Wanted(END, weeks=4, seed=11, per_week=24)
"""About a hundred leads, two processes."""
KEYRING = Keyring(b"test")
DIGESTED = {
    "touches": "select touch_id, state, reason, due_at, handed_over_at, settled_at, message_id from touches",
    "events": "select event_id, kind, occurred_at, received_at from lead_events",
    "enrolments": "select enrolment_id, state, exit_reason, tier, variant, enrolled_at from enrolments",
    "handoffs": "select handoff_id, owner, created_at, acted_at, escalated_at from handoffs",
    "replies": "select event_id, class, touch_id from replies",
    "scores": "select lead_id, total, tier, scored_at from lead_scores",
}


@dataclass(frozen=True)
class Made:
    url: str
    home: Path
    report: PastReport

    def rows(self, statement: str) -> list[dict[str, Any]]:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return [dict(r) for r in connection.execute(text(statement)).mappings()]

    def value(self, statement: str) -> Any:
        (row,) = self.rows(statement)
        return next(iter(row.values()))

    def digests(self) -> dict[str, str]:
        return {
            name: hashlib.sha256("\n".join(sorted(str(r) for r in self.rows(s))).encode()).hexdigest()
            for name, s in DIGESTED.items()
        }


def _make(url: str, home: Path, wanted: Wanted = SMALL) -> Made:
    report = make_past(home, url, load(PLAYBOOK), KEYRING, wanted, public_url=PUBLIC)
    assert report is not None
    return Made(url, home, report)


@pytest.fixture(scope="module")
def made(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with postgres_server.fresh_database(postgres_url) as url:
        yield _make(url, tmp_path_factory.mktemp("past"))


def test_a_hundred_leads_go_through(made: Made) -> None:
    assert 80 <= made.value("select count(*) from leads where became_lead_at is not null") <= 140
    assert made.report.messages == made.value("select count(*) from touches where state = 'sent'")
    assert made.report.messages > 150
    assert made.report.arrivals >= 80
    assert str(made.report.arrivals) in made.report.told()


def test_no_touch_leaves_after_a_stop(made: Made) -> None:
    late = made.rows(
        """select t.touch_id, l.stop_reason from touches t join leads l using (lead_id)
        where l.stopped_at is not null and t.handed_over_at > l.stopped_at"""
    )
    assert late == []
    assert made.value("select count(*) from leads where stopped_at is not null") > 15


def test_whoever_answers_is_handed_over_and_whoever_withdraws_is_suppressed(made: Made) -> None:
    forgotten = made.rows(
        """select event_id, class from replies r where class in ('human', 'positive', 'negative')
        and not exists (select 1 from handoffs h where h.lead_id = r.lead_id)"""
    )
    assert forgotten == []
    withdrawn = "stop_reason in ('opted_out', 'complained', 'left_company', 'bounced')"
    assert made.value("select count(*) from replies where lead_id is null") == 0
    assert made.value(f"select count(*) from leads where {withdrawn}") > 3
    assert made.value("select count(*) from suppressions") >= made.value(
        f"select count(*) from leads where {withdrawn}"
    )


def test_nothing_is_left_lying(made: Made) -> None:
    """Neither half sent, nor overdue, nor parked, nor owed to the CRM."""
    assert (
        made.rows("select * from touches where state in ('claimed', 'handing_over', 'unknown', 'failed')")
        == []
    )
    assert made.value(f"select count(*) from touches where state = 'planned' and due_at < '{END}'") == 0
    assert made.rows("select * from parked_items") == []
    assert made.rows("select * from quarantined_events") == []
    assert made.rows("select distinct state from crm_writebacks") == [{"state": "done"}]
    assert made.value("select count(*) from lead_events where pending_fold or pending_reply") == 0
    pending = "pending_enrichment or pending_score or pending_enrolment"
    assert made.value(f"select count(*) from leads where merged_into is null and ({pending})") == 0
    lost = made.rows(
        """select lead_id from leads l where became_lead_at is not null and merged_into is null and
        not_enrolled_reason is null and not exists (select 1 from enrolments e where e.lead_id = l.lead_id)"""
    )
    assert lost == []


def test_a_hot_lead_is_answered_within_seconds_at_any_hour(made: Made) -> None:
    waits = made.rows(
        """select extract(epoch from t.handed_over_at - e.enrolled_at) + extract(epoch from e.enrolled_at
            - l.became_lead_at) as s, extract(hour from l.became_lead_at) as hour
        from enrolments e join leads l using (lead_id) join touches t using (enrolment_id)
        where e.tier_at_enrolment = 'hot' and t.position = 1 and t.handed_over_at is not null
        and l.state ->> 'last_lead_kind' = 'demo_requested'"""
    )
    assert len(waits) > 5
    assert all(0 <= w["s"] < 60 for w in waits), waits


def test_tiers_variants_and_exits_vary(made: Made) -> None:
    tiers = made.rows("select tier_at_enrolment as tier, count(*) as n from enrolments group by 1")
    assert {r["tier"] for r in tiers} == {"hot", "warm", "cold"}
    variants = made.rows("select distinct variant from enrolments where tier_at_enrolment = 'hot'")
    assert {r["variant"] for r in variants} == {"direct", "question"}
    exits = {r["exit_reason"] for r in made.rows("select distinct exit_reason from enrolments")}
    assert exits >= {None, "replied", "completed"}
    assert len({r["class"] for r in made.rows("select distinct class from replies")}) >= 4
    assert made.value("select count(*) from handoffs where acted_at is not null") > 5


def test_sources_are_those_of_the_crm(made: Made) -> None:
    sources = {r["source"] for r in made.rows("select distinct source from leads")}
    assert sources >= {"organic_search", "paid_search", "referrals", "email_marketing"}


@pytest.mark.full
def test_the_same_seed_gives_the_same_ledger(made: Made, database_url: str, tmp_path: Path) -> None:
    again = _make(database_url, tmp_path)
    assert again.digests() == made.digests()
    with gzip.open(again.home / SCENE) as one, gzip.open(made.home / SCENE) as two:
        assert json.load(one) == json.load(two)


@pytest.mark.full
def test_the_metric_tables_show_rates_that_differ(made: Made, tmp_path: Path) -> None:
    env = databases_of(Settings(database_url=made.url, dagster_url=made.url, home=tmp_path)).metrics_env
    done = build.build(made.url, env, tmp_path / "dbt")
    assert done.models > 5
    for slice_ in ("source", "tier"):
        found = made.rows(
            f"""select c.slice_value, c.contact_rate, m.meeting_booked_rate, c.leads
            from metrics.contact_rate c join metrics.meeting_booked_rate m using (slice, slice_value)
            where c.slice = '{slice_}'"""
        )
        assert len({r["contact_rate"] for r in found if r["leads"] >= 8}) > 1, found
        assert any(r["meeting_booked_rate"] for r in found), found


def test_the_sandbox_goes_on_where_the_past_ended(made: Made) -> None:
    playbook = load(PLAYBOOK).playbook
    now = END
    scene = Scene.open(made.home / SCENE, lambda: now, playbook.handoff.reps)
    world = scene.world
    assert len(scene.sendgrid.mailroom.accepted) == made.report.messages
    assert scene.hubspot.portal.count("contacts") > 80
    assert len(world.known) > 80
    due = world.next_moment()
    assert due is None or due > END
    effects = world.step(END + timedelta(days=40))
    assert effects.events or effects.inbound or effects.crm_writes
    contact = scene.hubspot.portal.create("contacts", {"email": "new@acme.example"}, at=END)
    assert int(contact) > max(int(r.id) for r in scene.hubspot.portal.records("contacts") if r.id != contact)


def test_a_past_is_made_once(made: Made) -> None:
    assert make_past(made.home, made.url, load(PLAYBOOK), KEYRING, SMALL) is None


@pytest.mark.full
def test_one_that_was_cut_short_is_made_anew(database_url: str, tmp_path: Path) -> None:
    class CutShortError(Exception):
        pass

    def cut(_line: str) -> None:
        raise CutShortError

    tiny = Wanted(END, weeks=1.5, seed=3, per_week=12)
    said: list[str] = []
    with pytest.raises(CutShortError):
        make_past(tmp_path, database_url, load(PLAYBOOK), KEYRING, tiny, say=cut)
    assert json.loads((tmp_path / MARKER).read_text())["state"] == "under way"
    report = make_past(tmp_path, database_url, load(PLAYBOOK), KEYRING, tiny, say=said.append)
    assert report is not None
    assert "made again" in said[0]
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        sent = connection.execute(text("select count(*) from touches where state = 'sent'")).scalar()
        own = {"own": f"{engine.url.database}_past_%"}  # others may be at work on this server
        left = connection.execute(text("select datname from pg_database where datname like :own"), own).all()
    assert sent == report.messages > 0
    assert left == []


def test_a_database_with_leads_of_its_own_is_left_alone(database_url: str, tmp_path: Path) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                """insert into lead_events (event_id, source, source_event_id, kind, occurred_at, received_at,
                day_precision, pending_fold, pending_reply) values ('evt_1', 'web', '1', 'page_viewed',
                '2026-03-01T00:00:00Z', '2026-03-01T00:00:00Z', false, false, false)"""
            )
        )
    with pytest.raises(UsageError, match="empty one only"):
        make_past(tmp_path, database_url, load(PLAYBOOK), KEYRING, SMALL)
    assert not (tmp_path / MARKER).exists()


def test_a_marker_without_its_sandbox_is_not_guessed_at(database_url: str, tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"state": "done"}')
    with pytest.raises(UsageError, match="start again"):
        make_past(tmp_path, database_url, load(PLAYBOOK), KEYRING, SMALL)
