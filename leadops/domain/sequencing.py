"""Which touches an enrolment gets and when: variant, mailbox, plan, pauses, a raised tier.

Belongs here: what is decided before a touch is due. Whether a due touch may go: ``eligibility.py``.
Everything is a function of its arguments; what looks random is a hash of ids, so that a preview, a
replay and the send agree (R24).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leadops.domain import timing
from leadops.domain.timing import Zone
from leadops.playbook import model
from leadops.playbook.model import Mailbox, Playbook, Sender, Window
from leadops.terms import PlannedTouch, Tier, stable_id

MAX_JITTER_S = 20 * 60
"""Follow-ups leave up to this late, so that leads of one morning do not leave in one second."""


def choose_variant(lead_id: str, tier: str, sequence: model.Sequence) -> str:
    """The variant of this person in this experiment (tier and version), by weight (R31).

    The same person, tier and version give the same variant on every call.
    """
    total = sum(sequence.variants.values())
    ticket = _hash("variant", lead_id, str(tier), sequence.version) % total
    for variant in sorted(sequence.variants):
        ticket -= sequence.variants[variant]
        if ticket < 0:
            return variant
    raise AssertionError("weights do not add up")  # not reachable: ticket < total


def share_of(lead_id: str, experiment: str) -> int:
    """Where this person stands in an experiment: 0..99, evenly spread, the same on every call."""
    return _hash("share", experiment, lead_id) % 100


def choose_mailbox(lead_id: str, sender: Sender) -> Mailbox:
    """The mailbox of this person, in proportion to the daily caps.

    Adding a mailbox moves only the leads it wins; all others keep theirs.
    """

    def won_by(mailbox: Mailbox) -> tuple[float, str]:
        u = (_hash("mailbox", lead_id, mailbox.address.lower()) + 1) / (2**64 + 2)
        return -mailbox.daily_cap / math.log(u), mailbox.address

    return max(sender.mailboxes, key=won_by)


def touch_id_of(enrolment_id: str, tier: str, step: int) -> str:
    """The id of one step of one enrolment: the key under which it is sent at most once."""
    return stable_id("tch", enrolment_id, str(tier), str(step))


def plan(
    enrolment_id: str,
    tier: str,
    variant: str,
    start: datetime,
    first_position: int,
    zone: Zone,
    country: str | None,
    playbook: Playbook,
    not_before: datetime | None = None,
) -> tuple[PlannedTouch, ...]:
    """All touches of the tier's sequence from ``start`` (aware UTC), in order, due inside their windows.

    ``first_position`` is the position of step 1 in the enrolment (1, or ``new_position`` after a raised
    tier). ``not_before`` holds back the whole plan, e.g. until min_gap after the last touch of the lead.
    Raises LeadopsError when a window never opens.
    """
    sequence = playbook.sequences[Tier(tier)]
    gap = timedelta(hours=sequence.min_gap_hours)
    touches: list[PlannedTouch] = []
    for index, step in enumerate(sequence.steps):
        first = index == 0
        name = sequence.first_touch_window if first and sequence.first_touch_window else sequence.window
        touch_id = touch_id_of(enrolment_id, tier, index + 1)
        slot = _Slot(name, playbook.windows[name], zone, country)
        after_gap = touches[-1].due_at + gap if touches else None
        wanted = timing.local_days_later(start, step.day, zone.name)
        due, moved = slot.place(wanted, after_gap, not_before, None if first else touch_id)
        touches.append(
            PlannedTouch(
                touch_id=touch_id,
                position=first_position + index,
                sequence=str(tier),
                step=index + 1,
                channel=step.channel,
                template=step.template_for(variant),
                due_at=due,
                why={"day": step.day, "variant": variant, **slot.said(), "moved_by": moved},
            )
        )
    return tuple(touches)


def after_pause(
    touches_due: Sequence[tuple[str, int, datetime]],
    resume_at: datetime,
    window: Window,
    zone: Zone,
    country: str | None,
    min_gap: timedelta,
) -> tuple[tuple[str, datetime], ...]:
    """New due times of the touches that remain after a pause: (touch id, due), in order of position.

    ``touches_due`` are (touch id, position, due) of what is still planned; ``min_gap`` is the sequence's.
    The first waits for ``resume_at``; each further one keeps at least the gap it had and ``min_gap``, so
    that a pause never bunches touches. What was due later than that anyway stays where it was.
    """
    moved: list[tuple[str, datetime]] = []
    previous: tuple[datetime, datetime] | None = None  # due before the pause, due now
    for touch_id, _, due in sorted(touches_due, key=lambda t: t[1]):
        earliest = max(due, resume_at)
        if previous is not None:
            was, now_due = previous
            earliest = max(earliest, now_due + max(min_gap, due - was))
        placed = timing.next_open(window, earliest, zone.name, country)
        moved.append((touch_id, placed))
        previous = (due, placed)
    return tuple(moved)


def raised_tier(current: Tier, score_tier: Tier) -> Tier | None:
    """The tier an enrolment moves up to, or None: a running sequence is only ever raised."""
    return score_tier if score_tier.rank < current.rank else None


def new_position(taken: Iterable[int]) -> int:
    """The position after all that an enrolment has used; 1 for a new one. Positions are never reused."""
    return max(taken, default=0) + 1


def _hash(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where one step may go."""

    name: str
    window: Window
    zone: Zone
    country: str | None

    def place(
        self,
        wanted: datetime,
        after_gap: datetime | None,
        not_before: datetime | None,
        jitter_by: str | None,
    ) -> tuple[datetime, list[str]]:
        """The due time, and what moved it away from the wanted one."""
        moved: list[str] = []
        due = wanted.astimezone(UTC)
        for reason, bound in (("min_gap", after_gap), ("not_before", not_before)):
            if bound is not None and bound > due:
                due = bound.astimezone(UTC)
                moved.append(reason)
        opens = timing.next_open(self.window, due, self.zone.name, self.country)
        if opens > due:
            moved.append(f"window: {self._closed_because(due)}")
        return opens + self._jitter(opens, jitter_by), moved

    def _jitter(self, opens: datetime, touch_id: str | None) -> timedelta:
        seconds = _hash("jitter", touch_id) % (MAX_JITTER_S + 1) if touch_id else 0
        while seconds and not self._open_at(opens + timedelta(seconds=seconds)):
            seconds //= 2  # near the end of a window there is less room
        return timedelta(seconds=seconds)

    def _open_at(self, at: datetime) -> bool:
        return timing.is_open(self.window, at, self.zone.name, self.country)

    def _closed_because(self, at: datetime) -> str:
        local = timing.local_time(at, self.zone.name)
        day = model.WEEKDAYS[local.weekday()]
        if day not in self.window.days:
            return "weekend" if day in ("sat", "sun") else day
        if self.window.skip_holidays and timing.is_holiday(local.date(), self.country):
            return "holiday"
        return f"{local:%H:%M} local"

    def said(self) -> dict[str, str]:
        return {
            "window": self.name,
            "hours": timing.describe(self.window),
            "zone": self.zone.name,
            "zone_basis": self.zone.basis,
        }
