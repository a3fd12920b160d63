"""Events become people: one each, whoever folds, however often, whatever one of them breaks."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from leadops.domain.keys import Keyring
from leadops.stages.fold import fold_pending
from leadops.stages.replies import match_replies
from leadops.stages.report import Report
from leadops.store.engine import sql, transaction
from leadops_tests.house import DEMO, World, wire

KEYRING = Keyring(b"test")


def fold_all(world: World, limit: int = 500) -> Report:
    total = Report("fold")
    while (
        one := fold_pending(world.house.engine, world.house.playbook, KEYRING, now=world.now, limit=limit)
    ).did:
        total.absorb(one)
    return total


def execute(world: World, statement: str, **given: Any) -> None:
    with transaction(world.house.engine) as connection:
        connection.execute(sql(statement), given)


def people(world: World) -> set[frozenset[str]]:
    """Each living lead as the set of its events."""
    found: dict[str, set[str]] = {}
    for r in world.rows("select lead_id, source_event_id from lead_events"):
        found.setdefault(r["lead_id"], set()).add(r["source_event_id"])
    return {frozenset(ids) for ids in found.values()}


def living(world: World) -> list[str]:
    return [
        r["lead_id"] for r in world.rows("select lead_id from leads where merged_into is null order by 1")
    ]


def test_spellings_forms_and_sources_are_one_lead_and_one_enrolment(world: World) -> None:
    world.post(
        wire("demo_requested", "Anna+x@Gmail.com", id="1", **DEMO),
        wire("form_submitted", "a.n.n.a@googlemail.com", id="2"),
        wire("lead_created", "ANNA@gmail.com", id="3", source="crm", crm_id="c1"),
        wire("content_downloaded", None, id="4", source="crm", crm_id="c1"),
    )
    world.run()
    assert len(living(world)) == 1
    assert world.one("select count(*) from enrolments") == 1
    assert len(world.outbox()) == 1


def linked_events(chance: random.Random, n: int = 30) -> list[dict[str, Any]]:
    """Events of a few people who are linked, joined and parted at random."""
    events = []
    for i in range(n):
        at = {"at": World.now - timedelta(minutes=chance.randrange(1, 300)), "id": str(i)}
        names = chance.sample([f"p{k}@acme.example" for k in range(8)], 3)
        kind = chance.choice(["form_submitted"] * 6 + ["identity_merged", "identity_split"])
        if kind == "form_submitted":
            ids = {"crm_id": str(chance.randrange(6))} if chance.random() < 0.5 else {}
            ids |= {"phone": f"+4930901{chance.randrange(820, 824)}"} if chance.random() < 0.3 else {}
            events.append(wire(kind, names[0], **at, **ids))
        else:
            events.append(wire(kind, None, properties={"emails": names[: chance.randrange(2, 4)]}, **at))
    return events


@pytest.mark.parametrize("seed", range(4))
def test_people_do_not_depend_on_batches_or_order(world: World, seed: int) -> None:
    chance = random.Random(seed)
    events = linked_events(chance)
    world.post(*events)
    fold_all(world)
    at_once = people(world)
    states = "select state - 'x' as state from leads where merged_into is null order by state_digest"
    known = world.rows(states)
    tables = "lead_keys, event_keys, event_payloads, handoffs, leads, lead_events"
    execute(world, f"truncate {tables} cascade")
    chance.shuffle(events)
    for event in events:
        world.post(event)
        if chance.random() < 0.5:
            fold_all(world, limit=chance.choice([1, 2, 500]))
    fold_all(world)
    assert people(world) == at_once
    assert world.rows(states) == known
    owners = world.rows(
        """select count(*) as n from leads l where merged_into is null and not exists
        (select 1 from lead_events e where e.lead_id = l.lead_id)"""
    )
    assert owners == [{"n": 0}]


def test_two_folds_at_once_lose_nothing(world: World) -> None:
    chance = random.Random(7)
    events = linked_events(chance, 120)
    world.post(*events)
    for _ in range(2):  # the second time everybody has a row that both want
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: fold_all(world, limit=7), range(4)))
        fold_all(world)
        assert world.one("select count(*) from lead_events where pending_fold or lead_id is null") == 0
        found, ids = people(world), living(world)
        execute(world, "update lead_events set pending_fold = true")
    assert fold_all(world).counts["leads_changed"] == 0
    assert (people(world), living(world)) == (found, ids)
    for r in world.rows(
        "select l.lead_id, (state->>'event_count')::int as n from leads l where merged_into is null"
    ):
        assert world.one("select count(*) from lead_events where lead_id = :id", id=r["lead_id"]) == r["n"]


def test_events_of_one_person_folded_at_once_are_one_lead(world: World) -> None:
    world.post(*[wire("form_submitted", id=str(i), at=world.now - timedelta(minutes=i)) for i in range(40)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fold_all(world, limit=3), range(4)))
    assert len(living(world)) == 1
    assert world.one("select state->>'event_count' from leads") == "40"


def test_the_fold_and_the_replies_side_by_side_do_not_stand_in_each_others_way(world: World) -> None:
    names = [f"p{i}@acme.example" for i in range(12)]
    world.post(*[wire("demo_requested", n, id=n, **DEMO) for n in names])
    world.run()
    text = {
        "subject": "Automatic reply",
        "headers": {"auto-submitted": "auto-replied"},
        "text": "I am out of office.",
    }
    world.post(*[wire("reply_received", n, id="r" + n, properties=text) for n in names])
    world.post(*[wire("opted_out", n, id="o" + n) for n in reversed(names)])

    def work(n: int) -> None:
        for _ in range(6):
            if n % 2:
                match_replies(world.house.engine, world.house.playbook, KEYRING, now=world.now, limit=5)
            else:
                fold_pending(world.house.engine, world.house.playbook, KEYRING, now=world.now, limit=5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    world.run()
    assert world.rows("select * from parked_items") == []
    assert world.one("select count(*) from enrolments where state = 'opted_out'") == 12


def test_replaying_the_whole_log_changes_nothing_and_decides_nothing(world: World) -> None:
    world.post(wire("demo_requested", id="1", **DEMO), wire("form_submitted", "bob@acme.example", id="2"))
    world.post(wire("demo_requested", "won@acme.example", id="3"))
    world.run()
    world.later(hours=5)
    world.post(
        wire("reply_received", at=world.now, properties={"text": "Please call me."}),
        wire("deal_won", "won@acme.example", at=world.now),
        wire("opted_out", "bob@acme.example", at=world.now),
    )
    world.run()
    world.later(days=1)
    tables = (
        "leads",
        "lead_keys",
        "enrolments",
        "touches",
        "lead_scores",
        "handoffs",
        "crm_writebacks",
        "suppressions",
    )
    before = {t: world.rows(f"select t::text from {t} t order by 1") for t in tables}
    execute(world, "update lead_events set pending_fold = true")
    world.run()
    assert {t: world.rows(f"select t::text from {t} t order by 1") for t in tables} == before


def test_two_enrolled_leads_become_one(world: World) -> None:
    world.post(wire("demo_requested", "a@acme.example", id="1", **DEMO))
    world.run()
    world.later(hours=1)
    world.post(wire("demo_requested", "b@other.example", id="2", at=world.now, **DEMO))
    world.run()
    assert len(world.outbox()) == 2
    first = world.one("select lead_id from enrolments order by enrolled_at limit 1")
    world.later(hours=1)
    world.post(
        wire(
            "identity_merged",
            None,
            at=world.now,
            properties={"emails": ["a@acme.example", "b@other.example"]},
        )
    )
    world.run()
    assert living(world) == [first]
    assert world.rows("select state, exit_reason, lead_id from enrolments order by enrolled_at") == [
        {"state": "active", "exit_reason": None, "lead_id": first},
        {"state": "cancelled", "exit_reason": "merged", "lead_id": first},
    ]
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 4
    assert world.one("select state from enrolments where exit_reason = 'completed'") == "finished_no_reply"


def test_a_merged_lead_is_not_sent_what_it_had_as_another(world: World) -> None:
    world.post(wire("form_submitted", "a@gmail.com", id="1"))
    world.run()
    world.later(minutes=5)
    world.post(wire("demo_requested", "b@acme.example", id="2", at=world.now, **DEMO))
    world.run()
    had = {
        r["template"]
        for r in world.rows("select template from touches where sequence = 'hot' and state = 'sent'")
    }
    assert had
    world.later(minutes=5)
    world.post(
        wire("identity_merged", None, at=world.now, properties={"emails": ["a@gmail.com", "b@acme.example"]})
    )
    world.go(world.now + timedelta(days=40))
    sent = [
        r["template"]
        for r in world.rows("select sequence || step as template from touches where state = 'sent'")
    ]
    assert len(sent) == len(set(sent))
    assert world.one("select count(*) from enrolments where state in ('active', 'paused', 'paused_ooo')") == 0
    assert world.one("select count(*) from touches where reason = 'already_sent'") == 1


def test_what_an_enrolment_of_long_ago_sent_does_not_count_at_a_merge(world: World) -> None:
    world.post(wire("demo_requested", id="1", **DEMO))
    world.go(world.now + timedelta(days=20))
    world.later(days=100)
    world.post(wire("demo_requested", id="2", at=world.now, **DEMO))
    world.run()
    assert len(world.outbox()) == 4
    world.post(
        wire("page_viewed", "other@acme.example", at=world.now),
        wire(
            "identity_merged",
            None,
            at=world.now,
            properties={"emails": ["anna@acme.example", "other@acme.example"]},
        ),
    )
    world.go(world.now + timedelta(days=20))
    assert len(world.outbox()) == 6


def test_a_merge_keeps_the_withdrawal(world: World) -> None:
    world.post(
        wire("demo_requested", "a@acme.example", id="1", **DEMO), wire("opted_out", "b@other.example", id="2")
    )
    world.run()
    world.post(wire("identity_merged", None, properties={"emails": ["a@acme.example", "b@other.example"]}))
    world.run()
    assert world.one("select state from enrolments") == "opted_out"
    keys = {r["key"] for r in world.rows("select key from suppressions")}
    assert keys == {KEYRING.email("a@acme.example"), KEYRING.email("b@other.example")}


def test_an_open_handoff_follows_its_lead_into_a_merge(world: World) -> None:
    world.post(wire("demo_requested", "a@acme.example", id="1", at=world.now - timedelta(hours=2), **DEMO))
    world.run()
    world.post(wire("reply_received", "b@other.example", id="2", properties={"text": "Call me"}))
    world.run()
    merge = {"emails": ["a@acme.example", "b@other.example"]}
    world.post(wire("identity_merged", None, properties=merge))
    world.run()
    world.later(hours=1)
    world.post(wire("rep_activity", "a@acme.example", at=world.now))
    world.run()
    assert world.one("select count(*) from handoffs where acted_at is null") == 0


def test_after_a_split_each_keeps_their_own_enrolment_and_nobody_is_mailed_twice(world: World) -> None:
    world.post(
        wire("demo_requested", "a@acme.example", id="1", phone="+4930901820", **DEMO),
        wire("page_viewed", "b@acme.example", id="2", phone="+4930901820"),
    )
    world.run()
    assert len(living(world)) == 1
    lead = living(world)[0]
    world.later(hours=1)
    split = {"emails": ["a@acme.example", "b@acme.example"]}
    world.post(wire("identity_split", None, at=world.now, properties=split))
    world.post(wire("page_viewed", "b@acme.example", id="3", at=world.now, phone="+4930901820"))
    world.run()
    assert len(living(world)) == 2
    assert world.one("select lead_id from enrolments") == lead
    assert len(world.outbox()) == 1
    world.post(wire("opted_out", "b@acme.example", at=world.now))
    world.run()
    assert world.one("select state from enrolments") == "active"


def test_an_enrolment_goes_with_the_event_that_started_it(world: World) -> None:
    world.post(
        wire("page_viewed", "a@acme.example", id="1", phone="+4930901820", at=world.now - timedelta(hours=1)),
        wire("demo_requested", "b@acme.example", id="2", phone="+4930901820", **DEMO),
    )
    world.run()
    world.post(wire("identity_split", None, properties={"emails": ["a@acme.example", "b@acme.example"]}))
    world.run()
    owner = world.one("select lead_id from lead_events where source_event_id = '2'")
    assert world.one("select lead_id from enrolments") == owner
    assert {r["lead_id"] for r in world.rows("select lead_id from touches")} == {owner}
    assert len(world.outbox()) == 1


@pytest.mark.parametrize("by", ["touch_id", "reply_token", "in_reply_to"])
def test_an_event_that_only_cites_a_message_of_ours_is_its_leads(world: World, by: str) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    touch = world.one(
        """select t.touch_id, t.message_id as in_reply_to, e.reply_token
        from touches t join enrolments e using (enrolment_id) where t.state = 'sent'"""
    )
    world.post(wire("email_bounced", None, properties={by: touch[by], "status": "5.1.1"}))
    world.run()
    assert world.one("select state, exit_reason from enrolments") == {
        "state": "bounced",
        "exit_reason": "bounced",
    }
    assert world.one("select reason from suppressions") == "bounced"
    assert len(living(world)) == 1


POISON = {
    "not_text": "jsonb_set(payload, '{contact,email}', '5')",
    "an_object_for_a_name": """jsonb_set(payload, '{contact,company}', '{"a": 1}')""",
    "a_list_for_an_object": "jsonb_set(payload, '{properties}', '[]')",
}


@pytest.mark.parametrize("poison", list(POISON))
def test_one_poisonous_event_parks_its_own_person_only(world: World, poison: str) -> None:
    report = world.post(*[wire("demo_requested", f"{n}@acme.example", id=n, **DEMO) for n in "abc"])
    bad = report.items[1].event_id
    execute(world, f"update event_payloads set payload = {POISON[poison]} where event_id = :id", id=bad)
    world.run()
    assert [r["item_id"] for r in world.rows("select item_id from parked_items where stage = 'fold'")] == [
        bad
    ]
    assert len(living(world)) == 2
    assert len(world.outbox()) == 2
    assert world.one("select count(*) from lead_events where pending_fold") == 0


def test_a_field_of_another_version_poisons_nobody(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    execute(world, """update event_payloads set payload = jsonb_set(payload, '{contact,shoe_size}', '44')""")
    world.run()
    assert len(world.outbox()) == 1


def blocked(world: World) -> set[str]:
    return {r["key"].partition(":")[0] for r in world.rows("select key from event_keys where blocking")}


def test_what_still_blocks_after_the_fold(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    world.post(wire("email_bounced", properties={"bounce": "soft"}))
    assert blocked(world) == {"email"}
    world.run()
    assert blocked(world) == set()
    world.post(wire("reply_received", properties={"text": "Let us talk"}))
    assert blocked(world) == {"email", "domain"}
    world.run()
    assert blocked(world) == {"email"}
    world.later(hours=1)
    world.post(wire("disposition", at=world.now, properties={"disposition": "recycle"}))
    world.run()
    assert blocked(world) == set()
    assert world.one("select stop_reason from leads") is None
