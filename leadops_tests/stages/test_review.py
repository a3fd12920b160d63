"""A person approves, and exactly that leaves: the gates still decide when, a stop still decides whether."""

from __future__ import annotations

import threading
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text

from leadops.domain.mail import dated, digest_of
from leadops.errors import LeadopsError, UsageError
from leadops.stages.modes import mode_now
from leadops.stages.review import approve, reject, show, waiting
from leadops.stages.score import score
from leadops.stages.settle import reconcile
from leadops.store import reviews, runners, touches
from leadops.store.engine import transaction
from leadops.store.runners import listening
from leadops.terms import Outcome, SendResult
from leadops_tests.house import DEMO, TUESDAY, World, house_of, wire
from leadops_tests.stages.sending import (
    Scripted,
    address,
    demo,
    in_mode,
    process,
    send,
)

TOUCH = """select state, reason, due_at, approved_digest, reviewed_by, in_review_since, lease_token
    from touches where touch_id = :id"""


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(house_of(engine, tmp_path, loaded=in_mode("review")), tmp_path)


def held(world: World, *numbers: int) -> list[str]:
    """The first touches of these people, waiting for review."""
    demo(world, *numbers)
    process(world)
    send(world)
    found = world.rows("select touch_id from touches where state = 'in_review' order by touch_id")
    assert len(found) >= len(numbers)
    return [r["touch_id"] for r in found]


def touch(world: World, touch_id: str) -> dict[str, Any]:
    return dict(world.one(TOUCH, id=touch_id))


def told(world: World, *touch_ids: str, by: str = "anna") -> list[bool]:
    return [s.done for s in approve(world.house.engine, touch_ids, by, now=world.now)]


def change(world: World, statement: str, **given: Any) -> None:
    with world.house.engine.begin() as connection:
        connection.execute(text(statement), given)


def test_a_message_is_written_and_waits(world: World) -> None:
    demo(world, 1)
    process(world)
    report = send(world)
    assert report.mode is not None
    assert report.mode.review
    assert report.dispatches.counts["in_review"] == 1
    (only,) = waiting(world.house.engine)
    found = touch(world, only.touch_id)
    assert (found["state"], found["reason"], found["lease_token"]) == ("in_review", "awaiting_review", None)
    assert found["in_review_since"] == world.now
    assert world.outbox() == []
    world.later(days=3)
    world.run()
    assert world.outbox() == [], "nothing leaves without a word, whatever time goes by"
    assert touch(world, only.touch_id)["state"] == "in_review"


def test_what_was_approved_is_what_the_provider_has(world: World) -> None:
    (waits,) = held(world, 1)
    shown = show(world.house.engine, waits)
    world.later(hours=2)
    assert told(world, waits) == [True]
    found = touch(world, waits)
    assert (found["state"], found["reason"]) == ("planned", "approved")
    assert (found["approved_digest"], found["reviewed_by"]) == (shown.digest, "anna")
    send(world)
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == shown.digest
    message = message_from_bytes(mail.read_bytes())
    assert message["Date"].startswith("Tue, 03 Mar 2026 17:00"), "it says when it left, not when it was shown"
    left = [(n, v) for n, v in message.items() if n != "Date"]
    assert [n for n, _ in left] == [n for n, _ in shown.headers if n != "Date"]
    assert message.get_payload(decode=True).decode().splitlines() == shown.body.splitlines()  # type: ignore[union-attr]
    assert touch(world, waits)["state"] == "sent"
    (said,) = world.rows("select verdict, digest, reviewer, reviewed_at from reviews")
    assert said == {
        "verdict": "approved",
        "digest": shown.digest,
        "reviewer": "anna",
        "reviewed_at": world.now,
    }


def test_evidence_that_changes_after_the_approval_changes_no_byte(world: World) -> None:
    (waits,) = held(world, 1)
    told(world, waits)
    digest = touch(world, waits)["approved_digest"]
    world.post(wire("lead_updated", address(1), at=world.now, first_name="Berta", company="Other"))
    process(world)
    send(world)
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == digest


def test_a_playbook_changed_after_the_approval_changes_no_byte(world: World) -> None:
    (waits,) = held(world, 1)
    told(world, waits)
    sender = world.house.playbook.sender.model_copy(update={"signature": "Somebody else"})
    world.house.loaded = in_mode("review", sender=sender)
    world.house.__dict__.pop("outreach", None)
    send(world)
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == touch(world, waits)["approved_digest"]
    assert "Somebody else" not in mail.read_text()


@pytest.mark.parametrize("column", ["proof", "wire"])
def test_other_bytes_than_those_approved_never_leave(world: World, column: str) -> None:
    """Whoever changed them: back to the person, with a reason, and the approval is void."""
    (waits,) = held(world, 1)
    told(world, waits)
    old = touch(world, waits)["approved_digest"]
    change(world, f"update message_bodies set {column} = convert_to('Date: x\r\n\r\nother', 'UTF8')")
    report = send(world)
    assert report.dispatches.counts["approval_void"] == 1
    assert world.outbox() == []
    found = touch(world, waits)
    assert (found["state"], found["reason"]) == ("in_review", "approval_void")
    assert (found["approved_digest"], found["reviewed_by"]) == (None, None)
    assert [r["verdict"] for r in show(world.house.engine, waits).said] == ["approved", "void"]
    assert world.rows("select digest from reviews where verdict = 'void'") == [{"digest": old}]
    assert told(world, waits) == [True], "a person looks again, at what would leave now"


def test_a_message_that_is_gone_cannot_be_approved_nor_sent(world: World) -> None:
    first, second = held(world, 1, 2)
    told(world, second)
    change(world, "delete from message_bodies")
    assert told(world, first) == [False]
    report = send(world)
    assert report.dispatches.counts["sent"] == 0
    assert world.outbox() == []
    with pytest.raises(LeadopsError, match="no message to show"):
        show(world.house.engine, first)


STOPS = {
    "reply_received": {"text": "Call me tomorrow."},
    "opted_out": {},
    "email_complained": {},
    "email_bounced": {"bounce": "hard", "status": "5.1.1"},
    "meeting_booked": {},
    "rep_activity": {},
    "deal_won": {},
}


@pytest.mark.parametrize("approved", [False, True], ids=["waiting", "approved"])
@pytest.mark.parametrize("kind", sorted(STOPS))
def test_a_stop_ends_it_also_when_it_was_approved(world: World, kind: str, approved: bool) -> None:
    (waits,) = held(world, 1)
    if approved:
        told(world, waits)
    world.post(wire(kind, address(1), at=world.now, properties=STOPS[kind]))
    assert told(world, waits) == [not approved], "before the stop is folded it may be approved; it holds it"
    assert send(world).dispatches.counts["sent"] == 0
    process(world)
    send(world)
    found = touch(world, waits)
    assert found["state"] == "cancelled"
    assert world.outbox() == []
    (said,) = approve(world.house.engine, [waits], "bo", now=world.now)
    assert (said.done, said.words.startswith("it is cancelled")) == (False, True)


def test_a_stop_cancels_what_waits_with_its_reason(world: World) -> None:
    (waits,) = held(world, 1)
    world.post(wire("opted_out", address(1), at=world.now))
    process(world)
    found = touch(world, waits)
    assert (found["state"], found["reason"]) == ("cancelled", "stopped")


def test_a_first_message_rejected_ends_the_sequence_and_a_rep_gets_the_lead(world: World) -> None:
    (waits,) = held(world, 1)
    (said,) = reject(world.house.engine, [waits], "anna", "wrong tone", now=world.now)
    assert said.done
    found = touch(world, waits)
    assert (found["state"], found["reason"], found["reviewed_by"]) == (
        "cancelled", "rejected_by_reviewer", "anna",
    )  # fmt: skip
    world.run()
    assert world.outbox() == []
    others = world.rows("select distinct state, reason from touches where touch_id <> :id", id=waits)
    assert others == [{"state": "cancelled", "reason": "enrolment_ended"}]
    assert world.one("select reason from handoffs") == "not_reached"
    assert world.rows("select verdict, why from reviews") == [{"verdict": "rejected", "why": "wrong tone"}]
    assert reject(world.house.engine, [waits], "bo", "me too", now=world.now)[0].words.startswith(
        "already rejected by anna"
    )


def test_a_follow_up_rejected_is_skipped_and_the_sequence_goes_on(world: World) -> None:
    (first,) = held(world, 1)
    told(world, first)
    send(world)
    world.go(world.now + timedelta(days=5))
    (second,) = [w for w in waiting(world.house.engine) if w.touch_id != first]
    reject(world.house.engine, [second.touch_id], "anna", "no", now=world.now)
    world.run()
    world.go(world.now + timedelta(days=20))
    later = [w for w in waiting(world.house.engine) if w.position > second.position]
    assert later, "the next step was written and waits"
    assert world.one("select state from enrolments") == "active"


def test_approved_outside_the_window_waits_for_it(world: World) -> None:
    """Too late for today: ordinary timing, and still the same bytes."""
    person = {**DEMO, "company_size": 30, "title": "Engineer"}
    world.post(wire("form_submitted", address(1), at=world.now, **person))
    process(world)
    world.now = world.one("select min(due_at) from touches where channel = 'email'") + timedelta(seconds=1)
    send(world)
    (waits,) = waiting(world.house.engine)
    world.now = world.now.replace(hour=4, minute=0) + timedelta(days=1)  # the middle of their night
    told(world, waits.touch_id)
    send(world)
    found = touch(world, waits.touch_id)
    assert (found["state"], found["reason"]) == ("planned", "outside_window")
    assert found["approved_digest"] == waits.digest
    world.go(found["due_at"] + timedelta(minutes=1))
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == waits.digest


def test_what_waits_keeps_waiting_when_the_mode_is_left(world: World) -> None:
    (waits,) = held(world, 1)
    world.house.loaded = in_mode("auto")
    world.house.__dict__.pop("outreach", None)
    demo(world, 2)
    process(world)
    send(world)
    assert touch(world, waits)["state"] == "in_review"
    assert len(world.outbox()) == 1, "who came later is written to at once"
    told(world, waits)
    send(world)
    assert touch(world, waits)["state"] == "sent"


def test_in_auto_nobody_is_asked(engine: Engine, tmp_path: Path) -> None:
    world = World(house_of(engine, tmp_path), tmp_path)
    demo(world, 1)
    process(world)
    assert send(world).mode == mode_of(world)
    assert len(world.outbox()) == 1
    assert world.rows("select proof from message_bodies") == [{"proof": None}]
    assert waiting(engine) == []


def mode_of(world: World) -> Any:
    with transaction(world.house.engine) as connection:
        return mode_now(connection, world.house.playbook, now=world.now)


@pytest.mark.parametrize("setting", ["auto", "by_volume"])
def test_the_mode_is_asked_for_only_where_it_decides_something(
    engine: Engine, tmp_path: Path, setting: str
) -> None:
    """A tick with nothing due asks nothing of it; a batch to score asks once which model is promoted."""
    world = World(house_of(engine, tmp_path, loaded=in_mode(setting)), tmp_path)
    asked: list[str] = []

    def note(*given: Any) -> None:
        asked.extend(word for word in ("score_models", "became_lead_at >") if word in given[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert send(world).mode is None
        score(engine, world.house.playbook, now=world.now)
        assert asked == []
        demo(world, 1)
        process(world)
        assert asked == ["score_models"]
        assert send(world).mode is not None
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_by_volume_counts_who_became_a_lead_in_thirty_days(engine: Engine, tmp_path: Path) -> None:
    """Not test records, not merged ones, not older ones, not those of a time to come."""
    volume = in_mode("by_volume").playbook.volume.model_copy(update={"review_below": 3, "model_above": 4})
    world = World(house_of(engine, tmp_path, loaded=in_mode("by_volume", volume=volume)), tmp_path)
    demo(world, 1, 2)
    world.post(wire("demo_requested", "old@old.example", at=world.now - timedelta(days=31), **DEMO))
    world.post(wire("demo_requested", "here@test.example", at=world.now - timedelta(days=29), **DEMO))
    world.post(wire("page_viewed", "looks@only.example", at=world.now))
    process(world)
    change(world, "update leads set is_test = true where email = 'here@test.example'")
    assert mode_of(world).reason.startswith("2 leads in 30 days, fewer than 3: a person approves")
    assert send(world).dispatches.counts["in_review"] == 2
    change(world, "update leads set is_test = false where email = 'here@test.example'")
    assert not mode_of(world).review
    demo(world, 3)
    process(world)
    assert send(world).dispatches.counts["sent"] == 1
    demo(world, 4, 5, 6)
    process(world)
    assert mode_of(world).reason.startswith("more than 4 leads")
    world.later(days=31)
    assert mode_of(world).reason.startswith("0 leads in 30 days")


def test_a_task_for_a_rep_needs_nobody(world: World) -> None:
    (waits,) = held(world, 1)
    change(world, "update touches set channel = 'rep_task' where touch_id <> :id", id=waits)
    told(world, waits)
    send(world)
    world.go(world.now + timedelta(days=4))
    assert world.rows("select 1 from touches where channel = 'rep_task' and state = 'sent'")


# --- what else happens to a lead while a message waits


def test_a_raised_tier_cancels_what_waits_of_the_lower_sequence(world: World) -> None:
    person = {**DEMO, "company_size": 30, "title": "Engineer"}
    world.post(wire("form_submitted", address(1), at=world.now, **person))
    process(world)
    world.now = world.one("select min(due_at) from touches where channel = 'email'") + timedelta(seconds=1)
    send(world)
    (waits,) = waiting(world.house.engine)
    assert waits.sequence != "hot"
    world.post(wire("demo_requested", address(1), at=world.now, **DEMO))
    process(world)
    found = touch(world, waits.touch_id)
    assert (found["state"], found["reason"]) == ("cancelled", "tier_raised")
    send(world)
    assert [w.sequence for w in waiting(world.house.engine)] == ["hot"]


def test_two_that_turn_out_to_be_one_are_asked_about_once(world: World) -> None:
    held(world, 1, 2)
    emails = [address(1), address(2)]
    world.post(wire("identity_merged", None, at=world.now, properties={"emails": emails}))
    process(world)
    send(world)
    (left,) = waiting(world.house.engine)
    gone = world.rows(
        "select state, reason from touches where in_review_since is not null and touch_id <> :id",
        id=left.touch_id,
    )
    assert gone == [{"state": "cancelled", "reason": "enrolment_ended"}]
    told(world, left.touch_id)
    send(world)
    assert len(world.outbox()) == 1


def test_out_of_office_moves_what_waits_and_leaves_it_waiting(world: World) -> None:
    (first,) = held(world, 1)
    told(world, first)
    send(world)
    world.go(world.now + timedelta(days=5))
    (second,) = waiting(world.house.engine)
    away = {
        "text": "I am out of the office until 20 March 2026.",
        "headers": {"Auto-Submitted": "auto-replied"},
    }
    world.post(wire("reply_received", address(1), at=world.now, properties=away))
    process(world)
    found = touch(world, second.touch_id)
    assert (found["state"], found["reason"]) == ("in_review", "awaiting_review")
    assert found["due_at"] > world.now + timedelta(days=5)
    told(world, second.touch_id)
    send(world)
    assert len(world.outbox()) == 1, "approved, and not due before they are back"
    world.go(found["due_at"] + timedelta(minutes=1))
    assert touch(world, second.touch_id)["state"] == "sent"
    assert (
        digest_of(sorted(world.outbox(), key=lambda p: p.stat().st_mtime)[-1].read_bytes()) == second.digest
    )


def test_a_paused_enrolment_holds_what_was_approved(world: World) -> None:
    (waits,) = held(world, 1)
    change(
        world, "update enrolments set state = 'paused', resume_at = :at", at=world.now + timedelta(hours=3)
    )
    told(world, waits)
    send(world)
    assert touch(world, waits)["reason"] == "paused"
    world.go(world.now + timedelta(hours=4))
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == touch(world, waits)["approved_digest"]


def test_a_suppressed_address_gets_nothing_that_was_approved(world: World) -> None:
    (waits,) = held(world, 1)
    told(world, waits)
    key = world.house.keyring.email(address(1))
    change(
        world,
        "insert into suppressions values (:key, 'address', 'by_hand', 'anna', :at)",
        key=key,
        at=world.now,
    )
    send(world)
    assert (touch(world, waits)["state"], touch(world, waits)["reason"]) == ("cancelled", "suppressed")
    assert world.outbox() == []


def test_a_cap_defers_what_was_approved(engine: Engine, tmp_path: Path) -> None:
    sender = in_mode("review").playbook.sender
    box = sender.mailboxes[0].model_copy(update={"daily_cap": 1})
    loaded = in_mode("review", sender=sender.model_copy(update={"mailboxes": (box,)}))
    world = World(house_of(engine, tmp_path, loaded=loaded), tmp_path)
    both = held(world, 1, 2)
    told(world, *both)
    send(world)
    assert len(world.outbox()) == 1
    assert sorted(touch(world, i)["reason"] or "" for i in both) == ["", "mailbox_cap"]
    world.go(world.now + timedelta(days=1, hours=1))
    by_touch = {p.stem: digest_of(p.read_bytes()) for p in world.outbox()}
    assert {i: touch(world, i)["approved_digest"] for i in both} == {i: by_touch[i] for i in both}


# --- races and crashes


def test_of_two_reviewers_the_first_wins_and_the_other_is_told(world: World) -> None:
    """At the same moment, on connections of their own, again and again."""
    many = held(world, *range(12))
    results: dict[str, list[Any]] = {}
    barrier = threading.Barrier(2)

    def go(by: str) -> None:
        barrier.wait()
        results[by] = (
            approve(world.house.engine, many, by, now=world.now)
            if by == "anna"
            else reject(world.house.engine, many, by, "no", now=world.now)
        )

    threads = [threading.Thread(target=go, args=(by,)) for by in ("anna", "bo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    one = {s.touch_id for s in results["anna"] if s.done}
    two = {s.touch_id for s in results["bo"] if s.done}
    assert one | two == set(many)
    assert not one & two
    loser = [s for s in (*results["anna"], *results["bo"]) if not s.done]
    assert all("already approved by anna" in s.words or "already rejected by bo" in s.words for s in loser)
    assert len(world.rows("select 1 from reviews")) == len(many)
    send(world)
    assert {p.stem for p in world.outbox()} == one


def test_killed_between_the_approval_and_the_call_nothing_is_lost_or_doubled(world: World) -> None:
    """A worker that claims what was approved and is never heard of again."""
    (waits,) = held(world, 1)
    told(world, waits)
    lease = timedelta(seconds=120)
    with transaction(world.house.engine) as connection:
        assert touches.claim_due(connection, now=world.now, limit=9, token="dead", lease=lease)
    world.later(minutes=3)
    reconcile(world.house.engine, world.house.email, world.house.playbook, now=world.now)
    assert touch(world, waits)["approved_digest"] is not None
    send(world)
    send(world)
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == touch(world, waits)["approved_digest"]


def test_killed_on_its_way_into_review_it_comes_there_again(world: World) -> None:
    demo(world, 1)
    process(world)
    with transaction(world.house.engine) as connection:
        touches.claim_due(connection, now=world.now, limit=9, token="dead", lease=timedelta(seconds=9))
    world.later(minutes=3)
    reconcile(world.house.engine, world.house.email, world.house.playbook, now=world.now)
    assert send(world).dispatches.counts["in_review"] == 1


def test_a_worker_that_comes_back_late_holds_nothing(world: World) -> None:
    (waits,) = held(world, 1)
    told(world, waits)
    given = reviews.Held(waits, "late", "d", b"x")
    with transaction(world.house.engine) as connection:
        assert reviews.hold(connection, [given], reviews.TouchReason.AWAITING_REVIEW, now=world.now) == set()
    assert touch(world, waits)["state"] == "planned"


def test_a_retry_carries_what_was_approved(engine: Engine, tmp_path: Path) -> None:
    answers = iter([SendResult(Outcome.RETRY, detail="503"), SendResult(Outcome.ACCEPTED)])
    email = Scripted(lambda _key: next(answers))
    world = World(house_of(engine, tmp_path, email=email, loaded=in_mode("review")), tmp_path)
    (waits,) = held(world, 1)
    told(world, waits)
    send(world)
    world.later(hours=1)
    send(world)
    first, second = (wire for _, _, wire in email.calls)
    assert first == second
    assert digest_of(second) == touch(world, waits)["approved_digest"]


def test_what_was_tried_before_the_mode_changed_is_shown_as_it_was(engine: Engine, tmp_path: Path) -> None:
    """Its bytes are frozen already: a person sees those, and those leave."""
    answers = iter([SendResult(Outcome.RETRY, detail="503"), SendResult(Outcome.ACCEPTED)])
    email = Scripted(lambda _key: next(answers))
    world = World(house_of(engine, tmp_path, email=email), tmp_path)
    demo(world, 1)
    process(world)
    send(world)
    world.house.loaded = in_mode("review")
    world.house.__dict__.pop("outreach", None)
    world.later(hours=1)
    assert send(world).dispatches.counts["in_review"] == 1
    (waits,) = waiting(engine)
    told(world, waits.touch_id)
    send(world)
    first, second = (wire for _, _, wire in email.calls)
    assert first == second
    assert digest_of(second) == waits.digest


def test_approving_wakes_the_runner(world: World, database_url: str) -> None:
    (waits,) = held(world, 1)
    with listening(database_url, "due_touches", runners.new_worker()) as lane:
        assert not lane.wait(0.05)
        told(world, waits)
        assert lane.wait(10)


def test_the_price_of_a_look_does_not_depend_on_how_many_wait(world: World) -> None:
    """What waits is in no index that a tick reads."""
    held(world, *range(5))
    with transaction(world.house.engine) as connection:
        assert touches.due_count(connection, now=world.now) == 0
    plan = world.rows("select indexdef from pg_indexes where indexname = 'ix_touches_due'")
    assert "WHERE (state = 'planned'::text)" in plan[0]["indexdef"]
    world.later(days=6)  # the follow-ups are due, and stand behind what waits
    send(world)
    behind = world.rows(
        "select reason, due_at from touches where state = 'planned' and reason <> 'scheduled'"
    )
    assert {b["reason"] for b in behind} == {"predecessor_pending"}
    assert all(b["due_at"] >= world.now + timedelta(minutes=59) for b in behind)


# --- lists


def test_hot_leads_stand_first_then_the_oldest(world: World) -> None:
    cold = {"company_size": 2, "title": "Student", "country": "US"}
    world.post(wire("content_downloaded", "cold@cold.example", at=world.now, **cold))
    process(world)
    send(world)
    world.go(world.now + timedelta(days=1))
    old = held(world, 1)
    world.later(minutes=5)
    demo(world, 2)
    process(world)
    send(world)
    found = waiting(world.house.engine)
    assert [w.sequence for w in found][:2] == ["hot", "hot"]
    assert [w.since for w in found[:2]] == sorted(w.since for w in found[:2])
    assert {w.touch_id for w in found} > set(old)
    assert {w.sequence for w in waiting(world.house.engine, tier="hot")} == {"hot"}
    template = found[0].template
    assert {w.template for w in waiting(world.house.engine, template=template)} == {template}


def test_a_person_sees_where_each_word_comes_from(world: World) -> None:
    (waits,) = held(world, 1)
    found = show(world.house.engine, waits)
    assert dict(found.headers)["To"].endswith(f"<{address(1)}>")
    assert dict(found.headers)["Date"] == "(when it leaves)"
    assert {s.slot: s.evidence for s in found.slots}
    assert found.score_reason
    assert found.tier == "hot"


def test_another_message_than_the_one_shown_is_not_approved(world: World) -> None:
    (waits,) = held(world, 1)
    right = show(world.house.engine, waits).digest

    def with_digest(digest: str) -> bool:
        return approve(world.house.engine, [waits], "anna", now=world.now, digest=digest)[0].done

    assert not with_digest("0" * 12)
    assert not with_digest(right[:3])
    assert with_digest(right[:12])


def test_a_name_is_short_and_no_address(world: World) -> None:
    (waits,) = held(world, 1)
    with pytest.raises(UsageError, match="--by"):
        approve(world.house.engine, [waits], "anna@acme.example", now=world.now)
    assert approve(world.house.engine, ["tch_x"], "anna", now=world.now)[0].words.startswith(
        "there is no such"
    )


# --- the digest itself

MESSAGE = b"From: a@b.example\r\nDate: Tue, 03 Mar 2026 15:00:00 +0000\r\nSubject: Hi\r\n\r\nDate: never\r\n"


@given(minutes=st.integers(0, 10**6), at=st.integers(0, len(MESSAGE) - 1), byte=st.integers(0, 255))
def test_the_digest_is_of_every_byte_but_the_date(minutes: int, at: int, byte: int) -> None:
    moved = dated(MESSAGE, TUESDAY + timedelta(minutes=minutes))
    assert digest_of(moved) == digest_of(MESSAGE)
    assert dated(moved, TUESDAY) == dated(MESSAGE, TUESDAY)
    begin, end = MESSAGE.index(b"Date:"), MESSAGE.index(b"Subject")
    if MESSAGE[at] != byte and not begin <= at < end:
        other = MESSAGE[:at] + bytes([byte]) + MESSAGE[at + 1 :]
        assert digest_of(other) != digest_of(MESSAGE)
