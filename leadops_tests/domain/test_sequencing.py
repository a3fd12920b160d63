from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.sequencing import (
    MAX_JITTER_S,
    after_pause,
    choose_mailbox,
    choose_variant,
    new_position,
    plan,
    raised_tier,
    touch_id_of,
)
from leadops.domain.timing import Zone, is_open
from leadops.playbook.loader import load
from leadops.playbook.model import Mailbox, Playbook, Sender
from leadops.settings import PROJECT_ROOT
from leadops.terms import Tier

ZONES = sorted(available_timezones() - {"localtime", "Factory", "posixrules"})
BERLIN = Zone("Europe/Berlin", "given")
NIGHT = datetime(2026, 9, 1, 0, 30, tzinfo=UTC)  # a Tuesday, 02:30 in Berlin


@pytest.fixture(scope="module")
def playbook() -> Playbook:
    return load(PROJECT_ROOT / "playbook" / "playbook.yaml").playbook


starts = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m)
)
zones = st.sampled_from(ZONES).map(lambda name: Zone(name, "given"))
tiers = st.sampled_from([t.value for t in Tier])


def test_a_hot_lead_is_answered_at_once_and_three_times_in_five_days(playbook):
    start = NIGHT + timedelta(days=1)  # a Wednesday night: day 5 is a Monday
    touches = plan("enr_1", "hot", "direct", start, 1, BERLIN, "DE", playbook)
    assert [t.step for t in touches] == [1, 2, 3]
    assert touches[0].due_at == start
    assert touches[0].why["moved_by"] == []
    assert timedelta(days=5) <= touches[-1].due_at - start < timedelta(days=6)


def test_a_cold_lead_gets_six_touches_in_a_month_on_weekdays_between_nine_and_five(playbook):
    touches = plan("enr_1", "cold", "standard", NIGHT, 1, BERLIN, "DE", playbook)
    assert len(touches) == 6
    assert timedelta(days=29) < touches[-1].due_at - NIGHT < timedelta(days=33)
    for touch in touches:
        local = touch.due_at.astimezone(ZoneInfo("Europe/Berlin"))
        assert local.weekday() < 5
        assert time(9) <= local.time() < time(17)


@given(start=starts, zone=zones, tier=tiers, enrolment=st.text(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_plan_never_bunches_and_every_touch_is_inside_its_window(playbook, start, zone, tier, enrolment):
    touches = plan(enrolment, tier, "standard", start, 1, zone, "US", playbook)
    sequence = playbook.sequences[Tier(tier)]
    gap = timedelta(hours=sequence.min_gap_hours)
    assert all(b.due_at - a.due_at >= gap for a, b in pairwise(touches))
    assert [t.position for t in touches] == list(range(1, len(sequence.steps) + 1))
    for index, touch in enumerate(touches):
        assert touch.due_at.tzinfo is UTC
        assert touch.due_at >= start
        window = playbook.window_for(sequence, first=index == 0)
        assert is_open(window, touch.due_at, zone.name, "US")
    assert plan(enrolment, tier, "standard", start, 1, zone, "US", playbook) == touches


def test_follow_ups_keep_their_hour_on_the_wall_clock_over_a_clock_change(playbook):
    start = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)  # Friday 10:00, the clocks go back on Sunday
    second = plan("enr_1", "warm", "standard", start, 1, BERLIN, "DE", playbook)[1]
    local = second.due_at.astimezone(ZoneInfo("Europe/Berlin"))
    assert local.date().isoformat() == "2026-10-26"
    assert (
        timedelta() <= local - local.replace(hour=10, minute=0, second=0) <= timedelta(seconds=MAX_JITTER_S)
    )


def test_follow_ups_of_one_morning_do_not_leave_in_one_second(playbook):
    seconds = {
        plan(f"enr_{n}", "warm", "standard", NIGHT, 1, BERLIN, "DE", playbook)[1].due_at for n in range(50)
    }
    assert len(seconds) > 40


def test_near_the_end_of_a_window_the_jitter_stays_inside(playbook):
    start = datetime(2026, 9, 1, 15, 59, 30, tzinfo=UTC)  # 17:59:30 in Berlin, the window ends at 18:00
    for n in range(50):
        second = plan(f"enr_{n}", "warm", "standard", start, 1, BERLIN, "DE", playbook)[1]
        assert second.due_at.astimezone(ZoneInfo("Europe/Berlin")).time() < time(18)


def test_the_plan_says_what_moved_a_touch(playbook):
    saturday = datetime(2026, 9, 5, 10, 0, tzinfo=UTC)
    first = plan("enr_1", "warm", "standard", saturday, 1, Zone("Europe/Berlin", "country"), "DE", playbook)[
        0
    ]
    assert first.why["moved_by"] == ["window: weekend"]
    assert first.why["zone"] == "Europe/Berlin"
    assert first.why["zone_basis"] == "country"
    assert first.why["window"] == "business"
    assert first.why["day"] == 0
    night = plan("enr_1", "warm", "standard", NIGHT, 1, BERLIN, "DE", playbook)[0]
    assert night.why["moved_by"] == ["window: 02:30 local"]
    christmas = datetime(2026, 12, 25, 10, 0, tzinfo=UTC)
    assert plan("e", "warm", "standard", christmas, 1, BERLIN, "DE", playbook)[0].why["moved_by"] == [
        "window: holiday"
    ]


def test_min_gap_moves_a_step_that_would_come_too_early(playbook):
    hot = playbook.sequences[Tier.HOT].model_copy(update={"min_gap_hours": 72.0})
    strict = playbook.model_copy(update={"sequences": {**playbook.sequences, Tier.HOT: hot}})
    touches = plan("enr_1", "hot", "direct", datetime(2026, 9, 1, 9, 0, tzinfo=UTC), 1, BERLIN, "DE", strict)
    assert touches[1].why["moved_by"][0] == "min_gap"
    assert touches[1].due_at - touches[0].due_at >= timedelta(hours=72)


def test_a_raised_tier_continues_the_positions_and_waits_for_not_before(playbook):
    before = NIGHT + timedelta(hours=30)
    touches = plan("enr_1", "hot", "question", NIGHT, new_position([1, 2]), BERLIN, "DE", playbook, before)
    assert [t.position for t in touches] == [3, 4, 5]
    assert [t.step for t in touches] == [1, 2, 3]
    assert touches[0].due_at == before
    assert touches[0].why["moved_by"] == ["not_before"]
    assert touches[0].template == "hot_1_question"


def test_a_touch_id_names_enrolment_tier_and_step_and_nothing_that_can_change(playbook):
    early = plan("enr_1", "cold", "standard", NIGHT, 1, BERLIN, "DE", playbook)
    late = plan(
        "enr_1", "cold", "standard", NIGHT + timedelta(days=9), 4, Zone("UTC", "fallback"), None, playbook
    )
    assert [t.touch_id for t in early] == [t.touch_id for t in late]
    assert early[2].touch_id == touch_id_of("enr_1", "cold", 3)
    assert len({touch_id_of(e, t, s) for e in ("a", "b") for t in Tier for s in (1, 2)}) == 12


def test_variants_follow_their_weights_and_stay(playbook):
    sequence = playbook.sequences[Tier.HOT].model_copy(update={"variants": {"a": 75, "b": 25, "never": 0}})
    chosen = {n: choose_variant(f"lead_{n}", "hot", sequence) for n in range(4000)}
    share = Counter(chosen.values())
    assert share["never"] == 0
    assert abs(share["a"] / 4000 - 0.75) < 0.03
    reordered = sequence.model_copy(update={"variants": {"never": 0, "b": 25, "a": 75}})
    assert all(choose_variant(f"lead_{n}", Tier.HOT, reordered) == chosen[n] for n in range(200))


def test_another_version_is_another_experiment(playbook):
    one = playbook.sequences[Tier.HOT].model_copy(update={"variants": {"a": 1, "b": 1}})
    two = one.model_copy(update={"version": "another"})
    same = sum(
        choose_variant(f"l{n}", "hot", one) == choose_variant(f"l{n}", "hot", two) for n in range(2000)
    )
    assert 900 < same < 1100


def sender_of(playbook: Playbook, *caps: int) -> Sender:
    boxes = tuple(
        Mailbox(address=f"m{n}@mail.example.com", name="M", daily_cap=cap) for n, cap in enumerate(caps)
    )
    return playbook.sender.model_copy(update={"mailboxes": boxes})


def test_mailboxes_share_leads_by_their_caps_and_a_new_one_moves_only_what_it_takes(playbook):
    two, three = sender_of(playbook, 100, 300), sender_of(playbook, 100, 300, 100)
    before = {n: choose_mailbox(f"lead_{n}", two).address for n in range(3000)}
    assert abs(Counter(before.values())["m1@mail.example.com"] / 3000 - 0.75) < 0.03
    after = {n: choose_mailbox(f"lead_{n}", three).address for n in range(3000)}
    assert {after[n] for n in after if after[n] != before[n]} == {"m2@mail.example.com"}


@given(
    gaps=st.lists(st.integers(0, 10 * 24), min_size=1, max_size=6),
    resume=st.integers(-20 * 24, 60 * 24),
    zone=zones,
)
@settings(max_examples=100, deadline=None)
def test_after_a_pause_order_and_gaps_hold_and_nothing_comes_before_the_end(playbook, gaps, resume, zone):
    window = playbook.windows["nurture"]
    due, left = NIGHT, []
    for position, hours in enumerate(gaps, start=3):
        due += timedelta(hours=48 + hours)
        left.append((f"t{position}", position, due))
    resume_at = NIGHT + timedelta(hours=resume)
    moved = after_pause(list(reversed(left)), resume_at, window, zone, "DE", timedelta(hours=48))
    assert [touch_id for touch_id, _ in moved] == [touch_id for touch_id, _, _ in left]
    for (_, now_due), (_, _, was) in zip(moved, left, strict=True):
        assert now_due >= max(was, resume_at)
        assert is_open(window, now_due, zone.name, "DE")
    for i in range(1, len(left)):
        assert moved[i][1] - moved[i - 1][1] >= left[i][2] - left[i - 1][2]


def test_a_pause_that_ends_before_the_next_touch_changes_nothing(playbook):
    touches = plan("enr_1", "cold", "standard", NIGHT, 1, BERLIN, "DE", playbook)
    left = [(t.touch_id, t.position, t.due_at) for t in touches[2:]]
    moved = after_pause(left, NIGHT, playbook.windows["nurture"], BERLIN, "DE", timedelta(hours=48))
    assert moved == tuple((touch_id, due) for touch_id, _, due in left)


def test_a_tier_is_only_ever_raised():
    assert raised_tier(Tier.COLD, Tier.HOT) is Tier.HOT
    assert raised_tier(Tier.WARM, Tier.WARM) is None
    assert raised_tier(Tier.HOT, Tier.COLD) is None


def test_positions_are_never_reused():
    assert new_position([]) == 1
    assert new_position([1, 4, 2]) == 5
