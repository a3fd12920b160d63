"""Every check passes on a healthy chain, and names the row that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from leadops.defs.checks import PROPERTIES, Property, offenders
from leadops_tests.house import DEMO, World, wire

LONG_AGO = timedelta(hours=2)
Break = Callable[[World], Any]


@pytest.fixture
def healthy(world: World) -> World:
    """Two hot leads answered, one of whom replied and was taken over; a cold one waits for its window."""
    world.now = datetime.now(UTC) - LONG_AGO
    world.post(
        wire("demo_requested", at=world.now, **DEMO),
        wire("demo_requested", "ben@other.example", at=world.now, **(DEMO | {"company": "Other"})),
        wire("content_downloaded", "cleo@third.example", at=world.now),
    )
    world.run()
    world.later(minutes=5)
    words = {"subject": "Re: demo", "text": "Thanks, please call me tomorrow."}
    world.post(wire("reply_received", "ben@other.example", at=world.now, properties=words))
    world.run()
    world.post(wire("rep_activity", "ben@other.example", at=world.now + timedelta(minutes=1)))
    world.later(minutes=2)
    world.run()
    return world


def do(world: World, *statements: str, **parameters: Any) -> None:
    with world.house.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), {k: v for k, v in parameters.items() if f":{k}" in statement})


def first(world: World, what: str, table: str, where: str = "true") -> str:
    return str(world.rows(f"select {what} as id from {table} where {where} order by 1 limit 1")[0]["id"])


def an_old_event(world: World) -> str:
    event = first(world, "event_id", "lead_events")
    do(world, "update lead_events set pending_fold = true where event_id = :id", id=event)
    return event


def an_old_message(world: World) -> str:
    do(world, "update lead_events set pending_reply = true where kind = 'reply_received'")
    return first(world, "event_id", "lead_events", "kind = 'reply_received'")


def refused_input(world: World) -> str:
    do(
        world,
        """insert into quarantined_events (quarantine_id, source, reason, raw, where_from, received_at)
        values ('qua_x', 'crm', 'no date', '{}', 'leads.csv:2', :now)""",
        now=world.now,
    )
    return "qua_x"


def a_forgotten_lead(world: World) -> str:
    lead = first(world, "lead_id", "leads", "stop_reason is null")
    do(
        world,
        "delete from message_bodies b using message_drafts d, touches t where b.draft_id = d.draft_id "
        "and t.touch_id = d.touch_id and t.lead_id = :lead",
        "delete from message_drafts where touch_id in (select touch_id from touches where lead_id = :lead)",
        "delete from touches where lead_id = :lead",
        "delete from enrolments where lead_id = :lead",
        "update leads set not_enrolled_reason = null where lead_id = :lead",
        lead=lead,
    )
    return lead


def a_parked_item(world: World) -> str:
    do(
        world,
        "insert into parked_items (stage, item_id, reason, parked_at) values ('fold', 'x', 'code', :now)",
        now=world.now,
    )
    return "fold:x"


def points_changed(world: World) -> str:
    score = first(world, "score_id", "lead_scores")
    do(world, "update lead_scores set total = total - 7 where score_id = :id", id=score)
    return score


def points_gone(world: World) -> str:
    score = first(world, "score_id", "lead_scores")
    do(world, "update lead_scores set signals = '[]', total = 50 where score_id = :id", id=score)
    return score


def a_group_of_too_many_points(world: World) -> str:
    score = first(world, "score_id", "lead_scores")
    do(world, "update lead_scores set fit = fit + 5, total = total + 5 where score_id = :id", id=score)
    return score


def a_model_that_failed(world: World) -> str:
    lead = first(world, "lead_id", "lead_scores")
    do(
        world,
        """insert into score_models (version, status, reason, scorecard_version, trained_at, status_at,
            learned_from, learned_to, leads, converted, features, metrics, card, artifact)
        values ('m-1', 'promoted', 'better', '2026-2', :before, :before, :before, :before, 1, 1, '[]', '{}',
            '', '{}')""",
        "update lead_scores set model_failed = 'KeyError', scored_at = :now where lead_id = :lead",
        lead=lead,
        now=world.now,
        before=world.now - LONG_AGO,
    )
    return f"KeyError:{lead}"


def nothing_ahead(world: World) -> str:
    enrolment = first(world, "enrolment_id", "enrolments", "state = 'active'")
    do(
        world,
        "update touches set state = 'cancelled' where enrolment_id = :id and state = 'planned'",
        "update enrolments set finish_at = null where enrolment_id = :id",
        id=enrolment,
    )
    return enrolment


def no_reason(world: World) -> str:
    touch = first(world, "touch_id", "touches", "state = 'planned'")
    do(
        world,
        "alter table touches drop constraint ck_touches_unsent_has_reason",
        "update touches set reason = null where touch_id = :id",
        id=touch,
    )
    return touch


def overdue(world: World) -> str:
    touch = first(world, "touch_id", "touches", "state = 'planned'")
    do(world, "update touches set due_at = :then where touch_id = :id", id=touch, then=world.now - LONG_AGO)
    return touch


def waits_for_review(world: World) -> str:
    touch = first(world, "touch_id", "touches", "state = 'planned'")
    do(
        world,
        """update touches set state = 'in_review', reason = 'awaiting_review', in_review_since = :since
        where touch_id = :id""",
        id=touch,
        since=world.now - timedelta(hours=5),
    )
    return touch


def bytes_gone(world: World) -> str:
    touch = first(world, "touch_id", "touches", "state = 'sent' and channel = 'email'")
    do(
        world,
        """update message_bodies set wire = null
        where draft_id = (select draft_id from touches where touch_id = :id)""",
        id=touch,
    )
    return touch


def sent_after_stop(world: World) -> str:
    touch = first(
        world,
        "touch_id",
        "touches",
        "state = 'sent' and lead_id in (select lead_id from leads where stop_reason is not null)",
    )
    do(world, "update touches set handed_over_at = :then where touch_id = :id", id=touch, then=world.now)
    return touch


def said_twice(world: World) -> str:
    touch = world.rows("select * from touches where state = 'sent' order by touch_id limit 1")[0]
    names = [c for c in touch if c not in ("touch_id", "position")]
    do(
        world,
        "alter table touches drop constraint uq_touches_enrolment_id_sequence_step",
        f"""insert into touches (touch_id, position, {", ".join(names)})
        select 'tch_twin', 99, {", ".join(names)} from touches where touch_id = :id""",
        id=touch["touch_id"],
    )
    return f"{touch['enrolment_id']}:{touch['sequence']}:{touch['step']}"


def no_outcome(world: World) -> str:
    touch = first(world, "touch_id", "touches", "state = 'sent'")
    do(world, "update touches set state = 'unknown', reason = 'ambiguous' where touch_id = :id", id=touch)
    return touch


def crm_waits(world: World) -> str:
    key = first(world, "dedupe_key", "crm_writebacks")
    do(world, "update crm_writebacks set state = 'pending' where dedupe_key = :key", key=key)
    return key


def crm_refused(world: World) -> str:
    key = first(world, "dedupe_key", "crm_writebacks")
    do(world, "update crm_writebacks set state = 'failed' where dedupe_key = :key", key=key)
    return key


def sla_passed(world: World) -> str:
    handoff = first(world, "handoff_id", "handoffs")
    do(
        world,
        "update handoffs set acted_at = null, sla_due_at = :then where handoff_id = :id",
        id=handoff,
        then=world.now - LONG_AGO,
    )
    return handoff


BROKEN: list[tuple[str, Break]] = [
    ("taken_up_in_time", an_old_event),
    ("taken_up_in_time", an_old_message),
    ("quarantine_is_empty", refused_input),
    ("no_lead_is_lost", a_forgotten_lead),
    ("nothing_is_parked", a_parked_item),
    ("points_add_up", points_changed),
    ("points_add_up", points_gone),
    ("points_add_up", a_group_of_too_many_points),
    ("the_model_answers", a_model_that_failed),
    ("live_ones_have_something_ahead", nothing_ahead),
    ("every_unsent_touch_says_why", no_reason),
    ("due_touches_leave_in_time", overdue),
    ("nobody_waits_long_for_review", waits_for_review),
    ("sent_mail_has_frozen_bytes", bytes_gone),
    ("nothing_after_a_stop", sent_after_stop),
    ("one_message_per_step", said_twice),
    ("no_unknown_outcome", no_outcome),
    ("crm_is_told_in_time", crm_waits),
    ("crm_is_told_in_time", crm_refused),
    ("answered_within_sla", sla_passed),
]


def held(name: str) -> Property:
    (found,) = (p for p in PROPERTIES if p.name == name)
    return found


def test_every_property_is_broken_once_here() -> None:
    assert {name for name, _ in BROKEN} == {p.name for p in PROPERTIES}


def test_a_healthy_chain_passes_every_check_as_a_job(healthy: World, location: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = location.resolve_job_def("observe").execute_in_process(instance=instance)
    evaluated = {e.check_name: e for e in result.get_asset_check_evaluations()}
    of_the_model = {"leads_are_those_it_knows", "says_the_right_odds"}
    assert set(evaluated) == {p.name for p in PROPERTIES} | of_the_model
    failed = {name: e.metadata.get("ids") for name, e in evaluated.items() if not e.passed}
    assert failed == {}


@pytest.mark.parametrize(("name", "broken"), BROKEN, ids=[f"{n}-{b.__name__}" for n, b in BROKEN])
def test_a_broken_row_is_named(healthy: World, name: str, broken: Break) -> None:
    found = held(name)
    assert offenders(healthy.house, found) == []
    wanted = broken(healthy)
    assert offenders(healthy.house, found) == [wanted]


def test_a_failed_check_shows_the_offender_and_stops_no_run(healthy: World, location: dg.Definitions) -> None:
    touch = no_outcome(healthy)
    with dg.DagsterInstance.ephemeral() as instance:
        result = location.resolve_job_def("observe").execute_in_process(instance=instance)
    assert result.success
    failed = {e.check_name: e for e in result.get_asset_check_evaluations() if not e.passed}
    assert list(failed) == ["no_unknown_outcome"]
    assert failed["no_unknown_outcome"].metadata["ids"].value == [touch]
    assert failed["no_unknown_outcome"].severity is dg.AssetCheckSeverity.WARN
