"""A small world with every kind of thing the page shows: a past for the metric tables, people of today."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from leadops_tests import house
from leadops_tests.house import DEMO, house_of, wire
from leadops_tests.metrics.world import World as Past
from leadops_tests.stages.sending import in_mode, process, send

SECRET = "test"  # what house_of keys its digests with
EVIL = "<script>alert(1)</script>"
EVIL_COMPANY = (
    "**bold** [link](http://evil.example/x) $x^2$ <img src=http://evil.example/i.png onerror=alert(1)>"
)
EVIL_SOURCE = "<b>ads</b> [x](http://evil.example/s)"
LONG = "Dr. Änne-Sophie Freifrau von Müller-Lüdenscheidt zu Hohenstein-Großwürmlingen"
LONG_COMPANY = "Österreichische Donaudampfschifffahrtsgesellschaft für Überseeverkehr mbH & Co. KG"
AENNE = {
    "name": LONG,
    "first_name": "Änne-Sophie",
    "company": LONG_COMPANY,
    "country": "AT",
    "title": "Geschäftsführerin",
    "company_size": 900,
}
# source, tier, variant, leads, share that answers
CELLS = (
    ("webinar", "hot", "standard", 140, 0.42),
    ("webinar", "hot", "short", 130, 0.30),
    ("webinar", "warm", "standard", 90, 0.22),
    ("paid search", "hot", "standard", 60, 0.34),
    ("paid search", "warm", "standard", 75, 0.15),
    ("paid search", "warm", "short", 70, 0.2),
    ("Empfehlung", "cold", "standard", 45, 0.12),
    ("Empfehlung", "hot", "short", 12, 0.6),
    (EVIL_SOURCE, "cold", "short", 9, 0.3),
)


def past(chance: random.Random, now: datetime) -> Past:
    """Leads of the last hundred days, enrolled, written to (or not), some of them won."""
    world = Past()
    for source, tier, variant, people, share in CELLS:
        for _ in range(people):
            _one(world, chance, now, (source, tier, variant), share)
    return world


def _one(world: Past, chance: random.Random, now: datetime, cell: tuple[str, str, str], share: float) -> None:
    source, tier, variant = cell
    became = now - timedelta(days=2 + 98 * chance.random())
    replied = chance.random() < share
    met = replied and chance.random() < 0.5
    won = met and chance.random() < 0.45
    lead_id = world.lead(
        f"past-{len(world.leads):05d}",
        became,
        source=source,
        tier=tier,
        first_human_reply_at=became + timedelta(days=chance.uniform(0.1, 9)) if replied else None,
        meeting_booked_at=became + timedelta(days=10) if met else None,
        won_at=became + timedelta(days=25) if won else None,
    )
    held = tier != "hot" and chance.random() < 0.55
    due = became + (timedelta(hours=chance.uniform(1, 15)) if held else timedelta(seconds=2))
    ended = "finished_replied" if replied else "finished_no_reply"
    enrolment = world.enrol(
        lead_id,
        became + timedelta(seconds=2),
        source=source,
        tier_at_enrolment=tier,
        tier=tier,
        variant=variant,
        state=ended,
        exit_reason="replied" if replied else "completed",
        ended_at=became + timedelta(days=12),
    )
    sent = chance.random() > 0.03
    took = timedelta(seconds=chance.choice([4, 6, 9, 14, 25, 41, 70, 130, 400, 1300]))
    world.touch(
        enrolment,
        1,
        due,
        planned_at=became + timedelta(seconds=2),
        sequence=tier,
        state="sent" if sent else "failed",
        reason=None if sent else "rejected",
        settled_at=due + took,
    )


def seed(engine: Engine, folder: Path) -> None:
    """Fill the database: today's people by the very stages production runs, the past as rows."""
    now = datetime.now(UTC).replace(microsecond=0)
    # Eight days ago: whatever weekend or holiday lies between, a rep's half hour of business is over today.
    world = house.World(house_of(engine, folder), folder, now=now - timedelta(days=8))
    _early(world)
    world.now = now - timedelta(minutes=50)
    world.run()
    _today(world, now)
    world.now = now
    world.run()
    _held(engine, folder, now)
    with engine.begin() as connection:
        past(random.Random(7), now).store(connection)
        connection.execute(
            text(
                "update touches set state = 'unknown', reason = 'ambiguous', settled_at = :at "
                "where state = 'sent' and lead_id = "
                "(select lead_id from leads where email = 'li@quiet.example')"
            ),
            {"at": now - timedelta(minutes=20)},
        )


def _held(engine: Engine, folder: Path, now: datetime) -> None:
    """Somebody whose first message waits for a person."""
    at = now - timedelta(minutes=3)
    world = house.World(house_of(engine, folder, loaded=in_mode("review")), folder, now=at)
    contact = {**DEMO, "name": EVIL, "first_name": "Hana", "company": EVIL_COMPANY}
    world.post(wire("demo_requested", "hana@held.example", at=at, **contact))
    process(world)
    send(world)


def _early(world: house.World) -> None:
    """Somebody who answered eight days ago and still waits for a person."""
    world.post(
        wire(
            "demo_requested",
            at=world.now,
            **DEMO | {"name": "Anna Schmidt"},
            properties={"source": "webinar"},
            crm_id="4711",
        )
    )
    world.run()
    world.later(minutes=20)
    world.post(
        wire("email_clicked", at=world.now, properties={"actor": "bot", "url": "https://north.example/a"}),
        wire(
            "email_clicked",
            at=world.now + timedelta(minutes=1),
            properties={"actor": "human", "url": "https://north.example/b"},
        ),
        wire("email_opened", at=world.now + timedelta(minutes=1)),
    )
    world.later(minutes=30)
    said = "Hallo, klingt spannend!\nKönnen wir am Dienstag um 14 Uhr telefonieren?\n\nViele Grüße\nAnna"
    world.post(wire("reply_received", at=world.now, properties={"text": said, "subject": "Re: demo"}))
    world.run()
    # A second one, whom another rep may have: also late, but less so.
    world.later(hours=20)
    world.post(
        wire(
            "demo_requested",
            "bo@late.example",
            at=world.now,
            **DEMO | {"name": "Bo Late", "first_name": "Bo"},
        )
    )
    world.run()
    world.later(minutes=5)
    world.post(wire("meeting_booked", "bo@late.example", at=world.now))
    world.run()


def _today(world: house.World, now: datetime) -> None:
    people = [
        ("aenne@donau.example", AENNE),
        ("evil@evil.example", {**DEMO, "name": EVIL, "company": EVIL_COMPANY}),
        ("li@quiet.example", {**DEMO, "name": "Li Quiet", "first_name": "Li"}),
        ("jo@small.example", {"name": "Jo Small", "title": "Analyst", "company": "Small & Söhne"}),
        ("kim@student.example", {"name": "Kim Ng", "title": "Student", "country": "DE"}),
    ]  # fmt: skip
    for place, (email, contact) in enumerate(people):
        at = now - timedelta(minutes=45 - 7 * place)
        world.now = at
        kind = "demo_requested" if place < 3 else "content_downloaded"
        source = EVIL_SOURCE if email.startswith("evil") else "webinar"
        world.post(
            wire(kind, email, at=at, **contact, properties={"source": source, "message": "Bitte um Rückruf"})
        )
        world.now = at + timedelta(seconds=6)
        world.run()
    world.now = now - timedelta(minutes=4)
    world.post(
        wire(
            "reply_received",
            "evil@evil.example",
            at=world.now,
            properties={
                "text": f"{EVIL} please $$x$$ [click](http://evil.example/c) call me",
                "subject": EVIL,
            },
        )
    )
    world.run()
