"""Scored leads -> enrolments, and enrolments -> planned touches in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from leadops.domain.enrolling import REP_FIRST, EnrolDecision, PastEnrolment, Verdict, decide, rep_first
from leadops.domain.fold import state_from_json
from leadops.domain.keys import Keyring, suppression_keys
from leadops.domain.sequencing import choose_mailbox, choose_variant, new_position, plan
from leadops.domain.timing import resolve_zone
from leadops.playbook.model import Playbook
from leadops.stages.again import all_then_each
from leadops.stages.handing import Due, hand_off
from leadops.stages.report import Report
from leadops.stages.stops import skip_already_sent
from leadops.store import crm, enrolments, suppressions, touches
from leadops.store import leads as store
from leadops.store.engine import transaction
from leadops.terms import (
    LIVE_ENROLMENT_STATES,
    EnrolmentState,
    ExitReason,
    LeadState,
    Tier,
    TouchReason,
    stable_id,
)

FLAG = "pending_enrolment"
_GIVEN = {
    "state": EnrolmentState.HANDED_OFF.value,
    "exit_reason": ExitReason.REP_FIRST.value,
    "variant": REP_FIRST,
    "sequence_version": REP_FIRST,
    "pending_plan": False,
}
"""An enrolment of who is a person's from the first touch: counted as any other, with nothing planned."""


@dataclass(slots=True)
class _Decided:
    """What came of some leads, to be written at once. ``reasons``: as ``leads.decided`` takes them."""

    done: Counter[str] = field(default_factory=Counter)
    new: list[dict[str, Any]] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    reasons: dict[str, str | None] = field(default_factory=dict)
    acted: set[str] = field(default_factory=set)


def enrol(engine: Engine, playbook: Playbook, keyring: Keyring, *, now: datetime, limit: int = 500) -> Report:
    """Decide for up to ``limit`` scored leads. Counts: enrol, raise, refuse, leave, and refused:REASON."""
    return all_then_each(partial(_enrol_batch, engine, playbook, keyring, now, limit))


def _enrol_batch(
    engine: Engine, playbook: Playbook, keyring: Keyring, now: datetime, limit: int, each: bool
) -> Report:
    report = Report("enrol")
    reasons: dict[str, str | None] = {}
    with transaction(engine) as connection:
        claimed = store.claim(connection, FLAG, limit)
        ids = [c["lead_id"] for c in claimed]
        past = enrolments.of_leads(connection, ids)
        for leads in ([lead] for lead in claimed) if each else [claimed]:
            try:
                with connection.begin_nested() if each else nullcontext():
                    found = _enrol_some(connection, leads, past, playbook, keyring, now)
            except OperationalError:  # the database's trouble, not the lead's
                raise
            except Exception as error:
                if not each:
                    raise
                report.parked[leads[0]["lead_id"]] = f"enrol_{type(error).__name__}"
                report.count("parked")
            else:
                report.counts.update(found.done)
                report.lead_ids |= found.acted
                reasons |= found.reasons
        report.pending = store.decided(connection, ids, reasons)
        store.park(connection, "enrol", report.parked, now=now)
    return report


def _enrol_some(
    connection: Connection,
    leads: Sequence[Mapping[str, Any]],
    past: Mapping[str, Sequence[Mapping[str, Any]]],
    playbook: Playbook,
    keyring: Keyring,
    now: datetime,
) -> _Decided:
    states = {lead["lead_id"]: state_from_json(lead["state"]) for lead in leads}
    keys = {lead_id: suppression_keys(keyring, state) for lead_id, state in states.items()}
    suppressed = suppressions.found(connection, {k for own in keys.values() for k in own})
    found = _Decided()
    for lead in leads:
        lead_id, tier = lead["lead_id"], Tier(lead["tier"])
        state, had = states[lead_id], _past(past.get(lead_id, ()))
        decision = decide(
            state,
            tier,
            had,
            not suppressed.keys().isdisjoint(keys[lead_id]),
            playbook,
            now,
            disqualified=lead["disqualified"] is not None,
        )
        if decision.verdict is Verdict.ENROL:
            new = _enrolment(lead_id, state, tier, playbook, keyring, now)
            if rep_first(lead_id, tier, state.source, playbook):
                new |= _GIVEN | {"ended_at": now}
                due = Due(lead_id, new["lead_event_id"], "rep_first", new["enrolment_id"], state.message)
                found.due.append(due)
            found.new.append(new)
        _act_on(connection, lead_id, decision, playbook, found)
        if decision.to_person and state.last_lead_event:
            found.due.append(Due(lead_id, state.last_lead_event, "lead_returned", words=state.message))
    enrolments.add(connection, found.new)
    _tell(connection, found.new, now)
    if found.due:
        found.done["handed_off"] += hand_off(connection, found.due, playbook, now=now)
    return found


def _act_on(
    connection: Connection,
    lead_id: str,
    decision: EnrolDecision,
    playbook: Playbook,
    found: _Decided,
) -> None:
    found.done[decision.verdict.value] += 1
    if decision.enrolment_id is not None and decision.tier is not None:
        version = playbook.sequences[decision.tier].version
        enrolments.raise_tier(connection, decision.enrolment_id, decision.tier.value, version)
    if decision.verdict is Verdict.REFUSE and decision.reason is not None:
        found.done[f"refused:{decision.reason.value}"] += 1
    if decision.verdict in (Verdict.REFUSE, Verdict.ENROL):
        found.reasons[lead_id] = decision.reason.value if decision.reason else None
    if decision.verdict in (Verdict.ENROL, Verdict.RAISE):
        found.acted.add(lead_id)


def _past(found: Sequence[Mapping[str, Any]]) -> list[PastEnrolment]:
    return [
        PastEnrolment(
            enrolment_id=e["enrolment_id"],
            lead_event_id=e["lead_event_id"],
            enrolled_at=e["enrolled_at"],
            ended_at=e["ended_at"],
            tier=Tier(e["tier"]),
            live=e["state"] in LIVE_ENROLMENT_STATES,
            tier_at_enrolment=Tier(e["tier_at_enrolment"]),
        )
        for e in found
    ]


def _enrolment(
    lead_id: str, state: LeadState, tier: Tier, playbook: Playbook, keyring: Keyring, now: datetime
) -> dict[str, Any]:
    sequence = playbook.sequences[tier]
    event_id, at = state.last_lead_event, state.last_lead_at
    if event_id is None or at is None:
        raise ValueError("only a lead is enrolled")
    enrolment_id = stable_id("enr", lead_id, event_id)
    return {
        "enrolment_id": enrolment_id,
        "lead_id": lead_id,
        "state": "active",
        "source": state.source,
        "tier_at_enrolment": tier.value,
        "variant": choose_variant(lead_id, tier.value, sequence),
        "tier": tier.value,
        "sequence_version": sequence.version,
        "mailbox": choose_mailbox(lead_id, playbook.sender).address,
        "reply_token": keyring.reply_token(enrolment_id),
        "lead_event_id": event_id,
        "lead_event_at": at,
        "enrolled_at": now,
        "exit_reason": None,
        "ended_at": None,
        "pending_plan": True,
    }


def _tell(connection: Connection, new: Sequence[Mapping[str, Any]], now: datetime) -> None:
    told = [
        crm.Owed(
            f"enrolment:{e['enrolment_id']}:started",
            "enrolment",
            e["lead_id"],
            {
                "enrolment_id": e["enrolment_id"],
                "state": e["state"],
                "sequence": e["tier"],
                "variant": e["variant"],
                "at": now.isoformat(),
            },
        )
        for e in new
    ]
    crm.enqueue(connection, told, now=now)


def plan_touches(engine: Engine, playbook: Playbook, *, now: datetime, limit: int = 500) -> Report:
    """Plan up to ``limit`` enrolments. Counts: planned (enrolments), touches, replanned, cancelled.

    A raised enrolment loses what it had not sent of the lower sequence and gets the higher one whole,
    after the gap since its last touch.
    """
    return all_then_each(partial(_plan_batch, engine, playbook, now, limit))


def _plan_batch(engine: Engine, playbook: Playbook, now: datetime, limit: int, each: bool) -> Report:
    report = Report("plan")
    with transaction(engine) as connection:
        claimed = enrolments.claim_unplanned(connection, limit)
        ids = [e["enrolment_id"] for e in claimed]
        before = enrolments.before_planning(connection, ids)
        for some in ([enrolment] for enrolment in claimed) if each else [claimed]:
            try:
                with connection.begin_nested() if each else nullcontext():
                    done = _plan_some(connection, some, before, playbook, now)
            except OperationalError:  # the database's trouble, not the enrolment's
                raise
            except Exception as error:
                if not each:
                    raise
                report.parked[some[0]["enrolment_id"]] = f"plan_{type(error).__name__}"
                report.count("parked")
            else:
                report.counts.update(done)
                report.lead_ids |= {enrolment["lead_id"] for enrolment in some}
        report.pending = enrolments.planned(connection, ids)
        merged = {e["lead_id"] for e in claimed if before[e["enrolment_id"]]["beside_another"]}
        if merged:
            skip_already_sent(connection, merged, playbook, now=now)
        store.park(connection, "plan", report.parked, now=now)
    return report


def _plan_some(
    connection: Connection,
    some: Sequence[Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    playbook: Playbook,
    now: datetime,
) -> Counter[str]:
    done: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    again = [e["enrolment_id"] for e in some if before[e["enrolment_id"]]["position"] is not None]
    if again:
        done["cancelled"] += touches.cancel_open(connection, again, TouchReason.TIER_RAISED, now=now)
        done["replanned"] += len(again)
    for enrolment in some:
        found += _plan_one(enrolment, before[enrolment["enrolment_id"]], playbook, now)
    touches.add(connection, found)
    done["touches"] += len(found)
    done["planned"] += len(some)
    return done


def _plan_one(
    enrolment: Mapping[str, Any], before: Mapping[str, Any], playbook: Playbook, now: datetime
) -> list[dict[str, Any]]:
    tier = Tier(enrolment["tier"])
    sequence = playbook.sequences[tier]
    zone = resolve_zone(enrolment["timezone"], enrolment["country"], playbook.fallback_timezone)
    last, position = before["last_touch"], before["position"]
    planned = plan(
        enrolment["enrolment_id"],
        tier.value,
        enrolment["variant"],
        enrolment["enrolled_at"] if position is None else now,
        new_position([] if position is None else [position]),
        zone,
        enrolment["country"],
        playbook,
        not_before=last + timedelta(hours=sequence.min_gap_hours) if last else None,
    )
    return [
        touches.row(
            p,
            enrolment_id=enrolment["enrolment_id"],
            lead_id=enrolment["lead_id"],
            mailbox=enrolment["mailbox"],
            urgency=tier.rank,
            now=now,
        )
        for p in planned
    ]
