"""A world with its account and post office, and somebody who writes to everybody in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leadops.sandbox.hubspot import Portal
from leadops.sandbox.sendgrid import Mailroom
from leadops.sandbox.sendgrid.mail import Draft
from leadops.sandbox.world import Effects, Rep, World

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
REPS = (
    Rep("rep-amelia", "Amelia Hart", "amelia@northwind.example", "America/New_York"),
    Rep("rep-jonas", "Jonas Weber", "jonas@northwind.example", "Europe/Berlin"),
)
OWNERS = tuple(
    {"id": str(n), "email": rep.email, "firstName": rep.name, "lastName": ""}
    for n, rep in enumerate(REPS, 11)
)
UNSUBSCRIBE = "http://127.0.0.1:8400/u/token-0123456789abcdef"


@dataclass
class Stage:
    """Times and numbers as they come out of a world."""

    world: World
    mailroom: Mailroom
    portal: Portal
    effects: Effects = field(default_factory=Effects)

    @classmethod
    def new(cls, seed: int = 7, **more: Any) -> Stage:
        portal, mailroom = Portal(OWNERS), Mailroom(seed)
        world = World(seed, portal, mailroom, REPS, **more)
        mailroom.on_mail = world.on_mail
        return cls(world, mailroom, portal)

    def arrive(self, start: datetime, end: datetime) -> int:
        """Everybody of this time; how many forms that were."""
        found = list(self.world.arrivals(start, end))
        for arrival in found:
            self.world.arrive(arrival)
        return len(found)

    def write_to_all(self, at: datetime) -> None:
        """One mail to every contact, with two links that are tracked."""
        for record in list(self.portal.records("contacts")):
            self.write(str(record.properties["email"]), at)

    def write(self, address: str, at: datetime) -> None:
        self.mailroom.accept([_draft(address)], at)

    def until(self, end: datetime, every: timedelta) -> Effects:
        """Step by step up to ``end``; everything that came out."""
        now = self.world.next_moment() or end
        while now < end:
            self.effects.absorb(self.world.step(now))
            now += every
        self.effects.absorb(self.world.step(end))
        return self.effects

    def handoffs(self, at: datetime) -> None:
        """What leadops does for whoever has answered: a task for a rep."""
        for number, (key, known) in enumerate(sorted(self.world.known.items())):
            if known.said and not known.answered:
                properties = {
                    "hs_task_subject": f"Answer {key}",
                    "hs_task_status": "NOT_STARTED",
                    "hs_timestamp": at.isoformat(),
                    "hubspot_owner_id": OWNERS[number % len(OWNERS)]["id"],
                }
                self.portal.create(
                    "tasks", properties, at=at, source="INTEGRATION",
                    associations=[("contacts", known.contact_id)],
                )  # fmt: skip


def _draft(address: str) -> Draft:
    links = (
        '<a href="https://northwind.example/case">case</a> <a href="https://northwind.example/book">book</a>'
    )
    return Draft(
        to_address=address,
        to_name="",
        from_address="mara@mail.northwind.example",
        from_name="Mara Lindqvist",
        reply_to="reply+token@reply.northwind.example",
        subject="A short call about your reporting",
        text="Hi there,\n\nShall we talk?\n",
        html=f"<p>Hi there, {links}</p>",
        headers={
            "List-Unsubscribe": f"<{UNSUBSCRIBE}>, <mailto:stop@northwind.example?subject=unsubscribe%20t>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        custom_args={"leadops_touch_id": "tch_1"},
        opens_tracked=True,
        clicks_tracked=True,
    )
