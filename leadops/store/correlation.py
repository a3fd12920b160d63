"""Which of our touches an event speaks of: by our id, by reply token, by the Message-IDs it cites."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from leadops.domain.keys import cited_message_ids, cited_tokens
from leadops.store.engine import TEXTS, one_value, rows, sql
from leadops.terms import LeadEvent


@dataclass(frozen=True, slots=True)
class Cited:
    """A conversation of ours. ``touch_id`` is None where only the thread is known."""

    lead_id: str
    enrolment_id: str
    touch_id: str | None
    matched_by: str


_BY_TOUCH = sql("select touch_id, enrolment_id, lead_id from touches where touch_id = :id")
_BY_TOKEN = sql(
    """select e.enrolment_id, e.lead_id, (select t.touch_id from touches t
        where t.enrolment_id = e.enrolment_id and t.handed_over_at is not null
        order by t.position desc limit 1) as touch_id
    from enrolments e where e.reply_token = any(:tokens) limit 1""",
    tokens=TEXTS,
)
_BY_MESSAGE = sql(
    """select touch_id, enrolment_id, lead_id from touches where message_id = any(:ids)
    order by array_position(:ids, message_id) limit 1""",
    ids=TEXTS,
)
_A_KEY = sql(
    """select key from lead_keys where lead_id = :lead
    order by (key not like 'email:%'), key limit 1"""
)


def cited_touch(connection: Connection, event: LeadEvent) -> Cited | None:
    """The touch or thread an event cites, surest way first, or None."""
    if isinstance(touch_id := event.properties.get("touch_id"), str):
        for r in rows(connection, _BY_TOUCH, id=touch_id):
            return Cited(r["lead_id"], r["enrolment_id"], r["touch_id"], "touch")
    if tokens := cited_tokens(event.properties):
        for r in rows(connection, _BY_TOKEN, tokens=tokens):
            return Cited(r["lead_id"], r["enrolment_id"], r["touch_id"], "token")
    if ids := cited_message_ids(event.properties):
        for r in rows(connection, _BY_MESSAGE, ids=ids):
            return Cited(r["lead_id"], r["enrolment_id"], r["touch_id"], "msgid")
    return None


def a_key_of(connection: Connection, lead_id: str) -> str | None:
    """An identity key of a lead, an address where there is one."""
    found: str | None = one_value(connection, _A_KEY, lead=lead_id)
    return found
