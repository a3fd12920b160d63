"""The world as a whole: repeatable however it is stepped, taken up where it was put down, nobody does more
than people do."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadops.sandbox.hubspot import Portal
from leadops.sandbox.sendgrid import Mailroom
from leadops.sandbox.world import Effects, World
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.reps import CALLS, acts_at, after_business_time
from leadops_tests.sandbox.world.staging import MONDAY, REPS, UNSUBSCRIBE, Stage

WEEK = MONDAY + timedelta(days=7)
END = MONDAY + timedelta(days=75)
HOUR = timedelta(hours=1)


def lived(every: timedelta = HOUR, **more: Any) -> Stage:
    """A week of leads, three mails to each of them in a fortnight, reps who work."""
    stage = Stage.new(per_week=300, **more)
    stage.arrive(MONDAY, WEEK)
    for n, day in enumerate((7, 10, 15)):
        at = MONDAY + timedelta(days=day, hours=9)
        stage.write_to_all(at)
        stage.until(at + timedelta(days=2), every)
        stage.handoffs(at + timedelta(days=2, minutes=n))
    stage.until(END, every)
    return stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    return lived()


def digest(effects: Effects) -> list[str]:
    return sorted(
        json.dumps(part, sort_keys=True)
        for part in (*effects.events, *effects.inbound, *map(str, effects.unsubscribes))
    )


def shown(portal: Portal) -> str:
    """What is in the account, but for the order in which ids were given at one moment."""
    kinds = ("contacts", "calls", "meetings", "deals", "tasks")
    return json.dumps([[sorted(r.properties.items(), key=str) for r in portal.records(k)] for k in kinds])


def test_one_seed_is_one_world(stage: Stage) -> None:
    again = lived()
    assert digest(again.effects) == digest(stage.effects)
    assert shown(again.portal) == shown(stage.portal)
    assert digest(lived(seed=8).effects) != digest(stage.effects)


def test_a_world_does_not_depend_on_how_it_is_stepped() -> None:
    """Without reps: they look at their tasks when they are stepped."""

    def without_reps(every: timedelta) -> list[str]:
        stage = Stage.new(per_week=150)
        stage.arrive(MONDAY, WEEK)
        stage.write_to_all(WEEK)
        return digest(stage.until(END, every))

    assert without_reps(timedelta(minutes=7)) == without_reps(timedelta(days=3)) != []


def test_a_world_that_was_put_down_goes_on_the_same(stage: Stage) -> None:
    """Through JSON, in the middle of everything."""
    half = Stage.new(per_week=150)
    half.arrive(MONDAY, WEEK)
    at = MONDAY + timedelta(days=7, hours=9)
    half.write_to_all(at)
    half.until(at + timedelta(hours=3), HOUR)
    taken = json.loads(
        json.dumps([half.world.dump(), half.portal.dump(), half.mailroom.dump()], ensure_ascii=False)
    )
    portal, mailroom = Portal.load(taken[1]), Mailroom(7)
    mailroom.load(taken[2])
    world = World.load(taken[0], portal, mailroom, REPS)
    mailroom.on_mail = world.on_mail
    other = Stage(world, mailroom, portal, half.effects)
    half.effects = Effects()
    before = digest(other.effects)
    for each in (half, other):
        each.effects = Effects()
        each.write_to_all(at + timedelta(days=3))
        each.handoffs(at + timedelta(days=3, hours=4))
        each.until(END, HOUR)
    assert digest(half.effects) == digest(other.effects) != before
    assert shown(half.portal) == shown(other.portal)
    assert half.world.dump() == other.world.dump()


def test_everything_that_can_happen_happens(stage: Stage) -> None:
    events = Counter(e["event"] for e in stage.effects.events)
    assert events.keys() >= {"processed", "delivered", "deferred", "bounce", "open", "click"}
    assert set(stage.effects.unsubscribes) == {UNSUBSCRIBE}
    assert len(stage.effects.inbound) > 20
    outcomes = Counter(m.properties["hs_meeting_outcome"] for m in stage.portal.records("meetings"))
    assert outcomes["COMPLETED"] > outcomes["NO_SHOW"] + outcomes["CANCELED"]
    booked = Counter(m.properties["hs_meeting_source"] for m in stage.portal.records("meetings"))
    assert booked["MEETINGS_PUBLIC"] > 0
    assert booked["CRM_UI"] > 0
    stages = Counter(d.properties["dealstage"] for d in stage.portal.records("deals"))
    assert stages.keys() >= {"closedwon", "closedlost"}
    calls = {c.properties["hs_call_disposition"] for c in stage.portal.records("calls")}
    assert CALLS["connected"] in calls
    statuses = {c.properties.get("hs_lead_status") for c in stage.portal.records("contacts")}
    assert statuses >= {"OPEN_DEAL", "CONNECTED", "UNQUALIFIED"}
    assert all(t.properties["hs_task_status"] == "COMPLETED" for t in stage.portal.records("tasks"))


def test_machine_opens_are_said_to_be_a_machines(stage: Stage) -> None:
    opens = [e for e in stage.effects.events if e["event"] == "open"]
    assert {bool(e["sg_machine_open"]) for e in opens} == {True, False}
    for event in opens:
        assert event["sg_machine_open"] == (event["ip"] == "192.0.2.17")


def test_who_wants_out_says_so_once(stage: Stage) -> None:
    spam = [e for e in stage.effects.events if e["event"] == "spamreport"]
    assert len({e["email"] for e in spam}) == len(spam)
    gone = [k for k in stage.world.known.values() if k.said in ("opt_out", "one_click", "complaint")]
    replies = Counter(
        f["from"] for f in stage.effects.inbound if f["subject"] == "Re: A short call about your reporting"
    )
    assert len(gone) > 3
    assert max(replies.values()) == 1


def test_somebody_unknown_to_the_world_is_left_alone() -> None:
    stage = Stage.new()
    stage.write("stranger@elsewhere.example", MONDAY)
    assert not stage.until(END, timedelta(days=1))


def test_the_mail_program_writes_where_there_is_no_link() -> None:
    from dataclasses import replace

    from leadops.sandbox.world.letters import one_click

    stage = Stage.new()
    stage.write("anna@acme.example", MONDAY)
    mail = stage.mailroom.accepted[0]
    assert one_click(mail) == UNSUBSCRIBE
    without = replace(mail, headers={k: v for k, v in mail.headers.items() if not k.endswith("Post")})
    form = one_click(without)
    assert isinstance(form, dict)
    assert (form["to"], form["subject"]) == ("stop@northwind.example", "unsubscribe t")
    assert one_click(replace(mail, headers={})) is None


def test_the_same_person_by_another_form_updates_the_contact_and_by_alias_makes_one() -> None:
    stage = Stage.new(per_week=400)
    found = list(stage.world.arrivals(MONDAY, WEEK))
    again = next(a for a in found if a.how == "again")
    alias = next(a for a in found if a.how == "alias")
    for arrival in found:
        if arrival.moment.key in (again.moment.key, alias.moment.key):
            stage.world.arrive(arrival)
    assert stage.portal.count("contacts") == 3
    contact = stage.portal.find("contacts", email=stage.world.person(again.moment.key).email)[0]
    assert contact.properties["num_conversion_events"] == "2"
    assert [v.value for v in contact.history["recent_conversion_event_name"]][1:] != []
    assert len(stage.world.known) == 2


def test_a_hot_one_is_hot_and_the_same_for_the_same_key() -> None:
    stage = Stage.new()
    arrival = stage.world.somebody("live.1", MONDAY, hot=True)
    stage.world.arrive(arrival)
    person = stage.world.person("live.1")
    assert (person.ask, person.level, person.size, person.quirk) == ("demo", "vp", 420, "")
    assert stage.world.somebody("live.1", MONDAY, hot=True) == arrival
    contact = stage.portal.find("contacts", email=person.email)[0]
    assert "demo" in str(contact.properties["recent_conversion_event_name"])


def test_reps_work_in_their_own_hours() -> None:
    """Friday evening in Berlin is Monday morning; eight hours are a working day."""
    friday = datetime(2026, 3, 6, 16, 50, tzinfo=ZoneInfo("Europe/Berlin"))
    done = after_business_time(friday, timedelta(minutes=30), "Europe/Berlin")
    assert done.astimezone(ZoneInfo("Europe/Berlin")).isoformat() == "2026-03-09T09:20:00+01:00"
    later = after_business_time(friday, timedelta(hours=8), "Europe/Berlin")
    assert later.astimezone(ZoneInfo("Europe/Berlin")).isoformat() == "2026-03-09T16:50:00+01:00"


def test_business_time_passes_through_a_change_of_clocks() -> None:
    """Clocks go forward on Sunday 29 March 2026 in Berlin."""
    friday = datetime(2026, 3, 27, 16, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    done = after_business_time(friday, timedelta(hours=2), "Europe/Berlin")
    assert done.astimezone(ZoneInfo("Europe/Berlin")).isoformat() == "2026-03-30T10:00:00+02:00"


def test_most_tasks_are_done_in_time_and_some_are_not() -> None:
    given = datetime(2026, 3, 3, 15, 0, tzinfo=ZoneInfo("America/New_York"))
    waits = [acts_at(Chance(7), REPS[0], f"task {n}", given) - given for n in range(400)]
    in_time = sum(w <= timedelta(minutes=30) for w in waits) / len(waits)
    assert 0.65 < in_time < 0.92
    assert max(waits) > timedelta(hours=2)
    live = [acts_at(Chance(7), REPS[0], f"task {n}", given, pace=120) - given for n in range(400)]
    assert max(live) < timedelta(minutes=4)


def test_nothing_happens_before_its_time(stage: Stage) -> None:
    for kind in ("calls", "meetings", "deals"):
        for record in stage.portal.records(kind):
            versions = [v.at_ms for v in record.history[next(iter(record.history))]]
            assert all(a <= b for a, b in pairwise(versions))
            assert record.created_at > WEEK
