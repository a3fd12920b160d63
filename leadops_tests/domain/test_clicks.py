"""Who clicked, on labelled cases and on anything: only what is a person's counts (R13)."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.clicks import (
    BOT_WITHIN,
    BURST_WITHIN,
    SWEEP_WITHIN,
    UNKNOWN_WITHIN,
    Click,
    actor_of,
    click_of,
    human_clicks,
)
from leadops.domain.fold import fold
from leadops.terms import LeadEvent
from leadops_tests.domain.events import event

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "clicks.jsonl").read_text("utf-8").splitlines()
]
CLICKS = [c for c in CASES if c["kind"] == "click"]
DELIVERED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)


def event_of(case: dict[str, Any], click: dict[str, Any], number: int = 0) -> LeadEvent:
    named = {"agent": "user_agent", "ip": "ip", "link": "link", "method": "method", "said": "actor"}
    given = {named[k]: v for k, v in click.items() if k in named}
    at = (DELIVERED + timedelta(seconds=click["after_s"])).isoformat()
    kind = f"email_{case['kind']}ed"
    return event(kind, at=at, id=f"{case['id']}-{number}", properties={"touch_id": "tch_1", **given})


def events_of(case: dict[str, Any]) -> tuple[LeadEvent, list[LeadEvent]]:
    """The event asked about, and all of the touch."""
    asked = event_of(case, case["click"])
    others = [event_of(case, click, n) for n, click in enumerate(case["others"], 1)]
    receipt = event("email_delivered", at=DELIVERED.isoformat(), properties={"touch_id": "tch_1"})
    return asked, [asked, *others, *([receipt] if case["delivered"] else [])]


def judged(case: dict[str, Any]) -> str:
    asked, found = events_of(case)
    clicks = [click_of(e) for e in found if e.kind == "email_clicked"]
    return actor_of(click_of(asked), clicks, DELIVERED if case["delivered"] else None)


def figures(held_back: bool) -> tuple[float, list[str], list[str]]:
    """Accuracy, what was judged otherwise, and what would have escalated without a person."""
    cases = [c for c in CLICKS if c["held_back"] is held_back]
    wrong = [c for c in cases if judged(c) != c["expect"]]
    shown = [f"{c['id']} {c['about']}: {c['expect']} as {judged(c)}" for c in wrong]
    false = [c["id"] for c in wrong if judged(c) == "human"]
    return 1 - len(wrong) / len(cases), shown, false


def test_the_labelled_set_is_large_enough_and_a_third_is_held_back() -> None:
    assert len(CASES) >= 60
    assert {c["expect"] for c in CASES} == {"human", "bot", "unknown", "never"}
    assert sum(c["held_back"] for c in CASES) == len(CASES) // 3


def test_on_the_open_cases() -> None:
    accuracy, wrong, false = figures(held_back=False)
    assert accuracy >= 0.95, wrong
    assert len(false) <= 1, wrong


# Scored once, when the rules stood; the cases are of the same hand as the rules. In each part one bot cannot
# be told from a person by anything an event says (an ordinary browser's name, hours later, one link).
HELD_BACK_ACCURACY = 26 / 27
HELD_BACK_FALSE = ["c071"]


def test_the_held_back_cases_are_still_judged_as_when_they_were_scored() -> None:
    accuracy, wrong, false = figures(held_back=True)
    assert accuracy >= HELD_BACK_ACCURACY, wrong
    assert false == HELD_BACK_FALSE


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_the_fold_counts_what_is_judged_human_and_no_open(case: dict[str, Any]) -> None:
    asked, found = events_of(case)
    counted = {e.event_id for e in human_clicks(found)}
    assert (asked.event_id in counted) is (case["kind"] == "click" and judged(case) == "human")
    assert fold(found).human_clicks == len(counted)


def click(after_s: float = 600, **given: Any) -> Click:
    return Click(
        DELIVERED + timedelta(seconds=after_s), **{"user_agent": CHROME, "ip": "203.0.113.7"} | given
    )


@pytest.mark.parametrize(
    ("after", "actor"),
    [
        (timedelta(0), "bot"),
        (BOT_WITHIN, "bot"),
        (BOT_WITHIN + timedelta(seconds=1), "unknown"),
        (UNKNOWN_WITHIN, "unknown"),
        (UNKNOWN_WITHIN + timedelta(seconds=1), "human"),
    ],
)
def test_the_delay_after_delivery(after: timedelta, actor: str) -> None:
    assert actor_of(click(after.total_seconds()), [], DELIVERED) == actor


def test_a_burst_reaches_so_far_and_no_further() -> None:
    one = click(link="a")
    within = BURST_WITHIN.total_seconds()
    assert actor_of(one, [click(600 + within, link="b")], DELIVERED) == "bot"
    assert actor_of(one, [click(600 - within, link="b")], DELIVERED) == "bot"
    assert actor_of(one, [click(600 + within + 0.1, link="b")], DELIVERED) == "human"
    sweep = [click(600 + SWEEP_WITHIN.total_seconds(), link="b"), click(605, link="c")]
    assert actor_of(one, sweep, DELIVERED) == "bot"
    assert actor_of(one, sweep[:1], DELIVERED) == "human"
    elsewhere = click(600, link="b", ip="198.51.100.1", user_agent=f"{CHROME} Edg/141.0.0.0")
    assert actor_of(one, [elsewhere], DELIVERED) == "human"
    assert actor_of(click(), [click(link="b")], DELIVERED) == "human", "no link told, no burst seen"


def test_evidence_that_comes_later_takes_an_escalation_back() -> None:
    def event_after(kind: str, seconds: float, **properties: Any) -> LeadEvent:
        given = {"touch_id": "tch_1", "user_agent": CHROME, "ip": "203.0.113.7", **properties}
        at = (DELIVERED + timedelta(seconds=seconds)).isoformat()
        return event(kind, at=at, properties=given if kind == "email_clicked" else {"touch_id": "tch_1"})

    clicked = event_after("email_clicked", 600, link="a")
    assert human_clicks([clicked]) == []
    delivered = event_after("email_delivered", 0)
    assert human_clicks([clicked, delivered]) == [clicked]
    assert human_clicks([event_after("email_delivered", 599), clicked, delivered]) == [clicked], (
        "the first counts"
    )
    burst = event_after("email_clicked", 601, link="b")
    assert human_clicks([clicked, delivered, burst]) == []
    of_another_touch = event(
        "email_clicked", at=burst.occurred_at.isoformat(), properties={"touch_id": "tch_2"}
    )
    assert human_clicks([clicked, delivered, of_another_touch]) == [clicked]


ACTORS = st.sampled_from([None, "human", "bot", "unknown", 7])
PROPERTIES = st.fixed_dictionaries(
    {"touch_id": st.sampled_from(["tch_1", "tch_2"])},
    optional={
        "user_agent": st.sampled_from([CHROME, "", "curl/8", None, "Mozilla/5.0", 3]),
        "ip": st.sampled_from(["203.0.113.7", "203.0.113.8", "40.94.1.1", "no address", None]),
        "link": st.sampled_from("abc"),
        "url": st.just("https://acme.example/x"),
        "actor": ACTORS,
        "method": st.sampled_from(["GET", "HEAD", 1]),
    },
)


@st.composite
def mail_event(draw: st.DrawFn) -> LeadEvent:
    kind = draw(st.sampled_from(["email_clicked", "email_clicked", "email_delivered", "email_opened"]))
    at = DELIVERED + timedelta(seconds=draw(st.sampled_from([0, 1, 3, 10, 59, 61, 62, 64, 70, 900])))
    return event(kind, at=at.isoformat(), id=str(draw(st.integers(0, 99))), properties=draw(PROPERTIES))


@settings(max_examples=200, deadline=None)
@given(st.lists(mail_event(), max_size=12, unique_by=lambda e: e.event_id), st.integers())
def test_any_order_and_any_repetition_finds_the_same_people(events: list[LeadEvent], seed: int) -> None:
    chance = random.Random(seed)
    again = events + chance.choices(events, k=3) if events else []
    chance.shuffle(again)
    ids = sorted(e.event_id for e in human_clicks(events))
    assert sorted({e.event_id for e in human_clicks(again)}) == ids
    if events:
        assert fold(events).human_clicks == fold(again).human_clicks == len(ids)


@settings(max_examples=150, deadline=None)
@given(st.lists(mail_event(), max_size=10, unique_by=lambda e: e.event_id), mail_event())
def test_another_click_never_makes_a_person_of_a_machine(events: list[LeadEvent], more: LeadEvent) -> None:
    if more.kind == "email_clicked":
        before = {e.event_id for e in human_clicks(events)}
        others = [e for e in events if e.event_id != more.event_id]
        after = {e.event_id for e in human_clicks([*others, more])}
        assert after - before <= {more.event_id}


def test_a_flood_of_clicks_takes_no_time_to_speak_of() -> None:
    at = [DELIVERED + timedelta(seconds=600 + n) for n in range(5_000)]
    flood = [
        event(
            "email_clicked", at=t.isoformat(), properties={"touch_id": "t", "user_agent": CHROME, "link": "a"}
        )
        for t in at
    ]
    receipt = event("email_delivered", at=DELIVERED.isoformat(), properties={"touch_id": "t"})
    began = time.perf_counter()
    assert len(human_clicks([*flood, receipt])) == 5_000
    assert time.perf_counter() - began < 5
