"""The log: inserting events with their keys, quarantine, cursors, and reading a person's events back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from leadops.domain.intake import payload_of
from leadops.domain.keys import EventKey
from leadops.store.engine import TEXTS, on_conflict_update, one_value, put, rows, sql
from leadops.store.runners import lane_of, tell
from leadops.store.tables import crm_cursors, quarantined_events
from leadops.terms import INBOUND_KINDS, Contact, EventKind, LeadEvent, ReplyClass, stable_id


def insert_events(connection: Connection, events: Sequence[tuple[LeadEvent, Sequence[EventKey]]]) -> set[str]:
    """Append events; returns the ids that were new. The locks of the gate must be held already.

    Runners of the lanes concerned are told when it commits.
    """
    if not events:
        return set()
    # One of each: a source may send a row twice in one batch. In one order: batches may overlap.
    single: dict[str, tuple[LeadEvent, Sequence[EventKey]]] = {}
    for event, keys in events:
        single.setdefault(event.event_id, (event, keys))
    ordered = [single[i] for i in sorted(single)]
    given = [
        _row(e) | {"payload": payload_of(e), "keys": [[k.key, k.identity, k.blocking] for k in own]}
        for e, own in ordered
    ]
    new = {r["event_id"] for r in rows(connection, _APPEND, given=json.dumps(given, default=dict))}
    tell(connection, {lane_of(e.kind) for e, _ in ordered if e.event_id in new})
    return new


# Payloads and keys of the new ones only; one statement, so that no half of an event can ever be seen.
_APPEND = sql(
    """with given as materialized (
        select * from jsonb_to_recordset(cast(:given as jsonb)) as g(event_id text, source text,
            source_event_id text, kind text, occurred_at timestamptz, received_at timestamptz,
            day_precision boolean, pending_fold boolean, pending_reply boolean, payload jsonb, keys jsonb)
    ), stored as (
        INSERT INTO lead_events (event_id, source, source_event_id, kind, occurred_at, received_at,
            day_precision, pending_fold, pending_reply)
        select event_id, source, source_event_id, kind, occurred_at, received_at, day_precision,
            pending_fold, pending_reply
        from given on conflict do nothing returning event_id
    ), payloads as (
        INSERT INTO event_payloads (event_id, payload) select event_id, payload from given
        join stored using (event_id)
    ), keys as (
        INSERT INTO event_keys (event_id, key, identity, blocking)
        select g.event_id, k ->> 0, cast(k ->> 1 as boolean), cast(k ->> 2 as boolean)
        from given g join stored using (event_id), jsonb_array_elements(g.keys) as k
    )
    select event_id from stored"""
)


def _row(event: LeadEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "source": event.source,
        "source_event_id": event.source_event_id,
        "kind": event.kind.value,
        "occurred_at": event.occurred_at.isoformat(),
        "received_at": event.received_at.isoformat(),
        "day_precision": event.day_precision,
        "pending_fold": True,
        "pending_reply": event.kind in INBOUND_KINDS,
    }


@dataclass(frozen=True, slots=True)
class Rejected:
    """One input that was refused."""

    source: str
    reason: str
    raw: Mapping[str, Any]
    where: str


def quarantine(connection: Connection, rejected: Sequence[Rejected], *, now: datetime) -> list[str]:
    """Keep refused input with its reason; the same input from the same place is kept once."""
    ids = [stable_id("qua", r.where, repr(sorted(r.raw.items(), key=str))) for r in rejected]
    if rejected:
        values = [
            {
                "quarantine_id": i,
                "source": r.source,
                "reason": r.reason,
                "raw": dict(r.raw),
                "where_from": r.where,
                "received_at": now,
            }
            for i, r in sorted(zip(ids, rejected, strict=True), key=lambda pair: pair[0])
        ]
        put(connection, quarantined_events, values)
    return ids


def open_quarantine(
    connection: Connection, limit: int, after: tuple[datetime, str] | None = None
) -> list[dict[str, Any]]:
    """What waits to be mended, oldest first, after a (received_at, quarantine_id) already seen."""
    table = quarantined_events
    place = tuple_(table.c.received_at, table.c.quarantine_id)
    found = select(table).where(table.c.replayed_at.is_(None)).order_by(place).limit(limit)
    if after is not None:
        found = found.where(place > after)
    return [dict(r) for r in connection.execute(found).mappings()]


def mark_replayed(connection: Connection, quarantine_ids: Sequence[str], *, now: datetime) -> None:
    """These were put through again and accepted."""
    table = quarantined_events
    connection.execute(
        table.update().where(table.c.quarantine_id.in_(quarantine_ids)).values(replayed_at=now)
    )


def cursor_of(connection: Connection, crm: str) -> str | None:
    """How far this CRM was read, or None."""
    found: str | None = one_value(connection, _CURSOR, crm=crm)
    return found


_CURSOR = sql("select cursor from crm_cursors where crm = :crm")


def save_cursor(connection: Connection, crm: str, cursor: str, *, now: datetime) -> None:
    """Commit this together with the events it covers."""
    values = [{"crm": crm, "cursor": cursor, "polled_at": now}]
    put(connection, crm_cursors, values, on_conflict_update("crm", "cursor", "polled_at"))


def event_from_row(row: Mapping[str, Any]) -> LeadEvent:
    """A log row joined with its payload (erased: empty contact) as an event.

    A contact field that this version does not know is left out: the log outlives versions.
    """
    payload = row["payload"] or {}
    contact = payload.get("contact", {})
    return LeadEvent(
        event_id=row["event_id"],
        source=row["source"],
        source_event_id=row["source_event_id"],
        kind=EventKind(row["kind"]),
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        contact=Contact(**{k: v for k, v in contact.items() if k in Contact.__dataclass_fields__}),
        properties=payload.get("properties", {}),
        consent=payload.get("consent", {}),
        day_precision=row["day_precision"],
    )


_EVENT_COLUMNS = """
    e.event_id, e.source, e.source_event_id, e.kind, e.occurred_at, e.received_at, e.day_precision,
    e.lead_id, p.payload
"""
_PENDING = {
    "fold": sql(
        f"""select {_EVENT_COLUMNS} from lead_events e left join event_payloads p using (event_id)
        where e.pending_fold and not e.pending_reply
        order by e.received_at, e.event_id limit :limit for update of e skip locked"""
    ),
    "reply": sql(
        f"""select {_EVENT_COLUMNS} from lead_events e left join event_payloads p using (event_id)
        where e.pending_reply order by e.received_at, e.event_id limit :limit for update of e skip locked"""
    ),
}
_WHOSE = "array(select k.key from event_keys k where k.identity and k.event_id = e.event_id order by k.key)"
_KNOWN_OF = sql(
    f"select e.event_id, e.lead_id, {_WHOSE} as keys from lead_events e where e.event_id = any(:events)",
    events=TEXTS,
)
_WITH_ALL = sql(
    f"""select {_EVENT_COLUMNS}, {_WHOSE} as keys,
        (select r.class from replies r where r.event_id = e.event_id) as class
    from lead_events e left join event_payloads p using (event_id)
    where e.lead_id = any(:leads) or e.event_id = any(:events)""",
    leads=TEXTS,
    events=TEXTS,
)


@dataclass(slots=True)
class Loaded:
    """Events with what the log knows of them, each by event_id: identity keys (only where there are any),
    lead (only where they have one), class (of inbound messages already classified)."""

    events: dict[str, LeadEvent]
    keys: dict[str, list[str]]
    lead_of: dict[str, str]
    classes: dict[str, ReplyClass]


def claim_pending(connection: Connection, what: str, limit: int) -> list[LeadEvent]:
    """Lock up to ``limit`` pending events (``what``: "fold" or "reply") until the transaction ends."""
    return [event_from_row(r) for r in rows(connection, _PENDING[what], limit=limit)]


def known_of(connection: Connection, events: Iterable[str]) -> tuple[dict[str, list[str]], set[str]]:
    """event_id -> its identity keys, and the leads these events have."""
    found = rows(connection, _KNOWN_OF, events=sorted(events))
    keys = {r["event_id"]: list(r["keys"]) for r in found if r["keys"]}
    return keys, {r["lead_id"] for r in found if r["lead_id"] is not None}


def load(connection: Connection, leads: Iterable[str], events: Iterable[str]) -> Loaded:
    """Every event folded into these leads so far, and these events; in one statement."""
    found = rows(connection, _WITH_ALL, leads=sorted(leads), events=sorted(events))
    return Loaded(
        events={r["event_id"]: event_from_row(r) for r in found},
        keys={r["event_id"]: list(r["keys"]) for r in found if r["keys"]},
        lead_of={r["event_id"]: r["lead_id"] for r in found if r["lead_id"] is not None},
        classes={r["event_id"]: ReplyClass(r["class"]) for r in found if r["class"] is not None},
    )


# From lead to key to lead, until nothing new is found.
_LINKED = sql(
    """with recursive linked(what, value) as (
        select 'lead', l from unnest(:leads) as l union all select 'key', k from unnest(:keys) as k
        union
        select found.what, found.value from linked, lateral (
            select 'key' as what, k.key as value from lead_events e join event_keys k using (event_id)
            where linked.what = 'lead' and e.lead_id = linked.value and k.identity
            union all
            select 'lead', e.lead_id from event_keys k join lead_events e using (event_id)
            where linked.what = 'key' and k.key = linked.value and k.identity and e.lead_id is not null
        ) as found
    )
    select value from linked where what = 'lead'""",
    leads=TEXTS,
    keys=TEXTS,
)


def linked_leads(connection: Connection, keys: Iterable[str], lead_ids: Iterable[str]) -> set[str]:
    """These leads, those whose events carry one of the keys, and all whose events share a key with theirs.

    Read from the log, not from who owns a key now: two people who must stay apart may share one.
    """
    found = rows(connection, _LINKED, leads=sorted(lead_ids), keys=sorted(keys))
    return {r["value"] for r in found}


_SET_BLOCKING = sql(
    "update event_keys set blocking = false where blocking and event_id = any(:events)", events=TEXTS
)
_SET_DOMAIN = sql(
    """update event_keys set blocking = false
    where blocking and event_id = any(:events) and key like 'domain:%'""",
    events=TEXTS,
)


def unblock(connection: Connection, events: Sequence[str], *, only_domain: bool = False) -> None:
    """These events turned out to stop nothing (or: nobody but their own person)."""
    if events:
        connection.execute(_SET_DOMAIN if only_domain else _SET_BLOCKING, {"events": sorted(events)})


_DETACH = sql("update event_keys set identity = false where event_id = :event and identity")
_HANG_ON = sql(
    """insert into event_keys (event_id, key, identity, blocking) values (:event, :key, true, :blocking)
    on conflict (event_id, key) do update set identity = true"""
)
_REFOLD = sql("update lead_events set pending_fold = true where event_id = any(:events)", events=TEXTS)


def attach(connection: Connection, event_id: str, key: str, *, blocking: bool) -> None:
    """Hang an event on the person who owns ``key``, whatever address it came from (R9)."""
    connection.execute(_DETACH, {"event": event_id})
    connection.execute(_HANG_ON, {"event": event_id, "key": key, "blocking": blocking})


def refold(connection: Connection, events: Sequence[str]) -> None:
    """What is known of these events changed: fold their people again."""
    if events:
        connection.execute(_REFOLD, {"events": sorted(events)})


_PUT_ASIDE = sql("update lead_events set pending_fold = false where event_id = any(:events)", events=TEXTS)


def put_aside(connection: Connection, events: Sequence[str]) -> None:
    """Off the fold's list, onto a person's (``parked_items``). What they block stays blocked."""
    connection.execute(_PUT_ASIDE, {"events": sorted(events)})
