"""What a webhook tells later: an unknown outcome is settled, a thread cites what was on the wire."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import Engine

from leadops.terms import Outcome, SendResult
from leadops_tests.house import World, house_of, wire
from leadops_tests.stages.sending import Scripted, address, demo, process, send


class TellsLater(Scripted):
    tells_later = True


def silent(_: str) -> SendResult:
    return SendResult(Outcome.AMBIGUOUS, detail="timeout")


@pytest.fixture
def email() -> Scripted:
    return TellsLater(silent)


@pytest.fixture
def world(engine: Engine, tmp_path: Path, email: Scripted) -> World:
    world = World(house_of(engine, tmp_path, email=email), tmp_path)
    demo(world, 1)
    process(world)
    assert send(world).dispatches.counts["unknown"] == 1
    return world


def _touch(world: World) -> tuple[str, str]:
    found = world.one("select touch_id, state from touches where position = 1 and attempts > 0")
    return found["touch_id"], found["state"]


def _told(world: World, kind: str, **properties: object) -> None:
    touch_id = _touch(world)[0]
    given = {"touch_id": touch_id, **properties}
    world.post(wire(kind, address(1), at=world.now, id=f"{kind}-1", source="sendgrid", properties=given))
    process(world)


@pytest.mark.parametrize(
    "kind", ["email_processed", "email_delivered", "email_opened", "email_clicked", "email_complained"]
)
def test_a_receipt_settles_an_unknown_touch_without_a_second_call(
    world: World, email: Scripted, kind: str
) -> None:
    _told(world, kind)
    assert world.chain.reconcile(world.now).counts["found_sent"] == 1
    assert _touch(world)[1] == "sent"
    assert len(email.calls) == 1
    assert world.rows("select 1 from crm_writebacks where kind = 'touch'")


def test_until_the_webhook_has_had_its_time_nobody_is_bothered(world: World) -> None:
    world.later(minutes=14)
    assert world.chain.reconcile(world.now).counts["awaiting_receipt"] == 1
    assert world.rows("select 1 from handoffs") == []
    world.later(minutes=2)
    assert world.chain.reconcile(world.now).counts["for_a_person"] == 1
    assert world.one("select reason from handoffs") == "unknown_outcome"
    assert _touch(world)[1] == "unknown"


def test_somebody_elses_receipt_settles_nothing(world: World) -> None:
    demo(world, 2)
    given = {"touch_id": "tch_other"}
    world.post(wire("email_delivered", address(2), at=world.now, source="sendgrid", properties=given))
    process(world)
    assert world.chain.reconcile(world.now).counts["found_sent"] == 0
    assert _touch(world)[1] == "unknown"


def test_a_follow_up_cites_the_message_id_that_was_on_the_wire(world: World, email: Scripted) -> None:
    email.answer = lambda _: SendResult(Outcome.ACCEPTED)
    _told(world, "email_processed", message_id="<abc@geopod.example>")
    world.chain.reconcile(world.now)
    world.later(days=2, hours=1)
    assert send(world).dispatches.counts["sent"] == 1
    follow_up = message_from_bytes(email.calls[-1][2], policy=policy.default)
    assert follow_up["In-Reply-To"] == "<abc@geopod.example>"
    assert follow_up["References"] == "<abc@geopod.example>"
    answer = {"text": "Call me", "subject": "Re: demo", "in_reply_to": "<abc@geopod.example>"}
    world.post(wire("reply_received", "another@address.example", at=world.now, properties=answer))
    process(world)
    assert world.one("select state from enrolments") == "finished_replied"


@pytest.mark.parametrize("told", ["no id at all", "<a@b>\r\nBcc: c@d.e", 7, "<ä@b.example>"])
def test_what_is_no_message_id_is_not_learned(world: World, told: object) -> None:
    before = world.one("select message_id from touches where position = 1")
    _told(world, "email_processed", message_id=told)
    assert world.one("select message_id from touches where position = 1") == before
