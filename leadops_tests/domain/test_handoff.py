"""Who takes over, and by when."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from leadops.domain.handoff import choose_rep, sla_due
from leadops.playbook.loader import load
from leadops_tests.house import PLAYBOOK

BOOK = load(PLAYBOOK).playbook


def test_the_owner_takes_over_by_id_or_address() -> None:
    assert choose_rep("led_1", "REP-jonas", BOOK).id == "rep-jonas"
    assert choose_rep("led_1", "Priya@northwind.example", BOOK).id == "rep-priya"


def test_without_an_owner_of_ours_leads_are_shared_out_and_stay_where_they_are() -> None:
    ids = [f"led_{i}" for i in range(600)]
    assert [choose_rep(i, None, BOOK).id for i in ids] == [choose_rep(i, "somebody", BOOK).id for i in ids]
    assert min(Counter(choose_rep(i, None, BOOK).id for i in ids).values()) > 150


def test_the_sla_runs_on_the_reps_own_business_clock() -> None:
    friday_evening_in_new_york = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)
    reps = {r.id: r for r in BOOK.handoff.reps}
    due = sla_due(friday_evening_in_new_york, reps["rep-amelia"], BOOK)
    assert due > datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
    in_hours = datetime(2026, 3, 4, 16, 0, tzinfo=UTC)
    assert sla_due(in_hours, reps["rep-amelia"], BOOK) == in_hours + timedelta(minutes=30)
