"""Invariants of who enters a sequence, who is a person's from the start, and who rises by a click."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadops.simulator.seen import Row, Seen
from leadops.store.engine import rows, sql, transaction
from leadops.terms import EventKind, ExitReason, Tier

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation

ENROLLED = "enrol._enrol_batch"
"""Where a worker has just committed whom it enrolled and raised."""
_RAISED = sql("select enrolment_id, tier from enrolments where tier <> tier_at_enrolment")


def note_raises(run: Simulation) -> None:
    """Enrolments that have been raised by the commit that is just over."""
    with transaction(run.observer) as connection:
        found = rows(connection, _RAISED)
    for row in found:
        run.records.raised_at.setdefault((row["enrolment_id"], row["tier"]), run.scheduler.clock())


# To a person first ------------------------------------------------------------------------------------------


def rep_first_is_a_persons(run: Simulation, seen: Seen) -> Iterator[str]:
    """Whom the playbook gives to a rep from the first touch: no message, one handoff, at once."""
    for enrolment in seen.enrolments:
        is_given, share = enrolment["variant"] == "rep_first", _share(run, enrolment)
        if (is_given and share == 0) or (not is_given and share == 100):
            yield f"enrolment {enrolment['enrolment_id']} is {enrolment['variant']}, and {share} % are routed"
        if not is_given:
            continue
        for touch in seen.touches:
            mine = touch["enrolment_id"] == enrolment["enrolment_id"]
            if mine and (touch["handed_over_at"] or run.records.calls_of.get(touch["touch_id"])):
                yield f"touch {touch['touch_id']} went to somebody who is a person's from the start"
        given = [h for h in seen.handoffs if h["enrolment_id"] == enrolment["enrolment_id"]]
        if sum(h["reason"] == "rep_first" for h in given) > 1:
            yield f"enrolment {enrolment['enrolment_id']} was given away twice"
        if not any(_is_open(h, enrolment["enrolled_at"]) for h in seen.handoffs):
            yield f"enrolment {enrolment['enrolment_id']} is a person's, and was given to nobody"


def _share(run: Simulation, enrolment: Row) -> int:
    """Percent of leads of this source and tier that the playbook gives to a rep."""
    for route in run.loaded.playbook.routing:
        of_tier = not route.tiers or Tier(enrolment["tier_at_enrolment"]) in route.tiers
        if of_tier and (not route.sources or enrolment["source"] in route.sources):
            return route.share
    return 0


def _is_open(handoff: Row, at: Any) -> bool:
    return handoff["created_at"] <= at and (handoff["acted_at"] is None or handoff["acted_at"] >= at)


# Up for a click ---------------------------------------------------------------------------------------------


def only_people_raise(run: Simulation, seen: Seen) -> Iterator[str]:
    """A score raises, or a person's click: by that one tier, counted from where the enrolment began."""
    for enrolment in seen.enrolments:
        enrolment_id = enrolment["enrolment_id"]
        began, tier = Tier(enrolment["tier_at_enrolment"]), Tier(enrolment["tier"])
        if run.records.tiers.get(enrolment_id, began) == tier:
            continue
        clicks = _clicks(run, seen, enrolment)
        if clicks is None:
            continue  # whoever took a click in died before saying whose it was; it is told again
        run.records.tiers[enrolment_id] = tier.value
        if any(Tier(t).rank <= tier.rank for t in enrolment["scored_since"]):
            continue
        if seen.lead["merged_at"] is not None:
            continue  # an older score of the other one may have said so
        if began.rank - tier.rank != 1:
            yield f"enrolment {enrolment_id} rose from {began.value} to {tier.value}, and no score says so"
        elif not clicks:
            yield f"enrolment {enrolment_id} rose to {tier.value}, and nobody has clicked"


def _clicks(run: Simulation, seen: Seen, enrolment: Row) -> int | None:
    """How often a person has clicked since it began; None: of some click it is not known who made it."""
    clicks = [
        e["event_id"]
        for e in seen.events
        if e["kind"] == EventKind.EMAIL_CLICKED and e["occurred_at"] > enrolment["enrolled_at"]
    ]
    came = [run.records.came.get(event_id) for event_id in clicks]
    return None if None in came else sum(c is not None and c.truth == "click:human" for c in came)


def the_higher_sequence_takes_over(run: Simulation, seen: Seen) -> Iterator[str]:
    """Of a raised enrolment: nothing of the lower sequence leaves any more, and the gap is planned for."""
    for enrolment in seen.enrolments:
        enrolment_id, tier = enrolment["enrolment_id"], Tier(enrolment["tier"])
        raised = run.records.raised_at.get((enrolment_id, tier.value))
        if raised is None:
            continue
        mine = [t for t in seen.touches if t["enrolment_id"] == enrolment_id]
        lower = [t for t in mine if Tier(t["sequence"]).rank > tier.rank and t["handed_over_at"] is not None]
        for touch in lower:
            if touch["handed_over_at"] > raised:
                late = touch["handed_over_at"] - raised
                yield f"touch {touch['touch_id']} of {touch['sequence']} left {late} after the rise"
        gap = timedelta(hours=run.loaded.playbook.sequences[tier].min_gap_hours)
        for touch in mine:
            before = [t["handed_over_at"] for t in lower if t["handed_over_at"] <= touch["planned_at"]]
            if touch["sequence"] != tier or not before:
                continue
            if touch["first_due_at"] < max(before) + gap:
                apart = touch["first_due_at"] - max(before)
                yield f"touch {touch['touch_id']} was planned {apart} after the message before the rise"


# Out of every sequence --------------------------------------------------------------------------------------


def who_is_ruled_out_enters_nothing(run: Simulation, seen: Seen) -> Iterator[str]:
    """By the score that stood when an enrolment began, and by the title it read. Who is in stays in."""
    for enrolment in seen.enrolments:
        enrolment_id = enrolment["enrolment_id"]
        if enrolment["exit_reason"] == ExitReason.DISQUALIFIED:
            yield f"enrolment {enrolment_id} was ended by a rule that only keeps people out"
        if enrolment_id in run.records.entered:
            continue
        run.records.entered.add(enrolment_id)
        # The score of a merged person is not the one that was decided by.
        rule = enrolment["disqualified"] or _rule_of_title(run, enrolment["signals"] or ())
        if rule and seen.lead["merged_at"] is None:
            yield f"enrolment {enrolment_id} began though its lead is ruled out ({rule})"


def _rule_of_title(run: Simulation, signals: Any) -> str | None:
    scorecard = run.loaded.playbook.scorecard
    names = {s.name for s in scorecard.signals if s.field == "title"}
    titles = [str(s["value"]).casefold() for s in signals if s["signal"] in names and s["value"] is not None]
    words = {word for title in titles for word in re.findall(r"\w+", title)}
    rules = (d for d in scorecard.disqualifiers if d.field == "title")
    return next((d.name for d in rules if not words.isdisjoint(d.contains)), None)
