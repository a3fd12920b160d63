"""What the database says of some leads at one moment: what invariants look at, read in five statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.store.engine import TEXTS, rows, sql
from leadops.terms import LIVE_ENROLMENT_STATES

Row = Mapping[str, Any]

_LEADS = sql(
    """select lead_id, email, merged_into, became_lead_at, stop_reason, not_enrolled_reason, is_test,
        pending_enrichment or pending_score or pending_enrolment as waits, tier, timezone, country,
        pending_enrichment, enriching_until, updated_at,
        state -> 'stops' as stops, state -> 'emails' as emails, state ->> 'opted_out_at' as opted_out_at,
        state ->> 'hard_bounced_at' as hard_bounced_at, (state ->> 'human_clicks')::int as human_clicks,
        (select max(m.updated_at) from leads m where m.merged_into = l.lead_id) as merged_at,
        (select bool_or(e.pending_fold or e.pending_reply) from lead_events e
            where e.lead_id = l.lead_id) as events_wait,
        exists (select 1 from parked_items p where p.item_id = l.lead_id) as parked
    from leads l where lead_id = any(:ids) order by lead_id""",
    ids=TEXTS,
)
# With the score that stood when it began, and the tiers of those since.
_ENROLMENTS = sql(
    """select e.*, s.disqualified, s.signals, array(select distinct n.tier from lead_scores n
            where n.lead_id = e.lead_id and n.scored_at > e.enrolled_at) as scored_since
    from enrolments e left join lateral (select n.disqualified, n.signals from lead_scores n
        where n.lead_id = e.lead_id and n.scored_at <= e.enrolled_at
        order by n.scored_at desc limit 1) s on true
    where e.lead_id = any(:ids) order by e.enrolled_at, e.enrolment_id""",
    ids=TEXTS,
)
_TOUCHES = sql(
    """select touch_id, enrolment_id, lead_id, position, sequence, step, channel, template, state, reason,
        first_due_at, planned_at, due_at, attempts, mailbox, message_id, provider, handed_over_at,
        settled_at, detail, lease_token
    from touches where lead_id = any(:ids) order by lead_id, handed_over_at nulls last, position, touch_id""",
    ids=TEXTS,
)
_HANDOFFS = sql("select * from handoffs where lead_id = any(:ids) order by created_at, handoff_id", ids=TEXTS)
_EVENTS = sql(
    """select e.event_id, e.lead_id, e.kind, e.received_at, e.occurred_at, r.class, r.touch_id as of_touch
    from lead_events e left join replies r using (event_id)
    where e.lead_id = any(:ids) order by e.received_at, e.event_id""",
    ids=TEXTS,
)
_EVERYBODY = sql("select lead_id from leads order by lead_id")


@dataclass(slots=True)
class Seen:
    """One lead with everything around it."""

    lead: Row
    enrolments: list[Row] = field(default_factory=list)
    touches: list[Row] = field(default_factory=list)
    handoffs: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    @property
    def lead_id(self) -> str:
        return str(self.lead["lead_id"])

    @property
    def live(self) -> list[Row]:
        return [e for e in self.enrolments if e["state"] in LIVE_ENROLMENT_STATES]

    @property
    def mailed(self) -> list[Row]:
        """Touches by mail that were handed over, in that order."""
        return [t for t in self.touches if t["channel"] == "email" and t["handed_over_at"] is not None]

    @property
    def at_rest(self) -> bool:
        """Whether no stage has anything to do for this lead."""
        return not (self.lead["waits"] or self.lead["events_wait"] or self.lead["merged_into"])


def everybody(connection: Connection) -> list[str]:
    """Every lead id."""
    return [r["lead_id"] for r in rows(connection, _EVERYBODY)]


def see(connection: Connection, lead_ids: Iterable[str]) -> list[Seen]:
    """These leads as they are now."""
    ids = sorted(lead_ids)
    found = {r["lead_id"]: Seen(r) for r in rows(connection, _LEADS, ids=ids)}
    for part, statement in (
        ("enrolments", _ENROLMENTS),
        ("touches", _TOUCHES),
        ("handoffs", _HANDOFFS),
        ("events", _EVENTS),
    ):
        for row in rows(connection, statement, ids=ids):
            if row["lead_id"] in found:
                getattr(found[row["lead_id"]], part).append(row)
    return list(found.values())


def committed(at: datetime | None) -> datetime:
    """A stamp that is certainly there."""
    assert at is not None
    return at
