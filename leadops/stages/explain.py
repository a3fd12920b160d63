"""Why is this lead where it is? One person's story, gathered from every table. Reads, never writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.fold import state_from_json
from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook
from leadops.stages import explain_words as words
from leadops.stages.enrich_whom import manners_of
from leadops.stages.explain_score import scores_of
from leadops.stages.explain_touches import touches_of
from leadops.stages.story import (
    EnrolmentStory,
    EventStory,
    HandoffStory,
    Identity,
    KnownField,
    LeadStory,
    ParkedStory,
    ReplyStory,
    ScoreStory,
    Who,
    WritebackStory,
    to_json,
)
from leadops.store.engine import TEXTS, rows, sql, transaction
from leadops.store.evidence import evidence_of
from leadops.terms import LIVE_ENROLMENT_STATES, LeadState

__all__ = ["explain", "find_lead", "to_json"]

_NOTE_LENGTH = 100
_BY_ID = sql(
    """select lead_id from leads where lead_id = :id
    union select lead_id from enrolments where enrolment_id = :id
    union select lead_id from touches where touch_id = :id
    union select lead_id from lead_events where event_id = :id and lead_id is not null"""
)
# One index look-up per source instead of a read of the whole log.
_SOURCES = sql(
    """with recursive s as (
        (select source from lead_events order by source limit 1)
        union all
        select (select e.source from lead_events e where e.source > s.source order by e.source limit 1)
        from s where s.source is not null
    ) select source from s where source is not null"""
)
_BY_KEY = sql("select distinct lead_id from lead_keys where key = any(:keys) order by lead_id", keys=TEXTS)


def find_lead(connection: Connection, keyring: Keyring, text: str) -> list[str]:
    """The leads a person may mean: by id of a lead, enrolment, touch or event, by address, by CRM id.

    An id gives exactly its lead (also one merged since; ``explain`` follows). Several are only possible
    where two CRMs use the same id.
    """
    wanted = text.strip()
    if not wanted:
        return []
    if found := [r["lead_id"] for r in rows(connection, _BY_ID, id=wanted)]:
        return found
    keys = [keyring.crm(r["source"], wanted) for r in rows(connection, _SOURCES)]
    if (address := keyring.email(wanted)) is not None:
        keys.append(address)
    return [r["lead_id"] for r in rows(connection, _BY_KEY, keys=sorted(keys))]


_SNAPSHOT = sql("set transaction isolation level repeatable read, read only")


def explain(
    engine: Engine,
    playbook: Playbook,
    keyring: Keyring,
    lead_id: str,
    now: datetime,
    touch_id: str | None = None,
) -> LeadStory:
    """Everything about a lead, with every unsent touch's gates as they stand at ``now`` (aware UTC).

    A merged lead gives the story of the one it turned out to be. ``now`` may be another moment than the
    present: the gates then say what today's facts would mean at that moment. ``touch_id``: this touch only.

    Raises:
        LeadopsError: ``no_such_lead``, ``no_such_touch``.
    """
    with transaction(engine) as connection:
        connection.execute(_SNAPSHOT)
        lead = _followed(connection, lead_id)
        own = lead["lead_id"]
        scores = scores_of(connection, own)
        enrolments = _enrolments(connection, own, scores)
        parked = _parked(connection, own)
        state = _state(lead)
        return LeadStory(
            at=now,
            who=_who(lead, lead_id, state),
            identity=_identity(connection, own),
            score=scores[-1] if scores else None,
            score_history=scores,
            enrichment=_enrichment(connection, own),
            not_asked=_not_asked(connection, playbook, keyring, own, state, now),
            enrolments=enrolments,
            not_enrolled=_not_enrolled(lead, enrolments, parked),
            touches=touches_of(connection, own, playbook, keyring, now=now, touch_id=touch_id),
            events=_events(connection, own, state),
            replies=_replies(connection, own),
            handoffs=_handoffs(connection, own, now),
            writebacks=_writebacks(connection, own),
            parked=parked,
        )


_LEAD = sql("select * from leads where lead_id = :id")


def _followed(connection: Connection, lead_id: str) -> dict[str, Any]:
    """The row of the lead that this one turned out to be, itself where it was never merged."""
    seen: set[str] = set()
    wanted: str | None = lead_id
    lead: dict[str, Any] | None = None
    while wanted is not None and wanted not in seen:
        seen.add(wanted)
        found = rows(connection, _LEAD, id=wanted)
        if not found:
            break
        lead = found[0]
        wanted = lead["merged_into"]
    if lead is None:
        raise LeadopsError("no_such_lead", f"No lead {lead_id}.")
    return lead


def _state(lead: Mapping[str, Any]) -> LeadState | None:
    try:
        return state_from_json(lead["state"])
    except ValueError:  # the columns still say who it is
        return None


_FLAGS = {"pending_enrichment": "enrichment", "pending_score": "a score", "pending_enrolment": "the decision"}


def _who(lead: Mapping[str, Any], asked_for: str, state: LeadState | None) -> Who:
    same = (
        "lead_id", "name", "email", "company", "title", "country", "timezone", "owner", "source",
        "became_lead_at", "lead_day_precision", "tier", "score", "is_test",
    )  # fmt: skip
    stops = tuple(
        f"{words.say_exit(s.reason.value)} {words.utc(s.at)} (event {s.event_id})"
        for s in (state.stops if state else ())
    )
    if state is None and lead["stop_reason"]:
        stops = (words.say_exit(lead["stop_reason"]),)
    return Who(
        **{name: lead[name] for name in same},
        asked_for=asked_for,
        phone=state.phone if state else None,
        crm_ids=state.crm_ids if state else (),
        became_lead_event=state.became_lead_event if state else None,
        stops=stops,
        waits_for=tuple(said for flag, said in _FLAGS.items() if lead[flag]),
        note=None if state else "What the lead's events say of them cannot be read by this version.",
    )


_KEYS = sql(
    """select split_part(key, ':', 1) as kind, count(*) as n from lead_keys where lead_id = :lead
    group by 1 order by 1"""
)
_MERGED = sql(
    """with recursive m as (
        select lead_id from leads where merged_into = :lead
        union select l.lead_id from leads l join m on l.merged_into = m.lead_id
    ) select lead_id from m order by lead_id"""
)


def _identity(connection: Connection, lead_id: str) -> Identity:
    return Identity(
        keys={r["kind"]: r["n"] for r in rows(connection, _KEYS, lead=lead_id)},
        merged=tuple(r["lead_id"] for r in rows(connection, _MERGED, lead=lead_id)),
    )


_ENRICHED = sql("select * from enrichments where lead_id = :lead order by rank, provider")


def _enrichment(connection: Connection, lead_id: str) -> tuple[KnownField, ...]:
    """In the order of the waterfall."""
    found: list[KnownField] = []
    used: set[str] = set()
    for r in rows(connection, _ENRICHED, lead=lead_id):
        fields = sorted((r["fields"] or {}).items())
        found += [
            KnownField(
                name,
                f.get("value"),
                f.get("provider") or "",
                f.get("source_event_id"),
                enriched_at=r["enriched_at"],
                said_at=datetime.fromisoformat(f["at"]) if f.get("at") else r["enriched_at"],
                cost_usd=r["cost_usd"],
                took_ms=r["took_ms"],
                is_used=name not in used,
            )
            for name, f in fields
        ]
        used |= {name for name, _ in fields}
    return tuple(found)


def _not_asked(
    connection: Connection,
    playbook: Playbook,
    keyring: Keyring,
    lead_id: str,
    state: LeadState | None,
    now: datetime,
) -> str | None:
    """Why no provider would be asked about them at ``now``, in words; None where one may, or none is used."""
    if state is None or not playbook.enrichment.asks_others:
        return None
    manners = manners_of(playbook, keyring)
    out = manners.ruled_out(state, evidence_of(connection, [lead_id])[lead_id], now)
    reason = manners.not_asked(connection, {lead_id: (state, out)}, now).get(lead_id)
    return reason and f"no provider is asked about them: {words.say_exit(reason)}"


_ENROLMENTS = sql("select * from enrolments where lead_id = :lead order by enrolled_at, enrolment_id")


def _enrolments(
    connection: Connection, lead_id: str, scores: Sequence[ScoreStory]
) -> tuple[EnrolmentStory, ...]:
    same = [name for name in EnrolmentStory.__dataclass_fields__ if name not in ("words", "raised")]
    return tuple(
        EnrolmentStory(
            **{name: r[name] for name in same},
            words=words.say_enrolment(r),
            raised=words.say_raised(
                r, by_score=any(s.tier == r["tier"] and s.scored_at > r["enrolled_at"] for s in scores)
            ),
        )
        for r in rows(connection, _ENROLMENTS, lead=lead_id)
    )


def _not_enrolled(
    lead: Mapping[str, Any], enrolments: Sequence[EnrolmentStory], parked: Sequence[ParkedStory]
) -> str | None:
    """Why no sequence runs, in words. None where one runs, or has run and nothing more was asked."""
    if any(e.state in LIVE_ENROLMENT_STATES for e in enrolments):
        return None
    if lead["not_enrolled_reason"]:
        return f"not enrolled because {words.say_exit(lead['not_enrolled_reason'])}"
    if enrolments:
        return None
    if lead["became_lead_at"] is None:
        return "not enrolled because they have not asked for anything yet: known by engagement or a deal only"
    if parked:
        stages = ", ".join(sorted({p.stage for p in parked}))
        return f"not enrolled because it is parked ({stages}): see leadops events parked"
    waits = [said for flag, said in _FLAGS.items() if lead[flag]]
    if waits:
        return f"not enrolled yet because it waits for {' and '.join(waits)}"
    return "not enrolled, and no reason is recorded: its events are still being processed, or none runs"


# Also what is not folded yet but carries one of the lead's keys: it will be theirs in a moment.
_EVENTS = sql(
    """select e.*, p.payload, p.event_id is null as erased from lead_events e
    left join event_payloads p using (event_id)
    where e.lead_id = :lead or (e.lead_id is null and (e.pending_fold or e.pending_reply)
        and exists (select 1 from event_keys k join lead_keys l using (key)
            where k.event_id = e.event_id and k.identity and l.lead_id = :lead))
    order by e.occurred_at, e.event_id"""
)
_NOTES = ("disposition", "bounce", "outcome", "subject", "interest", "page", "url", "text", "message")


def _events(connection: Connection, lead_id: str, state: LeadState | None) -> tuple[EventStory, ...]:
    stopping = {s.event_id for s in state.stops} if state else set()
    return tuple(
        EventStory(
            event_id=r["event_id"],
            kind=r["kind"],
            source=r["source"],
            occurred_at=r["occurred_at"],
            received_at=r["received_at"],
            day_precision=r["day_precision"],
            note=_note((r["payload"] or {}).get("properties") or {}),
            erased=r["erased"],
            pending=r["pending_fold"] or r["pending_reply"],
            stops=r["event_id"] in stopping,
        )
        for r in rows(connection, _EVENTS, lead=lead_id)
    )


def _note(properties: Mapping[str, Any]) -> str | None:
    said = [" ".join(str(properties[n]).split()) for n in _NOTES if properties.get(n)]
    if not said:
        return None
    return said[0] if len(said[0]) <= _NOTE_LENGTH else said[0][: _NOTE_LENGTH - 3] + "..."


_REPLIES = sql(
    """select event_id, class as reply_class, why, matched_by, touch_id, occurred_at from replies
    where lead_id = :lead
        or event_id in (select event_id from lead_events where lead_id = :lead and kind in
            ('message_received', 'reply_received'))
    order by occurred_at, event_id"""
)


def _replies(connection: Connection, lead_id: str) -> tuple[ReplyStory, ...]:
    return tuple(ReplyStory(**r) for r in rows(connection, _REPLIES, lead=lead_id))


_HANDOFFS = sql("select * from handoffs where lead_id = :lead order by created_at, handoff_id")


def _handoffs(connection: Connection, lead_id: str, now: datetime) -> tuple[HandoffStory, ...]:
    same = [name for name in HandoffStory.__dataclass_fields__ if name not in ("words", "overdue")]
    return tuple(
        HandoffStory(
            **{name: r[name] for name in same},
            words=words.say_handoff(r["reason"]),
            overdue=r["acted_at"] is None and r["sla_due_at"] < now,
        )
        for r in rows(connection, _HANDOFFS, lead=lead_id)
    )


_WRITEBACKS = sql(
    """select dedupe_key, kind, state, attempts, detail, created_at, due_at, done_at from crm_writebacks
    where lead_id = :lead order by created_at, dedupe_key"""
)


def _writebacks(connection: Connection, lead_id: str) -> tuple[WritebackStory, ...]:
    return tuple(WritebackStory(**r) for r in rows(connection, _WRITEBACKS, lead=lead_id))


_PARKED = sql(
    """select p.stage, p.item_id, p.reason, p.parked_at from parked_items p
    where p.item_id = :lead
        or p.item_id in (select event_id from lead_events where lead_id = :lead)
        or p.item_id in (select enrolment_id from enrolments where lead_id = :lead)
        or p.item_id in (select k.event_id from event_keys k join lead_keys l using (key)
            where l.lead_id = :lead and k.identity)
    order by p.parked_at, p.stage, p.item_id"""
)


def _parked(connection: Connection, lead_id: str) -> tuple[ParkedStory, ...]:
    return tuple(ParkedStory(**r) for r in rows(connection, _PARKED, lead=lead_id))


_HEADS = sql("select lead_id, name, company, email from leads where lead_id = any(:ids)", ids=TEXTS)


def heads_of(engine: Engine, lead_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Id, name, company and address of these leads, to choose among."""
    with transaction(engine) as connection:
        return sorted(rows(connection, _HEADS, ids=sorted(lead_ids)), key=lambda h: str(h["lead_id"]))
