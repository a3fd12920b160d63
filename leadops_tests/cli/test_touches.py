"""``leadops touches`` and ``leadops handoffs``: what a person settles by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from leadops.errors import LeadopsError, UsageError
from leadops_tests.cli.installed import change, read, run
from leadops_tests.house import DEMO, World, wire


@pytest.fixture
def unknown(world: World) -> str:
    """A touch whose outcome nobody knows, after the nightly job has given it to a person."""
    world.post(wire("demo_requested", **DEMO))
    world.run()
    change(
        world,
        """update touches set state = 'unknown', reason = 'ambiguous', detail = 'timeout', provider = 'smtp'
        where position = 1""",
    )
    change(world, "delete from crm_writebacks where kind = 'touch'")
    world.chain.reconcile(world.now)
    return str(world.one("select touch_id from touches where position = 1"))


def state(world: World, touch: str) -> tuple[str, str | None, str | None]:
    row = world.one("select state, reason, detail from touches where touch_id = :id", id=touch)
    return row["state"], row["reason"], row["detail"]


def test_unknown_touches_are_listed(world: World, unknown: str) -> None:
    (only,) = read("touches", "unknown")
    assert (only["touch_id"], only["position"], only["provider"], only["detail"]) == (
        unknown, 1, "smtp", "timeout",
    )  # fmt: skip
    assert only["since"].startswith("2026-03-03T15:00")
    assert unknown in run("touches", "unknown").stdout


def test_arrived_counts_as_sent_and_the_crm_is_told(world: World, unknown: str) -> None:
    result = run("touches", "resolve", unknown, "--arrived", "--by", "Anna Smith")
    assert result.exit_code == 0, result.exception
    assert state(world, unknown) == ("sent", None, "arrived:Anna-Smith")
    assert world.one("select state from crm_writebacks where kind = 'touch'") == "pending"
    assert world.one("select acted_at is not null from handoffs where reason = 'unknown_outcome'")
    assert read("touches", "unknown") == []


def test_not_arrived_is_planned_again_under_the_same_key_and_sent(world: World, unknown: str) -> None:
    assert run("touches", "resolve", unknown, "--not-arrived", "--by", "anna").exit_code == 0
    assert state(world, unknown) == ("planned", "provider_retry", "not_arrived:anna")
    world.now = world.one("select due_at from touches where position = 1") + timedelta(minutes=1)
    change(world, "update touches set provider = null")
    world.chain.pass_once(world.now)
    assert state(world, unknown)[0] != "unknown"


def test_given_up_is_failed_and_the_sequence_goes_on(world: World, unknown: str) -> None:
    assert run("touches", "resolve", unknown, "--give-up", "--by", "anna").exit_code == 0
    assert state(world, unknown) == ("failed", "ambiguous", "given_up:anna")
    told = read("explain", unknown)
    said = told["touches"][0]["verdict"]
    assert said.startswith("not sent because it is not known whether it arrived, and a person gave it up")
    due = world.one("select due_at from touches where position = 2")
    world.now = due + timedelta(minutes=1)
    world.run()
    assert world.one("select state, reason, detail from touches where position = 2")["state"] == "sent"


def test_giving_up_the_last_touch_finishes_the_enrolment(world: World, unknown: str) -> None:
    change(world, "update touches set state = 'cancelled', reason = 'stopped' where position > 1")
    assert run("touches", "resolve", unknown, "--give-up", "--by", "anna").exit_code == 0
    world.later(days=3000)
    world.run()
    assert world.one("select exit_reason from enrolments") == "all_touches_failed"


def test_wrong_use_is_said(world: World, unknown: str) -> None:
    for words in (
        ["--by", "anna"],
        ["--arrived", "--give-up", "--by", "anna"],
        ["--arrived", "--by", "a@b.c"],
    ):
        assert isinstance(run("touches", "resolve", unknown, *words).exception, UsageError)
    assert isinstance(run("touches", "resolve", "tch_1", "--arrived", "--by", "a").exception, LeadopsError)
    other = world.one("select touch_id from touches where position = 2")
    refused = run("touches", "resolve", other, "--arrived", "--by", "anna").exception
    assert "is planned, not unknown" in str(refused)
    assert state(world, unknown)[0] == "unknown"


def test_handoffs_are_listed_and_shown_with_their_context(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.later(hours=1)
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me, please."}))
    world.run()
    (only,) = read("handoffs", "list")
    assert only["overdue"] is True  # the test's clock is in the past
    listed = " ".join(run("handoffs", "list").stdout.split())
    assert "Anna, Acme: they replied: answer them" in listed
    assert "OVERDUE" in listed
    shown = run("handoffs", "show", only["handoff_id"]).stdout
    assert "Call me, please." in shown
    assert "They received 2026-03-03 15:00 UTC (email, sent):" in shown
    assert read("handoffs", "show", only["handoff_id"])["task"]["they_wrote"] == "Call me, please."
    assert read("handoffs", "list", "--owner", "nobody") == []
    change(world, "update handoffs set acted_at = :now", now=world.now)
    assert read("handoffs", "list", "--open") == []
    assert len(read("handoffs", "list", "--all")) == 1
    assert isinstance(run("handoffs", "show", "hof_1").exception, LeadopsError)
