"""first version

Revision ID: 0001_7a5914e5
Revises: 
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0001_7a5914e5'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('crm_cursors',
    sa.Column('crm', sa.Text(), nullable=False),
    sa.Column('cursor', sa.Text(), nullable=False, comment='Opaque to all but the adapter'),
    sa.Column('polled_at', sa.DateTime(timezone=True), nullable=False, comment='Last successful poll'),
    sa.PrimaryKeyConstraint('crm', name=op.f('pk_crm_cursors')),
    comment='How far each CRM was read; committed together with its events'
    )
    op.create_table('crm_writebacks',
    sa.Column('dedupe_key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False, comment='touch, score, task, enrolment'),
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: what the CRM is told'),
    sa.Column('state', sa.Text(), nullable=False, comment='pending, done, failed'),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False, comment='When decided'),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False, comment='Not before this'),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True, comment='When the CRM had it'),
    sa.CheckConstraint("state in ('pending', 'done', 'failed')", name=op.f('ck_crm_writebacks_state')),
    sa.PrimaryKeyConstraint('dedupe_key', name=op.f('pk_crm_writebacks')),
    comment='Outbox to the CRM: one row per action, told once'
    )
    op.create_index('ix_crm_writebacks_lead_id', 'crm_writebacks', ['lead_id'], unique=False)
    op.create_index('ix_crm_writebacks_pending', 'crm_writebacks', ['due_at'], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.create_table('enrichment_cache',
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False, comment='A domain, or the keyed digest of a person'),
    sa.Column('found', sa.Boolean(), nullable=False, comment='The provider knows somebody of that key'),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal where of a person: field: value'),
    sa.Column('lead_id', sa.Text(), nullable=False, comment='For whom it was asked'),
    sa.Column('cost_usd', sa.Float(), nullable=False),
    sa.Column('took_ms', sa.Float(), nullable=False),
    sa.Column('fetched_at', sa.DateTime(timezone=True), nullable=False, comment='When the provider said so'),
    sa.PrimaryKeyConstraint('provider', 'key', name=op.f('pk_enrichment_cache')),
    comment='What providers have told, so that nobody is asked twice'
    )
    op.create_table('enrichment_calls',
    sa.Column('call_id', sa.Text(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False, comment='As in enrichment_cache'),
    sa.Column('lead_id', sa.Text(), nullable=False, comment='For whom'),
    sa.Column('outcome', sa.Text(), nullable=False, comment='asked (no answer yet), found, none, later, failed'),
    sa.Column('detail', sa.Text(), nullable=True, comment='Why it failed: a code'),
    sa.Column('credits', sa.Float(), server_default=sa.text('0'), nullable=False, comment='As charged'),
    sa.Column('cost_usd', sa.Float(), nullable=False, comment='At most, until answered'),
    sa.Column('took_ms', sa.Float(), nullable=True),
    sa.Column('called_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.CheckConstraint("outcome in ('asked', 'found', 'none', 'later', 'failed')", name=op.f('ck_enrichment_calls_outcome')),
    sa.PrimaryKeyConstraint('call_id', name=op.f('pk_enrichment_calls')),
    comment="Every look-up, written before it is made: what the month's budget is counted from"
    )
    op.create_index('ix_enrichment_calls_asked', 'enrichment_calls', ['provider', 'key'], unique=False, postgresql_where=sa.text("outcome = 'asked'"))
    op.create_index('ix_enrichment_calls_spent', 'enrichment_calls', ['provider', 'called_at'], unique=False, postgresql_include=['cost_usd'])
    op.create_table('handoffs',
    sa.Column('handoff_id', sa.Text(), nullable=False),
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('enrolment_id', sa.Text(), nullable=True),
    sa.Column('event_id', sa.Text(), nullable=False, comment='What caused it'),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False, comment='Rep id'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('sla_due_at', sa.DateTime(timezone=True), nullable=False, comment='A rep acts before this'),
    sa.Column('acted_at', sa.DateTime(timezone=True), nullable=True, comment='First rep activity or disposition after it'),
    sa.Column('escalated_at', sa.DateTime(timezone=True), nullable=True, comment='When the SLA had passed and another person was told'),
    sa.PrimaryKeyConstraint('handoff_id', name=op.f('pk_handoffs')),
    comment='Leads given to a person, with owner and SLA'
    )
    op.create_index('ix_handoffs_lead_id', 'handoffs', ['lead_id'], unique=False)
    op.create_index('ix_handoffs_open', 'handoffs', ['sla_due_at'], unique=False, postgresql_where=sa.text('acted_at is null'))
    op.create_table('lead_events',
    sa.Column('event_id', sa.Text(), nullable=False, comment='Digest of source and source_event_id'),
    sa.Column('source', sa.Text(), nullable=False, comment='Who told us: web, files, ...'),
    sa.Column('source_event_id', sa.Text(), nullable=False, comment="The source's id, or a keyed digest"),
    sa.Column('kind', sa.Text(), nullable=False, comment='EventKind'),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False, comment='When it happened, as the source says'),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False, comment='When we accepted it'),
    sa.Column('day_precision', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='The source gave a date without a time'),
    sa.Column('lead_id', sa.Text(), nullable=True, comment='Whose it is; set by the fold'),
    sa.Column('pending_fold', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Not yet folded into a lead'),
    sa.Column('pending_reply', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Inbound message not yet matched and classified'),
    sa.PrimaryKeyConstraint('event_id', name=op.f('pk_lead_events')),
    sa.UniqueConstraint('source', 'source_event_id', name=op.f('uq_lead_events_source_source_event_id')),
    comment='Append-only log of everything a lead did; the one source of lead state'
    )
    op.create_index('ix_lead_events_lead_id', 'lead_events', ['lead_id'], unique=False)
    op.create_index('ix_lead_events_pending_fold', 'lead_events', ['received_at'], unique=False, postgresql_where=sa.text('pending_fold'))
    op.create_index('ix_lead_events_pending_reply', 'lead_events', ['received_at'], unique=False, postgresql_where=sa.text('pending_reply'))
    op.create_table('leads',
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=True, comment='Personal: primary address, canonical'),
    sa.Column('name', sa.Text(), nullable=True, comment='Personal'),
    sa.Column('company', sa.Text(), nullable=True),
    sa.Column('domain', sa.Text(), nullable=True, comment='Company domain; none when free-mail'),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('country', sa.Text(), nullable=True),
    sa.Column('timezone', sa.Text(), nullable=True, comment='As given; resolved at planning'),
    sa.Column('source', sa.Text(), nullable=False, comment='Marketing source of the first lead event'),
    sa.Column('owner', sa.Text(), nullable=True, comment='Rep id'),
    sa.Column('became_lead_at', sa.DateTime(timezone=True), nullable=True, comment='occurred_at of the first lead event: the speed-to-lead clock'),
    sa.Column('lead_day_precision', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('last_event_at', sa.DateTime(timezone=True), nullable=False, comment='Latest event'),
    sa.Column('stop_reason', sa.Text(), nullable=True, comment='Why automation is over for this person'),
    sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=True, comment='occurred_at of the stop fact'),
    sa.Column('is_test', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('first_human_reply_at', sa.DateTime(timezone=True), nullable=True, comment='occurred_at of the first human reply or live call'),
    sa.Column('meeting_booked_at', sa.DateTime(timezone=True), nullable=True, comment='First meeting booked'),
    sa.Column('meeting_held_at', sa.DateTime(timezone=True), nullable=True, comment='First meeting held'),
    sa.Column('won_at', sa.DateTime(timezone=True), nullable=True, comment='Deal won'),
    sa.Column('lost_at', sa.DateTime(timezone=True), nullable=True, comment='Deal lost'),
    sa.Column('state', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: the whole LeadState'),
    sa.Column('state_digest', sa.Text(), nullable=False, comment='Digest of state; unchanged fold, unchanged digest'),
    sa.Column('tier', sa.Text(), nullable=True, comment='Tier of the current score'),
    sa.Column('score', sa.Float(), nullable=True, comment='Total of the current score'),
    sa.Column('disqualified', sa.Text(), nullable=True, comment='Rule of the scorecard that keeps them out of every sequence'),
    sa.Column('not_enrolled_reason', sa.Text(), nullable=True, comment='ExitReason, where the lead was looked at and not enrolled'),
    sa.Column('merged_into', sa.Text(), nullable=True, comment='The lead this one turned out to be'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False, comment='First folded'),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False, comment='Last change'),
    sa.Column('pending_enrichment', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Waits for enrichment'),
    sa.Column('enriching_until', sa.DateTime(timezone=True), nullable=True, comment='Providers are being asked about it; another worker leaves it until then'),
    sa.Column('enrich_again_at', sa.DateTime(timezone=True), nullable=True, comment='Somebody could not tell in time: asked again then'),
    sa.Column('enrich_tries', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Times in vain'),
    sa.Column('pending_score', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Waits for a score'),
    sa.Column('pending_enrolment', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Waits for the decision to enrol'),
    sa.PrimaryKeyConstraint('lead_id', name=op.f('pk_leads')),
    comment='One row per person: the fold of their events'
    )
    op.create_index('ix_leads_became_lead_at', 'leads', ['became_lead_at'], unique=False)
    op.create_index('ix_leads_enrich_again_at', 'leads', ['enrich_again_at'], unique=False, postgresql_where=sa.text('enrich_again_at is not null'))
    op.create_index('ix_leads_pending_enrichment', 'leads', ['updated_at'], unique=False, postgresql_where=sa.text('pending_enrichment'))
    op.create_index('ix_leads_pending_enrolment', 'leads', ['updated_at'], unique=False, postgresql_where=sa.text('pending_enrolment'))
    op.create_index('ix_leads_pending_score', 'leads', ['updated_at'], unique=False, postgresql_where=sa.text('pending_score'))
    op.create_table('parked_items',
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('item_id', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False, comment='Error code; never personal'),
    sa.Column('parked_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.PrimaryKeyConstraint('stage', 'item_id', name=op.f('pk_parked_items')),
    comment='Items a stage could not process; a person replays them (leadops events unpark)'
    )
    op.create_table('quarantined_events',
    sa.Column('quarantine_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False, comment='What is wrong, for the person who must act'),
    sa.Column('raw', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: the input as it came'),
    sa.Column('where_from', sa.Text(), nullable=True, comment='File and line, or request'),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False, comment='First seen'),
    sa.Column('replayed_at', sa.DateTime(timezone=True), nullable=True, comment='When it was put through again and accepted'),
    sa.PrimaryKeyConstraint('quarantine_id', name=op.f('pk_quarantined_events')),
    comment='Input that was refused, with its reason; can be replayed'
    )
    op.create_index('ix_quarantined_events_open', 'quarantined_events', ['received_at'], unique=False, postgresql_where=sa.text('replayed_at is null'))
    op.create_table('score_model_verdicts',
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False, comment='When it was looked at'),
    sa.Column('verdict_id', sa.Text(), nullable=False),
    sa.Column('decision', sa.Text(), nullable=False, comment='promoted, kept, retired, rejected, not_trained'),
    sa.Column('reason', sa.Text(), nullable=False, comment='Why, in words'),
    sa.Column('version', sa.Text(), nullable=True, comment='The model concerned'),
    sa.Column('figures', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='What was counted'),
    sa.PrimaryKeyConstraint('verdict_id', name=op.f('pk_score_model_verdicts')),
    comment='Why a model is used or is not: one row each time training was asked for'
    )
    op.create_index('ix_score_model_verdicts_decided_at', 'score_model_verdicts', ['decided_at'], unique=False)
    op.create_table('score_models',
    sa.Column('version', sa.Text(), nullable=False, comment='Digest of examples, options and code'),
    sa.Column('status', sa.Text(), nullable=False, comment='promoted, rejected, retired'),
    sa.Column('reason', sa.Text(), nullable=False, comment='Why it has this status, in words'),
    sa.Column('scorecard_version', sa.Text(), nullable=False, comment='Whose totals its own are equated to'),
    sa.Column('trained_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('status_at', sa.DateTime(timezone=True), nullable=False, comment='Since when it has this status'),
    sa.Column('learned_from', sa.DateTime(timezone=True), nullable=False, comment='First lead it learned from'),
    sa.Column('learned_to', sa.DateTime(timezone=True), nullable=False, comment='Last lead it was trained, calibrated or judged on'),
    sa.Column('leads', sa.Integer(), nullable=False, comment='Mature leads in all'),
    sa.Column('converted', sa.Integer(), nullable=False, comment='Of these, with the outcome in time'),
    sa.Column('features', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Columns it reads, and why others are left out'),
    sa.Column('metrics', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='The judgement when trained and each one since'),
    sa.Column('card', sa.Text(), nullable=False, comment='Model card, markdown'),
    sa.Column('artifact', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='The model: plain JSON, nothing that can run'),
    sa.CheckConstraint("status in ('promoted', 'rejected', 'retired')", name=op.f('ck_score_models_status')),
    sa.PrimaryKeyConstraint('version', name=op.f('pk_score_models')),
    comment='Every model trained; at most one is promoted, and scores'
    )
    op.create_index('uq_score_models_promoted', 'score_models', ['status'], unique=True, postgresql_where=sa.text("status = 'promoted'"))
    op.create_table('suppressions',
    sa.Column('key', sa.Text(), nullable=False, comment='Keyed digest of an address, domain or phone'),
    sa.Column('scope', sa.Text(), nullable=False, comment='address, domain'),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False, comment="Who: an event id, a person's name"),
    sa.Column('suppressed_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_suppressions')),
    comment='Never contact; survives erasure because it holds digests only'
    )
    op.create_table('enrichments',
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: field: {value, provider, source_event_id, at}'),
    sa.Column('inputs_hash', sa.Text(), nullable=False),
    sa.Column('rank', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Lower ones have the word'),
    sa.Column('key', sa.Text(), nullable=True, comment='What was looked up, as in enrichment_cache; none: read from the lead'),
    sa.Column('cost_usd', sa.Float(), server_default=sa.text('0'), nullable=False, comment='Of the answer got for it'),
    sa.Column('took_ms', sa.Float(), nullable=True, comment='How long that answer took'),
    sa.Column('enriched_at', sa.DateTime(timezone=True), nullable=False, comment="When it became the lead's"),
    sa.ForeignKeyConstraint(['lead_id'], ['leads.lead_id'], name=op.f('fk_enrichments_lead_id')),
    sa.PrimaryKeyConstraint('lead_id', 'provider', name=op.f('pk_enrichments')),
    comment='What is known of a lead beyond its own words, with provenance per field'
    )
    op.create_table('enrolments',
    sa.Column('enrolment_id', sa.Text(), nullable=False),
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False, comment='EnrolmentState'),
    sa.Column('exit_reason', sa.Text(), nullable=True, comment='ExitReason'),
    sa.Column('source', sa.Text(), nullable=False, comment='Marketing source at enrolment (attribution)'),
    sa.Column('tier_at_enrolment', sa.Text(), nullable=False, comment='Attribution; never changes'),
    sa.Column('variant', sa.Text(), nullable=False, comment='hash(lead, sequence): one per enrolment'),
    sa.Column('tier', sa.Text(), nullable=False, comment='Now; a human click may raise it'),
    sa.Column('sequence_version', sa.Text(), nullable=False),
    sa.Column('mailbox', sa.Text(), nullable=False, comment='Fixed for the whole thread'),
    sa.Column('reply_token', sa.Text(), nullable=False, comment='Unguessable; in Reply-To'),
    sa.Column('lead_event_id', sa.Text(), nullable=False, comment='The event that started it'),
    sa.Column('lead_event_at', sa.DateTime(timezone=True), nullable=False, comment='occurred_at of that event'),
    sa.Column('enrolled_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.Column('resume_at', sa.DateTime(timezone=True), nullable=True, comment='End of a pause, where known'),
    sa.Column('finish_at', sa.DateTime(timezone=True), nullable=True, comment='Set when nothing is left to send: finished then, unless a person answers'),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True, comment='When it left a live state'),
    sa.Column('pending_plan', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Touches not yet planned'),
    sa.CheckConstraint("state in ('active', 'bounced', 'cancelled', 'failed', 'finished_no_reply', 'finished_replied', 'handed_off', 'opted_out', 'paused', 'paused_ooo')", name=op.f('ck_enrolments_state')),
    sa.CheckConstraint("tier in ('cold', 'hot', 'warm')", name=op.f('ck_enrolments_tier')),
    sa.ForeignKeyConstraint(['lead_id'], ['leads.lead_id'], name=op.f('fk_enrolments_lead_id')),
    sa.PrimaryKeyConstraint('enrolment_id', name=op.f('pk_enrolments')),
    comment="A person's run through a sequence; at most one live per person"
    )
    op.create_index('ix_enrolments_finish_at', 'enrolments', ['finish_at'], unique=False, postgresql_where=sa.text('finish_at is not null'))
    op.create_index('ix_enrolments_lead_id', 'enrolments', ['lead_id'], unique=False)
    op.create_index('ix_enrolments_pending_plan', 'enrolments', ['enrolled_at'], unique=False, postgresql_where=sa.text('pending_plan'))
    op.create_index('ix_enrolments_resume_at', 'enrolments', ['resume_at'], unique=False, postgresql_where=sa.text("state in ('paused', 'paused_ooo') and resume_at is not null"))
    op.create_index('uq_enrolments_live_lead', 'enrolments', ['lead_id'], unique=True, postgresql_where=sa.text("state in ('active', 'paused', 'paused_ooo')"))
    op.create_index('uq_enrolments_reply_token', 'enrolments', ['reply_token'], unique=True)
    op.create_table('event_keys',
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False, comment='kind:keyed digest (email, token, msgid, crm, domain)'),
    sa.Column('identity', sa.Boolean(), nullable=False, comment='Says who it is, not only what it may stop'),
    sa.Column('blocking', sa.Boolean(), nullable=False, comment='While true no touch carrying the key leaves'),
    sa.ForeignKeyConstraint(['event_id'], ['lead_events.event_id'], name=op.f('fk_event_keys_event_id')),
    sa.PrimaryKeyConstraint('event_id', 'key', name=op.f('pk_event_keys')),
    comment='Correlation keys of events, written in the ingesting transaction; the stop gate reads them'
    )
    op.create_index('ix_event_keys_blocking', 'event_keys', ['key'], unique=False, postgresql_where=sa.text('blocking'))
    op.create_index('ix_event_keys_key', 'event_keys', ['key'], unique=False)
    op.create_table('event_payloads',
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: contact, properties, consent as given'),
    sa.ForeignKeyConstraint(['event_id'], ['lead_events.event_id'], name=op.f('fk_event_payloads_event_id')),
    sa.PrimaryKeyConstraint('event_id', name=op.f('pk_event_payloads')),
    comment='The personal bytes of each event; erasure deletes rows here and the log still stands'
    )
    op.create_table('lead_keys',
    sa.Column('key', sa.Text(), nullable=False, comment='Identity key'),
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['lead_id'], ['leads.lead_id'], name=op.f('fk_lead_keys_lead_id')),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_lead_keys')),
    comment='Which identity key is whose'
    )
    op.create_index('ix_lead_keys_lead_id', 'lead_keys', ['lead_id'], unique=False)
    op.create_table('lead_scores',
    sa.Column('score_id', sa.Text(), nullable=False),
    sa.Column('lead_id', sa.Text(), nullable=False),
    sa.Column('total', sa.Float(), nullable=False, comment='0..100'),
    sa.Column('tier', sa.Text(), nullable=False),
    sa.Column('fit', sa.Float(), nullable=False, comment='Points of who they are'),
    sa.Column('engagement', sa.Float(), nullable=False, comment='Points of what they did'),
    sa.Column('attainable', sa.Float(), nullable=False, comment='Points that make 100'),
    sa.Column('disqualified', sa.Text(), nullable=True, comment='Rule that keeps them out of every sequence'),
    sa.Column('signals', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='A SignalPoints each'),
    sa.Column('scorecard_version', sa.Text(), nullable=False),
    sa.Column('inputs_hash', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False, comment='One sentence a rep can read'),
    sa.Column('model_version', sa.Text(), nullable=True, comment='The model that scored; none: the scorecard alone'),
    sa.Column('rules_total', sa.Float(), nullable=True, comment='What the scorecard alone says, where a model scored'),
    sa.Column('probability', sa.Float(), nullable=True, comment='Of the outcome, as the model says'),
    sa.Column('contributions', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment='[{column, value, log_odds, points}], largest first'),
    sa.Column('model_start', sa.Float(), nullable=True, comment='What the model gives the mean of earlier leads, 0..100'),
    sa.Column('model_total', sa.Float(), nullable=True, comment='What it gives this one as it came in, 0..100'),
    sa.Column('model_failed', sa.Text(), nullable=True, comment='Exception type, where the model in use should have scored'),
    sa.Column('scored_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.CheckConstraint("tier in ('cold', 'hot', 'warm')", name=op.f('ck_lead_scores_tier')),
    sa.ForeignKeyConstraint(['lead_id'], ['leads.lead_id'], name=op.f('fk_lead_scores_lead_id')),
    sa.PrimaryKeyConstraint('score_id', name=op.f('pk_lead_scores')),
    comment='Every score ever given, with its points; the newest is the current one'
    )
    op.create_index('ix_lead_scores_lead_id_scored_at', 'lead_scores', ['lead_id', 'scored_at'], unique=False)
    op.create_index('ix_lead_scores_model_failed', 'lead_scores', ['scored_at'], unique=False, postgresql_where=sa.text('model_failed is not null'))
    op.create_table('replies',
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('lead_id', sa.Text(), nullable=True),
    sa.Column('enrolment_id', sa.Text(), nullable=True),
    sa.Column('touch_id', sa.Text(), nullable=True, comment='The touch it answers, where known'),
    sa.Column('class', sa.Text(), nullable=False, comment='ReplyClass'),
    sa.Column('matched_by', sa.Text(), nullable=False, comment='token, msgid, email, domain, none'),
    sa.Column('why', sa.Text(), nullable=False, comment='The rule that decided'),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False, comment='When it was written'),
    sa.Column('classified_at', sa.DateTime(timezone=True), nullable=False, comment='When decided'),
    sa.ForeignKeyConstraint(['event_id'], ['lead_events.event_id'], name=op.f('fk_replies_event_id')),
    sa.PrimaryKeyConstraint('event_id', name=op.f('pk_replies')),
    comment='Inbound messages, matched and classified'
    )
    op.create_index('ix_replies_lead_id', 'replies', ['lead_id'], unique=False)
    op.create_table('touches',
    sa.Column('touch_id', sa.Text(), nullable=False, comment='Digest of enrolment, sequence, step: the send key'),
    sa.Column('enrolment_id', sa.Text(), nullable=False),
    sa.Column('lead_id', sa.Text(), nullable=False, comment="The enrolment's lead, for indexes"),
    sa.Column('position', sa.Integer(), nullable=False, comment='Runs through the enrolment from 1'),
    sa.Column('sequence', sa.Text(), nullable=False, comment='Tier whose sequence the step is of'),
    sa.Column('step', sa.Integer(), nullable=False, comment='Step of that sequence from 1'),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('template', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False, comment='TouchState'),
    sa.Column('reason', sa.Text(), nullable=True, comment='TouchReason; set while not sent'),
    sa.Column('urgency', sa.Integer(), nullable=False, comment='0 hot .. 2 cold: the order among what is due'),
    sa.Column('planned_at', sa.DateTime(timezone=True), nullable=False, comment='When planned'),
    sa.Column('first_due_at', sa.DateTime(timezone=True), nullable=False, comment='As first planned; never changes'),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False, comment='Not before this'),
    sa.Column('why', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='How due_at was chosen'),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Calls made'),
    sa.Column('lease_token', sa.Text(), nullable=True, comment='Who holds the claim'),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True, comment='End of lease (claimed) or of the hand-over (handing_over)'),
    sa.Column('draft_id', sa.Text(), nullable=True, comment='Frozen draft'),
    sa.Column('mailbox', sa.Text(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=True, comment='Message-ID on the wire'),
    sa.Column('provider', sa.Text(), nullable=True),
    sa.Column('provider_ref', sa.Text(), nullable=True),
    sa.Column('handed_over_at', sa.DateTime(timezone=True), nullable=True, comment='Commit of the step into handing_over'),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True, comment='When sent, failed, unknown or cancelled was recorded'),
    sa.Column('detail', sa.Text(), nullable=True, comment='A code for the person who must act; never personal'),
    sa.Column('in_review_since', sa.DateTime(timezone=True), nullable=True, comment='When it began to wait for a person, latest'),
    sa.Column('approved_digest', sa.Text(), nullable=True, comment='Of the bytes that a person approved; nothing else may leave'),
    sa.Column('reviewed_by', sa.Text(), nullable=True, comment='Who approved or rejected it: a short name'),
    sa.Column('reviewed_at', sa.DateTime(timezone=True), nullable=True, comment='When'),
    sa.CheckConstraint("state = 'sent' or reason is not null", name=op.f('ck_touches_unsent_has_reason')),
    sa.CheckConstraint("state in ('cancelled', 'claimed', 'failed', 'handing_over', 'in_review', 'planned', 'sent', 'unknown')", name=op.f('ck_touches_state')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolments.enrolment_id'], name=op.f('fk_touches_enrolment_id')),
    sa.PrimaryKeyConstraint('touch_id', name=op.f('pk_touches')),
    sa.UniqueConstraint('enrolment_id', 'position', name=op.f('uq_touches_enrolment_id_position')),
    sa.UniqueConstraint('enrolment_id', 'sequence', 'step', name=op.f('uq_touches_enrolment_id_sequence_step')),
    comment='The send ledger: every touch planned, and what became of it; authoritative'
    )
    op.create_index('ix_touches_due', 'touches', ['urgency', 'due_at'], unique=False, postgresql_where=sa.text("state = 'planned'"))
    op.create_index('ix_touches_in_review', 'touches', ['urgency', 'in_review_since'], unique=False, postgresql_where=sa.text("state = 'in_review'"))
    op.create_index('ix_touches_lead_id', 'touches', ['lead_id'], unique=False)
    op.create_index('ix_touches_leased', 'touches', ['lease_until'], unique=False, postgresql_where=sa.text("state in ('claimed', 'handing_over')"))
    op.create_index('ix_touches_mailbox_handed_over', 'touches', ['mailbox', 'handed_over_at'], unique=False, postgresql_where=sa.text("state in ('handing_over', 'sent', 'unknown')"))
    op.create_index('ix_touches_message_id', 'touches', ['message_id'], unique=False, postgresql_where=sa.text('message_id is not null'))
    op.create_index('ix_touches_unknown', 'touches', ['settled_at'], unique=False, postgresql_where=sa.text("state = 'unknown'"))
    op.create_table('message_drafts',
    sa.Column('draft_id', sa.Text(), nullable=False),
    sa.Column('touch_id', sa.Text(), nullable=False),
    sa.Column('template', sa.Text(), nullable=False),
    sa.Column('template_version', sa.Text(), nullable=False),
    sa.Column('writer', sa.Text(), nullable=False, comment='Who filled the slots'),
    sa.Column('slot_evidence', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="slot: evidence path or 'neutral'"),
    sa.Column('neutral_slots', sa.Integer(), nullable=False),
    sa.Column('body_digest', sa.Text(), nullable=False),
    sa.Column('tokens', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('cost_usd', sa.Float(), server_default=sa.text('0'), nullable=False),
    sa.Column('drafted_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['touch_id'], ['touches.touch_id'], name=op.f('fk_message_drafts_touch_id')),
    sa.PrimaryKeyConstraint('draft_id', name=op.f('pk_message_drafts')),
    sa.UniqueConstraint('touch_id', name=op.f('uq_message_drafts_touch_id')),
    comment='What was written for each touch and from what evidence; the bytes stand in message_bodies'
    )
    op.create_table('reviews',
    sa.Column('review_id', sa.Text(), nullable=False),
    sa.Column('touch_id', sa.Text(), nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False, comment='approved, rejected; void: its bytes were others by then'),
    sa.Column('digest', sa.Text(), nullable=True, comment='Of the bytes it is about'),
    sa.Column('reviewer', sa.Text(), nullable=False, comment='A short name; of a void one, whose approval it was'),
    sa.Column('why', sa.Text(), nullable=True, comment="Personal: in the reviewer's words"),
    sa.Column('reviewed_at', sa.DateTime(timezone=True), nullable=False, comment='When'),
    sa.CheckConstraint("verdict in ('approved', 'rejected', 'void')", name=op.f('ck_reviews_verdict')),
    sa.ForeignKeyConstraint(['touch_id'], ['touches.touch_id'], name=op.f('fk_reviews_touch_id')),
    sa.PrimaryKeyConstraint('review_id', name=op.f('pk_reviews')),
    comment='What people said of messages that waited for them; append-only'
    )
    op.create_index('ix_reviews_touch_id', 'reviews', ['touch_id'], unique=False)
    op.create_table('message_bodies',
    sa.Column('draft_id', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False, comment='Personal'),
    sa.Column('body', sa.Text(), nullable=False, comment='Personal'),
    sa.Column('slots', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Personal: slot: value'),
    sa.Column('proof', sa.LargeBinary(), nullable=True, comment='Personal: the bytes a person approves, from the review on'),
    sa.Column('wire', sa.LargeBinary(), nullable=True, comment='Personal: the frozen bytes, from the hand-over on'),
    sa.ForeignKeyConstraint(['draft_id'], ['message_drafts.draft_id'], name=op.f('fk_message_bodies_draft_id')),
    sa.PrimaryKeyConstraint('draft_id', name=op.f('pk_message_bodies')),
    comment='The personal bytes of each draft'
    )


def downgrade() -> None:
    op.drop_table('message_bodies')
    op.drop_index('ix_reviews_touch_id', table_name='reviews')
    op.drop_table('reviews')
    op.drop_table('message_drafts')
    op.drop_index('ix_touches_unknown', table_name='touches', postgresql_where=sa.text("state = 'unknown'"))
    op.drop_index('ix_touches_message_id', table_name='touches', postgresql_where=sa.text('message_id is not null'))
    op.drop_index('ix_touches_mailbox_handed_over', table_name='touches', postgresql_where=sa.text("state in ('handing_over', 'sent', 'unknown')"))
    op.drop_index('ix_touches_leased', table_name='touches', postgresql_where=sa.text("state in ('claimed', 'handing_over')"))
    op.drop_index('ix_touches_lead_id', table_name='touches')
    op.drop_index('ix_touches_in_review', table_name='touches', postgresql_where=sa.text("state = 'in_review'"))
    op.drop_index('ix_touches_due', table_name='touches', postgresql_where=sa.text("state = 'planned'"))
    op.drop_table('touches')
    op.drop_index('ix_replies_lead_id', table_name='replies')
    op.drop_table('replies')
    op.drop_index('ix_lead_scores_model_failed', table_name='lead_scores', postgresql_where=sa.text('model_failed is not null'))
    op.drop_index('ix_lead_scores_lead_id_scored_at', table_name='lead_scores')
    op.drop_table('lead_scores')
    op.drop_index('ix_lead_keys_lead_id', table_name='lead_keys')
    op.drop_table('lead_keys')
    op.drop_table('event_payloads')
    op.drop_index('ix_event_keys_key', table_name='event_keys')
    op.drop_index('ix_event_keys_blocking', table_name='event_keys', postgresql_where=sa.text('blocking'))
    op.drop_table('event_keys')
    op.drop_index('uq_enrolments_reply_token', table_name='enrolments')
    op.drop_index('uq_enrolments_live_lead', table_name='enrolments', postgresql_where=sa.text("state in ('active', 'paused', 'paused_ooo')"))
    op.drop_index('ix_enrolments_resume_at', table_name='enrolments', postgresql_where=sa.text("state in ('paused', 'paused_ooo') and resume_at is not null"))
    op.drop_index('ix_enrolments_pending_plan', table_name='enrolments', postgresql_where=sa.text('pending_plan'))
    op.drop_index('ix_enrolments_lead_id', table_name='enrolments')
    op.drop_index('ix_enrolments_finish_at', table_name='enrolments', postgresql_where=sa.text('finish_at is not null'))
    op.drop_table('enrolments')
    op.drop_table('enrichments')
    op.drop_table('suppressions')
    op.drop_index('uq_score_models_promoted', table_name='score_models', postgresql_where=sa.text("status = 'promoted'"))
    op.drop_table('score_models')
    op.drop_index('ix_score_model_verdicts_decided_at', table_name='score_model_verdicts')
    op.drop_table('score_model_verdicts')
    op.drop_index('ix_quarantined_events_open', table_name='quarantined_events', postgresql_where=sa.text('replayed_at is null'))
    op.drop_table('quarantined_events')
    op.drop_table('parked_items')
    op.drop_index('ix_leads_pending_score', table_name='leads', postgresql_where=sa.text('pending_score'))
    op.drop_index('ix_leads_pending_enrolment', table_name='leads', postgresql_where=sa.text('pending_enrolment'))
    op.drop_index('ix_leads_pending_enrichment', table_name='leads', postgresql_where=sa.text('pending_enrichment'))
    op.drop_index('ix_leads_enrich_again_at', table_name='leads', postgresql_where=sa.text('enrich_again_at is not null'))
    op.drop_index('ix_leads_became_lead_at', table_name='leads')
    op.drop_table('leads')
    op.drop_index('ix_lead_events_pending_reply', table_name='lead_events', postgresql_where=sa.text('pending_reply'))
    op.drop_index('ix_lead_events_pending_fold', table_name='lead_events', postgresql_where=sa.text('pending_fold'))
    op.drop_index('ix_lead_events_lead_id', table_name='lead_events')
    op.drop_table('lead_events')
    op.drop_index('ix_handoffs_open', table_name='handoffs', postgresql_where=sa.text('acted_at is null'))
    op.drop_index('ix_handoffs_lead_id', table_name='handoffs')
    op.drop_table('handoffs')
    op.drop_index('ix_enrichment_calls_spent', table_name='enrichment_calls', postgresql_include=['cost_usd'])
    op.drop_index('ix_enrichment_calls_asked', table_name='enrichment_calls', postgresql_where=sa.text("outcome = 'asked'"))
    op.drop_table('enrichment_calls')
    op.drop_table('enrichment_cache')
    op.drop_index('ix_crm_writebacks_pending', table_name='crm_writebacks', postgresql_where=sa.text("state = 'pending'"))
    op.drop_index('ix_crm_writebacks_lead_id', table_name='crm_writebacks')
    op.drop_table('crm_writebacks')
    op.drop_table('crm_cursors')
