"""What a provider call came to -> the ledger, the CRM outbox, the enrolment. Also what had no outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.keys import MESSAGE_ID
from leadops.playbook.model import Delivery, Playbook
from leadops.providers.email.port import EmailPort
from leadops.stages.facts import LoadedTouch
from leadops.stages.handing import Due, hand_off
from leadops.stages.report import Report
from leadops.store import crm, touches
from leadops.store.engine import one_value, sql, transaction
from leadops.terms import EventKind, LeadEvent, Outcome, SendResult, Tier, TouchReason


def settle(
    connection: Connection,
    loaded: LoadedTouch,
    token: str,
    result: SendResult,
    playbook: Playbook,
    *,
    now: datetime,
) -> str:
    """Record one outcome and say what it was. Only what was certainly not accepted is ever tried again (R2).

    sent, unknown, retry, failed:REASON; ``late_outcome`` where others have settled the touch meanwhile.
    """
    touch_id, enrolment_id = loaded.touch["touch_id"], loaded.touch["enrolment_id"]
    if result.outcome is Outcome.ACCEPTED:
        accepted = touches.Sent(touch_id, enrolment_id, token, result)
        return "sent" if settle_sent(connection, [accepted], playbook, now=now) else "late_outcome"
    touches.lock_enrolment(connection, enrolment_id)
    if result.outcome is Outcome.AMBIGUOUS:
        touches.record_unknown(connection, touch_id, token, result.detail, now=now)
        return "unknown"
    attempts = loaded.touch["attempts"] + 1
    if result.outcome is Outcome.RETRY and (result.ours or attempts < playbook.delivery.max_attempts):
        due = now + backoff(playbook.delivery, attempts, result.retry_after_s)
        again = touches.defer(connection, touch_id, token, TouchReason.PROVIDER_RETRY, due, result.detail)
        return "retry" if again else "late_outcome"
    reason = TouchReason.REJECTED if result.outcome is Outcome.REJECTED else TouchReason.RETRIES_EXHAUSTED
    if touches.record_failed(connection, touch_id, token, reason, result.detail, now=now) is None:
        return "late_outcome"
    touches.close_if_done(connection, [enrolment_id], now)
    return f"failed:{reason.value}"


def backoff(delivery: Delivery, attempts: int, retry_after_s: float | None = None) -> timedelta:
    """Doubling from ``backoff_seconds`` to ``max_backoff_seconds``; a provider's own word goes first."""
    doubled = delivery.backoff_seconds * 2 ** min(attempts - 1, 30)
    return timedelta(seconds=max(min(doubled, delivery.max_backoff_seconds), retry_after_s or 0))


def settle_sent(
    connection: Connection, sent: Sequence[touches.Sent], playbook: Playbook, *, now: datetime
) -> set[str]:
    """Record what a provider has accepted, and tell of it; the touches that were not settled before."""
    recorded = touches.record_sent(connection, sent, now=now)
    tell_sent(connection, recorded, playbook, now=now)
    return {touch["touch_id"] for touch in recorded}


def tell_sent(
    connection: Connection, recorded: Sequence[Mapping[str, Any]], playbook: Playbook, *, now: datetime
) -> None:
    """Of each touch that was sent the CRM is owed a note, and its enrolment may have nothing left to do."""
    owed, quiet = [], defaultdict(set)
    for touch in recorded:
        payload = {
            "touch_id": touch["touch_id"],
            "position": touch["position"],
            "channel": touch["channel"],
            "template": touch["template"],
            "subject": touch["subject"],
            "message_id": touch["message_id"],
            "at": now.isoformat(),
        }
        owed.append(crm.Owed(f"touch:{touch['touch_id']}", "touch", touch["lead_id"], payload))
        quiet[playbook.sequences[Tier(touch["sequence"])].min_gap_hours].add(touch["enrolment_id"])
    crm.enqueue(connection, owed, now=now)
    for gap, enrolments in sorted(quiet.items()):
        touches.close_if_done(connection, enrolments, now + timedelta(hours=gap))


_UNKNOWN_COUNT = sql("select count(*) from touches where state = 'unknown'")


def reconcile(
    engine: Engine, email: EmailPort, playbook: Playbook, *, now: datetime, limit: int = 200
) -> Report:
    """Settle what had no outcome by a receipt, by what the provider can really tell, else by a person.

    A provider whose webhook tells later is given ``receipt_wait_minutes`` before a person is asked.
    Counts: claims_released, became_unknown, found_sent, found_not_sent, awaiting_receipt, for_a_person.
    """
    report = Report("reconcile")
    with transaction(engine) as connection:
        released, lapsed = touches.expire(connection, now=now)
        report.count("claims_released", released)
        report.count("became_unknown", len(lapsed))
    with transaction(engine) as connection:
        found = touches.unknown(connection, limit)
        arrived = touches.with_receipt(connection, [t["touch_id"] for t in found])
    patience = timedelta(minutes=playbook.delivery.receipt_wait_minutes) if email.tells_later else timedelta()
    for touch in found:
        result: SendResult | None
        if touch["touch_id"] in arrived:
            result = SendResult(Outcome.ACCEPTED, detail="receipt")
        elif touch["provider"] == email.name and now < touch["settled_at"] + patience:
            report.count("awaiting_receipt")
            continue
        else:
            result = _look_up(email, touch)
        # One transaction each, and none open during the call: a slow provider holds up nobody.
        with transaction(engine) as connection:
            touches.lock_enrolment(connection, touch["enrolment_id"])
            still = touches.lock_unknown(connection, touch["touch_id"])
            if still is not None:
                report.count(_settle_unknown(connection, still, result, playbook, now))
                report.lead_ids.add(still["lead_id"])
    with transaction(engine) as connection:
        report.pending = int(one_value(connection, _UNKNOWN_COUNT))
    return report


def learn_message_ids(connection: Connection, events: Iterable[LeadEvent]) -> None:
    """What the provider says stood on the wire is what a follow-up must cite (R10)."""
    told = {
        touch_id: message_id
        for e in events
        if e.kind is EventKind.EMAIL_PROCESSED
        and isinstance(touch_id := e.properties.get("touch_id"), str)
        and isinstance(message_id := e.properties.get("message_id"), str)
        and message_id.isascii()
        and MESSAGE_ID.fullmatch(message_id)
    }
    touches.put_message_ids(connection, told)


def _look_up(email: EmailPort, touch: Mapping[str, Any]) -> SendResult | None:
    if touch["provider"] != email.name:
        return None
    try:
        return email.look_up(touch["touch_id"])
    except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
        return SendResult(Outcome.AMBIGUOUS, detail=f"look_up_{type(error).__name__}")


def _settle_unknown(
    connection: Connection,
    touch: Mapping[str, Any],
    result: SendResult | None,
    playbook: Playbook,
    now: datetime,
) -> str:
    if result is not None and result.outcome is Outcome.ACCEPTED:
        accepted = touches.Sent(touch["touch_id"], touch["enrolment_id"], None, result)
        settle_sent(connection, [accepted], playbook, now=now)
        return "found_sent"
    if result is not None and result.outcome is Outcome.RETRY:
        due = now + backoff(playbook.delivery, max(1, touch["attempts"]))
        touches.unknown_to_planned(
            connection, touch["touch_id"], due=due, reason=TouchReason.PROVIDER_RETRY, detail="not_found"
        )
        return "found_not_sent"
    due_for_rep = Due(touch["lead_id"], touch["touch_id"], "unknown_outcome", touch["enrolment_id"])
    hand_off(connection, [due_for_rep], playbook, now=now)
    return "for_a_person"
