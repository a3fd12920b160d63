"""What happens inside the CRM: tasks, calls, statuses, meetings, deals; written as its users write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from leadops.sandbox.hubspot import Portal
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.forms import stamp
from leadops.sandbox.world.known import Due, Known
from leadops.sandbox.world.meetings import LASTS, course_of, deal_of
from leadops.sandbox.world.people import Person
from leadops.sandbox.world.reactions import compressed
from leadops.sandbox.world.reps import CALLS, Rep, acts_at, plan_for

_ANSWERS_INVITE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Task:
    """A task somebody gave a rep. ``rep`` is the rep's id, blank where the owner is none of ours."""

    id: str
    rep: str
    contact_id: str
    given: datetime


class Acts:
    """The hands of everybody who works in the CRM. What comes of an act later is handed back as dues."""

    def __init__(self, chance: Chance, portal: Portal, reps: Sequence[Rep]) -> None:
        self._chance, self._portal = chance, portal
        self._reps = {rep.id: rep for rep in reps}
        by_email = {rep.email.lower(): rep.id for rep in reps}
        self._rep_of = {o["id"]: by_email.get(o["email"].lower(), "") for o in portal.owners}
        self._owner_of = {rep: owner for owner, rep in self._rep_of.items() if rep}
        self.owner_ids = tuple(self._owner_of.values())
        self.away: frozenset[str] = frozenset()

    def tasks_after(self, count: int) -> Iterator[Task]:
        """Open tasks beyond the first ``count``."""
        for record in islice(self._portal.records("tasks"), count, None):
            people = self._portal.associated("tasks", record.id, "contacts")
            if people and record.properties.get("hs_task_status") != "COMPLETED":
                rep = self._rep_of.get(record.properties.get("hubspot_owner_id") or "", "")
                yield Task(record.id, rep, people[0], record.created_at)

    def acts_at(self, task: Task, now: datetime, pace: float) -> datetime | None:
        """When its owner gets to it; None: it has no owner who works here."""
        rep = self._reps.get(task.rep)
        if rep is None or rep.id in self.away:
            return None
        return max(acts_at(self._chance, rep, task.id, task.given, pace), now + timedelta(seconds=1))

    def happen(self, due: Due, person: Person, known: Known, pace: float) -> list[Due]:
        """Do it; what follows from it."""
        if due.kind == "rep":
            return list(self._rep_acts(due, person, known, pace))
        if due.kind in ("books", "agrees"):
            return list(self._book(due, person, known))
        if due.kind == "meeting_changes":
            return list(self._change(due, person))
        if due.kind == "meeting_ends":
            return list(self._end(due, person))
        if due.kind == "deal_closes":
            self._close(due)
        return []

    def _rep_acts(self, due: Due, person: Person, known: Known, pace: float) -> Iterator[Due]:
        self._portal.update(
            "tasks",
            due.data["task"],
            {"hs_task_status": "COMPLETED", "hs_task_completion_date": stamp(due.at)},
            at=due.at,
        )
        if known.answered:
            return  # somebody was quicker: nobody is called twice about one message
        known.answered = True
        owner = self._owner_of[due.data["rep"]]
        waited = max(due.at - (known.said_at or due.at), timedelta())
        plan = plan_for(self._chance, person, known.said, due.data["task"], waited)
        if plan.call:
            self._call(due, known, plan.call, owner)
        changed = {"hs_lead_status": plan.status, "hubspot_owner_id": owner}
        self._portal.update("contacts", known.contact_id, changed, at=due.at)
        if plan.meets and not known.met:
            waits = self._chance.around(_ANSWERS_INVITE, 0.8, "invite", person.key)
            at = due.at + (compressed(waits, pace) if pace > 1 else waits)
            yield Due(at, f"{person.key}/agrees", "agrees", person.key, {"owner": owner})

    def _call(self, due: Due, known: Known, outcome: str, owner: str) -> None:
        minutes = 9 if outcome == "connected" else 1
        properties = {
            "hs_timestamp": stamp(due.at),
            "hs_call_title": "Call about the reply",
            "hs_call_direction": "OUTBOUND",
            "hs_call_status": "COMPLETED" if outcome == "connected" else "NO_ANSWER",
            "hs_call_disposition": CALLS[outcome],
            "hs_call_duration": str(minutes * 60_000),
            "hubspot_owner_id": owner,
        }
        self._create("calls", properties, due.at, known.contact_id)

    def _book(self, due: Due, person: Person, known: Known) -> Iterator[Due]:
        """A meeting: by the person from a link, or agreed with a rep. One per person."""
        if known.met:
            return
        known.met = True
        if due.kind == "books":
            known.said, known.said_at, known.answered = "books", due.at, False
        course = course_of(self._chance, person, due.at)
        own = self._portal.get("contacts", known.contact_id).properties.get("hubspot_owner_id")
        owner = due.data.get("owner") or own or self._anybody(person)
        properties = {
            "hs_timestamp": stamp(course.starts),
            "hs_meeting_title": "Introduction",
            "hs_meeting_start_time": stamp(course.starts),
            "hs_meeting_end_time": stamp(course.starts + LASTS),
            "hs_meeting_outcome": "SCHEDULED",
            "hs_meeting_source": "MEETINGS_PUBLIC" if due.kind == "books" else "CRM_UI",
            "hubspot_owner_id": owner,
        }
        meeting = self._create("meetings", properties, due.at, known.contact_id)
        data: dict[str, Any] = {"meeting": meeting, "contact": known.contact_id, "owner": owner}
        starts = course.moved_to or course.starts
        if course.changed_at is not None:
            change = {**data, "to": None if course.moved_to is None else stamp(course.moved_to)}
            yield Due(course.changed_at, f"{person.key}/change", "meeting_changes", person.key, change)
        if course.end != "CANCELED":
            outcome = "NO_SHOW" if course.end == "NO_SHOW" else "COMPLETED"
            ends = starts + LASTS + timedelta(minutes=5)
            yield Due(ends, f"{person.key}/ends", "meeting_ends", person.key, {**data, "outcome": outcome})

    def _change(self, due: Due, person: Person) -> Iterator[Due]:
        del person
        to = due.data["to"]
        if to is None:
            changed = {"hs_meeting_outcome": "CANCELED"}
        else:
            ends = stamp(datetime.fromisoformat(to) + LASTS)
            changed = {
                "hs_meeting_outcome": "RESCHEDULED",
                "hs_meeting_start_time": to,
                "hs_meeting_end_time": ends,
                "hs_timestamp": to,
            }
        self._portal.update("meetings", due.data["meeting"], changed, at=due.at)
        yield from ()

    def _end(self, due: Due, person: Person) -> Iterator[Due]:
        outcome, contact, owner = due.data["outcome"], due.data["contact"], due.data["owner"]
        self._portal.update("meetings", due.data["meeting"], {"hs_meeting_outcome": outcome}, at=due.at)
        if outcome != "COMPLETED":
            return
        deal = deal_of(self._chance, person, due.at)
        if deal is None:
            self._portal.update("contacts", contact, {"hs_lead_status": "BAD_TIMING"}, at=due.at)
            return
        properties = {
            "dealname": f"{person.company or 'New business'} - first contract",
            "amount": str(deal.amount),
            "pipeline": "default",
            "dealstage": "qualifiedtobuy",
            "dealtype": "newbusiness",
            "hubspot_owner_id": owner,
        }
        made = self._create("deals", properties, due.at, contact)
        data = {"deal": made, "contact": contact, "won": deal.is_won}
        yield Due(deal.closes_at, f"{person.key}/closes", "deal_closes", person.key, data)

    def _close(self, due: Due) -> None:
        won = due.data["won"]
        closed = {
            "dealstage": "closedwon" if won else "closedlost",
            "closedate": stamp(due.at),
            "hs_is_closed": "true",
            "hs_is_closed_won": "true" if won else "false",
            "closed_won_reason" if won else "closed_lost_reason": "Price" if not won else "Speed",
        }
        self._portal.update("deals", due.data["deal"], closed, at=due.at)
        if won:
            self._portal.update("contacts", due.data["contact"], {"lifecyclestage": "customer"}, at=due.at)

    def _create(self, kind: str, properties: dict[str, str], at: datetime, contact: str) -> str:
        return self._portal.create(kind, properties, at=at, associations=[("contacts", contact)])

    def _anybody(self, person: Person) -> str:
        if not self.owner_ids:
            return ""
        return self.owner_ids[int(self._chance.uniform("host", person.key) * len(self.owner_ids))]
