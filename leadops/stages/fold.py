"""Pending events -> leads: who is it, what is now known of them, and what stops because of it.

One transaction per batch: the people concerned are locked, folded from their whole log, written, and
the stops take effect, so that no other stage sees a lead whose stop is known but not applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Engine

from leadops.domain.fold import decisions_may_change, digest_of, fold, state_to_json
from leadops.domain.identity import People, part, primary_key
from leadops.domain.keys import Keyring
from leadops.playbook.model import Playbook
from leadops.stages.again import again_after_deadlock
from leadops.stages.report import Report
from leadops.stages.settle import learn_message_ids
from leadops.stages.stops import apply_stops, merge_enrolments
from leadops.store import enrolments
from leadops.store import events as log
from leadops.store import leads as store
from leadops.store.correlation import a_key_of, cited_touch
from leadops.store.engine import one_value, sql, transaction
from leadops.terms import INBOUND_KINDS, STOP_KINDS, Contact, LeadEvent, LeadState, ReplyClass, stable_id


@dataclass(slots=True)
class _Batch:
    """Everything loaded for the people concerned by a batch of pending events.

    ``claimed`` are those events: only they leave the fold's list. Another worker may hold others.
    """

    claimed: frozenset[str]
    events: dict[str, LeadEvent]
    keys: dict[str, list[str]]
    lead_of: dict[str, str]
    known: dict[str, store.KnownLead]
    classes: dict[str, ReplyClass] = field(default_factory=dict)


@dataclass(slots=True)
class _Person:
    lead_id: str
    events: list[LeadEvent]
    merged: list[str]
    state: LeadState | None = None
    row: store.LeadRow | None = None  # what to write, where anything changed


def fold_pending(
    engine: Engine, playbook: Playbook, keyring: Keyring, *, now: datetime, limit: int = 500
) -> Report:
    """Fold up to ``limit`` pending events. Counts: events, leads_new, leads_changed, merged, stopped.

    An inbound message waits until it is matched and classified; meanwhile its keys hold every touch.
    """
    return again_after_deadlock(partial(_fold_batch, engine, playbook, keyring, now, limit))


def _fold_batch(engine: Engine, playbook: Playbook, keyring: Keyring, now: datetime, limit: int) -> Report:
    report = Report("fold")
    with transaction(engine) as connection:
        pending = log.claim_pending(connection, "fold", limit)
        if pending:
            batch = _load(connection, pending, *_correlate(connection, pending))
            parted = part(list(batch.events.values()), batch.keys)
            people = _people(parted, batch)
            _fold_each(connection, people, batch, playbook, keyring, report, now)
            _write(connection, people, parted, batch, playbook, keyring, report, now)
            report.count("events", len(pending))
        report.pending = int(one_value(connection, _PENDING))
    return report


_PENDING = sql("select count(*) from lead_events where pending_fold and not pending_reply")


def _correlate(connection: Connection, pending: Sequence[LeadEvent]) -> tuple[dict[str, list[str]], set[str]]:
    """Events that name nobody but cite a message of ours (bounces, clicks) hang on its lead.

    Returns the identity keys of each, and the leads they have already.
    """
    ids = [e.event_id for e in pending]
    keys, leads = log.known_of(connection, ids)
    attached = False
    for event in pending:
        found = None if event.event_id in keys else cited_touch(connection, event)
        if found is not None and (key := a_key_of(connection, found.lead_id)):
            log.attach(connection, event.event_id, key, blocking=event.kind in STOP_KINDS)
            attached = True
    return log.known_of(connection, ids) if attached else (keys, leads)


def _load(
    connection: Connection, pending: Sequence[LeadEvent], keys: Mapping[str, Sequence[str]], had: set[str]
) -> _Batch:
    """Lock and read everybody whom the pending events may concern.

    Who that is, is looked up before any row is locked and again afterwards: rows are locked in one order,
    and what another fold has joined in the meantime is not missed.
    """
    claimed = frozenset(e.event_id for e in pending)
    own = {k for found in keys.values() for k in found}
    store.lock_fold_keys(connection, own)
    known: dict[str, store.KnownLead] = {}
    looked_at: set[str] = set()
    while more := log.linked_leads(connection, own, had) - looked_at:
        looked_at |= more
        known |= store.lock_leads(connection, more)
    loaded = log.load(connection, known, claimed)
    return _Batch(claimed, loaded.events, loaded.keys, loaded.lead_of, known, loaded.classes)


def _people(parted: People, batch: _Batch) -> list[_Person]:
    """Give each person a lead id: the oldest row its events already have."""
    taken: set[str] = set()
    people = []
    for ids in sorted(parted.persons, key=lambda p: min((batch.events[i].received_at, i) for i in p)):
        had = {batch.lead_of[i] for i in ids if i in batch.lead_of} & set(batch.known)
        free = sorted(had - taken, key=lambda i: (batch.known[i].created_at, i))
        lead_id = free[0] if free else _new_id(ids, batch, taken)
        taken.add(lead_id)
        people.append(_Person(lead_id, [batch.events[i] for i in sorted(ids)], sorted(had - {lead_id})))
    for person in people:
        person.merged = [i for i in person.merged if i not in taken]
    return people


def _new_id(ids: frozenset[str], batch: _Batch, taken: set[str]) -> str:
    first = min(ids, key=lambda i: (batch.events[i].occurred_at, i))
    key = primary_key(batch.keys.get(first, ())) or first
    plain = stable_id("led", key)
    return plain if plain not in batch.known and plain not in taken else stable_id("led", key, first)


def _fold_each(
    connection: Connection,
    people: Sequence[_Person],
    batch: _Batch,
    playbook: Playbook,
    keyring: Keyring,
    report: Report,
    now: datetime,
) -> None:
    """One person whose events cannot be folded is put aside; the others go on."""
    limit = playbook.delivery.soft_bounces_to_suppress
    for person in people:
        try:
            events = [_as_theirs(e, batch, keyring) for e in person.events]
            state = fold(events, batch.classes, soft_bounces_to_suppress=limit)
            person.row = _row(person, state, batch)
            person.state = state
        except Exception as error:  # noqa: BLE001 - any one person's data must not stop the batch
            code = f"fold_{type(error).__name__}"
            report.parked |= {e.event_id: code for e in person.events if e.event_id in batch.claimed}
    store.park(connection, "fold", report.parked, now=now)
    if report.parked:
        log.put_aside(connection, sorted(report.parked))
        report.count("parked", len(report.parked))


def _as_theirs(event: LeadEvent, batch: _Batch, keyring: Keyring) -> LeadEvent:
    """An answer in a person's thread from an address that is not theirs (R9) tells nothing about them
    but that it came: a colleague's name, address and phone stay the colleague's."""
    address = keyring.email(event.contact.email)
    if address is None or address in batch.keys.get(event.event_id, ()):
        return event
    return replace(event, contact=Contact())


def _write(
    connection: Connection,
    people: Sequence[_Person],
    parted: People,
    batch: _Batch,
    playbook: Playbook,
    keyring: Keyring,
    report: Report,
    now: datetime,
) -> None:
    folded = [(p, p.state) for p in people if p.state is not None]
    written = [p.row for p, _ in folded if p.row is not None]
    store.write_leads(connection, written, now=now)
    for person, _ in folded:
        for loser in person.merged:
            store.merge_into(connection, loser, person.lead_id, now=now)
            merge_enrolments(connection, loser, person.lead_id, playbook, now=now)
            report.count("merged")
    owner_of = {e.event_id: p.lead_id for p, _ in folded for e in p.events}
    first = [min(ids) for ids in parted.persons]
    owned = {k: owner_of[first[i]] for k, i in parted.owners.items() if first[i] in owner_of}
    store.write_keys(connection, owned)
    moved = {i: lead for i, lead in owner_of.items() if batch.lead_of.get(i) != lead}
    store.assign_events(connection, moved, folded=batch.claimed & set(owner_of))
    enrolments.follow_events(connection, set(batch.known))
    log.unblock(connection, _harmless(folded, batch))
    changed = {row.lead_id for row in written}
    report.lead_ids |= changed
    report.count("leads_new", len(changed - set(batch.known)))
    report.count("leads_changed", len(changed & set(batch.known)))
    states = {p.lead_id: s for p, s in folded if p.lead_id in changed}
    owned_events = {p.lead_id: p.events for p, _ in folded}
    learn_message_ids(connection, (e for e in batch.events.values() if e.event_id in batch.claimed))
    ended = apply_stops(connection, states, owned_events, playbook, keyring, now=now)
    report.count("stopped", ended)


def _row(person: _Person, state: LeadState, batch: _Batch) -> store.LeadRow | None:
    """The row to write, or None where nothing changed."""
    as_json = state_to_json(state)
    digest = digest_of(as_json)
    known = batch.known.get(person.lead_id)
    if known is not None and known.state_digest == digest and not person.merged:
        return None
    same = known is not None and not person.merged and not decisions_may_change(known.state_json, as_json)
    flag = None if same or state.became_lead_at is None else "pending_enrichment"
    return store.LeadRow(person.lead_id, state, as_json, digest, flag)


def _harmless(folded: Sequence[tuple[_Person, LeadState]], batch: _Batch) -> list[str]:
    """Stop-capable events that turned out to stop nothing, or were lifted by a disposition."""
    found = []
    for person, state in folded:
        standing = {s.event_id for s in state.stops}
        found += [
            e.event_id
            for e in person.events
            if e.kind in STOP_KINDS and e.event_id not in standing and _settled(e, batch.classes)
        ]
    return found


def _settled(event: LeadEvent, classes: Mapping[str, ReplyClass]) -> bool:
    return event.kind not in INBOUND_KINDS or event.event_id in classes
