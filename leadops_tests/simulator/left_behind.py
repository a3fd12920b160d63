"""What a story has come to by the sandbox's own record, and what is wrong with it (P1 to P3, R1, R2, R28)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection, NullPool, create_engine

from leadops.defs.checks import PROPERTIES
from leadops.simulator.boundaries import AFTER_COMMIT, BEFORE_CALL
from leadops.store.engine import rows, sql
from leadops_tests.simulator.killing import Spot
from leadops_tests.simulator.story import Story

HANDED_OVER = "hand_over.hand_over"
SEND = "sendgrid POST /v3/mail/send"
_TOUCHES = sql(
    """select t.touch_id, t.sequence || ' ' || t.step as step, t.state, l.email, l.lead_id
    from touches t join leads l using (lead_id)"""
)
_HANDED = sql("select lead_id, reason from handoffs")
_TOLD = sql(
    """select w.dedupe_key, w.state, l.email, w.kind || ' ' || coalesce(h.reason, t.step::text, '') as what
    from crm_writebacks w join leads l using (lead_id)
    left join handoffs h on w.dedupe_key = concat('task', chr(58), h.handoff_id)
    left join touches t on w.dedupe_key = concat('touch', chr(58), t.touch_id)
    where w.kind in ('touch', 'task') and w.dedupe_key not like '%escalated'"""
)
_EVENTS = sql("select event_id from lead_events")
_WAITING = sql(
    """select 'event ' || event_id as what from lead_events where pending_fold or pending_reply
    union all select 'lead ' || lead_id from leads where merged_into is null
        and (pending_enrichment or pending_score or pending_enrolment)
    union all select 'enrolment ' || enrolment_id from enrolments where pending_plan
    union all select 'touch ' || touch_id || ' ' || state from touches
        where state in ('claimed', 'handing_over') or (state = 'planned' and due_at < :now)
    union all select 'write-back ' || dedupe_key || ' ' || state from crm_writebacks where state <> 'done'
    union all select 'parked ' || item_id || ' ' || reason from parked_items"""
)


@dataclass(frozen=True)
class Ending:
    """What a story came to. ``messages``: (address, step) -> how many the post office took.

    ``told``: of whom the CRM was told what; ``unknown``: who is to be asked about by a person; ``wrong``:
    what must never be, whatever was killed.
    """

    messages: Counter[tuple[str, str]]
    told: Counter[tuple[str, str]]
    unknown: frozenset[str]
    wrong: tuple[str, ...]


def ending_of(story: Story) -> Ending:
    """Compare the sandbox's record with the database."""
    engine = create_engine(story.database, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return _ending(story, connection)
    finally:
        engine.dispose()


def _ending(story: Story, connection: Connection) -> Ending:
    touches = {t["touch_id"]: t for t in rows(connection, _TOUCHES)}
    messages = Counter(
        (touches[mail.key]["email"], touches[mail.key]["step"]) for mail in story.mails if mail.key in touches
    )
    wrong = [
        *_sent_wrongly(story, touches, messages),
        *_after_a_stop(story),
        *_lost(story, connection),
        *_in_the_crm(story, connection),
        *_on_no_list(touches, rows(connection, _HANDED)),
        *_properties_broken(connection, story.clock.now),
        *(f"waits: {row['what']}" for row in rows(connection, _WAITING, now=story.clock.now)),
        *_refused(story),
    ]
    return Ending(
        messages,
        Counter((row["email"], row["what"]) for row in rows(connection, _TOLD)),
        frozenset(t["email"] for t in touches.values() if t["state"] == "unknown"),
        tuple(wrong),
    )


def _sent_wrongly(
    story: Story, touches: dict[str, dict[str, Any]], messages: Counter[tuple[str, str]]
) -> Iterator[str]:
    """At most one message per touch and per person and step; ledger and post office agree (P1, R1, R2)."""
    sent = Counter(mail.key for mail in story.mails)
    for touch_id, times in sent.items():
        if times > 1:
            yield f"touch {touch_id} is {times} messages"
        if touch_id not in touches:
            yield f"a message of no touch: {touch_id}"
        elif touches[touch_id]["state"] not in ("sent", "unknown"):
            yield f"touch {touch_id} is {touches[touch_id]['state']}, and the post office has it"
    yield from (f"step {step} reached {who} {n} times" for (who, step), n in messages.items() if n > 1)
    for touch_id, touch in touches.items():
        if touch["state"] == "sent" and not sent[touch_id]:
            yield f"touch {touch_id} is sent, and the post office has never seen it"


def _after_a_stop(story: Story) -> Iterator[str]:
    """In each moment what comes in comes before what leaves (P2)."""
    for mail in story.mails:
        at = story.stopped.get(mail.to_address.lower())
        if at is not None and mail.at >= at:
            yield f"{mail.to_address} got a message at {mail.at}, and had ended it at {at}"


def _lost(story: Story, connection: Connection) -> Iterator[str]:
    """What was answered with yes is in the log; what was not came again until it was (P3)."""
    known = {row["event_id"] for row in rows(connection, _EVENTS)}
    yield from (f"event {event_id} was accepted and is lost" for event_id in story.accepted - known)
    yield from (f"delivery {key} was never taken" for key in story.waiting)


def _in_the_crm(story: Story, connection: Connection) -> Iterator[str]:
    """Each note and task once (R28)."""
    there: Counter[str] = Counter()
    for kind in ("tasks", "notes", "emails"):
        for record in story.scene.hubspot.portal.records(kind):
            if action := record.properties.get("leadops_action_id"):
                there[action] += 1
    yield from (f"{action} stands {n} times in the CRM" for action, n in there.items() if n > 1)
    for row in rows(connection, _TOLD):
        if not there[row["dedupe_key"]]:
            yield f"{row['dedupe_key']} is {row['state']}, and not in the CRM"


def _on_no_list(touches: dict[str, dict[str, Any]], handed: list[dict[str, Any]]) -> Iterator[str]:
    """Nobody's message is unknown without a person who is told."""
    given = {row["lead_id"] for row in handed}
    for touch_id, touch in touches.items():
        if touch["state"] == "unknown" and touch["lead_id"] not in given:
            yield f"touch {touch_id} is unknown, and on nobody's list"


def _properties_broken(connection: Connection, now: datetime) -> Iterator[str]:
    """The checks that Dagster shows, on the virtual clock."""
    given = {"now": now, "late": now - timedelta(minutes=15)}
    for held in PROPERTIES:
        if held.severity is not dg.AssetCheckSeverity.ERROR:
            continue
        statement = sql(held.query)
        wanted = {name: at for name, at in given.items() if name in statement.compile().params}
        for row in rows(connection, statement, **wanted):
            yield f"{held.asset} {held.name}: {row['id']}"


def _refused(story: Story) -> Iterator[str]:
    """The sandbox is strict: everything it was asked is as the vendors describe it."""
    for provider in (story.scene.hubspot, story.scene.sendgrid):
        for exchange in provider.exchanges:
            if exchange.problems or exchange.status >= 400:
                asked = f"{provider.name} {exchange.method} {exchange.path}"
                yield f"{asked} was answered {exchange.status}: {', '.join(exchange.problems)}"


def differences(deadly: Spot, ending: Ending, undisturbed: Ending) -> list[str]:
    """What a kill at ``deadly`` has changed and must not: anything, but for one person in doubt.

    Nobody knows whether a message left between the commit into handing_over and its call: it has not, is
    never tried again, and that lead is a person's. From the call on its receipt tells that it arrived.
    """
    found = list(ending.wrong)
    in_doubt = (deadly.when, deadly.place) in ((AFTER_COMMIT, HANDED_OVER), (BEFORE_CALL, SEND))
    if len(ending.unknown) != in_doubt:
        found.append(f"{len(ending.unknown)} leads are unknown, and should be {int(in_doubt)}")
    for what, here, there in (
        ("a message", ending.messages, undisturbed.messages),
        ("told the CRM", ending.told, undisturbed.told),
    ):
        found += [f"missing, {what}: {key}" for key in there - here if key[0] not in ending.unknown]
        found += [f"too many, {what}: {key}" for key in here - there if key[0] not in ending.unknown]
    return found
