"""The fold and its stage: whatever comes in, in any order and batches, and again (R4, R18, R19, R26)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from leadops.domain.fold import fold, state_to_json
from leadops.domain.identity import part
from leadops.stages.enrich import enrich
from leadops.stages.enrol import enrol, plan_touches
from leadops.stages.fold import fold_pending
from leadops.stages.replies import match_replies
from leadops.stages.score import score
from leadops.store import events as log
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.terms import Contact, EventKind, LeadEvent, ReplyClass
from leadops_tests.house import DEMO, TUESDAY, World, house_of, wire
from leadops_tests.stages.sending import Scripted, send

Row = dict[str, Any]

NAMES = {n: f"{n}@{n}.example" for n in "abc"}
STARTS = ["form_submitted", "demo_requested", "lead_created", "message_received"]
STOPS = ["opted_out", "email_complained", "email_bounced", "meeting_booked", "rep_activity", "deal_lost"]
ENGAGED = ["page_viewed", "email_clicked", "email_delivered", "lead_updated", "consent_given"]
WORDS = ["Please call me.", "unsubscribe", "No, thank you.", "I no longer work here."]

WHO = st.sampled_from(sorted(NAMES))
# Few moments, so that several events share one; all of them long before they are heard of.
AGO = st.integers(1, 6)
LINKS = st.fixed_dictionaries(
    {}, optional={"crm_id": st.sampled_from("12"), "phone": st.sampled_from(["+4930901820", "+4930901821"])}
)
TOLD = st.one_of(
    st.tuples(st.sampled_from(STARTS), st.just(DEMO)),
    st.tuples(st.sampled_from(STOPS), st.just({"properties": {"bounce": "hard"}})),
    st.tuples(st.sampled_from(ENGAGED), st.just({"properties": {"actor": "human"}})),
    st.tuples(st.just("reply_received"), st.sampled_from([{"properties": {"text": w}} for w in WORDS])),
    st.tuples(
        st.just("disposition"),
        st.sampled_from([{"properties": {"disposition": d}} for d in ("recycle", "not_now")]),
    ),
)

Heard = tuple[str | None, tuple[str, Row], Row, int]
HEARD = st.lists(st.tuples(st.none() | WHO, TOLD, LINKS, AGO), min_size=1, max_size=6)

# What is decided and recorded; never made again from the log.
DECISIONS = (
    "enrolments",
    "touches",
    "lead_scores",
    "handoffs",
    "crm_writebacks",
    "suppressions",
    "replies",
    "leads",
    "lead_keys",
)


class Fold(RuleBasedStateMachine):
    """A log that grows, and the leads made of it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.engine, self.keyring = world.house.engine, world.house.keyring
        world.now = TUESDAY
        self.posted: list[Row] = []
        self.ids: set[str] = set()
        self.suppressed: set[str] = set()
        self.news = False  # something may be pending
        with transaction(self.engine) as connection:
            for statement in _EMPTY:
                connection.execute(statement)

    # --- what comes in

    @initialize(names=st.lists(WHO, min_size=1, max_size=3, unique=True), heard=HEARD)
    def begin(self, names: list[str], heard: list[Heard]) -> None:
        self.told([(n, ("demo_requested", DEMO), {}, 1) for n in names] + heard, [], 0)
        self.send()

    @rule(
        heard=HEARD,
        again=st.lists(st.integers(0, 99), max_size=2),
        minutes=st.sampled_from([0, 1, 60, 60 * 24 * 3]),
    )
    def told(self, heard: list[Heard], again: list[int], minutes: int) -> None:
        """Anything of anybody, possibly under a CRM id or phone that somebody else has given too; and some
        of what was told before once more.
        """
        self.world.later(minutes=minutes)
        events = []
        for name, (kind, given), links, ago in heard:
            named = {"crm_id": "1"} | links if name is None else links
            event_id = self._id(len(events))
            events.append(
                wire(kind, NAMES.get(name or ""), id=event_id, at=self._at(ago), **(dict(given) | named))
            )
        self._post(*events, *[self.posted[i % len(self.posted)] for i in again if self.posted])

    @rule(
        kind=st.sampled_from(["identity_merged", "identity_merged", "identity_split"]),
        names=st.lists(WHO, min_size=2, max_size=3, unique=True),
        ago=AGO,
    )
    def decided(self, kind: str, names: list[str], ago: int) -> None:
        """A person says who is one, or who is not."""
        emails = {"emails": [NAMES[n] for n in names]}
        self._post(wire(kind, None, id=self._id(), at=self._at(ago), properties=emails))

    @precondition(lambda self: self._sent())
    @rule(
        data=st.data(),
        kind=st.sampled_from(["reply_received", "reply_received", "email_clicked", "email_bounced"]),
        name=st.none() | WHO,
    )
    def answered(self, data: st.DataObject, kind: str, name: str | None) -> None:
        """What cites a touch of ours, from nobody in particular or from an address of anybody."""
        touch = data.draw(st.sampled_from(self._sent()))
        given = {"touch_id": touch["touch_id"], "text": "Please call me.", "bounce": "soft", "actor": "human"}
        email = NAMES[name] if name else None
        self._post(wire(kind, email, id=self._id(), at=self.world.now, properties=given))

    def _post(self, *events: Row) -> None:
        new = [e for e in events if e not in self.posted]
        report = self.world.post(*events)
        assert (report.accepted, report.duplicates) == (len(new), len(events) - len(new))
        self.posted += new
        self.news = True
        self.ids |= {i.event_id for i in report.items if i.event_id}

    # --- the stages

    @precondition(lambda self: self.news)
    @rule(matched=st.integers(0, 4), folded=st.integers(1, 4))
    def fold(self, matched: int, folded: int) -> None:
        """Some of what is pending."""
        h, now = self.world.house, self.world.now
        if matched:
            match_replies(h.engine, h.playbook, h.keyring, now=now, limit=matched)
        fold_pending(h.engine, h.playbook, h.keyring, now=now, limit=folded)

    @precondition(lambda self: self.news)
    @rule()
    def send(self) -> None:
        """Everything pending, what is decided of it, and what is due then."""
        self._fold_all(500)
        self._decide()
        send(self.world)

    def _fold_all(self, limit: int) -> None:
        h, now = self.world.house, self.world.now
        while match_replies(h.engine, h.playbook, h.keyring, now=now, limit=limit).did:
            pass
        while fold_pending(h.engine, h.playbook, h.keyring, now=now, limit=limit).did:
            pass
        self.news = False

    def _decide(self) -> None:
        h, now = self.world.house, self.world.now
        enrich(h.enriching, now=now)
        score(h.engine, h.playbook, now=now)
        enrol(h.engine, h.playbook, h.keyring, now=now)
        plan_touches(h.engine, h.playbook, now=now)

    @precondition(lambda self: self.news)
    @rule(data=st.data(), every=st.booleans(), limit=st.integers(1, 5))
    def replay(self, data: st.DataObject, every: bool, limit: int) -> None:
        """The log, or some of it, once more: nothing is decided again and nothing changes (R18, R26)."""
        self._fold_all(500)
        self._decide()
        before = {t: self._whole(t) for t in DECISIONS}
        ids = self.ids if every else data.draw(st.sets(st.sampled_from(sorted(self.ids)), min_size=1))
        with transaction(self.engine) as connection:
            connection.execute(_AGAIN, {"ids": sorted(ids)})
        self.world.later(minutes=1)
        self._fold_all(limit)
        self._decide()
        for table, rows_before in before.items():
            assert self._whole(table) == rows_before, table

    # --- what must hold

    @invariant()
    def it_holds(self) -> None:
        with transaction(self.engine) as connection:
            owners = {r["event_id"]: r for r in rows(connection, _EVENTS)}
            leads = {r["lead_id"]: r for r in rows(connection, _LEADS)}
            loaded = log.load(connection, leads, owners)
            events = log.load(connection, leads, []).events  # those that were folded
            keys, classes = loaded.keys, loaded.classes
            live = rows(connection, _LIVE)
            suppressed = {r["key"] for r in rows(connection, _SUPPRESSED)}
            assert rows(connection, _PARKED) == []
            assert rows(connection, _OF_NOBODY) == []
            assert rows(connection, _ASTRAY) == []
        assert set(owners) == self.ids
        self._every_folded_event_is_one_leads(owners, leads)
        theirs = {i: [events[e] for e, r in owners.items() if r["lead_id"] == i] for i in leads}
        self._states_are_folds(leads, theirs, keys, classes)
        self._who_is_who(owners, events, keys)
        self._one_live_enrolment(live, leads)
        assert suppressed >= self.suppressed
        self.suppressed = suppressed
        self._withdrawn_for_good(owners, leads, events, classes)

    def _every_folded_event_is_one_leads(self, owners: dict[str, Row], leads: dict[str, Row]) -> None:
        for row in owners.values():
            assert row["pending_fold"] or row["lead_id"] is not None
            assert row["lead_id"] is None or row["lead_id"] in leads

    def _states_are_folds(
        self,
        leads: dict[str, Row],
        theirs: dict[str, list[LeadEvent]],
        keys: dict[str, list[str]],
        classes: dict[str, ReplyClass],
    ) -> None:
        """The state in the database is the pure fold of that person's events (R26)."""
        for lead_id, row in leads.items():
            events = [self._as_theirs(e, keys) for e in theirs[lead_id]]
            assert row["state"] == state_to_json(fold(events, classes)), lead_id

    def _as_theirs(self, event: LeadEvent, keys: dict[str, list[str]]) -> LeadEvent:
        """Of an answer in somebody's thread from another address only that it came (R9)."""
        address = self.keyring.email(event.contact.email)
        strange = address is not None and address not in keys[event.event_id]
        return replace(event, contact=Contact()) if strange else event

    def _who_is_who(
        self, owners: dict[str, Row], events: dict[str, LeadEvent], keys: dict[str, list[str]]
    ) -> None:
        """Folded bit by bit, people are who they would be had all been folded at once (R19)."""
        groups: dict[str, set[str]] = {}
        for event_id in events:
            groups.setdefault(owners[event_id]["lead_id"], set()).add(event_id)
        assert {frozenset(g) for g in groups.values()} == set(part(list(events.values()), keys).persons)

    def _one_live_enrolment(self, live: Iterable[Row], leads: dict[str, Row]) -> None:
        """At most one per person, and none of somebody who is gone or was stopped (R4, R19)."""
        whose = [r["lead_id"] for r in live]
        assert len(whose) == len(set(whose))
        for lead_id in whose:
            assert leads[lead_id]["stop_reason"] is None

    def _withdrawn_for_good(
        self,
        owners: dict[str, Row],
        leads: dict[str, Row],
        events: dict[str, LeadEvent],
        classes: dict[str, ReplyClass],
    ) -> None:
        """Whoever's it is now, a folded opt-out holds: no merge, split or recycle lifts it (R19)."""
        for event_id, event in events.items():
            said_so = event.kind in (EventKind.OPTED_OUT, EventKind.EMAIL_COMPLAINED)
            if said_so or classes.get(event_id) is ReplyClass.OPT_OUT:
                state = leads[owners[event_id]["lead_id"]]["state"]
                assert event_id in {s["event_id"] for s in state["stops"]}
                assert state["opted_out_at"] is not None
                address = self.keyring.email(event.contact.email)
                assert address is None or address in self.suppressed

    # --- the words above

    def _id(self, more: int = 0) -> str:
        return str(len(self.posted) + more)

    def _at(self, ago: int) -> Any:
        return self.world.now - timedelta(minutes=10 * ago)

    def _sent(self) -> list[Row]:
        return self.world.rows("select touch_id from touches where state = 'sent' order by touch_id")

    def _whole(self, table: str) -> list[str]:
        return [r["whole"] for r in self.world.rows(f"select t::text as whole from {table} t order by 1")]


_EMPTY = [
    sql(f"delete from {table}")
    for table in (
        "handoffs",
        "crm_writebacks",
        "suppressions",
        "parked_items",
        "replies",
        "message_bodies",
        "message_drafts",
        "touches",
        "enrolments",
        "lead_scores",
        "enrichments",
        "lead_keys",
        "leads",
        "event_payloads",
        "event_keys",
        "lead_events",
    )
]
_EVENTS = sql("select event_id, lead_id, pending_fold from lead_events")
_LEADS = sql("select lead_id, state, stop_reason from leads where merged_into is null")
_LIVE = sql("select lead_id from enrolments where state in ('active', 'paused', 'paused_ooo')")
_SUPPRESSED = sql("select key from suppressions")
_PARKED = sql("select * from parked_items")
# What hangs on a lead that has turned out to be another, or on another lead than its enrolment.
_OF_NOBODY = sql(
    """select h.what, h.lead_id from (
        select 'enrolment' as what, lead_id from enrolments union all select 'touch', lead_id from touches
        union all select 'handoff', lead_id from handoffs union all select 'key', lead_id from lead_keys
        union all select 'reply', lead_id from replies where lead_id is not null
    ) h left join leads l using (lead_id) where l.lead_id is null or l.merged_into is not null
    union all select 'touch of another', t.lead_id from touches t join enrolments e using (enrolment_id)
        where t.lead_id <> e.lead_id"""
)
# Enrolments that are not with the person of the event that started them, whose place was free.
_ASTRAY = sql(
    """select e.enrolment_id from enrolments e join lead_events v on v.event_id = e.lead_event_id
    where v.lead_id <> e.lead_id and not exists (select 1 from enrolments o where o.lead_id = v.lead_id)"""
)
_AGAIN = sql("update lead_events set pending_fold = true where event_id = any(:ids)", ids=TEXTS)


def _run(engine: Engine, folder: Path, examples: int, steps: int) -> None:
    world = World(house_of(engine, folder, email=Scripted()), folder)
    run_state_machine_as_test(
        lambda: Fold(world), settings=settings(max_examples=examples, stateful_step_count=steps)
    )


def test_leads_are_the_fold_of_their_events_whatever_comes_in(engine: Engine, tmp_path: Path) -> None:
    _run(engine, tmp_path, examples=6, steps=12)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_leads_are_the_fold_of_their_events_whatever_comes_in_at_length(
    engine: Engine, tmp_path: Path
) -> None:
    _run(engine, tmp_path, examples=200, steps=30)
