"""What a model may read: nothing that happened, or was told, after the lead was scored; and who counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.learning.examples import Found, asked_now, collect
from leadops.playbook.loader import load
from leadops.playbook.model import Playbook
from leadops.providers.crm.port import RawRow
from leadops.stages.ingest import ingest
from leadops.store.engine import transaction
from leadops.store.enrichment import save
from leadops.store.evidence import to_json
from leadops.terms import EvidenceField
from leadops_tests.house import PLAYBOOK, TUESDAY, wire
from leadops_tests.learning.months import KEYRING, settle

HORIZON = timedelta(days=30)


@pytest.fixture
def playbook() -> Playbook:
    return load(PLAYBOOK).playbook


def post(engine: Engine, now: datetime, *events: dict[str, Any]) -> None:
    given = [RawRow(event=e, error=None, raw=e, where="test") for e in events]
    report = ingest(engine, given, now=now, keyring=KEYRING)
    assert not [i.reason for i in report.items if i.reason]


def found(engine: Engine, playbook: Playbook, now: datetime) -> Found:
    with transaction(engine) as connection:
        return collect(connection, playbook, now)


def rows_of(given: Found) -> dict[str, Any]:
    return dict(given.examples.rows[0])


def test_nothing_after_scoring_time_is_read(engine: Engine, playbook: Playbook) -> None:
    lead = wire("form_submitted", at=TUESDAY, properties={"plan": "team"}, title="VP Sales")
    post(engine, TUESDAY, lead, wire("pricing_viewed", at=TUESDAY - timedelta(minutes=5)))
    settle(engine, playbook, TUESDAY + timedelta(seconds=5))
    with transaction(engine) as connection:
        (asked,) = asked_now(
            connection, _ids(engine), playbook.scorecard, TUESDAY + timedelta(hours=2)
        ).values()
    later = TUESDAY + timedelta(days=2)
    post(
        engine,
        later,
        wire("lead_updated", at=later, properties={"leak": "won", "plan": "enterprise"}, title="CEO"),
        wire("pricing_viewed", at=later),
        # Told late of something early: it was not known when the lead was scored.
        wire("lead_updated", at=TUESDAY - timedelta(hours=1), properties={"quality": "converted"}),
        wire("meeting_booked", at=later + timedelta(days=1) - timedelta(days=1)),
    )
    settle(engine, playbook, later)
    (row,) = found(engine, playbook, TUESDAY + HORIZON).examples.rows
    assert row == asked.row
    assert row["p.plan"] == "team"
    assert row["title"] == "VP Sales"
    assert row["pricing_views"] == 1
    assert not {"p.leak", "p.quality", "kind.meeting_booked"} & set(row)


def test_an_imported_history_is_read_as_of_becoming_a_lead(engine: Engine, playbook: Playbook) -> None:
    """Received and scored years later, all at once, in any order."""
    came, now = TUESDAY - timedelta(days=400), TUESDAY
    post(
        engine,
        now,
        wire("deal_won", at=came, id="w", properties={"lead_type": "big"}),  # at the very same moment
        wire("lead_updated", at=came + timedelta(seconds=1), properties={"Tags": "Closed"}),
        wire(
            "lead_created",
            at=came,
            id="l",
            properties={"origin": "social", "nested": {"a": 1, "b": {"c": 2}}},
        ),
        wire("rep_activity", at=came, id="r", properties={"outcome": "connected"}),
    )
    settle(engine, playbook, now)
    given = found(engine, playbook, came + timedelta(days=31))  # as of a day in the history
    row = rows_of(given)
    assert row["p.origin"] == "social"
    assert row["p.nested.b.c"] == 2
    assert given.examples.converted.tolist() == [True]
    assert not [
        k for k in row if "Tags" in k or "lead_type" in k or k in ("kind.deal_won", "kind.rep_activity")
    ]
    assert row["events"] == 1


def test_only_the_mature_count_and_only_outcomes_in_time(engine: Engine, playbook: Playbook) -> None:
    def lead(name: str, days_ago: float, booked_after: float | None = None) -> list[dict[str, Any]]:
        at = TUESDAY - timedelta(days=days_ago)
        made = [wire("form_submitted", f"{name}@acme.example", at=at)]
        if booked_after is not None:
            made.append(wire("meeting_booked", f"{name}@acme.example", at=at + timedelta(days=booked_after)))
        return made

    post(
        engine,
        TUESDAY,
        *lead("young-winner", 5, booked_after=1),  # would bias: its like who did not convert are missing
        *lead("young", 5),
        *lead("winner", 40, booked_after=29.9),
        *lead("late", 40, booked_after=30.1),
        *lead("nothing", 40),
        *lead("customer", 40, booked_after=-1),
    )
    settle(engine, playbook, TUESDAY)
    given = found(engine, playbook, TUESDAY)
    assert sorted(given.examples.converted.tolist()) == [False, False, True]
    assert given.immature == 2
    # As of a day before its horizon was over the winner does not count, although it had booked.
    early = found(engine, playbook, TUESDAY - timedelta(days=10.05))
    assert (len(early.examples), early.immature) == (0, 3)


def test_words_and_names_are_not_read(engine: Engine, playbook: Playbook) -> None:
    at = TUESDAY - HORIZON - timedelta(days=1)
    post(
        engine,
        TUESDAY,
        wire(
            "form_submitted",
            at=at,
            first_name="Anna",
            properties={"message": "call Anna", "email": "a@b.example"},
        ),
    )
    settle(engine, playbook, TUESDAY)
    row = rows_of(found(engine, playbook, TUESDAY))
    assert "anna" not in str(row).casefold()
    assert row["message.length"] == len("call Anna")


def test_what_vendors_had_told_by_then_is_read_and_nothing_they_told_later(
    engine: Engine, playbook: Playbook
) -> None:
    post(engine, TUESDAY, wire("form_submitted", at=TUESDAY, title="VP Sales"))
    settle(engine, playbook, TUESDAY)
    (lead,) = _ids(engine)
    _told(engine, lead, "early", rank=0, at=TUESDAY, fields={"company_size": 250})
    with transaction(engine) as connection:
        (asked,) = asked_now(connection, [lead], playbook.scorecard, TUESDAY + timedelta(hours=2)).values()
    _told(engine, lead, "late", rank=-1, at=TUESDAY + timedelta(seconds=1), fields={"industry": "banking"})
    (row,) = found(engine, playbook, TUESDAY + HORIZON).examples.rows
    assert row == asked.row
    assert row["company_size"] == 250
    assert row["points.company_size"] == 15
    assert "industry" not in row


def _told(
    engine: Engine, lead: str, provider: str, *, rank: int, at: datetime, fields: dict[str, Any]
) -> None:
    said = {n: to_json(EvidenceField(v, provider, None, at)) for n, v in fields.items()}
    row = {"lead_id": lead, "provider": provider, "rank": rank, "enriched_at": at, "inputs_hash": "x"}
    with transaction(engine) as connection:
        save(connection, [row | {"fields": said, "key": None, "cost_usd": 0.0, "took_ms": None}])


def _ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [r[0] for r in connection.exec_driver_sql("select lead_id from leads")]
