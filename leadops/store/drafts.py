"""Drafts and their bytes. Once a touch has a draft it keeps it: a retry sends what was written first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, put, rows, sql
from leadops.store.tables import message_bodies, message_drafts
from leadops.terms import Draft, SlotValue, stable_id

_OF_TOUCHES = sql(
    """select d.*, b.subject, b.body, b.slots from message_drafts d join message_bodies b using (draft_id)
    where d.touch_id = any(:ids)""",
    ids=TEXTS,
)
_THREAD = sql(
    """select e.enrolment_id, t.message_id, b.subject from enrolments e
    join enrolments o on o.lead_id = e.lead_id
        and (o.enrolment_id = e.enrolment_id or o.exit_reason = 'merged')
    join touches t on t.enrolment_id = o.enrolment_id join message_bodies b using (draft_id)
    where e.enrolment_id = any(:ids) and t.channel = 'email'
        and (t.state in ('sent', 'unknown') or (t.state = 'failed' and t.reason = 'ambiguous'))
    order by e.enrolment_id, t.handed_over_at, t.position""",
    ids=TEXTS,
)


def draft_id_of(touch_id: str) -> str:
    """One draft per touch."""
    return stable_id("dra", touch_id)


def save(connection: Connection, drafts: Mapping[str, Draft], *, now: datetime) -> set[str]:
    """touch_id -> draft. A touch that has one keeps it. Returns the touches whose draft is the one given."""
    ids = sorted(drafts)
    heads = [_head(i, drafts[i], now) for i in ids]
    bodies = [
        {
            "draft_id": draft_id_of(i),
            "subject": drafts[i].subject,
            "body": drafts[i].body,
            "slots": {s.slot: s.value for s in drafts[i].slots},
        }
        for i in ids
    ]
    stored = set(put(connection, message_drafts, heads, returning="touch_id"))
    put(connection, message_bodies, bodies)
    return stored


def _head(touch_id: str, draft: Draft, now: datetime) -> dict[str, Any]:
    digest = hashlib.blake2b(f"{draft.subject}\x1f{draft.body}".encode(), digest_size=16).hexdigest()
    return {
        "draft_id": draft_id_of(touch_id),
        "touch_id": touch_id,
        "template": draft.template,
        "template_version": draft.template_version,
        "writer": draft.writer,
        "slot_evidence": {s.slot: s.evidence for s in draft.slots},
        "neutral_slots": sum(s.evidence == "neutral" for s in draft.slots),
        "body_digest": digest,
        "tokens": draft.tokens,
        "cost_usd": draft.cost_usd,
        "drafted_at": now,
    }


def of_touches(connection: Connection, touch_ids: Iterable[str]) -> dict[str, Draft]:
    """touch_id -> its stored draft."""
    return {
        r["touch_id"]: Draft(
            subject=r["subject"],
            body=r["body"],
            slots=tuple(
                SlotValue(name, value, r["slot_evidence"].get(name, "")) for name, value in r["slots"].items()
            ),
            template=r["template"],
            template_version=r["template_version"],
            writer=r["writer"],
            tokens=r["tokens"],
            cost_usd=r["cost_usd"],
        )
        for r in rows(connection, _OF_TOUCHES, ids=sorted(touch_ids))
    }


def threads(connection: Connection, enrolment_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """enrolment_id -> (Message-ID on the wire, subject) of what was mailed, oldest first (R10).

    What a merged enrolment has mailed to the person is part of the thread of the one that stayed.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for r in rows(connection, _THREAD, ids=sorted(enrolment_ids)):
        found.setdefault(r["enrolment_id"], []).append((r["message_id"], r["subject"]))
    return found
