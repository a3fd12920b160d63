"""For each invariant a mutant that breaks it: a patched decision or store function that it catches.

A mutant that merely crashes does not count, nor one that another invariant would have to catch for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, TextClause, text

from leadops.domain import eligibility, enriching, enrolling, timing
from leadops.metrics import build
from leadops.providers.crm import hubspot_write
from leadops.providers.llm import openai as openai_writer
from leadops.simulator import faults
from leadops.simulator.plan import START, Plan
from leadops.stages import enrol, escalate, fold, hand_over, outreach, replies, settle, stops
from leadops.stages.enrich_calls import Asking
from leadops.stages.enriching import Enriching
from leadops.store import enrichment, enrolments, events, touches
from leadops.terms import EventKind, ExitReason, Gate, Outcome, ReplyClass, SendResult, SlotValue, TouchReason

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """``invariant`` must catch it, alone, in a run with these faults."""

    invariant: str
    name: str
    apply: Callable[[Patch], None]
    faults: str = "none"
    days: float = 4
    leads: int = 24
    seed: int = 7
    metrics: bool = False
    review: bool = False

    @property
    def plan(self) -> Plan:
        found = faults.named(self.faults)
        return Plan(self.days, self.leads, self.seed, found, metrics=self.metrics, review=self.review)


def reworded(statement: TextClause, old: str, new: str) -> TextClause:
    """The same statement with other words in one place, which must be there."""
    assert old in statement.text, statement.text
    return text(statement.text.replace(old, new)).bindparams(*statement._bindparams.values())


def _reword(module: Any, name: str, old: str, new: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(module, name, reworded(getattr(module, name), old, new))


def _put(module: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(module, name, value)


def _both(*patches: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def apply(patch: Patch) -> None:
        for one in patches:
            one(patch)

    return apply


def _nothing(*_args: Any, **_given: Any) -> None:
    return None


# One message per step ---------------------------------------------------------------------------------------


def _ambiguous_is_retried(patch: Patch) -> None:
    original = settle.settle

    def settled(
        connection: Connection, loaded: Any, token: str, result: SendResult, *rest: Any, **given: Any
    ) -> str:
        if result.outcome is Outcome.AMBIGUOUS:
            result = replace(result, outcome=Outcome.RETRY)
        return original(connection, loaded, token, result, *rest, **given)

    patch.setattr(outreach, "settle", settled)


def _ambiguous_is_rejected(patch: Patch) -> None:
    original = settle.settle

    def settled(
        connection: Connection, loaded: Any, token: str, result: SendResult, *rest: Any, **given: Any
    ) -> str:
        if result.outcome is Outcome.AMBIGUOUS:
            result = replace(result, outcome=Outcome.REJECTED)
        return original(connection, loaded, token, result, *rest, **given)

    patch.setattr(outreach, "settle", settled)


def _passes(name: str) -> Callable[[Patch], None]:
    """A gate that lets everything through."""
    given = Gate(name.lstrip("_"), True, "always")
    return _put(eligibility, name, lambda *_args: given)


def _drops_every_fifth(patch: Patch) -> None:
    original = events.insert_events

    def inserted(connection: Connection, given: Any) -> set[str]:
        kept = [pair for pair in given if int(pair[0].event_id[-2:], 16) % 5]
        return original(connection, kept) | {e.event_id for e, _ in given}

    patch.setattr(events, "insert_events", inserted)


def _says(reply_class: ReplyClass) -> Callable[[Patch], None]:
    """Every answer is of this class."""

    def apply(patch: Patch) -> None:
        original = replies.classify
        patch.setattr(
            replies,
            "classify",
            lambda *args, **given: replace(original(*args, **given), reply_class=reply_class),
        )

    return apply


def _absence_is_an_answer(patch: Patch) -> None:
    from leadops.domain import fold as domain

    changed = {
        **domain._REPLY_STOPS,
        ReplyClass.OUT_OF_OFFICE: ExitReason.REPLIED,
        ReplyClass.AUTO: ExitReason.REPLIED,
    }
    patch.setattr(domain, "_REPLY_STOPS", changed)


def _every_click_counts(patch: Patch) -> None:
    from leadops.domain import fold as domain

    patch.setattr(
        domain, "human_clicks", lambda given: [e for e in given if e.kind is EventKind.EMAIL_CLICKED]
    )


def _composed_anew(patch: Patch) -> None:
    """Each attempt is written afresh, with the time in it."""
    original = hand_over.compose

    def composed(**given: Any) -> bytes:
        return b"X-Written: " + given["date"].isoformat().encode() + b"\r\n" + original(**given)

    patch.setattr(hand_over, "compose", composed)
    patch.setattr(touches, "_HAND_OVER", reworded(touches._HAND_OVER, "coalesce(b.wire, g.wire)", "g.wire"))


def _approved_is_approved(patch: Patch) -> None:
    """An approval is of the touch, not of its bytes: they are composed anew when it leaves."""
    original = hand_over.compose

    def composed(**given: Any) -> bytes:
        return b"X-Written: " + given["date"].isoformat().encode() + b"\r\n" + original(**given)

    patch.setattr(hand_over, "compose", composed)
    patch.setattr(hand_over, "_approved", lambda *_args: ({}, {}))


def _only_what_is_new(patch: Patch) -> None:
    """The fold looks at pending events alone, not at everything a person did."""
    original = events.load

    def loaded(connection: Connection, _leads: Any, given: Any) -> Any:
        return original(connection, [], given)

    patch.setattr(events, "load", loaded)


def _three_events(patch: Patch) -> None:
    """Whatever comes later changes nothing."""
    original = fold.fold

    def folded(given: Any, *rest: Any, **more: Any) -> Any:
        return original(sorted(given, key=lambda e: e.occurred_at)[:3], *rest, **more)

    patch.setattr(fold, "fold", folded)


def _digest_of_the_day(patch: Patch) -> None:
    original, count = fold.digest_of, [0]

    def digest(data: Any) -> str:
        count[0] += 1
        return original({"n": count[0], **data})

    patch.setattr(fold, "digest_of", digest)


def _enrols_again(patch: Patch) -> None:
    """Neither a live enrolment nor a cooldown keeps anybody from another one."""

    def decided(state: Any, *_rest: Any, **_given: Any) -> enrolling.EnrolDecision:
        known = state.last_lead_event is not None and state.stop is None
        return enrolling.EnrolDecision(enrolling.Verdict.ENROL if known else enrolling.Verdict.LEAVE)

    def added(connection: Connection, values: Any) -> set[str]:
        connection.execute(text("drop index if exists uq_enrolments_live_lead"))
        return original(connection, values)

    original = enrolments.add
    patch.setattr(enrol, "decide", decided)
    patch.setattr(enrolments, "add", added)


def _falls_back(patch: Patch) -> None:
    """A second score lowers a running enrolment."""
    original = enrol._enrolment

    def made(lead_id: str, state: Any, tier: Any, *rest: Any) -> dict[str, Any]:
        return original(lead_id, state, tier, *rest) | {"tier": "cold"}

    patch.setattr(enrol, "_enrolment", made)


def _everybody_is_in_london(patch: Patch) -> None:
    is_open, next_open = timing.is_open, timing.next_open
    patch.setattr(timing, "is_open", lambda w, at, _zone, country: is_open(w, at, "UTC", country))
    patch.setattr(timing, "next_open", lambda w, at, _zone, country: next_open(w, at, "UTC", country))


def _believes_the_model(patch: Patch) -> None:
    def judged(template: Any, _evidence: Any, values: Any, *_rest: Any) -> tuple[SlotValue, ...]:
        return tuple(
            SlotValue(name, str(values.get(name) or spec.neutral), "model")
            for name, spec in template.slots.items()
        )

    patch.setattr(openai_writer, "judge", judged)


def _no_cap_is_full(patch: Patch) -> None:
    _passes("_mailbox_cap")(patch)
    _passes("_domain_cap")(patch)


def _built_of_the_past(patch: Patch) -> None:
    original = build.build

    def built(url: str, connection: Any, folder: Any) -> Any:
        return original(url, connection, folder, START + timedelta(days=1))

    patch.setattr(build, "build", built)


def _plans_without_gap(patch: Patch) -> None:
    """A whole sequence is due at once, and no gate minds."""
    original = enrol.plan

    def planned(*args: Any, **given: Any) -> Any:
        made = original(*args, **given)
        return tuple(replace(touch, due_at=made[0].due_at) for touch in made)

    patch.setattr(enrol, "plan", planned)
    _passes("_min_gap")(patch)


def _window_is_open(patch: Patch) -> None:
    _passes("_window")(patch)
    patch.setattr(timing, "next_open", lambda _window, at, *_rest: at)


def _never_escalates(patch: Patch) -> None:
    patch.setattr(
        escalate,
        "_OVERDUE",
        reworded(escalate._OVERDUE, "acted_at is null and", "acted_at is null and false and"),
    )


def _stays_planned(patch: Patch) -> None:
    """A stop is noted and changes nothing: touches go on, and the gates believe them."""
    patch.setattr(stops, "_end", _nothing)
    _passes("_no_stop")(patch)
    _passes("_no_pending_inbound")(patch)
    _passes("_not_suppressed")(patch)


# Entering and rising ----------------------------------------------------------------------------------------


def _ruled_out_are_enrolled(patch: Patch) -> None:
    original = enrol.decide
    patch.setattr(enrol, "decide", lambda *args, **given: original(*args, **{**given, "disqualified": False}))


def _rises_without_gap(patch: Patch) -> None:
    original = enrol.plan
    patch.setattr(enrol, "plan", lambda *args, **given: original(*args, **{**given, "not_before": None}))


def _lower_steps_stay(patch: Patch) -> None:
    """A rise plans the higher sequence beside the lower one, and no gate minds."""
    _passes("_enrolment_live")(patch)
    original = touches.cancel_open

    def cancelled(connection: Connection, ids: Any, reason: TouchReason, **given: Any) -> int:
        return 0 if reason is TouchReason.TIER_RAISED else original(connection, ids, reason, **given)

    patch.setattr(touches, "cancel_open", cancelled)


# Enrichment -------------------------------------------------------------------------------------------------


def _waits_for_every_answer(patch: Patch) -> None:
    original = Asking.run

    def run(asking: Asking) -> None:
        section = asking.house.section.model_copy(update={"deadline_seconds": 60.0})
        asking.house = replace(asking.house, section=section)
        original(asking)

    patch.setattr(Asking, "run", run)


def _reserved_afterwards(patch: Patch) -> None:
    """A look-up is written down with its answer."""
    reserve, settle_all = enrichment.reserve, enrichment.settle
    made: dict[str, Any] = {}

    def settled(connection: Connection, answers: Any, remembered: Any) -> None:
        reserve(connection, [made.pop(a.call_id) for a in answers if a.call_id in made])
        settle_all(connection, answers, remembered)

    patch.setattr(
        enrichment, "reserve", lambda _connection, rows: made.update({r["call_id"]: r for r in rows})
    )
    patch.setattr(enrichment, "settle", settled)


def _doubt_costs_nothing(patch: Patch) -> None:
    original = Asking._look_up

    def looked_up(asking: Asking, call: Any) -> Any:
        return {key: replace(a, in_doubt=False) for key, a in original(asking, call).items()}

    patch.setattr(Asking, "_look_up", looked_up)


_STOPPED = "late_webhooks,two_dispatchers,slow_answers"
_DOUBT = "timeouts_after,half_answers"

MUTANTS: tuple[Mutant, ...] = (
    Mutant("one_message_per_step", "ambiguous is retried", _ambiguous_is_retried, _DOUBT),
    Mutant(
        "one_message_per_step",
        "a lapsed hand-over is planned again",
        _reword(touches, "_EXPIRED_HANDOVERS", "state = 'unknown'", "state = 'planned'"),
        "crash",
    ),
    Mutant("ledger_and_vendor_agree", "ambiguous is taken for a refusal", _ambiguous_is_rejected, _DOUBT),
    Mutant(
        "ledger_and_vendor_agree",
        "whoever is asked says it arrived",
        _put(settle, "_look_up", lambda *_args: SendResult(Outcome.ACCEPTED)),
        "timeouts_before,errors_500,stall",
    ),
    Mutant(
        "bytes_are_frozen",
        "a retry is composed anew",
        _composed_anew,
        "storms_429,refused_connections",
        leads=40,
    ),
    Mutant(
        "only_what_was_approved_leaves",
        "nobody is asked",
        _put(outreach, "mode_now", lambda *_args, **_given: None),
        review=True,
    ),
    Mutant(
        "only_what_was_approved_leaves",
        "what was approved is composed anew",
        _approved_is_approved,
        review=True,
    ),
    Mutant(
        "ledger_moves_as_said",
        "a stop cancels what was sent",
        _reword(
            touches,
            "_CANCEL",
            "state in ('planned', 'claimed', 'in_review')",
            "state in ('planned', 'claimed', 'in_review', 'sent')",
        ),
    ),
    Mutant("nothing_after_a_stop", "a stop stops nothing", _stays_planned, days=8, leads=40),
    Mutant("nothing_to_who_is_gone", "a stop stops nothing", _stays_planned, days=8, leads=40),
    Mutant("nothing_to_who_is_gone", "every answer is a machine's", _says(ReplyClass.AUTO), days=8, leads=40),
    Mutant("withdrawals_are_for_good", "a stop ends no enrolment", _put(stops, "_end", _nothing), days=6),
    Mutant("machines_stop_nothing", "an absence note is an answer", _absence_is_an_answer, leads=60),
    Mutant("machines_stop_nothing", "every answer is a machine's", _says(ReplyClass.AUTO), leads=60),
    Mutant("bots_decide_nothing", "every click counts", _every_click_counts),
    Mutant("no_accepted_event_is_lost", "one event in five is dropped", _drops_every_fifth),
    Mutant(
        "nothing_waits_for_ever",
        "claims never expire",
        _reword(touches, "_EXPIRED_CLAIMS", "state = 'claimed' and", "state = 'claimed' and false and"),
        "crash,two_dispatchers",
    ),
    Mutant("nobody_is_left_to_nobody", "plans are empty", _put(enrol, "plan", lambda *_args, **_given: ())),
    Mutant(
        "who_answered_has_a_person", "answers are given to nobody", _put(stops, "hand_off", _nothing), days=6
    ),
    Mutant("late_reps_are_told_of", "nothing is ever overdue", _never_escalates, "absent_reps", leads=40),
    Mutant("one_live_enrolment", "somebody who is live is enrolled again", _enrols_again, days=8, leads=40),
    Mutant("one_person_is_one_lead", "only new events are folded", _only_what_is_new),
    Mutant("state_is_the_fold_of_the_log", "only the first three events count", _three_events),
    Mutant("folding_again_decides_nothing", "no two folds are the same", _digest_of_the_day, days=2),
    Mutant(
        "what_was_decided_stays",
        "a deferral moves the plan",
        _reword(touches, "_DEFER", "due_at = :due", "due_at = :due, first_due_at = :due"),
        "storms_429,refused_connections",
        leads=40,
    ),
    Mutant("tiers_only_rise", "who is enrolled falls", _falls_back),
    Mutant(
        "thread_is_kept",
        "the wire's Message-ID is not learnt",
        _put(fold, "learn_message_ids", _nothing),
        days=6,
    ),
    Mutant("windows_are_kept", "the window is always open", _window_is_open),
    Mutant("windows_are_kept", "everybody is in London", _everybody_is_in_london, days=3),
    Mutant("gaps_are_kept", "no gap is kept", _plans_without_gap),
    Mutant("caps_are_kept", "no cap is ever full", _no_cap_is_full, "tight_caps"),
    Mutant(
        "every_unsent_touch_says_why",
        "who cancels gives no reason",
        _reword(touches, "_CANCEL", "reason = :reason", "reason = coalesce(reason, :reason)"),
        days=6,
    ),
    Mutant(
        "what_is_due_leaves",
        "only hot leads have a turn",
        _reword(touches, "_CLAIM", "(values (0), (1), (2))", "(values (0))"),
        days=3,
    ),
    Mutant(
        "crm_has_it_once",
        "what is there is not looked for",
        _put(hubspot_write.Writer, "_there", lambda *_args, **_given: {}),
        "timeouts_after",
    ),
    Mutant("crm_is_owed_every_touch", "the CRM is told nothing", _put(settle, "tell_sent", _nothing)),
    Mutant(
        "metric_tables_are_a_recount",
        "the tables speak of two days ago",
        _built_of_the_past,
        days=3,
        leads=40,
        metrics=True,
    ),
    Mutant("only_people_raise", "every click counts", _every_click_counts, leads=60),
    Mutant(
        "the_higher_sequence_takes_over",
        "the gap before the rise is forgotten",
        _rises_without_gap,
        "curious_readers",
    ),
    Mutant(
        "the_higher_sequence_takes_over",
        "the lower steps stay",
        _lower_steps_stay,
        "curious_readers",
        days=11,
        leads=50,
    ),
    Mutant(
        "rep_first_is_a_persons",
        "they are written to all the same",
        _put(enrol, "_GIVEN", {"variant": enrolling.REP_FIRST, "sequence_version": enrolling.REP_FIRST}),
    ),
    Mutant("rep_first_is_a_persons", "no rep is told", _put(enrol, "hand_off", lambda *_args, **_given: 0)),
    Mutant("who_is_ruled_out_enters_nothing", "nobody asks the rules", _ruled_out_are_enrolled, leads=40),
    Mutant(
        "enrichment_keeps_its_deadline",
        "every answer is waited for",
        _waits_for_every_answer,
        "enrichment_late,timeouts_before",
    ),
    Mutant(
        "budgets_are_kept",
        "a look-up is written down with its answer",
        _reserved_afterwards,
        "crash,two_dispatchers,timeouts_after,half_answers,enrichment_late",
        leads=60,
    ),
    Mutant(
        "look_ups_are_counted_once",
        "what may have been charged costs nothing",
        _doubt_costs_nothing,
        "timeouts_after,half_answers",
        leads=40,
    ),
    Mutant(
        "look_ups_are_counted_once",
        "what comes late is thrown away",
        _put(Asking, "_late", _nothing),
        "enrichment_late",
    ),
    Mutant(
        "nobody_is_lost_in_enrichment",
        "a dead worker keeps its leads for a day",
        _put(Enriching, "hold", timedelta(days=1)),
        "crash",
    ),
    Mutant(
        "nobody_is_lost_in_enrichment",
        "nobody goes on to a score",
        _reword(enrichment, "_DONE", "l.pending_score or m.scores = 'yes'", "l.pending_score"),
    ),
    Mutant(
        "nonsense_is_not_believed",
        "whatever a vendor says is believed",
        _put(enriching, "_clean", lambda _name, value: value),
        "enrichment_nonsense",
    ),
    Mutant("words_are_ours_or_theirs", "the model is believed", _believes_the_model, "llm_attacker"),
)
