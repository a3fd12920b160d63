"""Every table of leadops, once: migrations are checked against it, Dagster's column schema is made from it.

No default here reads a clock: every stamp is given by the caller. Ids are text derived from content
(``terms.stable_id``). Columns whose comment starts with "Personal" are blanked by erasure.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from leadops.terms import LIVE_ENROLMENT_STATES, EnrolmentState, Tier, TouchState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _stamp(name: str, comment: str, nullable: bool = True) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


def _flag(name: str, comment: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text("false"), comment=comment)


def _one_of(column: str, values: type) -> str:
    listed = ", ".join(f"'{v}'" for v in sorted(values))  # type: ignore[call-overload]
    return f"{column} in ({listed})"


lead_events = Table(
    "lead_events",
    metadata,
    Column("event_id", Text, primary_key=True, comment="Digest of source and source_event_id"),
    Column("source", Text, nullable=False, comment="Who told us: web, files, ..."),
    Column("source_event_id", Text, nullable=False, comment="The source's id, or a keyed digest"),
    Column("kind", Text, nullable=False, comment="EventKind"),
    _stamp("occurred_at", "When it happened, as the source says", nullable=False),
    _stamp("received_at", "When we accepted it", nullable=False),
    Column(
        "day_precision",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="The source gave a date without a time",
    ),
    Column("lead_id", Text, comment="Whose it is; set by the fold"),
    _flag("pending_fold", "Not yet folded into a lead"),
    _flag("pending_reply", "Inbound message not yet matched and classified"),
    UniqueConstraint("source", "source_event_id"),
    Index("ix_lead_events_pending_fold", "received_at", postgresql_where=text("pending_fold")),
    Index("ix_lead_events_pending_reply", "received_at", postgresql_where=text("pending_reply")),
    Index("ix_lead_events_lead_id", "lead_id"),
    comment="Append-only log of everything a lead did; the one source of lead state",
)

event_payloads = Table(
    "event_payloads",
    metadata,
    Column("event_id", Text, ForeignKey("lead_events.event_id"), primary_key=True),
    Column("payload", JSONB, nullable=False, comment="Personal: contact, properties, consent as given"),
    comment="The personal bytes of each event; erasure deletes rows here and the log still stands",
)

event_keys = Table(
    "event_keys",
    metadata,
    Column("event_id", Text, ForeignKey("lead_events.event_id"), primary_key=True),
    Column("key", Text, primary_key=True, comment="kind:keyed digest (email, token, msgid, crm, domain)"),
    Column("identity", Boolean, nullable=False, comment="Says who it is, not only what it may stop"),
    Column("blocking", Boolean, nullable=False, comment="While true no touch carrying the key leaves"),
    Index("ix_event_keys_key", "key"),
    Index("ix_event_keys_blocking", "key", postgresql_where=text("blocking")),
    comment="Correlation keys of events, written in the ingesting transaction; the stop gate reads them",
)

quarantined_events = Table(
    "quarantined_events",
    metadata,
    Column("quarantine_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="What is wrong, for the person who must act"),
    Column("raw", JSONB, nullable=False, comment="Personal: the input as it came"),
    Column("where_from", Text, comment="File and line, or request"),
    _stamp("received_at", "First seen", nullable=False),
    _stamp("replayed_at", "When it was put through again and accepted"),
    Index("ix_quarantined_events_open", "received_at", postgresql_where=text("replayed_at is null")),
    comment="Input that was refused, with its reason; can be replayed",
)

crm_cursors = Table(
    "crm_cursors",
    metadata,
    Column("crm", Text, primary_key=True),
    Column("cursor", Text, nullable=False, comment="Opaque to all but the adapter"),
    _stamp("polled_at", "Last successful poll", nullable=False),
    comment="How far each CRM was read; committed together with its events",
)

leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("email", Text, comment="Personal: primary address, canonical"),
    Column("name", Text, comment="Personal"),
    Column("company", Text),
    Column("domain", Text, comment="Company domain; none when free-mail"),
    Column("title", Text),
    Column("country", Text),
    Column("timezone", Text, comment="As given; resolved at planning"),
    Column("source", Text, nullable=False, comment="Marketing source of the first lead event"),
    Column("owner", Text, comment="Rep id"),
    _stamp("became_lead_at", "occurred_at of the first lead event: the speed-to-lead clock"),
    Column("lead_day_precision", Boolean, nullable=False, server_default=text("false")),
    _stamp("last_event_at", "Latest event", nullable=False),
    Column("stop_reason", Text, comment="Why automation is over for this person"),
    _stamp("stopped_at", "occurred_at of the stop fact"),
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    _stamp("first_human_reply_at", "occurred_at of the first human reply or live call"),
    _stamp("meeting_booked_at", "First meeting booked"),
    _stamp("meeting_held_at", "First meeting held"),
    _stamp("won_at", "Deal won"),
    _stamp("lost_at", "Deal lost"),
    Column("state", JSONB, nullable=False, comment="Personal: the whole LeadState"),
    Column("state_digest", Text, nullable=False, comment="Digest of state; unchanged fold, unchanged digest"),
    Column("tier", Text, comment="Tier of the current score"),
    Column("score", Float, comment="Total of the current score"),
    Column("disqualified", Text, comment="Rule of the scorecard that keeps them out of every sequence"),
    Column("not_enrolled_reason", Text, comment="ExitReason, where the lead was looked at and not enrolled"),
    Column("merged_into", Text, comment="The lead this one turned out to be"),
    _stamp("created_at", "First folded", nullable=False),
    _stamp("updated_at", "Last change", nullable=False),
    _flag("pending_enrichment", "Waits for enrichment"),
    _stamp("enriching_until", "Providers are being asked about it; another worker leaves it until then"),
    _stamp("enrich_again_at", "Somebody could not tell in time: asked again then"),
    Column("enrich_tries", Integer, nullable=False, server_default=text("0"), comment="Times in vain"),
    _flag("pending_score", "Waits for a score"),
    _flag("pending_enrolment", "Waits for the decision to enrol"),
    Index("ix_leads_pending_enrichment", "updated_at", postgresql_where=text("pending_enrichment")),
    Index(
        "ix_leads_enrich_again_at", "enrich_again_at", postgresql_where=text("enrich_again_at is not null")
    ),
    Index("ix_leads_pending_score", "updated_at", postgresql_where=text("pending_score")),
    Index("ix_leads_pending_enrolment", "updated_at", postgresql_where=text("pending_enrolment")),
    Index("ix_leads_became_lead_at", "became_lead_at"),
    comment="One row per person: the fold of their events",
)

lead_keys = Table(
    "lead_keys",
    metadata,
    Column("key", Text, primary_key=True, comment="Identity key"),
    Column("lead_id", Text, ForeignKey("leads.lead_id"), nullable=False),
    Index("ix_lead_keys_lead_id", "lead_id"),
    comment="Which identity key is whose",
)

enrichments = Table(
    "enrichments",
    metadata,
    Column("lead_id", Text, ForeignKey("leads.lead_id"), primary_key=True),
    Column("provider", Text, primary_key=True),
    Column(
        "fields", JSONB, nullable=False, comment="Personal: field: {value, provider, source_event_id, at}"
    ),
    Column("inputs_hash", Text, nullable=False),
    Column("rank", Integer, nullable=False, server_default=text("0"), comment="Lower ones have the word"),
    Column("key", Text, comment="What was looked up, as in enrichment_cache; none: read from the lead"),
    Column("cost_usd", Float, nullable=False, server_default=text("0"), comment="Of the answer got for it"),
    Column("took_ms", Float, comment="How long that answer took"),
    _stamp("enriched_at", "When it became the lead's", nullable=False),
    comment="What is known of a lead beyond its own words, with provenance per field",
)

enrichment_cache = Table(
    "enrichment_cache",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="A domain, or the keyed digest of a person"),
    Column("found", Boolean, nullable=False, comment="The provider knows somebody of that key"),
    Column("fields", JSONB, nullable=False, comment="Personal where of a person: field: value"),
    Column("lead_id", Text, nullable=False, comment="For whom it was asked"),
    Column("cost_usd", Float, nullable=False),
    Column("took_ms", Float, nullable=False),
    _stamp("fetched_at", "When the provider said so", nullable=False),
    comment="What providers have told, so that nobody is asked twice",
)

enrichment_calls = Table(
    "enrichment_calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("key", Text, nullable=False, comment="As in enrichment_cache"),
    Column("lead_id", Text, nullable=False, comment="For whom"),
    Column("outcome", Text, nullable=False, comment="asked (no answer yet), found, none, later, failed"),
    Column("detail", Text, comment="Why it failed: a code"),
    Column("credits", Float, nullable=False, server_default=text("0"), comment="As charged"),
    Column("cost_usd", Float, nullable=False, comment="At most, until answered"),
    Column("took_ms", Float),
    _stamp("called_at", "When", nullable=False),
    CheckConstraint("outcome in ('asked', 'found', 'none', 'later', 'failed')", name="outcome"),
    Index("ix_enrichment_calls_spent", "provider", "called_at", postgresql_include=["cost_usd"]),
    Index("ix_enrichment_calls_asked", "provider", "key", postgresql_where=text("outcome = 'asked'")),
    comment="Every look-up, written before it is made: what the month's budget is counted from",
)

lead_scores = Table(
    "lead_scores",
    metadata,
    Column("score_id", Text, primary_key=True),
    Column("lead_id", Text, ForeignKey("leads.lead_id"), nullable=False),
    Column("total", Float, nullable=False, comment="0..100"),
    Column("tier", Text, nullable=False),
    Column("fit", Float, nullable=False, comment="Points of who they are"),
    Column("engagement", Float, nullable=False, comment="Points of what they did"),
    Column("attainable", Float, nullable=False, comment="Points that make 100"),
    Column("disqualified", Text, comment="Rule that keeps them out of every sequence"),
    Column("signals", JSONB, nullable=False, comment="A SignalPoints each"),
    Column("scorecard_version", Text, nullable=False),
    Column("inputs_hash", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="One sentence a rep can read"),
    Column("model_version", Text, comment="The model that scored; none: the scorecard alone"),
    Column("rules_total", Float, comment="What the scorecard alone says, where a model scored"),
    Column("probability", Float, comment="Of the outcome, as the model says"),
    Column("contributions", JSONB, comment="[{column, value, log_odds, points}], largest first"),
    Column("model_start", Float, comment="What the model gives the mean of earlier leads, 0..100"),
    Column("model_total", Float, comment="What it gives this one as it came in, 0..100"),
    Column("model_failed", Text, comment="Exception type, where the model in use should have scored"),
    _stamp("scored_at", "When", nullable=False),
    CheckConstraint(_one_of("tier", Tier), name="tier"),
    Index("ix_lead_scores_lead_id_scored_at", "lead_id", "scored_at"),
    Index(
        "ix_lead_scores_model_failed",
        "scored_at",
        postgresql_where=text("model_failed is not null"),
    ),
    comment="Every score ever given, with its points; the newest is the current one",
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("enrolment_id", Text, primary_key=True),
    Column("lead_id", Text, ForeignKey("leads.lead_id"), nullable=False),
    Column("state", Text, nullable=False, comment="EnrolmentState"),
    Column("exit_reason", Text, comment="ExitReason"),
    Column("source", Text, nullable=False, comment="Marketing source at enrolment (attribution)"),
    Column("tier_at_enrolment", Text, nullable=False, comment="Attribution; never changes"),
    Column("variant", Text, nullable=False, comment="hash(lead, sequence): one per enrolment"),
    Column("tier", Text, nullable=False, comment="Now; a human click may raise it"),
    Column("sequence_version", Text, nullable=False),
    Column("mailbox", Text, nullable=False, comment="Fixed for the whole thread"),
    Column("reply_token", Text, nullable=False, comment="Unguessable; in Reply-To"),
    Column("lead_event_id", Text, nullable=False, comment="The event that started it"),
    _stamp("lead_event_at", "occurred_at of that event", nullable=False),
    _stamp("enrolled_at", "When", nullable=False),
    _stamp("resume_at", "End of a pause, where known"),
    _stamp("finish_at", "Set when nothing is left to send: finished then, unless a person answers"),
    _stamp("ended_at", "When it left a live state"),
    _flag("pending_plan", "Touches not yet planned"),
    CheckConstraint(_one_of("state", EnrolmentState), name="state"),
    CheckConstraint(_one_of("tier", Tier), name="tier"),
    Index(
        "uq_enrolments_live_lead",
        "lead_id",
        unique=True,
        postgresql_where=text(_one_of("state", LIVE_ENROLMENT_STATES)),  # type: ignore[arg-type]
    ),
    Index("ix_enrolments_lead_id", "lead_id"),
    Index("ix_enrolments_pending_plan", "enrolled_at", postgresql_where=text("pending_plan")),
    Index(
        "ix_enrolments_resume_at",
        "resume_at",
        postgresql_where=text("state in ('paused', 'paused_ooo') and resume_at is not null"),
    ),
    Index("uq_enrolments_reply_token", "reply_token", unique=True),
    Index("ix_enrolments_finish_at", "finish_at", postgresql_where=text("finish_at is not null")),
    comment="A person's run through a sequence; at most one live per person",
)

touches = Table(
    "touches",
    metadata,
    Column("touch_id", Text, primary_key=True, comment="Digest of enrolment, sequence, step: the send key"),
    Column("enrolment_id", Text, ForeignKey("enrolments.enrolment_id"), nullable=False),
    Column("lead_id", Text, nullable=False, comment="The enrolment's lead, for indexes"),
    Column("position", Integer, nullable=False, comment="Runs through the enrolment from 1"),
    Column("sequence", Text, nullable=False, comment="Tier whose sequence the step is of"),
    Column("step", Integer, nullable=False, comment="Step of that sequence from 1"),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("state", Text, nullable=False, comment="TouchState"),
    Column("reason", Text, comment="TouchReason; set while not sent"),
    Column("urgency", Integer, nullable=False, comment="0 hot .. 2 cold: the order among what is due"),
    _stamp("planned_at", "When planned", nullable=False),
    _stamp("first_due_at", "As first planned; never changes", nullable=False),
    _stamp("due_at", "Not before this", nullable=False),
    Column("why", JSONB, nullable=False, comment="How due_at was chosen"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="Calls made"),
    Column("lease_token", Text, comment="Who holds the claim"),
    _stamp("lease_until", "End of lease (claimed) or of the hand-over (handing_over)"),
    Column("draft_id", Text, comment="Frozen draft"),
    Column("mailbox", Text, nullable=False),
    Column("message_id", Text, comment="Message-ID on the wire"),
    Column("provider", Text),
    Column("provider_ref", Text),
    _stamp("handed_over_at", "Commit of the step into handing_over"),
    _stamp("settled_at", "When sent, failed, unknown or cancelled was recorded"),
    Column("detail", Text, comment="A code for the person who must act; never personal"),
    _stamp("in_review_since", "When it began to wait for a person, latest"),
    Column("approved_digest", Text, comment="Of the bytes that a person approved; nothing else may leave"),
    Column("reviewed_by", Text, comment="Who approved or rejected it: a short name"),
    _stamp("reviewed_at", "When"),
    UniqueConstraint("enrolment_id", "sequence", "step"),
    UniqueConstraint("enrolment_id", "position"),
    CheckConstraint(_one_of("state", TouchState), name="state"),
    CheckConstraint("state = 'sent' or reason is not null", name="unsent_has_reason"),
    Index("ix_touches_due", "urgency", "due_at", postgresql_where=text("state = 'planned'")),
    Index(
        "ix_touches_leased",
        "lease_until",
        postgresql_where=text("state in ('claimed', 'handing_over')"),
    ),
    Index("ix_touches_unknown", "settled_at", postgresql_where=text("state = 'unknown'")),
    Index("ix_touches_in_review", "urgency", "in_review_since", postgresql_where=text("state = 'in_review'")),
    Index(
        "ix_touches_mailbox_handed_over",
        "mailbox",
        "handed_over_at",
        postgresql_where=text("state in ('handing_over', 'sent', 'unknown')"),
    ),
    Index("ix_touches_lead_id", "lead_id"),
    Index("ix_touches_message_id", "message_id", postgresql_where=text("message_id is not null")),
    comment="The send ledger: every touch planned, and what became of it; authoritative",
)

message_drafts = Table(
    "message_drafts",
    metadata,
    Column("draft_id", Text, primary_key=True),
    Column("touch_id", Text, ForeignKey("touches.touch_id"), nullable=False, unique=True),
    Column("template", Text, nullable=False),
    Column("template_version", Text, nullable=False),
    Column("writer", Text, nullable=False, comment="Who filled the slots"),
    Column("slot_evidence", JSONB, nullable=False, comment="slot: evidence path or 'neutral'"),
    Column("neutral_slots", Integer, nullable=False),
    Column("body_digest", Text, nullable=False),
    Column("tokens", Integer, nullable=False, server_default=text("0")),
    Column("cost_usd", Float, nullable=False, server_default=text("0")),
    _stamp("drafted_at", "When", nullable=False),
    comment="What was written for each touch and from what evidence; the bytes stand in message_bodies",
)

message_bodies = Table(
    "message_bodies",
    metadata,
    Column("draft_id", Text, ForeignKey("message_drafts.draft_id"), primary_key=True),
    Column("subject", Text, nullable=False, comment="Personal"),
    Column("body", Text, nullable=False, comment="Personal"),
    Column("slots", JSONB, nullable=False, comment="Personal: slot: value"),
    Column("proof", LargeBinary, comment="Personal: the bytes a person approves, from the review on"),
    Column("wire", LargeBinary, comment="Personal: the frozen bytes, from the hand-over on"),
    comment="The personal bytes of each draft",
)

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", Text, primary_key=True),
    Column("touch_id", Text, ForeignKey("touches.touch_id"), nullable=False),
    Column(
        "verdict", Text, nullable=False, comment="approved, rejected; void: its bytes were others by then"
    ),
    Column("digest", Text, comment="Of the bytes it is about"),
    Column("reviewer", Text, nullable=False, comment="A short name; of a void one, whose approval it was"),
    Column("why", Text, comment="Personal: in the reviewer's words"),
    _stamp("reviewed_at", "When", nullable=False),
    CheckConstraint("verdict in ('approved', 'rejected', 'void')", name="verdict"),
    Index("ix_reviews_touch_id", "touch_id"),
    comment="What people said of messages that waited for them; append-only",
)

replies = Table(
    "replies",
    metadata,
    Column("event_id", Text, ForeignKey("lead_events.event_id"), primary_key=True),
    Column("lead_id", Text),
    Column("enrolment_id", Text),
    Column("touch_id", Text, comment="The touch it answers, where known"),
    Column("class", Text, nullable=False, comment="ReplyClass"),
    Column("matched_by", Text, nullable=False, comment="token, msgid, email, domain, none"),
    Column("why", Text, nullable=False, comment="The rule that decided"),
    _stamp("occurred_at", "When it was written", nullable=False),
    _stamp("classified_at", "When decided", nullable=False),
    Index("ix_replies_lead_id", "lead_id"),
    comment="Inbound messages, matched and classified",
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", Text, primary_key=True, comment="Keyed digest of an address, domain or phone"),
    Column("scope", Text, nullable=False, comment="address, domain"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="Who: an event id, a person's name"),
    _stamp("suppressed_at", "When", nullable=False),
    comment="Never contact; survives erasure because it holds digests only",
)

crm_writebacks = Table(
    "crm_writebacks",
    metadata,
    Column("dedupe_key", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="touch, score, task, enrolment"),
    Column("lead_id", Text, nullable=False),
    Column("payload", JSONB, nullable=False, comment="Personal: what the CRM is told"),
    Column("state", Text, nullable=False, comment="pending, done, failed"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("detail", Text),
    _stamp("created_at", "When decided", nullable=False),
    _stamp("due_at", "Not before this", nullable=False),
    _stamp("done_at", "When the CRM had it"),
    Index("ix_crm_writebacks_pending", "due_at", postgresql_where=text("state = 'pending'")),
    Index("ix_crm_writebacks_lead_id", "lead_id"),
    CheckConstraint("state in ('pending', 'done', 'failed')", name="state"),
    comment="Outbox to the CRM: one row per action, told once",
)

handoffs = Table(
    "handoffs",
    metadata,
    Column("handoff_id", Text, primary_key=True),
    Column("lead_id", Text, nullable=False),
    Column("enrolment_id", Text),
    Column("event_id", Text, nullable=False, comment="What caused it"),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False, comment="Rep id"),
    _stamp("created_at", "When", nullable=False),
    _stamp("sla_due_at", "A rep acts before this", nullable=False),
    _stamp("acted_at", "First rep activity or disposition after it"),
    _stamp("escalated_at", "When the SLA had passed and another person was told"),
    Index("ix_handoffs_open", "sla_due_at", postgresql_where=text("acted_at is null")),
    Index("ix_handoffs_lead_id", "lead_id"),
    comment="Leads given to a person, with owner and SLA",
)

parked_items = Table(
    "parked_items",
    metadata,
    Column("stage", Text, primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("reason", Text, nullable=False, comment="Error code; never personal"),
    _stamp("parked_at", "When", nullable=False),
    comment="Items a stage could not process; a person replays them (leadops events unpark)",
)

score_models = Table(
    "score_models",
    metadata,
    Column("version", Text, primary_key=True, comment="Digest of examples, options and code"),
    Column("status", Text, nullable=False, comment="promoted, rejected, retired"),
    Column("reason", Text, nullable=False, comment="Why it has this status, in words"),
    Column("scorecard_version", Text, nullable=False, comment="Whose totals its own are equated to"),
    _stamp("trained_at", "When", nullable=False),
    _stamp("status_at", "Since when it has this status", nullable=False),
    _stamp("learned_from", "First lead it learned from", nullable=False),
    _stamp("learned_to", "Last lead it was trained, calibrated or judged on", nullable=False),
    Column("leads", Integer, nullable=False, comment="Mature leads in all"),
    Column("converted", Integer, nullable=False, comment="Of these, with the outcome in time"),
    Column("features", JSONB, nullable=False, comment="Columns it reads, and why others are left out"),
    Column("metrics", JSONB, nullable=False, comment="The judgement when trained and each one since"),
    Column("card", Text, nullable=False, comment="Model card, markdown"),
    Column("artifact", JSONB, nullable=False, comment="The model: plain JSON, nothing that can run"),
    CheckConstraint("status in ('promoted', 'rejected', 'retired')", name="status"),
    Index("uq_score_models_promoted", "status", unique=True, postgresql_where=text("status = 'promoted'")),
    comment="Every model trained; at most one is promoted, and scores",
)

score_model_verdicts = Table(
    "score_model_verdicts",
    metadata,
    _stamp("decided_at", "When it was looked at", nullable=False),
    Column("verdict_id", Text, primary_key=True),
    Column("decision", Text, nullable=False, comment="promoted, kept, retired, rejected, not_trained"),
    Column("reason", Text, nullable=False, comment="Why, in words"),
    Column("version", Text, comment="The model concerned"),
    Column("figures", JSONB, nullable=False, comment="What was counted"),
    Index("ix_score_model_verdicts_decided_at", "decided_at"),
    comment="Why a model is used or is not: one row each time training was asked for",
)
