"""The words of this house: enums and small frozen records that every floor shares.

Imports nothing of ours. A word stands here when two floors use it; a shape that one
floor uses alone stands with that floor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened. The wire names of ``POST /v1/events`` and of a file mapping."""

    # A lead does something: these start the clock of speed-to-lead.
    LEAD_CREATED = "lead_created"
    FORM_SUBMITTED = "form_submitted"
    DEMO_REQUESTED = "demo_requested"
    CONTENT_DOWNLOADED = "content_downloaded"
    # Engagement: changes the score, never starts a sequence by itself.
    PRICING_VIEWED = "pricing_viewed"
    PAGE_VIEWED = "page_viewed"
    EMAIL_PROCESSED = "email_processed"  # the provider took it; properties.message_id: as on the wire
    EMAIL_OPENED = "email_opened"
    EMAIL_CLICKED = "email_clicked"
    EMAIL_DELIVERED = "email_delivered"
    # Facts about a person, from the CRM or a form.
    LEAD_UPDATED = "lead_updated"
    CONSENT_GIVEN = "consent_given"
    MEETING_HELD = "meeting_held"
    MEETING_CANCELED = "meeting_canceled"
    # Inbound messages: hold every touch of the person until matched and classified.
    MESSAGE_RECEIVED = "message_received"  # chat, contact form, a mail to us: may start a lead
    REPLY_RECEIVED = "reply_received"  # an answer to one of our touches
    # Stops.
    OPTED_OUT = "opted_out"
    EMAIL_BOUNCED = "email_bounced"  # properties.bounce: hard | soft | block
    EMAIL_COMPLAINED = "email_complained"
    MEETING_BOOKED = "meeting_booked"
    REP_ACTIVITY = "rep_activity"
    DEAL_WON = "deal_won"
    DEAL_LOST = "deal_lost"
    # A person's decision about a lead: the only thing that lets automation go on.
    DISPOSITION = "disposition"  # properties.disposition: Disposition
    # Manual identity decisions (properties.emails: the addresses meant).
    IDENTITY_MERGED = "identity_merged"
    IDENTITY_SPLIT = "identity_split"


LEAD_KINDS = frozenset(
    {
        EventKind.LEAD_CREATED,
        EventKind.FORM_SUBMITTED,
        EventKind.DEMO_REQUESTED,
        EventKind.CONTENT_DOWNLOADED,
    }
)
"""Kinds that make somebody a lead of a cohort. A matched-to-nobody MESSAGE_RECEIVED does too."""

INBOUND_KINDS = frozenset({EventKind.MESSAGE_RECEIVED, EventKind.REPLY_RECEIVED})

STOP_KINDS = INBOUND_KINDS | {
    EventKind.OPTED_OUT,
    EventKind.EMAIL_BOUNCED,
    EventKind.EMAIL_COMPLAINED,
    EventKind.MEETING_BOOKED,
    EventKind.REP_ACTIVITY,
    EventKind.DEAL_WON,
    EventKind.DEAL_LOST,
}
"""Kinds that can stop something: their ingestion takes the exclusive locks of the stop gate."""


class Tier(StrEnum):
    HOT = "hot"
    WARM = "warm"
    COLD = "cold"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return {"hot": 0, "warm": 1, "cold": 2}[self.value]


class Channel(StrEnum):
    EMAIL = "email"
    REP_TASK = "rep_task"


class EnrolmentState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    PAUSED_OOO = "paused_ooo"
    FINISHED_REPLIED = "finished_replied"
    FINISHED_NO_REPLY = "finished_no_reply"
    BOUNCED = "bounced"
    OPTED_OUT = "opted_out"
    HANDED_OFF = "handed_off"
    CANCELLED = "cancelled"
    FAILED = "failed"


LIVE_ENROLMENT_STATES = frozenset({EnrolmentState.ACTIVE, EnrolmentState.PAUSED, EnrolmentState.PAUSED_OOO})


class ExitReason(StrEnum):
    """Why an enrolment ended, or why a lead was never enrolled."""

    REPLIED = "replied"
    OPTED_OUT = "opted_out"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    MEETING_BOOKED = "meeting_booked"
    REP_TOOK_OVER = "rep_took_over"
    DEAL_WON = "deal_won"
    DEAL_LOST = "deal_lost"
    LEFT_COMPANY = "left_company"
    COMPLETED = "completed"
    MERGED = "merged"
    DISPOSITION = "disposition"
    ALL_TOUCHES_FAILED = "all_touches_failed"
    REP_FIRST = "rep_first"  # a person takes this one from the first touch
    # never enrolled
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    TOO_OLD = "too_old"
    COOLDOWN = "cooldown"
    TEST_OR_SPAM = "test_or_spam"
    DISQUALIFIED = "disqualified"


class TouchState(StrEnum):
    PLANNED = "planned"
    CLAIMED = "claimed"
    IN_REVIEW = "in_review"  # written, waits for a person's word
    HANDING_OVER = "handing_over"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class TouchReason(StrEnum):
    """Why a touch is not sent (yet). Every unsent touch has exactly one (R34)."""

    SCHEDULED = "scheduled"  # planned, not yet due
    LEASED = "leased"  # a worker holds it
    # deferred: planned again, later
    OUTSIDE_WINDOW = "outside_window"
    MAILBOX_CAP = "mailbox_cap"
    DOMAIN_CAP = "domain_cap"
    MIN_GAP = "min_gap"
    PENDING_INBOUND = "pending_inbound"
    PREDECESSOR_UNKNOWN = "predecessor_unknown"
    PREDECESSOR_PENDING = "predecessor_pending"
    PAUSED = "paused"
    OUT_OF_OFFICE = "out_of_office"
    PROVIDER_RETRY = "provider_retry"
    LEASE_EXPIRED = "lease_expired"
    RESUMED = "resumed"
    APPROVED = "approved"  # by a person; the gates decide when
    # waits for a person
    AWAITING_REVIEW = "awaiting_review"
    APPROVAL_VOID = "approval_void"  # what was about to leave was not what was approved
    # terminal
    STOPPED = "stopped"
    SUPPRESSED = "suppressed"
    ENROLMENT_ENDED = "enrolment_ended"
    TIER_RAISED = "tier_raised"
    ALREADY_SENT = "already_sent"  # by an enrolment that was merged into this person's
    NO_ADDRESS = "no_address"
    REJECTED = "rejected"  # the provider said no, for good
    REJECTED_BY_REVIEWER = "rejected_by_reviewer"
    DRAFT_FAILED = "draft_failed"
    RETRIES_EXHAUSTED = "retries_exhausted"
    # handed over, outcome not known
    AMBIGUOUS = "ambiguous"
    IN_FLIGHT = "in_flight"


class ReplyClass(StrEnum):
    """What an inbound message is. The machine's word; a rep's word is Disposition."""

    HUMAN = "human"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    OPT_OUT = "opt_out"
    AUTO = "auto"
    OUT_OF_OFFICE = "out_of_office"
    LEFT_COMPANY = "left_company"
    OWN_COPY = "own_copy"
    NEW_LEAD = "new_lead"  # wrote in without ever having been touched


HUMAN_REPLY_CLASSES = frozenset(
    {ReplyClass.HUMAN, ReplyClass.POSITIVE, ReplyClass.NEGATIVE, ReplyClass.OPT_OUT}
)


class Disposition(StrEnum):
    """A rep's word on a lead. Only ``recycle`` lets automation go on."""

    INTERESTED = "interested"
    NOT_NOW = "not_now"
    NOT_INTERESTED = "not_interested"
    WRONG_PERSON = "wrong_person"
    BAD_DATA = "bad_data"
    RECYCLE = "recycle"


class Outcome(StrEnum):
    """What a provider call came to, in the words the ledger needs (R2)."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # certainly not accepted, may be tried again with the same key
    REJECTED = "rejected"  # certainly not accepted, never try again
    AMBIGUOUS = "ambiguous"  # bytes left, no answer that settles it


@dataclass(frozen=True, slots=True)
class Contact:
    """Who a lead event speaks of; everything as given, nothing resolved."""

    email: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    title: str | None = None
    phone: str | None = None
    country: str | None = None  # ISO 3166 alpha-2
    timezone: str | None = None  # IANA name
    company_size: int | None = None  # employees
    crm_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeadEvent:
    """One accepted event.

    ``occurred_at`` is an aware UTC datetime; where the source gave a date alone it is the
    start of that day in the source's zone and ``day_precision`` is true.
    """

    event_id: str
    source: str
    source_event_id: str
    kind: EventKind
    occurred_at: datetime
    received_at: datetime
    contact: Contact
    properties: Mapping[str, Any] = field(default_factory=dict)
    consent: Mapping[str, Any] = field(default_factory=dict)
    day_precision: bool = False


@dataclass(frozen=True, slots=True)
class StopFact:
    """A fact after which automation is over for a person, unless a disposition lifts it."""

    reason: ExitReason
    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LeadState:
    """What the fold knows of one person. A pure function of the set of their events.

    Times are aware UTC. ``stops`` are the stop facts no later disposition has lifted, the
    decisive one first; ``stop`` is that one.
    ``became_lead_at`` is None for somebody known only by engagement or by a deal.
    """

    emails: tuple[str, ...]  # canonical, the primary one first
    address: str | None  # the primary one as given: where mail goes
    phone: str | None
    name: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    domain: str | None  # company domain; None when free-mail
    title: str | None
    country: str | None
    timezone: str | None
    company_size: int | None
    crm_ids: tuple[tuple[str, str], ...]  # (source, id)
    owner: str | None
    source: str  # marketing source of the first lead event; "(blank)" where it was blank
    became_lead_at: datetime | None
    became_lead_event: str | None
    lead_day_precision: bool
    last_lead_at: datetime | None
    last_lead_event: str | None
    last_lead_kind: str | None  # EventKind of that event
    last_event_at: datetime
    is_test: bool
    interest: str | None  # what they asked for or looked at, as given
    message: str | None  # their own words, latest
    kinds: Mapping[str, int]  # how many events of each kind
    page_views: int
    pricing_views: int
    human_clicks: int
    last_human_click_at: datetime | None
    human_replies: int
    first_human_contact_at: datetime | None  # first human reply or live call
    last_engagement_at: datetime | None
    consent: Mapping[str, Any]
    stops: tuple[StopFact, ...]
    opted_out_at: datetime | None
    hard_bounced_at: datetime | None
    consecutive_soft_bounces: int
    meeting_booked_at: datetime | None
    meeting_held_at: datetime | None
    won_at: datetime | None
    lost_at: datetime | None
    recycled_at: datetime | None
    event_count: int

    @property
    def stop(self) -> StopFact | None:
        return self.stops[0] if self.stops else None


@dataclass(frozen=True, slots=True)
class EvidenceField:
    """One enriched value with where it came from. ``at``: when the provider said so (aware UTC)."""

    value: Any
    provider: str
    source_event_id: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignalPoints:
    """One scorecard signal of one lead: what was seen, what it earned.

    ``words``: which rule earned it, for a person. ``days``, ``half_life_days``: where points have decayed.
    """

    signal: str
    value: str
    points: float
    max_points: float
    group: str = "fit"
    words: str = ""
    days: float | None = None
    half_life_days: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """What one thing gave to a total of 0..100, or took from it. ``points``: to a tenth."""

    words: str
    points: float


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one column of a lead adds to a model's log-odds, against the mean of those it learned from.

    ``points``: its part of the total on the scorecard's 0..100 (``learning/model.py``).
    """

    column: str
    value: str
    log_odds: float
    points: float = 0.0


@dataclass(frozen=True, slots=True)
class LearnedPart:
    """What a model had to do with a score. ``rules_total``: what the scorecard alone would have said.

    ``total``: what the model says of the moment they came in, on the scorecard's 0..100; ``start``: what it
    says of a lead like the mean of those it learned from.
    """

    model_version: str
    probability: float
    rules_total: float
    contributions: tuple[Contribution, ...]  # the largest first
    start: float
    total: float


@dataclass(frozen=True, slots=True)
class Score:
    """``fit`` and ``engagement``: points of the group's signals, not above its cap."""

    total: float  # 0..100
    tier: Tier
    signals: tuple[SignalPoints, ...]
    scorecard_version: str
    inputs_hash: str
    reason: str  # one sentence a rep can read
    fit: float = 0.0
    engagement: float = 0.0
    disqualified: str | None = None  # the name of the rule
    learned: LearnedPart | None = None  # None: the scorecard's own
    attainable: float = 100.0  # the scorecard's points that make 100
    model_failed: str | None = None  # the exception type, where a model should have scored and could not


@dataclass(frozen=True, slots=True)
class PlannedTouch:
    """One step of one enrolment, in time. ``position`` runs through the enrolment from 1."""

    touch_id: str
    position: int
    sequence: str
    step: int
    channel: Channel
    template: str
    due_at: datetime
    why: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a touch at a moment: may it pass, and what was looked at."""

    name: str
    passed: bool
    value: str
    reason: TouchReason | None = None  # set when not passed
    retry_at: datetime | None = None  # when a deferral should be looked at again; None = terminal


@dataclass(frozen=True, slots=True)
class SlotValue:
    slot: str
    value: str
    evidence: str  # "contact.first_name", "neutral", ...


@dataclass(frozen=True, slots=True)
class Draft:
    """The words of one touch. ``writer`` says who filled the slots ("template", ...)."""

    subject: str
    body: str
    slots: tuple[SlotValue, ...]
    template: str
    template_version: str
    writer: str
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class SendResult:
    outcome: Outcome
    provider_ref: str | None = None
    message_id: str | None = None  # the Message-ID on the wire, when the provider tells
    detail: str = ""  # a code, never a person's data
    retry_after_s: float | None = None
    ours: bool = False  # RETRY for our own trouble (key, budget): no attempt of the lead's


def stable_id(prefix: str, *parts: str) -> str:
    """An id derived from content: same parts, same id, on every machine and in every replay."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()
    return f"{prefix}_{digest}"
