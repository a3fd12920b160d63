"""What a person is told about a lead, at every turn of its life."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from leadops.errors import LeadopsError
from leadops.stages.enrich import enrich
from leadops.stages.explain import explain, find_lead
from leadops.stages.fold import fold_pending
from leadops.stages.story import LeadStory, to_json
from leadops.store.engine import transaction
from leadops.terms import TouchReason
from leadops_tests.house import DEMO, World, house_of, wire

GATES = [
    "enrolment_live", "no_stop", "not_suppressed", "has_address", "no_pending_inbound", "predecessor_settled",
    "not_paused", "due", "min_gap", "window", "mailbox_cap", "domain_cap",
]  # fmt: skip


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path), tmp_path)


def find(world: World, wanted: str) -> list[str]:
    with transaction(world.house.engine) as connection:
        return find_lead(connection, world.house.keyring, wanted)


def story(world: World, lead_id: str | None = None, touch_id: str | None = None) -> LeadStory:
    lead = lead_id or world.one("select lead_id from leads where merged_into is null")
    h = world.house
    found = explain(h.engine, h.playbook, h.keyring, lead, world.now, touch_id)
    json.dumps(to_json(found))  # whatever the lead: fit for --json
    return found


def test_a_hot_lead_that_was_answered(world: World) -> None:
    world.post(wire("demo_requested", crm_id="17", **DEMO, properties={"source": "webinar"}))
    world.run()
    told = story(world)
    assert (told.who.tier, told.who.source, told.who.crm_ids) == ("hot", "webinar", (("web", "17"),))
    assert told.identity.keys == {"crm": 1, "email": 1}
    assert told.score is not None
    assert sum(s.points for s in told.score.signals) == pytest.approx(told.score.total)
    assert told.score_history == (told.score,)
    assert all(f.provider.startswith("offline") for f in told.enrichment)
    assert told.enrichment
    assert [e.words for e in told.enrolments] == ["running"]
    assert told.not_enrolled is None
    first, second, third = told.touches
    assert first.verdict == "sent 2026-03-03 15:00 UTC"
    assert first.gates == ()
    assert first.subject
    assert first.message_id
    assert first.draft is not None
    assert {s.evidence for s in first.draft.slots} >= {"contact.first_name"}
    assert [g.name for g in second.gates] == GATES
    assert second.verdict.startswith("not sent because it is planned for 2026-03-")
    assert third.decided_by == "due"
    assert [e.kind for e in told.events] == ["demo_requested"]
    assert {w.state for w in told.writebacks} == {"done"}


def test_a_touch_put_off_until_the_window_opens(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    due = world.one("select due_at from touches where position = 2")
    world.now = due.replace(hour=3) + timedelta(days=1)  # the workers were away; it is night over there
    before = story(world).touches[1]
    assert before.decided_by == "window"
    world.run()
    after = story(world).touches[1]
    assert (after.state, after.reason) == ("planned", "outside_window")
    said = "not sent because it is outside the hours in which this lead may be written to; put off until "
    assert after.verdict == said + f"{after.due_at:%Y-%m-%d %H:%M} UTC"
    assert after.first_due_at == due


def test_a_lead_stopped_by_a_reply(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.later(hours=3)
    world.post(wire("reply_received", at=world.now, properties={"text": "Call me tomorrow, please."}))
    held = story(world)
    assert held.events[-1].pending
    assert held.touches[1].decided_by in ("no_stop", "no_pending_inbound", "due")
    world.run()
    told = story(world)
    assert told.who.stops[0].startswith("the lead replied 2026-03-03 18:00 UTC")
    assert told.enrolments[0].words == "ended 2026-03-03 18:00 UTC: the lead replied"
    assert told.touches[1].verdict == "not sent because the lead replied; 2026-03-03 18:00 UTC"
    assert [g.name for g in told.touches[1].gates] == GATES
    assert [(r.matched_by, bool(r.why)) for r in told.replies] == [("email", True)]
    assert told.events[-1].stops
    assert told.events[-1].note == "Call me tomorrow, please."
    assert [h.words for h in told.handoffs] == ["they replied: answer them"]
    world.later(days=30)
    assert story(world).handoffs[0].overdue


def test_every_touch_that_is_not_sent_says_why(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    reasons = [r.value for r in TouchReason]
    for state in ("planned", "claimed", "handing_over", "unknown", "failed", "cancelled"):
        for reason in reasons:
            with world.house.engine.begin() as connection:
                connection.execute(
                    text("update touches set state = :s, reason = :r where position = 2"),
                    {"s": state, "r": reason},
                )
            said = story(world).touches[1].verdict
            assert said.startswith("not "), (state, reason)
            assert "because" in said, (state, reason)
            assert reason not in said.split() or "_" not in reason, (state, reason)


def test_leads_never_enrolled_say_why(world: World) -> None:
    world.post(
        wire("page_viewed", "reader@acme.example"),
        wire("demo_requested", "old@acme.example", at=world.now - timedelta(days=400)),
        wire("demo_requested", "test@acme.example", properties={"test": True}),
        wire("demo_requested", None, phone="+12125550123", crm_id="9"),
    )
    fold_pending(world.house.engine, world.house.playbook, world.house.keyring, now=world.now)
    said = {s.who.email: s for s in (story(world, r["lead_id"]) for r in world.rows("select * from leads"))}
    waiting = said["old@acme.example"].not_enrolled
    assert waiting == "not enrolled yet because it waits for enrichment"
    enrich(world.house.enriching, now=world.now)
    world.run()
    said = {s.who.email: s for s in (story(world, r["lead_id"]) for r in world.rows("select * from leads"))}
    assert all(not s.touches for s in said.values())
    why = {who: s.not_enrolled or "" for who, s in said.items()}
    assert "have not asked for anything" in why["reader@acme.example"]
    assert why["old@acme.example"] == "not enrolled because what they asked for is too long ago"
    assert why["test@acme.example"] == "not enrolled because it is a test or spam"
    assert why[None] == "not enrolled because there is no e-mail address"


def test_a_merged_lead_is_followed(world: World) -> None:
    world.post(wire("demo_requested", "anna@acme.example", **DEMO))
    world.post(wire("demo_requested", "anna@home.example", at=world.now + timedelta(minutes=1), **DEMO))
    world.later(minutes=2)
    world.run()
    both = [r["lead_id"] for r in world.rows("select lead_id from leads")]
    emails = ["anna@acme.example", "anna@home.example"]
    world.post(wire("identity_merged", None, at=world.now, properties={"emails": emails}))
    world.run()
    gone = world.one("select lead_id from leads where merged_into is not null")
    stays = next(i for i in both if i != gone)
    told = story(world, gone)
    assert (told.who.lead_id, told.who.asked_for) == (stays, gone)
    assert told.identity.merged == (gone,)
    assert told.identity.keys["email"] == 2
    assert {e.exit_reason for e in told.enrolments} == {None, "merged"}
    assert find(world, "anna@home.example") == [stays]
    assert find(world, gone) == [gone]


def test_an_erased_event_and_words_leave_the_rest_readable(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    with world.house.engine.begin() as connection:
        connection.execute(text("delete from event_payloads"))
        connection.execute(text("delete from message_bodies"))
    told = story(world)
    assert told.events[0].erased
    assert told.touches[0].subject is None
    with world.house.engine.begin() as connection:
        connection.execute(text("update leads set state = '{}'"))
    told = story(world)
    assert told.who.note is not None
    assert told.touches[1].error is not None
    assert told.touches[1].verdict.startswith("not sent because it is planned for later; what holds it now")


def test_a_mailbox_that_is_gone_is_said_and_the_rest_is_told(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    playbook = world.house.playbook
    other = playbook.sender.mailboxes[0].model_copy(update={"address": "new@northwind.example"})
    sender = playbook.sender.model_copy(update={"mailboxes": (other,)})
    changed = playbook.model_copy(update={"sender": sender})
    world.house.loaded = replace(world.house.loaded, playbook=changed)
    told = story(world)
    assert told.touches[0].verdict.startswith("sent ")
    assert "its mailbox is not in the playbook" in (told.touches[1].error or "")
    assert "its mailbox is not in the playbook" in told.touches[1].verdict


def test_parked_items_are_told(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    fold_pending(world.house.engine, world.house.playbook, world.house.keyring, now=world.now)
    lead = world.one("select lead_id from leads")
    with world.house.engine.begin() as connection:
        connection.execute(
            text("insert into parked_items values ('score', :lead, 'score_KeyError', :now)"),
            {"lead": lead, "now": world.now},
        )
    told = story(world)
    assert [(p.stage, p.reason) for p in told.parked] == [("score", "score_KeyError")]
    assert "parked (score)" in (told.not_enrolled or "")


def test_a_lead_is_found_by_everything_a_person_may_hold(world: World) -> None:
    world.post(wire("demo_requested", crm_id="17", **DEMO))
    world.post(wire("demo_requested", "bo@other.example", crm_id="17", source="files", **DEMO))
    world.run()
    anna = world.one("select lead_id from leads where email = 'anna@acme.example'")
    bo = world.one("select lead_id from leads where email = 'bo@other.example'")
    mine = world.rows(
        "select touch_id, enrolment_id, e.event_id from touches t join lead_events e using (lead_id)"
        " where t.lead_id = :lead",
        lead=anna,
    )[0]
    for wanted in (anna, *mine.values(), "anna@acme.example", " ANNA@Acme.example "):
        assert find(world, wanted) == [anna], wanted
    assert find(world, "17") == sorted([anna, bo])
    assert find(world, "18") == []
    assert find(world, "  ") == []
    assert find(world, "nobody@acme.example") == []


def test_one_touch_alone_and_what_does_not_exist(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    touch = world.one("select touch_id from touches where position = 3")
    assert [t.touch_id for t in story(world, touch_id=touch).touches] == [touch]
    with pytest.raises(LeadopsError, match="has no touch tou_nothing"):
        story(world, touch_id="tou_nothing")
    with pytest.raises(LeadopsError, match="No lead led_nothing"):
        story(world, "led_nothing")
