"""A stop takes effect: the enrolment ends, what was not handed over is cancelled, a person takes over.

Runs inside the fold's transaction. Before it, the keys of the stop event alone have held every touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from leadops.domain.keys import Keyring, suppression_keys
from leadops.playbook.model import Playbook
from leadops.stages.handing import Due, hand_off
from leadops.store import crm, enrolments, touches
from leadops.store import suppressions as suppressed
from leadops.terms import (
    EnrolmentState,
    EventKind,
    ExitReason,
    LeadEvent,
    LeadState,
    StopFact,
    TouchReason,
)

STATE_AFTER = {
    ExitReason.REPLIED: EnrolmentState.FINISHED_REPLIED,
    ExitReason.OPTED_OUT: EnrolmentState.OPTED_OUT,
    ExitReason.COMPLAINED: EnrolmentState.OPTED_OUT,
    ExitReason.BOUNCED: EnrolmentState.BOUNCED,
    ExitReason.LEFT_COMPANY: EnrolmentState.BOUNCED,
    ExitReason.MEETING_BOOKED: EnrolmentState.HANDED_OFF,
    ExitReason.REP_TOOK_OVER: EnrolmentState.HANDED_OFF,
    ExitReason.DEAL_WON: EnrolmentState.HANDED_OFF,
    ExitReason.DEAL_LOST: EnrolmentState.HANDED_OFF,
    ExitReason.DISPOSITION: EnrolmentState.HANDED_OFF,
}
_SUPPRESSING = frozenset(
    {ExitReason.OPTED_OUT, ExitReason.COMPLAINED, ExitReason.BOUNCED, ExitReason.LEFT_COMPANY}
)
_FOR_A_PERSON = frozenset({ExitReason.REPLIED, ExitReason.MEETING_BOOKED})


def apply_stops(
    connection: Connection,
    states: Mapping[str, LeadState],
    people: Mapping[str, Sequence[LeadEvent]],
    playbook: Playbook,
    keyring: Keyring,
    *,
    now: datetime,
) -> int:
    """Apply what stopped these leads; idempotent. Returns how many enrolments ended.

    ``people``: lead_id -> the events it was folded from.
    """
    events = {e.event_id: e for lead_id in states for e in people[lead_id]}
    stopped = {lead_id: s.stop for lead_id, s in states.items() if s.stop is not None}
    live = enrolments.live_of(connection, stopped)
    for lead_id, stop in stopped.items():
        _suppress(connection, states[lead_id], events, keyring, now)
        if enrolment := live.get(lead_id):
            _end(connection, lead_id, enrolment["enrolment_id"], stop, now)
    due = [
        Due(
            lead_id,
            stop.event_id,
            stop.reason.value,
            enrolment_id=live[lead_id]["enrolment_id"] if lead_id in live else None,
            words=_words(events.get(stop.event_id)),
        )
        for lead_id, state in states.items()
        for stop in _newest_for_a_person(state)
    ]
    hand_off(connection, due, playbook, now=now)
    # After it: a rep may have acted on what has only now been handed over.
    acted = {lead_id: at for lead_id in states if (at := rep_action_at(people[lead_id])) is not None}
    crm.record_rep_action(connection, acted)
    return len(live)


def _newest_for_a_person(state: LeadState) -> list[StopFact]:
    """The latest thing a rep must answer, unless the person has withdrawn."""
    if state.opted_out_at is not None:
        return []
    facts = [s for s in state.stops if s.reason in _FOR_A_PERSON]
    return [max(facts, key=lambda s: (s.at, s.event_id))] if facts else []


def _suppress(
    connection: Connection,
    state: LeadState,
    events: Mapping[str, LeadEvent],
    keyring: Keyring,
    now: datetime,
) -> None:
    """The person's addresses, and those a withdrawal was written from where they are not the person's."""
    withdrawn = [s for s in state.stops if s.reason in _SUPPRESSING]
    if not withdrawn:
        return
    keys = {k: s for k, s in suppression_keys(keyring, state).items() if s == "address"}
    for stop in withdrawn:
        event = events.get(stop.event_id)
        written_from = keyring.email(event.contact.email) if event else None
        if written_from and stop.reason is ExitReason.OPTED_OUT:
            keys[written_from] = "address"
    first = withdrawn[0]
    suppressed.suppress(connection, keys, reason=first.reason.value, actor=first.event_id, now=now)


def _end(connection: Connection, lead_id: str, enrolment_id: str, stop: StopFact, now: datetime) -> None:
    state = STATE_AFTER[stop.reason]
    enrolments.end(connection, [enrolment_id], state, stop.reason, now=now)
    touches.cancel_open(connection, [enrolment_id], TouchReason.STOPPED, now=now)
    crm.enqueue(connection, [ended(lead_id, enrolment_id, state.value, stop.reason.value, now)], now=now)


def ended(lead_id: str, enrolment_id: str, state: str, reason: str, now: datetime) -> crm.Owed:
    """What the CRM is told of an enrolment that is over. ``state`` and ``reason``: as they are stored."""
    told = {"enrolment_id": enrolment_id, "state": state, "reason": reason, "at": now.isoformat()}
    return crm.Owed(f"enrolment:{enrolment_id}:ended", "enrolment", lead_id, told)


def rep_action_at(person: Iterable[LeadEvent]) -> datetime | None:
    """The latest thing a rep did about a person, from the person's events."""
    acts = (EventKind.REP_ACTIVITY, EventKind.DISPOSITION)
    return max((e.occurred_at for e in person if e.kind in acts), default=None)


def _words(event: LeadEvent | None) -> str | None:
    if event is None:
        return None
    words = event.properties.get("text") or event.properties.get("message")
    return str(words) if words else None


def merge_enrolments(
    connection: Connection, loser: str, into: str, playbook: Playbook, *, now: datetime
) -> None:
    """Two leads are one person: the older live enrolment stays, the other is cancelled as merged.

    What the other has sent counts as sent for the one that stays.
    """
    live = enrolments.live_of(connection, [loser, into])
    if len(live) == 2:
        younger = max(live.values(), key=lambda e: (e["enrolled_at"], e["enrolment_id"]))
        ids = [younger["enrolment_id"]]
        enrolments.end(connection, ids, EnrolmentState.CANCELLED, ExitReason.MERGED, now=now)
        touches.cancel_open(connection, ids, TouchReason.ENROLMENT_ENDED, now=now)
        told = ended(into, ids[0], EnrolmentState.CANCELLED.value, ExitReason.MERGED.value, now)
        crm.enqueue(connection, [told], now=now)
    enrolments.move(connection, loser, into)
    skip_already_sent(connection, [into], playbook, now=now)


def skip_already_sent(
    connection: Connection, lead_ids: Iterable[str], playbook: Playbook, *, now: datetime
) -> None:
    """Cancel what these leads have had from a merged enrolment; one with nothing left finishes."""
    shortened = enrolments.cancel_already_sent(connection, lead_ids, now=now)
    gap = max(s.min_gap_hours for s in playbook.sequences.values())
    touches.close_if_done(connection, shortened, now + timedelta(hours=gap))
