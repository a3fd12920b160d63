"""What a provider call came to, in the ledger; late outcomes; retries; one of three that fails."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from leadops.domain.slots import SlotValue
from leadops.providers.llm.port import SlotWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.stages.outreach import send_due
from leadops.store import touches
from leadops.store.engine import transaction
from leadops.terms import Outcome, SendResult
from leadops_tests.house import World, house_of, wire
from leadops_tests.stages.sending import Scripted, address, demo, process, send

ACCEPTED = SendResult(Outcome.ACCEPTED, provider_ref="p1")
RETRY = SendResult(Outcome.RETRY, detail="450")
RETRY_LATER = SendResult(Outcome.RETRY, detail="429", retry_after_s=7200)
REJECTED = SendResult(Outcome.REJECTED, detail="550")
AMBIGUOUS = SendResult(Outcome.AMBIGUOUS, detail="timeout")
FIRST = "select * from touches where position = 1"


@pytest.fixture
def email() -> Scripted:
    return Scripted()


@pytest.fixture
def world(engine: Engine, tmp_path: Path, email: Scripted) -> World:
    return World(house_of(engine, tmp_path, email=email), tmp_path)


def set_attempts(world: World, attempts: int) -> None:
    with world.house.engine.begin() as connection:
        connection.exec_driver_sql(f"update touches set attempts = {attempts} where position = 1")


@pytest.mark.parametrize(
    ("result", "before", "state", "reason", "due_in_s", "told"),
    [
        (ACCEPTED, 0, "sent", None, 0, True),
        (ACCEPTED, 5, "sent", None, 0, True),
        (RETRY, 0, "planned", "provider_retry", 60, False),
        (RETRY, 2, "planned", "provider_retry", 240, False),
        (RETRY, 4, "planned", "provider_retry", 960, False),
        (RETRY, 5, "failed", "retries_exhausted", 0, False),
        (RETRY_LATER, 0, "planned", "provider_retry", 7200, False),
        (RETRY_LATER, 5, "failed", "retries_exhausted", 0, False),
        (REJECTED, 0, "failed", "rejected", 0, False),
        (REJECTED, 5, "failed", "rejected", 0, False),
        (AMBIGUOUS, 0, "unknown", "ambiguous", 0, False),
        (AMBIGUOUS, 5, "unknown", "ambiguous", 0, False),
    ],
)
def test_an_outcome_settles_the_ledger(
    world: World,
    email: Scripted,
    result: SendResult,
    before: int,
    state: str,
    reason: str | None,
    due_in_s: int,
    told: bool,
) -> None:
    demo(world, 1)
    process(world)
    set_attempts(world, before)
    email.answer = lambda _: result
    send(world)
    touch = world.one(FIRST)
    assert (touch["state"], touch["reason"], touch["attempts"]) == (state, reason, before + 1)
    assert touch["due_at"] == world.now + timedelta(seconds=due_in_s)
    assert touch["detail"] == (result.detail or None)
    assert (touch["settled_at"] is None) == (state == "planned")
    # Only what was or may have been accepted counts toward a cap.
    assert (touch["handed_over_at"] is None) == (state == "planned")
    assert bool(world.rows("select * from crm_writebacks where kind = 'touch'")) is told


def test_retries_carry_the_same_bytes_to_the_same_address(world: World, email: Scripted) -> None:
    email.answer = lambda _: RETRY
    demo(world, 1)
    process(world)
    for minutes in (0, 2, 5):
        world.later(minutes=minutes)
        send(world)
        # Meanwhile the person changes: name and address.
        changed = {"first_name": f"Other{minutes}", "name": "Other", "crm_id": "c1"}
        world.post(wire("lead_updated", address(1), at=world.now, **changed))
        world.post(wire("lead_updated", f"new{minutes}@company1.example", at=world.now, crm_id="c1"))
        process(world)
    assert len(email.calls) == 3
    assert len(set(email.calls)) == 1
    assert email.calls[0][1] == address(1)


class Slow(Scripted):
    """While the call is under way, others go on."""

    def __init__(self, world_now: Any) -> None:
        super().__init__()
        self.meanwhile = world_now

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        result = super().send(key, from_address, to_address, wire)
        self.meanwhile()
        return result


@pytest.mark.parametrize(
    ("late", "state"), [(ACCEPTED, "sent"), (RETRY, "planned"), (REJECTED, "failed"), (AMBIGUOUS, "unknown")]
)
def test_a_late_outcome_settles_what_had_become_unknown(
    engine: Engine, tmp_path: Path, late: SendResult, state: str
) -> None:
    world: World

    def expire() -> None:
        world.later(minutes=10)
        world.chain.reconcile(world.now)
        assert world.one(FIRST)["state"] == "unknown"

    email = Slow(expire)
    email.answer = lambda _: late
    world = World(house_of(engine, tmp_path, email=email), tmp_path)
    demo(world, 1)
    process(world)
    send(world)
    assert world.one(FIRST)["state"] == state
    assert bool(world.rows("select * from crm_writebacks where kind = 'touch'")) is (state == "sent")


def test_a_worker_whose_claim_ran_out_and_was_taken_does_not_send(world: World, email: Scripted) -> None:
    """It stalls while it writes the words; another one sends meanwhile."""
    demo(world, 1)
    process(world)
    other = World(house_of(world.house.engine, world.folder, email=email), world.folder)

    class Stalled(TemplateWriter):
        def write(self, *given: Any) -> Any:
            other.now = world.now + timedelta(minutes=10)
            other.chain.reconcile(other.now)
            assert send(other).dispatches.counts["sent"] == 1
            return super().write(*given)

    stalled = dataclasses.replace(world.house.outreach, writer=Stalled())
    done = send_due(stalled, world.clock).dispatches.counts
    assert (done["lost_claim"], done["sent"]) == (1, 0)
    assert len(email.calls) == 1


def test_a_worker_that_slept_after_its_hand_over_does_not_call(world: World, email: Scripted) -> None:
    demo(world, 1)
    process(world)
    asked: list[datetime] = []

    def clock() -> datetime:
        # The first three are before the hand-over has committed.
        asked.append(world.now)
        return world.now if len(asked) <= 3 else world.now + timedelta(minutes=10)

    done = send_due(world.house.outreach, clock).dispatches.counts
    assert done["deferred:lease_expired"] == 1
    assert email.calls == []
    world.later(minutes=11)
    assert send(world).dispatches.counts["sent"] == 1


def test_a_lease_that_ran_out_lets_nothing_go_by_itself(world: World, email: Scripted) -> None:
    demo(world, 1)
    process(world)
    with transaction(world.house.engine) as connection:
        found = touches.claim_due(
            connection, now=world.now, limit=5, token="gone", lease=timedelta(seconds=120)
        )
    assert len(found) == 1
    assert send(world).dispatches.counts["claimed"] == 0
    world.later(seconds=121)
    assert world.chain.reconcile(world.now).counts["claims_released"] == 1
    assert send(world).dispatches.counts["sent"] == 1


def test_an_unknown_one_found_absent_goes_again_with_the_same_bytes(world: World, email: Scripted) -> None:
    email.answer = lambda _: AMBIGUOUS
    email.found = lambda _: SendResult(Outcome.RETRY, detail="absent")
    demo(world, 1)
    process(world)
    send(world)
    assert world.chain.reconcile(world.now).counts["found_not_sent"] == 1
    email.answer = lambda _: ACCEPTED
    world.later(minutes=5)
    send(world)
    assert len(email.calls) == 2
    assert len(set(email.calls)) == 1
    touch = world.one(FIRST)
    assert (touch["state"], touch["attempts"]) == ("sent", 2)


def test_a_look_up_that_breaks_leaves_the_others_to_be_settled(world: World, email: Scripted) -> None:
    email.answer = lambda _: AMBIGUOUS
    demo(world, 1, 2, 3)
    process(world)
    send(world)
    broken = sorted(t["touch_id"] for t in world.rows(FIRST))[1]

    def found(key: str) -> SendResult:
        if key == broken:
            raise RuntimeError("anna@acme.example")
        return ACCEPTED

    email.found = found
    done = world.chain.reconcile(world.now).counts
    assert (done["found_sent"], done["for_a_person"]) == (2, 1)
    assert {t["state"] for t in world.rows(FIRST) if t["touch_id"] == broken} == {"unknown"}
    # The second look makes no second task.
    world.chain.reconcile(world.now)
    assert world.one("select count(*) from handoffs") == 1


def _three(world: World) -> list[str]:
    demo(world, 1, 2, 3)
    process(world)
    return [t["touch_id"] for t in world.rows(f"{FIRST} order by due_at, touch_id")]


def _states(world: World) -> dict[str, tuple[str, str | None, str | None]]:
    return {t["touch_id"]: (t["state"], t["reason"], t["detail"]) for t in world.rows(FIRST)}


def test_one_of_three_adapters_calls_breaks_and_the_others_go(world: World, email: Scripted) -> None:
    _, second, _ = ids = _three(world)

    def answer(key: str) -> SendResult:
        if key == second:
            raise RuntimeError("anna@acme.example")
        return ACCEPTED

    email.answer = answer
    done = send(world).dispatches.counts
    assert (done["sent"], done["unknown"]) == (2, 1)
    assert _states(world) == dict.fromkeys(ids, ("sent", None, None)) | {
        second: ("unknown", "ambiguous", "adapter_RuntimeError")
    }


def test_one_of_three_has_no_words_and_the_others_go(world: World, email: Scripted) -> None:
    _, second, _ = ids = _three(world)
    hers = world.one(f"{FIRST} and touch_id = :id", id=second)["lead_id"]
    company = world.one("select company from leads where lead_id = :id", id=hers)

    class Broken(TemplateWriter):
        def write(self, requests: Any) -> Any:
            if any(r.evidence["contact.company"] == company for r in requests):
                raise RuntimeError("anna@acme.example")
            return super().write(requests)

    house = dataclasses.replace(world.house.outreach, writer=Broken())
    done = send_due(house, world.clock).dispatches
    assert (done.counts["sent"], done.counts["failed:draft_failed"]) == (2, 1)
    assert done.parked == {second: "draft_RuntimeError"}
    assert _states(world)[second] == ("failed", "draft_failed", "draft_RuntimeError")
    assert {i for i in ids if _states(world)[i][0] == "sent"} == set(ids) - {second}


def test_one_of_three_has_words_the_database_refuses_and_the_others_go(world: World, email: Scripted) -> None:
    _, second, _ = ids = _three(world)
    hers = world.one(f"{FIRST} and touch_id = :id", id=second)["lead_id"]
    company = world.one("select company from leads where lead_id = :id", id=hers)
    plain = TemplateWriter()

    class Nul(SlotWriter):
        name = "nul"

        def write(self, requests: Any) -> Any:
            return [self._one(r, filled) for r, filled in zip(requests, plain.write(requests), strict=True)]

        def check(self) -> None:
            pass

        def _one(self, request: Any, filled: Any) -> Any:
            if request.evidence["contact.company"] != company:
                return filled
            slots = tuple(SlotValue(s.slot, "a\x00b", s.evidence) for s in filled.slots)
            return dataclasses.replace(filled, slots=slots)

    house = dataclasses.replace(world.house.outreach, writer=Nul())
    done = send_due(house, world.clock).dispatches
    assert done.counts["sent"] == 2
    assert _states(world)[second][:2] == ("failed", "draft_failed")
    assert len(ids) == 3


@pytest.mark.parametrize(
    "harm",
    [
        # cannot be composed: a line break in the only address
        'update leads set state = state || \'{"address": "a@b\\\\r\\\\nBcc: c@d.e"}\' where lead_id = :id',
        # cannot be read
        "update leads set state = state - 'emails' where lead_id = :id",
        # its gates cannot be looked at: no such mailbox
        "update touches set mailbox = 'gone@nowhere.example' where lead_id = :id",
        # its template is gone
        "update touches set template = 'gone' where lead_id = :id",
    ],
)
def test_one_of_three_is_broken_and_the_others_go(world: World, email: Scripted, harm: str) -> None:
    _, second, _ = ids = _three(world)
    hers = world.one(f"{FIRST} and touch_id = :id", id=second)["lead_id"]
    with world.house.engine.begin() as connection:
        connection.execute(text(harm), {"id": hers})
    done = send(world).dispatches.counts
    assert (done["sent"], done["failed:draft_failed"]) == (2, 1), done
    assert {i for i in ids if _states(world)[i][0] == "sent"} == set(ids) - {second}
    assert send(world).dispatches.counts["claimed"] == 0


@pytest.mark.parametrize(
    ("detail", "suppressed", "state"),
    [("recipient_550_5.1.1", 1, "bounced"), ("recipient_550_5.7.1", 0, "active")],
)
def test_a_refusal_about_the_address_is_a_hard_bounce_and_one_about_the_sender_is_not(
    engine: Engine, tmp_path: Path, detail: str, suppressed: int, state: str
) -> None:
    """R14: only 5.1.x says something about the contact."""
    refusing = Scripted(lambda _: SendResult(Outcome.REJECTED, detail=detail))
    world = World(house_of(engine, tmp_path, email=refusing), tmp_path)
    demo(world, 1)
    world.run()
    assert world.one("select count(*) from suppressions") == suppressed
    assert world.one("select state from enrolments") == state
    world.go(world.now + timedelta(days=30))
    assert len(refusing.calls) == 1


def test_a_wrong_key_for_two_days_costs_no_lead_its_answer(world: World, email: Scripted) -> None:
    (first, *_) = _three(world)
    email.answer = lambda _: SendResult(Outcome.RETRY, detail="sendgrid_key", ours=True)
    for _ in range(48):
        send(world)
        world.later(hours=1)
    assert _states(world)[first][:2] == ("planned", "provider_retry")
    email.answer = lambda _: SendResult(Outcome.ACCEPTED)
    world.later(hours=1)
    send(world)
    assert {s[0] for s in _states(world).values()} == {"sent"}
