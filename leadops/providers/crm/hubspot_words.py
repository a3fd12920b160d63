"""What we did as HubSpot's objects: a write-back in, properties out. Pure.

Bodies of tasks and notes are HTML there: what people wrote is escaped. Long ones are cut.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from leadops.providers.crm.hubspot_events import iso, ms_of
from leadops.providers.crm.port import Writeback

LONGEST = 60_000
"""Characters of a body; HubSpot takes 65,536."""
_LONGEST_LINE = 500
_WITHDRAWN = frozenset({"opted_out", "complained"})


def kind_of(item: Writeback) -> str:
    """The object type that a write-back makes: emails, tasks, notes; "" for none."""
    if item.kind == "task" or (item.kind == "touch" and item.payload.get("channel") == "rep_task"):
        return "tasks"
    return {"touch": "emails", "enrolment": "notes"}.get(item.kind, "")


def action_of(item: Writeback) -> str:
    """The key of the object, in ``leadops_action_id``.

    A step for a rep is owed twice, as the task and as the touch that it was: it is one task.
    """
    touch_id = item.payload.get("touch_id")
    if item.kind == "touch" and kind_of(item) == "tasks" and isinstance(touch_id, str):
        return f"task:{touch_id}"
    return item.dedupe_key


def moment_of(item: Writeback, name: str = "at") -> int | None:
    """A moment of the payload, in ms since 1970."""
    return ms_of(item.payload.get(name))


def contact_changes(item: Writeback, now: int) -> dict[str, str]:
    """The leadops_* properties of a contact that a score or an enrolment sets."""
    at = iso(moment_of(item) or now)
    given = item.payload
    if item.kind == "score":
        return {**_score(given), "leadops_scored_at": at}
    if item.kind == "enrolment":
        reason = str(given.get("reason") or "")
        withdrawn = {"leadops_opted_out": "true"} if reason in _WITHDRAWN else {}
        return {
            "leadops_sequence_state": str(given.get("state") or ""),
            "leadops_exit_reason": reason,
            "leadops_sequence_at": at,
            **withdrawn,
        }
    return {}


def _score(given: Mapping[str, Any]) -> dict[str, str]:
    """Empty text clears a property: whoever is scored by the rules again has no chance of a model's left."""
    learned = given.get("learned") or {}
    scorer = f"model {learned['model_version']}" if learned else f"scorecard {given.get('scorecard') or ''}"
    return {
        "leadops_score": _number(given.get("total")),
        "leadops_tier": str(given.get("tier") or ""),
        "leadops_fit": _number(given.get("fit")),
        "leadops_engagement": _number(given.get("engagement")),
        "leadops_disqualified": str(given.get("disqualified") or ""),
        "leadops_score_reason": str(given.get("why") or "")[:LONGEST],
        "leadops_score_lines": "\n".join(str(line) for line in given.get("lines") or ())[:LONGEST],
        "leadops_scored_by": scorer.rstrip(),
        "leadops_probability": _number(learned.get("probability")),
        "leadops_rules_score": _number(learned.get("rules_total")),
    }


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def email_properties(item: Writeback, now: int) -> dict[str, str]:
    """A message that was sent, as it stands in the contact's timeline."""
    given = {
        "hs_timestamp": iso(moment_of(item) or now),
        "hs_email_direction": "EMAIL",
        "hs_email_status": "SENT",
        "hs_email_subject": str(item.payload.get("subject") or ""),
        "hs_email_text": str(item.payload.get("text") or "")[:LONGEST],
    }
    return {name: value for name, value in given.items() if value}


def note_properties(item: Writeback, now: int) -> dict[str, str]:
    """An enrolment that began or ended."""
    given = item.payload
    if given.get("reason") or given.get("state") != "active":
        words = f"Sequence ended: {_say(given.get('reason') or given.get('state'))}."
    else:
        variant = f", variant {given['variant']}" if given.get("variant") else ""
        words = f"Sequence started: {_say(given.get('sequence'))}{variant}."
    body = html.escape(f"leadops: {words}", quote=False)
    return {"hs_timestamp": iso(moment_of(item) or now), "hs_note_body": body}


def task_properties(item: Writeback, now: int) -> dict[str, str]:
    """What a rep must do, with everything they should know before they do it."""
    given = item.payload
    subject = given.get("title") or given.get("subject") or "Next step"
    due = moment_of(item, "due_at") or moment_of(item) or now
    return {
        "hs_task_subject": " ".join(str(subject).split())[:_LONGEST_LINE],
        "hs_task_body": task_body(given)[:LONGEST],
        "hs_timestamp": iso(due),
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH",
        "hs_task_type": "TODO",
    }


def task_body(payload: Mapping[str, Any]) -> str:
    """Paragraphs: first what to say or what they wrote, then why, who, and what they had of us."""
    return "".join(f"<p>{_markup(words)}</p>" for words in _paragraphs(payload) if words)


def _paragraphs(payload: Mapping[str, Any]) -> Iterator[str]:
    yield str(payload.get("text") or "")
    if wrote := payload.get("they_wrote"):
        yield f"They wrote:\n{wrote}"
    if reason := payload.get("reason"):
        yield f"Why: {_say(reason)}"
    yield _listed("Lead", payload.get("lead"))
    yield _listed("Score", payload.get("score"))
    for name in ("became_lead_at", "sla_due_at", "due_at", "owner", "handoff_id", "touch_id"):
        if value := payload.get(name):
            yield f"{_say(name)}: {value}"
    received = payload.get("received")
    for each in received if isinstance(received, list) else []:
        if isinstance(each, Mapping):
            head = f"{each.get('at')} {each.get('channel')} ({_say(each.get('outcome'))})"
            yield "\n".join(str(p) for p in (head, each.get("subject"), each.get("body")) if p)


def _listed(title: str, given: Any) -> str:
    if not isinstance(given, Mapping):
        return ""
    lines = [f"{_say(name)}: {value}" for name, value in given.items() if value not in (None, "")]
    return "\n".join([title, *lines]) if lines else ""


def _say(value: Any) -> str:
    return str(value or "").replace("_", " ")


def _markup(words: str) -> str:
    return html.escape(words, quote=False).replace("\n", "<br>")
