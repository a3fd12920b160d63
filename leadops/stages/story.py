"""The shape of one lead's story: what ``explain`` gathers and the command line shows. Frozen, JSON-safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from leadops.terms import Gate, LearnedPart, ScoreLine, SignalPoints, SlotValue


@dataclass(frozen=True, slots=True)
class Who:
    """The person. ``asked_for`` is the id asked for; it differs where that lead was merged into this one.

    ``source`` is the marketing source of the first lead event; ``waits_for`` names the stages whose turn it
    is next; ``stops`` are words, the decisive one first.
    """

    lead_id: str
    asked_for: str
    name: str | None
    email: str | None
    phone: str | None
    company: str | None
    title: str | None
    country: str | None
    timezone: str | None
    owner: str | None
    source: str
    crm_ids: tuple[tuple[str, str], ...]
    became_lead_at: datetime | None
    became_lead_event: str | None
    lead_day_precision: bool
    tier: str | None
    score: float | None
    is_test: bool
    stops: tuple[str, ...]
    waits_for: tuple[str, ...]
    note: str | None  # what could not be read of it, in words


@dataclass(frozen=True, slots=True)
class Identity:
    """How many identity keys of each kind are the lead's, and which leads turned out to be this one."""

    keys: Mapping[str, int]
    merged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreStory:
    """``fit`` and ``engagement``: points of the two groups. ``attainable``: those that make 100.
    ``shown``: the total to a tenth. ``lines``: what makes the scorecard's total; ``learned_lines``: what
    makes the model's, where one scored. ``disqualified``: the rule, where one applies.
    ``model_failed``: the exception type, where a model should have scored and could not."""

    total: float
    tier: str
    fit: float
    engagement: float
    attainable: float
    disqualified: str | None
    reason: str
    scorecard_version: str
    scored_at: datetime
    signals: tuple[SignalPoints, ...]
    shown: float
    lines: tuple[ScoreLine, ...]
    learned_lines: tuple[ScoreLine, ...]
    learned: LearnedPart | None = None
    model_failed: str | None = None


@dataclass(frozen=True, slots=True)
class KnownField:
    """One enriched value and where it came from.

    ``said_at``: when the provider said so; ``enriched_at``: when it became the lead's. ``cost_usd``,
    ``took_ms``: of the provider's whole answer, where it was got for this lead. ``is_used``: not overruled by
    one further up in the waterfall.
    """

    field: str
    value: Any
    provider: str
    source_event_id: str | None
    enriched_at: datetime
    said_at: datetime
    cost_usd: float
    took_ms: float | None
    is_used: bool


@dataclass(frozen=True, slots=True)
class EnrolmentStory:
    """One run through a sequence. ``source`` and ``tier_at_enrolment`` are its attribution.

    ``raised``: in words, what moved it above the tier it began in.
    """

    enrolment_id: str
    state: str
    exit_reason: str | None
    words: str
    source: str
    tier_at_enrolment: str
    tier: str
    variant: str
    sequence_version: str
    mailbox: str
    lead_event_id: str
    lead_event_at: datetime
    enrolled_at: datetime
    resume_at: datetime | None
    finish_at: datetime | None
    ended_at: datetime | None
    pending_plan: bool
    raised: str | None


@dataclass(frozen=True, slots=True)
class DraftStory:
    writer: str
    template_version: str
    slots: tuple[SlotValue, ...]


@dataclass(frozen=True, slots=True)
class TouchStory:
    """One touch. ``verdict`` says in words that it was sent, or why not.

    ``gates`` are all gates at the moment asked about (unsent touches only), ``decided_by`` the name of the
    one that refuses. ``error`` says why the gates could not be looked at.
    """

    touch_id: str
    enrolment_id: str
    position: int
    sequence: str
    step: int
    channel: str
    template: str
    mailbox: str
    state: str
    reason: str | None
    detail: str | None
    verdict: str
    due_at: datetime
    first_due_at: datetime
    why: Mapping[str, Any]
    attempts: int
    handed_over_at: datetime | None
    settled_at: datetime | None
    subject: str | None
    message_id: str | None
    provider: str | None
    provider_ref: str | None
    in_review_since: datetime | None
    approved_digest: str | None
    reviewed_by: str | None
    reviewed_at: datetime | None
    draft: DraftStory | None
    gates: tuple[Gate, ...]
    decided_by: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class EventStory:
    """One event. ``pending``: not processed yet; ``erased``: its personal bytes are gone."""

    event_id: str
    kind: str
    source: str
    occurred_at: datetime
    received_at: datetime
    day_precision: bool
    note: str | None
    erased: bool
    pending: bool
    stops: bool


@dataclass(frozen=True, slots=True)
class ReplyStory:
    event_id: str
    reply_class: str
    why: str
    matched_by: str
    touch_id: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class HandoffStory:
    handoff_id: str
    reason: str
    words: str
    owner: str
    event_id: str
    created_at: datetime
    sla_due_at: datetime
    acted_at: datetime | None
    escalated_at: datetime | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class WritebackStory:
    dedupe_key: str
    kind: str
    state: str
    attempts: int
    detail: str | None
    created_at: datetime
    due_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedStory:
    stage: str
    item_id: str
    reason: str
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class LeadStory:
    """Everything about one lead at ``at``. Lists run from the oldest on; ``score`` is the newest one.

    ``not_enrolled`` says in words why no sequence runs (again), None where one runs or ran to its end;
    ``not_asked`` why no provider of enrichment is asked about them.
    """

    at: datetime
    who: Who
    identity: Identity
    score: ScoreStory | None
    score_history: tuple[ScoreStory, ...]
    enrichment: tuple[KnownField, ...]
    not_asked: str | None
    enrolments: tuple[EnrolmentStory, ...]
    not_enrolled: str | None
    touches: tuple[TouchStory, ...]
    events: tuple[EventStory, ...]
    replies: tuple[ReplyStory, ...]
    handoffs: tuple[HandoffStory, ...]
    writebacks: tuple[WritebackStory, ...]
    parked: tuple[ParkedStory, ...]


def to_json(value: Any) -> Any:
    """A story (or any part of one) as what ``json.dumps`` takes: times as ISO 8601, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value
