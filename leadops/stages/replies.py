"""Inbound messages: whose conversation is it, what is it, and what does it let go on?

Until this has run, the message holds every touch that carries one of its keys. Afterwards an answer
of a person keeps holding (the fold turns it into a stop), a machine's answer lets go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from leadops.domain.addresses import company_domain
from leadops.domain.keys import Keyring, identity_keys
from leadops.domain.replies import Inbound, ReplyVerdict, classify
from leadops.domain.sequencing import after_pause
from leadops.domain.timing import resolve_zone
from leadops.playbook.model import Playbook
from leadops.stages.again import again_after_deadlock
from leadops.stages.handing import Due, hand_off
from leadops.stages.report import Report
from leadops.store import enrolments
from leadops.store import events as log
from leadops.store import leads as lead_store
from leadops.store.correlation import Cited, a_key_of, cited_touch
from leadops.store.engine import TEXTS, one_value, put, rows, sql, transaction
from leadops.store.tables import replies
from leadops.terms import EnrolmentState, EventKind, LeadEvent, ReplyClass, Tier

_LET_GO = frozenset({ReplyClass.AUTO, ReplyClass.OUT_OF_OFFICE, ReplyClass.OWN_COPY, ReplyClass.NEW_LEAD})


@dataclass(frozen=True, slots=True)
class _Match:
    lead_id: str | None
    enrolment_id: str | None
    touch_id: str | None
    by: str
    touched: bool


def match_replies(
    engine: Engine, playbook: Playbook, keyring: Keyring, *, now: datetime, limit: int = 200
) -> Report:
    """Match and classify up to ``limit`` inbound messages. Counts by class, plus ``parked``.

    Each message in a savepoint of its own: one that cannot be handled is put aside and keeps holding
    its person's touches; a person looks at it.
    """
    return again_after_deadlock(partial(_match_batch, engine, playbook, keyring, now, limit))


def _match_batch(engine: Engine, playbook: Playbook, keyring: Keyring, now: datetime, limit: int) -> Report:
    report = Report("replies")
    with transaction(engine) as connection:
        for event in log.claim_pending(connection, "reply", limit):
            try:
                with connection.begin_nested():
                    found = _handle(connection, event, playbook, keyring, now)
                report.count(found.reply_class.value)
            except OperationalError:  # the database's trouble, not the message's
                raise
            except Exception as error:  # noqa: BLE001 - one message must not hold up the others
                report.parked[event.event_id] = f"replies_{type(error).__name__}"
                report.count("parked")
        lead_store.park(connection, "replies", report.parked, now=now)
        _settle(connection, report.parked)
        report.pending = int(one_value(connection, _PENDING))
    return report


_PENDING = sql("select count(*) from lead_events where pending_reply")
_DONE = sql("update lead_events set pending_reply = false where event_id = any(:ids)", ids=TEXTS)
_KNOWN = sql(
    """select k.lead_id, exists (select 1 from touches t where t.lead_id = k.lead_id
        and t.handed_over_at is not null) as touched
    from lead_keys k where k.key = any(:keys) order by touched desc, k.lead_id limit 1""",
    keys=TEXTS,
)
_COLLEAGUE = sql(
    """select l.lead_id from leads l join enrolments e using (lead_id)
    where l.domain = :domain and l.merged_into is null order by e.enrolled_at desc limit 1"""
)


def _settle(connection: Connection, parked: Mapping[str, str]) -> None:
    if parked:
        connection.execute(_DONE, {"ids": sorted(parked)})


def _handle(
    connection: Connection, event: LeadEvent, playbook: Playbook, keyring: Keyring, now: datetime
) -> ReplyVerdict:
    match = _match(connection, event, playbook, keyring)
    verdict = _classify(event, match, playbook, now)
    row = {
        "event_id": event.event_id,
        "lead_id": match.lead_id,
        "enrolment_id": match.enrolment_id,
        "touch_id": match.touch_id,
        "class": verdict.reply_class.value,
        "matched_by": match.by,
        "why": verdict.why,
        "occurred_at": event.occurred_at,
        "classified_at": now,
    }
    put(connection, replies, [row])
    lets_go = verdict.reply_class in _LET_GO
    if lets_go:
        log.unblock(connection, [event.event_id])
    elif not playbook.enrolment.account_stop:
        log.unblock(connection, [event.event_id], only_domain=True)
    if match.lead_id is not None and match.by in ("touch", "token", "msgid"):
        _hang_on(connection, event, match.lead_id, keyring, blocking=not lets_go)
    elif match.lead_id is not None and match.by == "domain":
        _for_the_colleague(connection, event, match, playbook, now)
    if verdict.reply_class is ReplyClass.OUT_OF_OFFICE and match.lead_id is not None:
        _park_until_back(connection, match.lead_id, verdict, playbook)
    connection.execute(_DONE, {"ids": [event.event_id]})
    log.refold(connection, [event.event_id])
    return verdict


def _match(connection: Connection, event: LeadEvent, playbook: Playbook, keyring: Keyring) -> _Match:
    """Token, cited Message-ID, sender, then (where the playbook says so) the sender's company (R9)."""
    cited: Cited | None = cited_touch(connection, event)
    if cited is not None:
        return _Match(cited.lead_id, cited.enrolment_id, cited.touch_id, cited.matched_by, True)
    for row in rows(connection, _KNOWN, keys=identity_keys(event, keyring)):
        live = enrolments.live_of(connection, [row["lead_id"]]).get(row["lead_id"])
        return _Match(row["lead_id"], live["enrolment_id"] if live else None, None, "email", row["touched"])
    if playbook.enrolment.account_stop and event.kind is EventKind.REPLY_RECEIVED:
        for row in rows(connection, _COLLEAGUE, domain=company_domain(event.contact.email)):
            live = enrolments.live_of(connection, [row["lead_id"]]).get(row["lead_id"])
            return _Match(row["lead_id"], live["enrolment_id"] if live else None, None, "domain", True)
    return _Match(None, None, None, "none", False)


def _classify(event: LeadEvent, match: _Match, playbook: Playbook, now: datetime) -> ReplyVerdict:
    properties = event.properties
    headers = properties.get("headers")
    own = {m.address.lower() for m in playbook.sender.mailboxes}
    verdict = classify(
        Inbound(
            subject=str(properties.get("subject") or ""),
            text=str(properties.get("text") or properties.get("message") or ""),
            headers={str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {},
            from_address=event.contact.email or "",
            own_addresses=frozenset(own),
            folder=str(properties["folder"]) if properties.get("folder") else None,
            hint=str(properties["hint"]) if properties.get("hint") else None,
        ),
        now,
        playbook.replies.ooo_default_days,
    )
    wrote_in = event.kind is EventKind.MESSAGE_RECEIVED and not match.touched
    machine = (ReplyClass.AUTO, ReplyClass.OUT_OF_OFFICE, ReplyClass.OWN_COPY, ReplyClass.OPT_OUT)
    if wrote_in and verdict.reply_class not in machine:
        return ReplyVerdict(ReplyClass.NEW_LEAD, "wrote in, never touched before", None)
    return verdict


def _hang_on(
    connection: Connection, event: LeadEvent, lead_id: str, keyring: Keyring, *, blocking: bool
) -> None:
    """The thread says whose conversation it is. An address we do not know is not made the person's."""
    own = identity_keys(event, keyring)
    owners = lead_store.owners_of(connection, own)
    if not own or any(owners.get(k) != lead_id for k in own):
        key = a_key_of(connection, lead_id)
        if key is not None:
            log.attach(connection, event.event_id, key, blocking=blocking)


def _for_the_colleague(
    connection: Connection, event: LeadEvent, match: _Match, playbook: Playbook, now: datetime
) -> None:
    """Somebody at the same company answered in another thread: a person decides what it means."""
    if match.lead_id is not None:
        words = str(event.properties.get("text") or "") or None
        due = Due(match.lead_id, event.event_id, "replied", match.enrolment_id, words)
        hand_off(connection, [due], playbook, now=now)


_LEFT = sql(
    """select t.touch_id, t.position, t.due_at from touches t
    where t.enrolment_id = :id and t.state in ('planned', 'claimed', 'in_review') order by t.position"""
)
# What waits for a person goes on waiting: once approved it is due then.
_SHIFT = sql(
    """update touches set due_at = :due, lease_token = null, lease_until = null,
    state = case when state = 'in_review' then state else 'planned' end,
    reason = case when state = 'in_review' then reason else 'out_of_office' end
    where touch_id = :id and state in ('planned', 'claimed', 'in_review')"""
)
_ZONE = sql("select timezone, country from leads where lead_id = :id")


def _park_until_back(connection: Connection, lead_id: str, verdict: ReplyVerdict, playbook: Playbook) -> None:
    """Out of office: the next touch waits for the return, step positions stay (R8)."""
    live = enrolments.live_of(connection, [lead_id]).get(lead_id)
    if live is None or verdict.resume_at is None or live["state"] == EnrolmentState.PAUSED:
        return  # what a person has paused waits for that person
    state = EnrolmentState.PAUSED_OOO
    if not enrolments.pause(connection, live["enrolment_id"], state, verdict.resume_at):
        return
    sequence = playbook.sequences[Tier(live["tier"])]
    where = connection.execute(_ZONE, {"id": lead_id}).one()
    zone = resolve_zone(where.timezone, where.country, playbook.fallback_timezone)
    left = [
        (r["touch_id"], r["position"], r["due_at"]) for r in rows(connection, _LEFT, id=live["enrolment_id"])
    ]
    moved = after_pause(
        left,
        verdict.resume_at,
        playbook.window_for(sequence, first=False),
        zone,
        where.country,
        timedelta(hours=sequence.min_gap_hours),
    )
    for touch_id, due in moved:
        connection.execute(_SHIFT, {"id": touch_id, "due": due})
