"""Scored leads -> enrolments, and enrolments -> planned touches in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from leadops.domain.enrolling import EnrolDecision, PastEnrolment, Verdict, decide
from leadops.domain.fold import state_from_json
from leadops.domain.keys import Keyring, suppression_keys
from leadops.domain.sequencing import choose_mailbox, choose_variant, new_position, plan
from leadops.domain.timing import resolve_zone
from leadops.playbook.model import Playbook
from leadops.stages.handing import Due, hand_off
from leadops.stages.report import Report
from leadops.stages.stops import skip_already_sent
from leadops.store import crm, enrolments, suppressions, touches
from leadops.store import leads as store
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.terms import LIVE_ENROLMENT_STATES, LeadState, Tier, TouchReason, stable_id

FLAG = "pending_enrolment"
_REFUSED = sql("update leads set not_enrolled_reason = :reason where lead_id = :id")


def enrol(engine: Engine, playbook: Playbook, keyring: Keyring, *, now: datetime, limit: int = 500) -> Report:
    """Decide for up to ``limit`` scored leads. Counts: enrol, raise, refuse, leave, and refused:REASON."""
    report = Report("enrol")
    with transaction(engine) as connection:
        claimed = store.claim(connection, FLAG, limit)
        ids = [c["lead_id"] for c in claimed]
        past = enrolments.of_leads(connection, ids)
        for lead in claimed:
            lead_id = lead["lead_id"]
            done: Counter[str] = Counter()
            try:
                with connection.begin_nested():
                    _enrol_one(connection, lead, past.get(lead_id, ()), playbook, keyring, now, done)
            except OperationalError:  # the database's trouble, not the lead's
                raise
            except Exception as error:  # noqa: BLE001 - one lead must not hold up the others
                report.parked[lead_id] = f"enrol_{type(error).__name__}"
                report.count("parked")
            else:
                report.counts.update(done)
                if done.keys() & {Verdict.ENROL.value, Verdict.RAISE.value}:
                    report.lead_ids.add(lead_id)
        store.done(connection, FLAG, ids)
        store.park(connection, "enrol", report.parked, now=now)
        report.pending = store.waiting(connection, FLAG)
    return report


def _enrol_one(
    connection: Connection,
    lead: Mapping[str, Any],
    past: Sequence[Mapping[str, Any]],
    playbook: Playbook,
    keyring: Keyring,
    now: datetime,
    done: Counter[str],
) -> None:
    lead_id, state, tier = lead["lead_id"], state_from_json(lead["state"]), Tier(lead["tier"])
    suppressed = bool(suppressions.found(connection, suppression_keys(keyring, state)))
    decision = decide(state, tier, _past(past), suppressed, playbook, now)
    done[decision.verdict.value] += 1
    if decision.verdict is Verdict.ENROL:
        new = [_enrolment(lead_id, state, tier, playbook, keyring, now)]
        enrolments.add(connection, new)
        _tell(connection, new, now)
    _act_on(connection, lead_id, decision, tier, playbook, done)
    if decision.to_person and state.last_lead_event:
        due = Due(lead_id, state.last_lead_event, "lead_returned", words=state.message)
        done["handed_off"] += hand_off(connection, [due], playbook, now=now)


def _act_on(
    connection: Connection,
    lead_id: str,
    decision: EnrolDecision,
    tier: Tier,
    playbook: Playbook,
    done: Counter[str],
) -> None:
    if decision.verdict is Verdict.RAISE and decision.enrolment_id is not None:
        version = playbook.sequences[tier].version
        enrolments.raise_tier(connection, decision.enrolment_id, tier.value, version)
    if decision.verdict is Verdict.REFUSE and decision.reason is not None:
        done[f"refused:{decision.reason.value}"] += 1
    if decision.verdict in (Verdict.REFUSE, Verdict.ENROL):
        reason = decision.reason.value if decision.reason else None
        connection.execute(_REFUSED, {"id": lead_id, "reason": reason})


def _past(found: Sequence[Mapping[str, Any]]) -> list[PastEnrolment]:
    return [
        PastEnrolment(
            enrolment_id=e["enrolment_id"],
            lead_event_id=e["lead_event_id"],
            enrolled_at=e["enrolled_at"],
            ended_at=e["ended_at"],
            tier=Tier(e["tier"]),
            live=e["state"] in LIVE_ENROLMENT_STATES,
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
                "state": "active",
                "sequence": e["tier"],
                "variant": e["variant"],
                "at": now.isoformat(),
            },
        )
        for e in new
    ]
    crm.enqueue(connection, told, now=now)


_USED = sql(
    """select enrolment_id, max(position) as position, max(handed_over_at) as last_touch
    from touches where enrolment_id = any(:ids) group by enrolment_id""",
    ids=TEXTS,
)


def plan_touches(engine: Engine, playbook: Playbook, *, now: datetime, limit: int = 500) -> Report:
    """Plan up to ``limit`` enrolments. Counts: planned (enrolments), touches, replanned, cancelled.

    A raised enrolment loses what it had not sent of the lower sequence and gets the higher one whole,
    after the gap since its last touch.
    """
    report = Report("plan")
    with transaction(engine) as connection:
        claimed = enrolments.claim_unplanned(connection, limit)
        ids = [e["enrolment_id"] for e in claimed]
        used = {r["enrolment_id"]: r for r in rows(connection, _USED, ids=sorted(ids))}
        for enrolment in claimed:
            enrolment_id = enrolment["enrolment_id"]
            done: Counter[str] = Counter()
            try:
                with connection.begin_nested():
                    _plan_one(connection, enrolment, used.get(enrolment_id), playbook, now, done)
            except OperationalError:  # the database's trouble, not the enrolment's
                raise
            except Exception as error:  # noqa: BLE001 - one enrolment must not hold up the others
                report.parked[enrolment_id] = f"plan_{type(error).__name__}"
                report.count("parked")
            else:
                report.counts.update(done)
                report.lead_ids.add(enrolment["lead_id"])
        enrolments.planned(connection, ids)
        skip_already_sent(connection, {e["lead_id"] for e in claimed}, playbook, now=now)
        store.park(connection, "plan", report.parked, now=now)
        report.pending = enrolments.unplanned(connection)
    return report


def _plan_one(
    connection: Connection,
    enrolment: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    playbook: Playbook,
    now: datetime,
    done: Counter[str],
) -> None:
    if before is not None:
        ids = [enrolment["enrolment_id"]]
        done["cancelled"] += touches.cancel_open(connection, ids, TouchReason.TIER_RAISED, now=now)
        done["replanned"] += 1
    tier = Tier(enrolment["tier"])
    sequence = playbook.sequences[tier]
    zone = resolve_zone(enrolment["timezone"], enrolment["country"], playbook.fallback_timezone)
    last = before["last_touch"] if before else None
    planned = plan(
        enrolment["enrolment_id"],
        tier.value,
        enrolment["variant"],
        now if before else enrolment["enrolled_at"],
        new_position([before["position"]] if before else []),
        zone,
        enrolment["country"],
        playbook,
        not_before=last + timedelta(hours=sequence.min_gap_hours) if last else None,
    )
    touches.add(
        connection,
        planned,
        enrolment_id=enrolment["enrolment_id"],
        lead_id=enrolment["lead_id"],
        mailbox=enrolment["mailbox"],
        urgency=tier.rank,
        now=now,
    )
    done["touches"] += len(planned)
    done["planned"] += 1
