"""Invariants of everything at once: log, vendors' records, CRM. Each yields (id, what is wrong)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from leadops.domain.fold import digest_of, fold, state_to_json
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.store.events import event_from_row
from leadops.terms import Contact, LeadEvent, ReplyClass, Tier

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

Found = Iterator[tuple[str, str]]
ROLLING = timedelta(hours=24)
LATE = timedelta(hours=3)
"""How long something may wait for a stage while vendors fail and workers die."""


def nothing_to_who_is_gone(run: Simulation) -> Found:
    """By what people did, not by what we made of it: no request begins after their answer was accepted."""
    stopped = run.records.stopped_at
    for call in run.records.calls[run.records.looked_at :]:
        at = stopped.get(call.to_address.lower())
        if at is not None and call.begun_at > at:
            yield (
                call.touch_id,
                f"was handed over {call.begun_at - at} after the person's own word was accepted",
            )
    run.records.looked_at = len(run.records.calls)


def caps_are_kept(run: Simulation) -> Found:
    """Per mailbox, and per domain where it has a cap: accepted in any 24 hours, by the vendor (R22)."""
    sender = run.loaded.playbook.sender
    caps: list[tuple[str, int]] = [(box.address, box.daily_cap) for box in sender.mailboxes]
    if sender.domain_daily_cap is not None:
        caps += [
            (f"@{domain}", sender.domain_daily_cap)
            for domain in sorted({box.address.rpartition("@")[2] for box in sender.mailboxes})
        ]
    taken = [
        (max(c.begun_at for c in run.records.calls_of[touch] if c.at <= mail.at), mail.from_address, touch)
        for touch, mails in run.records.mails_of.items()
        for mail in mails
    ]
    for scope, cap in caps:
        times = sorted((at, touch) for at, box, touch in taken if box == scope or box.endswith(scope))
        for place, (at, touch) in enumerate(times):
            if place >= cap and at - times[place - cap][0] < ROLLING:
                yield touch, f"is message {cap + 1} of {scope} within 24 hours"


_KNOWN = sql("select event_id from lead_events where event_id = any(:ids)", ids=TEXTS)
_WAITING = sql(
    """select event_id as id, 'waits to be classified or folded since ' || received_at as what
    from lead_events where (pending_fold or pending_reply) and received_at < :late
    union all
    select lead_id, 'waits for a stage since ' || updated_at from leads
    where (pending_enrichment or pending_score or pending_enrolment) and merged_into is null
        and updated_at < :late
    union all
    select enrolment_id, 'waits for its plan since ' || enrolled_at from enrolments
    where pending_plan and enrolled_at < :late
    union all
    select touch_id, state || ' since ' || lease_until from touches
    where state in ('claimed', 'handing_over') and lease_until < :lapsed"""
)
_PARKED = sql("select stage || ':' || item_id as id, reason from parked_items")


def no_accepted_event_is_lost(run: Simulation) -> Found:
    """Whatever was answered with yes stands in the log (P3)."""
    ids = [i for i in run.records.came if i not in run.records.found]
    with transaction(run.observer) as connection:
        known = {r["event_id"] for r in rows(connection, _KNOWN, ids=sorted(ids))}
    run.records.found |= known
    for event_id in ids:
        if event_id not in known:
            yield event_id, f"was accepted at {run.records.came[event_id].at} and is not in the log"


def nothing_waits_for_ever(run: Simulation) -> Found:
    """Every stage gets to everything, and every lease ends (P3, R23)."""
    now = run.scheduler.clock()
    with transaction(run.observer) as connection:
        found = rows(connection, _WAITING, late=now - LATE, lapsed=now - timedelta(hours=9))
        parked = rows(connection, _PARKED)
    for row in found:
        yield row["id"], row["what"]
    for row in parked:
        yield row["id"], f"was put aside: {row['reason']}"


_SHARED = sql(
    """select k.key as id, count(distinct l.lead_id) as n from event_keys k
    join lead_events e using (event_id) join leads l on l.lead_id = e.lead_id
    where k.identity and l.merged_into is null and not e.pending_fold
    group by k.key having count(distinct l.lead_id) > 1"""
)


def one_person_is_one_lead(run: Simulation) -> Found:
    """Events that share an address, a number or a CRM id are one lead's (R19): nobody is split by hand."""
    with transaction(run.observer) as connection:
        for row in rows(connection, _SHARED):
            yield row["id"], f"belongs to {row['n']} leads"


_OVERDUE = sql(
    """select t.touch_id as id, 'due since ' || t.due_at || ' (' || t.reason || ')' as what from touches t
    where t.state = 'planned' and t.due_at < :late"""
)


def what_is_due_leaves(run: Simulation) -> Found:
    """With nothing going wrong and somebody to do it, what is due is sent, deferred or cancelled (R23)."""
    if not run.faults.over:
        return
    with transaction(run.observer) as connection:
        for row in rows(connection, _OVERDUE, late=run.scheduler.clock() - LATE):
            yield row["id"], row["what"]


_LIVE_LEADS = sql("select lead_id, state_digest from leads where merged_into is null")
_THE_LOG = sql(
    """select e.event_id, e.source, e.source_event_id, e.kind, e.occurred_at, e.received_at, e.day_precision,
        e.lead_id, e.pending_fold or e.pending_reply as waits, p.payload, r.class,
        array(select k.key from event_keys k where k.identity and k.event_id = e.event_id) as keys
    from lead_events e left join event_payloads p using (event_id) left join replies r using (event_id)
    where e.lead_id is not null"""
)


def state_is_the_fold_of_the_log(run: Simulation) -> Found:
    """Folding the log again, in memory, gives the state that stands (P3, R17, R26)."""
    limit = run.loaded.playbook.delivery.soft_bounces_to_suppress
    with transaction(run.observer) as connection:
        leads = rows(connection, _LIVE_LEADS)
        log = rows(connection, _THE_LOG)
    by_lead: dict[str, list[LeadEvent]] = {}
    for row in log:
        by_lead.setdefault(row["lead_id"], []).append(_as_theirs(event_from_row(row), row["keys"], run))
    classes = {r["event_id"]: ReplyClass(r["class"]) for r in log if r["class"] is not None}
    waiting = {r["lead_id"] for r in log if r["waits"]}
    for lead in leads:
        lead_id = lead["lead_id"]
        if lead_id in waiting or lead_id not in by_lead:
            continue
        again = fold(by_lead[lead_id], classes, soft_bounces_to_suppress=limit)
        if digest_of(state_to_json(again)) != lead["state_digest"]:
            yield lead_id, "its state is not the fold of its events"


def _as_theirs(event: LeadEvent, keys: Sequence[str], run: Simulation) -> LeadEvent:
    """As the fold reads it: what somebody else wrote into a thread tells nothing about its person."""
    address = run.keyring.email(event.contact.email)
    return event if address is None or address in keys else replace(event, contact=Contact())


_AGAIN = sql("update lead_events set pending_fold = true")


def folding_again_decides_nothing(run: Simulation) -> Found:
    """The whole log again: no state changes, no decision is added (R17, R18)."""
    before = _digests(run)
    with transaction(run.observer) as connection:
        connection.execute(_AGAIN)
    run.chain.run_pending(run.scheduler.clock(), leave={"outreach", "write_back", "tend"})
    after = _digests(run)
    for table, was in before.items():
        for row_id in sorted(was.keys() | after[table].keys()):
            if was.get(row_id) != after[table].get(row_id):
                yield row_id, f"{table} changed when the log was folded again"


_KEYS = {
    "enrolments": "enrolment_id",
    "touches": "touch_id",
    "lead_scores": "score_id",
    "handoffs": "handoff_id",
    "crm_writebacks": "dedupe_key",
    "suppressions": "key",
    "replies": "event_id",
    "leads": "lead_id",
}
_STATE_ONLY = {"leads": "(t.lead_id, t.state_digest, t.stop_reason, t.merged_into, t.tier)::text"}


def _digests(run: Simulation) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    with transaction(run.observer) as connection:
        for table, key in _KEYS.items():
            what = _STATE_ONLY.get(table, "t::text")
            found[table] = {
                r["id"]: r["row"]
                for r in rows(connection, sql(f"select {key} as id, md5({what}) as row from {table} t"))
            }
    return found


_TOLD = sql("select dedupe_key, kind, lead_id, state from crm_writebacks")


def crm_has_it_once(run: Simulation) -> Found:
    """What is told the CRM stands there once (R28); only what is on the way may be missing."""
    portal = run.scene.hubspot.portal
    there: Counter[str] = Counter()
    for kind in ("tasks", "notes", "emails"):
        for record in portal.records(kind):
            action = record.properties.get("leadops_action_id")
            if action:
                there[action] += 1
    for action, n in sorted(there.items()):
        if n > 1:
            yield action, f"stands {n} times in the CRM"
    with transaction(run.observer) as connection:
        told = rows(connection, _TOLD)
    for row in told:
        if row["kind"] in ("touch", "task") and row["state"] == "done" and not there[row["dedupe_key"]]:
            yield row["dedupe_key"], "was told the CRM, and is not there"


_SENT_UNTOLD = sql(
    """select t.touch_id as id from touches t where t.state = 'sent'
    and not exists (select 1 from crm_writebacks w where w.dedupe_key = 'touch:' || t.touch_id)"""
)


def crm_is_owed_every_touch(run: Simulation) -> Found:
    """Sent and the note about it are one commit (R28)."""
    with transaction(run.observer) as connection:
        for row in rows(connection, _SENT_UNTOLD):
            yield row["id"], "was sent, and the CRM is owed no word of it"


_SCORES = sql("select e.enrolment_id as id, e.tier, e.tier_at_enrolment from enrolments e")


def tiers_only_rise(run: Simulation) -> Found:
    """An enrolment that runs is raised, never lowered (R13, R18)."""
    with transaction(run.observer) as connection:
        for row in rows(connection, _SCORES):
            if Tier(row["tier"]).rank > Tier(row["tier_at_enrolment"]).rank:
                yield row["id"], f"fell from {row['tier_at_enrolment']} to {row['tier']}"


_HANDOFFS_LATE = sql(
    """select handoff_id as id, sla_due_at from handoffs
    where acted_at is null and escalated_at is null and sla_due_at < :late"""
)


def late_reps_are_told_of(run: Simulation) -> Found:
    """Nobody waits on a rep for ever without another one knowing (R32)."""
    with transaction(run.observer) as connection:
        for row in rows(connection, _HANDOFFS_LATE, late=run.scheduler.clock() - timedelta(hours=9)):
            yield row["id"], f"is overdue since {row['sla_due_at']} and nobody was told"
