"""Everything the gates read about a touch, from the database: for the hand-over and for ``explain`` alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from leadops.domain.eligibility import TouchFacts
from leadops.domain.fold import state_from_json
from leadops.domain.keys import Keyring, suppression_keys, touch_keys
from leadops.domain.timing import resolve_zone
from leadops.errors import LeadopsError
from leadops.playbook.model import Mailbox, Playbook
from leadops.store.engine import TEXTS, rows, sql
from leadops.store.gate import BlockingEvent, Standing, standing
from leadops.terms import (
    Channel,
    EnrolmentState,
    EventKind,
    ExitReason,
    LeadState,
    StopFact,
    Tier,
    TouchState,
)


@dataclass(frozen=True, slots=True)
class LoadedTouch:
    """A touch with the rows around it, as of one statement."""

    touch: Mapping[str, Any]
    enrolment_state: EnrolmentState
    resume_at: datetime | None
    reply_token: str
    variant: str
    state: LeadState
    predecessors: tuple[TouchState, ...]
    last_touch_at: datetime | None
    touch_ids: tuple[str, ...]
    message_ids: tuple[str, ...]
    reply_tokens: tuple[str, ...]
    owned_keys: frozenset[str]

    def keys(self, keyring: Keyring) -> frozenset[str]:
        """Every key under which an event could stop it.

        Those of all their conversations: somebody may answer in the thread of an earlier or a merged
        enrolment. And every identity key that is theirs: the state does not show all of them (an earlier
        phone, an address that only a merge has named), and the fold would give them the event.
        """
        shown = touch_keys(keyring, self.state, self.reply_token, self.touch_ids, self.message_ids)
        return shown | {keyring.token(t) for t in self.reply_tokens} | self.owned_keys


_LOAD = sql(
    """
    select t.*, e.state as enrolment_state, e.tier as enrolment_tier, e.resume_at, e.reply_token,
        e.variant, l.state as lead_state,
        (select coalesce(array_agg(p.state order by p.position), '{}') from touches p
            where p.enrolment_id = t.enrolment_id and p.position < t.position) as predecessors,
        (select max(p.handed_over_at) from touches p
            where p.lead_id = t.lead_id and p.touch_id <> t.touch_id
            and p.state in ('handing_over', 'sent', 'unknown')) as last_touch_at,
        (select coalesce(array_agg(p.touch_id), '{}') from touches p
            where p.lead_id = t.lead_id and p.attempts > 0) as touch_ids,
        (select coalesce(array_agg(p.message_id), '{}') from touches p
            where p.lead_id = t.lead_id and p.message_id is not null) as message_ids,
        (select coalesce(array_agg(o.reply_token), '{}') from enrolments o
            where o.lead_id = t.lead_id) as reply_tokens,
        (select coalesce(array_agg(k.key), '{}') from lead_keys k where k.lead_id = t.lead_id) as owned_keys
    from touches t join enrolments e using (enrolment_id) join leads l on l.lead_id = t.lead_id
    where t.touch_id = any(:ids)
    """,
    ids=TEXTS,
)


def load(connection: Connection, touch_ids: Iterable[str]) -> dict[str, LoadedTouch]:
    """touch_id -> what surrounds it; one statement for all."""
    return {
        r["touch_id"]: LoadedTouch(
            touch=r,
            enrolment_state=EnrolmentState(r["enrolment_state"]),
            resume_at=r["resume_at"],
            reply_token=r["reply_token"],
            variant=r["variant"],
            state=state_from_json(r["lead_state"]),
            predecessors=tuple(TouchState(s) for s in r["predecessors"]),
            last_touch_at=r["last_touch_at"],
            touch_ids=tuple(r["touch_ids"]),
            message_ids=tuple(r["message_ids"]),
            reply_tokens=tuple(r["reply_tokens"]),
            owned_keys=frozenset(r["owned_keys"]),
        )
        for r in rows(connection, _LOAD, ids=sorted(touch_ids))
    }


def mailbox_of(touch: Mapping[str, Any], playbook: Playbook) -> Mailbox:
    """The touch's mailbox as the playbook has it now.

    Raises:
        LeadopsError: ``mailbox_gone``: the playbook no longer has it, and a thread keeps its sender (R25).
    """
    for mailbox in playbook.sender.mailboxes:
        if mailbox.address == touch["mailbox"]:
            return mailbox
    raise LeadopsError("mailbox_gone", f"touch {touch['touch_id']}: its mailbox is not in the playbook.")


def around(
    connection: Connection,
    loaded: Iterable[LoadedTouch],
    playbook: Playbook,
    keyring: Keyring,
    *,
    now: datetime,
) -> Standing:
    """Fresh, for all of these touches. In the hand-over: only after the locks are held."""
    concerned = list(loaded)
    return standing(
        connection,
        {k for t in concerned for k in t.keys(keyring)},
        {k for t in concerned for k in suppression_keys(keyring, t.state)},
        {m for t in concerned for m in _counted(t.touch["mailbox"], playbook)},
        now=now,
    )


def _counted(mailbox: str, playbook: Playbook) -> list[str]:
    """The mailboxes whose sends count for this one: itself, and its domain's where that has a cap."""
    if playbook.sender.domain_daily_cap is None:
        return [mailbox]
    domain = "@" + mailbox.rpartition("@")[2]
    return [mailbox, *(m.address for m in playbook.sender.mailboxes if m.address.endswith(domain))]


def facts(loaded: LoadedTouch, found: Standing, playbook: Playbook, keyring: Keyring) -> TouchFacts:
    """What the gates read of one touch."""
    touch, state = loaded.touch, loaded.state
    sequence = playbook.sequences[Tier(touch["sequence"])]
    mailbox = mailbox_of(touch, playbook)
    blockers = {b.event_id: b for k in loaded.keys(keyring) for b in found.blockers.get(k, ())}.values()
    hit = sorted(found.suppressed[k] for k in suppression_keys(keyring, state) if k in found.suppressed)
    own = found.sent_24h.get(mailbox.address)
    domain = [found.sent_24h[m] for m in set(_counted(mailbox.address, playbook)) if m in found.sent_24h]
    return TouchFacts(
        channel=Channel(touch["channel"]),
        due_at=touch["due_at"],
        enrolment_state=loaded.enrolment_state,
        is_outgrown=touch["sequence"] != touch["enrolment_tier"],
        window=playbook.window_for(sequence, first=touch["step"] == 1),
        zone=resolve_zone(state.timezone, state.country, playbook.fallback_timezone),
        country=state.country,
        min_gap=timedelta(hours=sequence.min_gap_hours),
        lead_stop=state.stop or _account_stop(blockers),
        blocking_events=0,
        pending_inbound=sum(b.pending for b in blockers),
        suppressed_by=hit[0] if hit else None,
        has_address=state.address is not None,
        predecessor_states=loaded.predecessors,
        last_touch_at=loaded.last_touch_at,
        mailbox_sent_24h=own[0] if own else 0,
        mailbox_oldest_24h=own[1] if own else None,
        mailbox_cap=mailbox.daily_cap,
        domain_sent_24h=sum(n for n, _ in domain),
        domain_oldest_24h=min((oldest for _, oldest in domain), default=None),
        domain_cap=playbook.sender.domain_daily_cap,
        resume_at=loaded.resume_at,
    )


_REASON_OF = {
    EventKind.OPTED_OUT: ExitReason.OPTED_OUT,
    EventKind.EMAIL_BOUNCED: ExitReason.BOUNCED,
    EventKind.EMAIL_COMPLAINED: ExitReason.COMPLAINED,
    EventKind.MEETING_BOOKED: ExitReason.MEETING_BOOKED,
    EventKind.REP_ACTIVITY: ExitReason.REP_TOOK_OVER,
    EventKind.DEAL_WON: ExitReason.DEAL_WON,
    EventKind.DEAL_LOST: ExitReason.DEAL_LOST,
}


def _account_stop(blockers: Iterable[BlockingEvent]) -> StopFact | None:
    """A processed stop that carries one of the touch's keys though it is not this person's own:
    a colleague's answer where the playbook stops the whole account, or a thread shared by two."""
    settled = sorted((b for b in blockers if not b.pending), key=lambda b: (b.occurred_at, b.event_id))
    if not settled:
        return None
    first = settled[0]
    return StopFact(_REASON_OF.get(first.kind, ExitReason.REPLIED), first.event_id, first.occurred_at)
