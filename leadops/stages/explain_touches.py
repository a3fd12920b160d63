"""The plan of one lead, touch by touch: all gates of what is not sent, the evidence of what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from leadops.domain.eligibility import gates, verdict
from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook
from leadops.stages.explain_words import say_touch
from leadops.stages.facts import LoadedTouch, around, facts, load
from leadops.stages.story import DraftStory, TouchStory
from leadops.store import drafts
from leadops.store.engine import rows, sql
from leadops.terms import Draft, Gate, TouchState

_TOUCHES = sql(
    """select t.*, e.exit_reason as enrolment_exit
    from touches t join enrolments e using (enrolment_id)
    where t.lead_id = :lead order by e.enrolled_at, t.enrolment_id, t.position"""
)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the gates said of one touch, or why they could not be asked."""

    gates: tuple[Gate, ...] = ()
    refusal: Gate | None = None
    error: str | None = None


def touches_of(
    connection: Connection,
    lead_id: str,
    playbook: Playbook,
    keyring: Keyring,
    *,
    now: datetime,
    touch_id: str | None = None,
) -> tuple[TouchStory, ...]:
    """Every touch of the lead in order (or the one named), the unsent ones with all gates at ``now``.

    Raises:
        LeadopsError: ``no_such_touch``: the lead has no touch of that id.
    """
    found = rows(connection, _TOUCHES, lead=lead_id)
    if touch_id is not None:
        found = [t for t in found if t["touch_id"] == touch_id]
        if not found:
            raise LeadopsError("no_such_touch", f"Lead {lead_id} has no touch {touch_id}.")
    unsent = [t["touch_id"] for t in found if t["state"] != TouchState.SENT]
    loaded, broken = _loaded(connection, unsent)
    words = drafts.of_touches(connection, [t["touch_id"] for t in found])
    stories = []
    for touch in found:
        looked = _Looked()
        if touch["touch_id"] in loaded:
            looked = _look(connection, loaded[touch["touch_id"]], playbook, keyring, now)
        elif touch["state"] != TouchState.SENT:
            looked = _Looked(error=broken or "The touch changed while it was read; ask again.")
        stories.append(_story(touch, words.get(touch["touch_id"]), looked))
    return tuple(stories)


def _loaded(connection: Connection, touch_ids: Sequence[str]) -> tuple[dict[str, LoadedTouch], str | None]:
    try:
        return load(connection, touch_ids), None
    except ValueError as error:
        # The stored state is not one this version reads (erased by hand, a newer version's).
        return {}, f"What is known of the lead cannot be read ({type(error).__name__})."


def _look(
    connection: Connection, loaded: LoadedTouch, playbook: Playbook, keyring: Keyring, now: datetime
) -> _Looked:
    try:
        stands = around(connection, [loaded], playbook, keyring, now=now)
        evaluated = gates(facts(loaded, stands, playbook, keyring), now)
    except LeadopsError as error:
        return _Looked(error=str(error))
    except (ValueError, KeyError) as error:
        return _Looked(error=f"The gates cannot be looked at ({type(error).__name__}).")
    return _Looked(evaluated, verdict(evaluated))


def _story(touch: Mapping[str, Any], draft: Draft | None, looked: _Looked) -> TouchStory:
    copied = {
        name: touch[name]
        for name in (
            "touch_id", "enrolment_id", "position", "sequence", "step", "channel", "template", "mailbox",
            "state", "reason", "detail", "due_at", "first_due_at", "why", "attempts", "handed_over_at",
            "settled_at", "provider", "provider_ref", "in_review_since", "approved_digest", "reviewed_by",
            "reviewed_at",
        )
    }  # fmt: skip
    return TouchStory(
        **copied,
        message_id=touch["message_id"] or None,
        verdict=say_touch(touch, touch["enrolment_exit"], looked.refusal, looked.error),
        subject=draft.subject if draft else None,
        draft=DraftStory(draft.writer, draft.template_version, draft.slots) if draft else None,
        gates=looked.gates,
        decided_by=looked.refusal.name if looked.refusal else None,
        error=looked.error,
    )
