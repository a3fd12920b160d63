"""May this touch go now, and if not, why and when to look again: the gates of a touch.

Belongs here: rules that one touch must pass at the moment of its hand-over. All of them are evaluated
every time, so that ``leadops explain`` shows the whole picture (R34); ``verdict`` picks the one reason.
A gate that refuses for good has no ``retry_at``; a gate that defers always has one after ``now``.
Window, gap and due time are judged at ``max(now, due)``, never at a due time that has passed (R21).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from leadops.domain import timing
from leadops.domain.timing import Zone
from leadops.playbook.model import WEEKDAYS, Window
from leadops.terms import (
    LIVE_ENROLMENT_STATES,
    Channel,
    EnrolmentState,
    ExitReason,
    Gate,
    StopFact,
    TouchReason,
    TouchState,
)

ROLLING = timedelta(hours=24)
SOON = timedelta(minutes=1)
"""Until something that settles by itself within seconds is looked at again."""
PREDECESSOR_SOON = timedelta(minutes=5)
PREDECESSOR_UNKNOWN_RETRY = timedelta(hours=1)
"""An unknown predecessor is settled by a webhook, a look-up or a person, rarely within minutes."""
PREDECESSOR_IN_REVIEW_RETRY = timedelta(hours=1)
"""However many wait for a person, what stands behind them is rarely looked at."""
PAUSE_RECHECK = timedelta(hours=1)

_UNSETTLED = frozenset(
    {TouchState.PLANNED, TouchState.CLAIMED, TouchState.IN_REVIEW, TouchState.HANDING_OVER}
)
# Suppressed because the address does not work: says nothing against a call by a rep (R15).
_ADDRESS_FAULTS = frozenset({ExitReason.BOUNCED.value, "hard_bounce", "soft_bounces"})


@dataclass(frozen=True, slots=True)
class TouchFacts:
    """Everything the gates read about one touch. Times are aware UTC.

    ``blocking_events``: stop events, or inbound messages matched to nobody yet, that carry one of the
    touch's correlation keys and are not folded yet. ``pending_inbound``: the lead's own messages not yet
    classified. ``predecessor_states``: touches of the enrolment at earlier positions. ``last_touch_at``:
    the lead's last hand-over on any enrolment. The 24 h counts are accepted sends plus those in flight
    (R22); ``*_oldest_24h`` is the oldest of them. ``paused`` is the pause of everything, and ``resume_at``
    its end or that of the enrolment's own pause, where known. ``is_outgrown``: the enrolment has been raised,
    and its new plan, which may not be made yet, has no such touch.
    """

    channel: Channel
    due_at: datetime
    enrolment_state: EnrolmentState
    window: Window
    zone: Zone
    country: str | None
    min_gap: timedelta
    lead_stop: StopFact | None = None
    blocking_events: int = 0
    pending_inbound: int = 0
    suppressed_by: str | None = None
    has_address: bool = True
    predecessor_states: tuple[TouchState, ...] = ()
    last_touch_at: datetime | None = None
    mailbox_sent_24h: int = 0
    mailbox_oldest_24h: datetime | None = None
    mailbox_cap: int = 1
    domain_sent_24h: int = 0
    domain_cap: int | None = None
    domain_oldest_24h: datetime | None = None
    paused: bool = False
    resume_at: datetime | None = None
    is_outgrown: bool = False


def gates(facts: TouchFacts, now: datetime) -> tuple[Gate, ...]:
    """Every gate of the touch at ``now`` (aware UTC), always all, always in this order."""
    return (
        _enrolment_live(facts),
        _no_stop(facts, now),
        _not_suppressed(facts),
        _has_address(facts),
        _no_pending_inbound(facts, now),
        _predecessor_settled(facts, now),
        _not_paused(facts, now),
        _due(facts, now),
        _min_gap(facts, now),
        _window(facts, now),
        _mailbox_cap(facts, now),
        _domain_cap(facts, now),
    )


def verdict(evaluated: tuple[Gate, ...]) -> Gate | None:
    """The one gate that decides: the first terminal one, else the deferral with the latest retry.

    None: the touch may go. Of deferrals with the same retry the first in gate order decides.
    """
    refused = [gate for gate in evaluated if not gate.passed]
    for gate in refused:
        if gate.retry_at is None:
            return gate
    latest: Gate | None = None
    for gate in refused:
        if latest is None or _retry(gate) > _retry(latest):
            latest = gate
    return latest


def _retry(gate: Gate) -> datetime:
    if gate.retry_at is None:
        raise ValueError(f"gate {gate.name} is terminal")
    return gate.retry_at


def _passed(name: str, value: str) -> Gate:
    return Gate(name, True, value)


def _ends(name: str, value: str, reason: TouchReason) -> Gate:
    return Gate(name, False, value, reason)


def _defers(name: str, value: str, reason: TouchReason, retry_at: datetime, now: datetime) -> Gate:
    # A retry time that has passed (a cap counted a moment ago, a pause nobody ended) is looked at soon.
    return Gate(name, False, value, reason, retry_at if retry_at > now else now + SOON)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _count(n: int, one: str) -> str:
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def _enrolment_live(facts: TouchFacts) -> Gate:
    name, state = "enrolment_live", facts.enrolment_state
    if facts.is_outgrown:
        return _ends(name, "raised", TouchReason.TIER_RAISED)
    if state in LIVE_ENROLMENT_STATES:
        return _passed(name, state.value)
    return _ends(name, state.value, TouchReason.ENROLMENT_ENDED)


def _no_stop(facts: TouchFacts, now: datetime) -> Gate:
    name, stop = "no_stop", facts.lead_stop
    if stop is not None:
        return _ends(
            name, f"{stop.reason.value} at {_utc(stop.at)} (event {stop.event_id})", TouchReason.STOPPED
        )
    if facts.blocking_events:
        # Not terminal yet: the fold decides whether it stops this person, and cancels the touch if so.
        value = _count(facts.blocking_events, "event") + " that may stop this lead, not processed yet"
        return _defers(name, value, TouchReason.PENDING_INBOUND, now + SOON, now)
    return _passed(name, "no stop")


def _not_suppressed(facts: TouchFacts) -> Gate:
    name, why = "not_suppressed", facts.suppressed_by
    if why is None:
        return _passed(name, "not suppressed")
    if facts.channel is not Channel.EMAIL and why in _ADDRESS_FAULTS:
        return _passed(name, f"{why}: closes email only")
    return _ends(name, why, TouchReason.SUPPRESSED)


def _has_address(facts: TouchFacts) -> Gate:
    name = "has_address"
    if facts.channel is not Channel.EMAIL:
        return _passed(name, f"not needed for {facts.channel.value}")
    if facts.has_address:
        return _passed(name, "has an email address")
    return _ends(name, "no email address", TouchReason.NO_ADDRESS)


def _no_pending_inbound(facts: TouchFacts, now: datetime) -> Gate:
    name = "no_pending_inbound"
    if not facts.pending_inbound:
        return _passed(name, "none")
    value = _count(facts.pending_inbound, "inbound message") + " not classified yet"
    return _defers(name, value, TouchReason.PENDING_INBOUND, now + SOON, now)


def _predecessor_settled(facts: TouchFacts, now: datetime) -> Gate:
    name, states = "predecessor_settled", facts.predecessor_states
    # Never step 2 while step 1 may or may not have arrived.
    unknown = states.count(TouchState.UNKNOWN)
    if unknown:
        value = f"{unknown} earlier with unknown outcome"
        return _defers(name, value, TouchReason.PREDECESSOR_UNKNOWN, now + PREDECESSOR_UNKNOWN_RETRY, now)
    unsettled = [state for state in states if state in _UNSETTLED]
    if unsettled:
        value = f"an earlier touch is {unsettled[0].value}"
        waits = TouchState.IN_REVIEW in unsettled
        again = PREDECESSOR_IN_REVIEW_RETRY if waits else PREDECESSOR_SOON
        return _defers(name, value, TouchReason.PREDECESSOR_PENDING, now + again, now)
    return _passed(name, f"{len(states)} earlier, all settled" if states else "first touch")


def _not_paused(facts: TouchFacts, now: datetime) -> Gate:
    name = "not_paused"
    if facts.paused:
        what, reason = "everything is paused", TouchReason.PAUSED
    elif facts.enrolment_state is EnrolmentState.PAUSED:
        what, reason = "the enrolment is paused", TouchReason.PAUSED
    elif facts.enrolment_state is EnrolmentState.PAUSED_OOO:
        what, reason = "the lead is out of office", TouchReason.OUT_OF_OFFICE
    else:
        return _passed(name, "not paused")
    if facts.resume_at is None:
        return _defers(name, f"{what}, no end given", reason, now + PAUSE_RECHECK, now)
    return _defers(name, f"{what} until {_utc(facts.resume_at)}", reason, facts.resume_at, now)


def _due(facts: TouchFacts, now: datetime) -> Gate:
    name, value = "due", f"due {_utc(facts.due_at)}"
    if facts.due_at <= now:
        return _passed(name, value)
    return _defers(name, value, TouchReason.SCHEDULED, facts.due_at, now)


def _min_gap(facts: TouchFacts, now: datetime) -> Gate:
    name, last = "min_gap", facts.last_touch_at
    if last is None:
        return _passed(name, "no touch before")
    hours = facts.min_gap.total_seconds() / 3600
    value = f"last touch {_utc(last)}, least gap {hours:g} h"
    earliest = last + facts.min_gap
    if max(now, facts.due_at) >= earliest:
        return _passed(name, value)
    return _defers(name, value, TouchReason.MIN_GAP, _opens(facts, earliest), now)


def _window(facts: TouchFacts, now: datetime) -> Gate:
    name, at = "window", max(now, facts.due_at)
    local = timing.local_time(at, facts.zone.name)
    value = (
        f"{WEEKDAYS[local.weekday()]} {local:%H:%M} in {facts.zone.name} ({facts.zone.basis}), "
        f"open {timing.describe(facts.window)}"
    )
    if timing.is_open(facts.window, at, facts.zone.name, facts.country):
        return _passed(name, value)
    return _defers(name, value, TouchReason.OUTSIDE_WINDOW, _opens(facts, at), now)


def _opens(facts: TouchFacts, at: datetime) -> datetime:
    return timing.next_open(facts.window, at, facts.zone.name, facts.country)


def _mailbox_cap(facts: TouchFacts, now: datetime) -> Gate:
    return _cap(
        "mailbox_cap",
        TouchReason.MAILBOX_CAP,
        facts.channel,
        (facts.mailbox_sent_24h, facts.mailbox_cap, facts.mailbox_oldest_24h),
        now,
    )


def _domain_cap(facts: TouchFacts, now: datetime) -> Gate:
    return _cap(
        "domain_cap",
        TouchReason.DOMAIN_CAP,
        facts.channel,
        (facts.domain_sent_24h, facts.domain_cap, facts.domain_oldest_24h),
        now,
    )


def _cap(
    name: str,
    reason: TouchReason,
    channel: Channel,
    counted: tuple[int, int | None, datetime | None],
    now: datetime,
) -> Gate:
    sent, cap, oldest = counted
    if channel is not Channel.EMAIL:
        return _passed(name, f"not needed for {channel.value}")
    if cap is None:
        return _passed(name, "no cap")
    value = f"{sent} of {cap} in 24 h"
    if sent < cap:
        return _passed(name, value)
    frees = oldest + ROLLING if oldest is not None else now + SOON
    return _defers(name, value, reason, frees, now)
