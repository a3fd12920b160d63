from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.fold import fold
from leadops.domain.scoring import INPUTS, inputs_of, score
from leadops.playbook.loader import load
from leadops.playbook.model import SCORING_FIELDS, Scorecard, Signal
from leadops.settings import PROJECT_ROOT
from leadops.terms import Contact, EventKind, EvidenceField, LeadEvent, Tier

NOW = datetime(2026, 9, 2, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def scorecard() -> Scorecard:
    return load(PROJECT_ROOT / "playbook" / "playbook.yaml").playbook.scorecard


def event(n: int, kind: EventKind, days_ago: float = 1, **properties: object) -> LeadEvent:
    at = NOW - timedelta(days=days_ago)
    contact = Contact(email="pat@buyer.example.org", title="VP of Sales", company_size=200, country="DE")
    return LeadEvent(f"evt_{n}", "test", str(n), kind, at, at, contact, properties)


def card(signal: Signal) -> Scorecard:
    filler = [Signal(name=f"f{n}", field="country", max_points=1, equals={"zz": 1}) for n in range(4)]
    return Scorecard(version="t", signals=(signal, *filler), hot=60, warm=35)


def points(signal: Signal, value: object) -> float:
    return score({signal.field: value}, card(signal)).signals[0].points


HOT = {
    "company_size": 200,
    "title": "VP of Sales",
    "lead_source": "referral",
    "requested": "demo_requested",
    "pricing_views": 2,
    "page_views": 10,
    "business_email": "yes",
    "engagement": 1,
}


def test_the_inputs_are_those_a_playbook_may_name():
    assert set(INPUTS) == SCORING_FIELDS


@pytest.mark.parametrize("typed", ["Select", " please  SELECT ", "n/a", "-"])
def test_what_a_form_says_where_nothing_was_chosen_is_no_title(typed):
    state = replace(fold([event(1, EventKind.FORM_SUBMITTED)]), title=typed)
    assert inputs_of(state, {}, NOW)["title"] is None


def test_a_strong_lead_is_hot_and_the_reason_names_the_strongest_signals(scorecard):
    found = score(HOT, scorecard)
    assert found.tier is Tier.HOT
    assert found.reason.startswith(
        f"Hot ({int(found.total)}): asked for a demo, title VP of Sales, 200 employees"
    )
    assert len(found.signals) == len(scorecard.signals)
    assert found.total == pytest.approx(
        100 * sum(s.points for s in found.signals) / sum(s.max_points for s in scorecard.signals)
    )


def test_nothing_known_is_cold_and_says_so(scorecard):
    found = score({}, scorecard)
    assert found.tier is Tier.COLD
    assert found.reason.endswith("little is known yet")
    assert {s.value for s in found.signals} == {"unknown"}


def test_opens_never_count(scorecard):
    base = [event(1, EventKind.FORM_SUBMITTED)]
    opened = base + [event(n, EventKind.EMAIL_OPENED, 0.5) for n in range(2, 9)]
    before, after = (score(inputs_of(fold(e), {}, NOW), scorecard) for e in (base, opened))
    assert (before.total, before.inputs_hash) == (after.total, after.inputs_hash)


def test_inputs_take_the_strongest_request_and_count_what_people_did():
    state = fold(
        [
            event(1, EventKind.CONTENT_DOWNLOADED, 9),
            event(2, EventKind.DEMO_REQUESTED, 5),
            event(3, EventKind.LEAD_CREATED, 4),
            event(4, EventKind.PRICING_VIEWED, 3),
        ]
    )
    found = inputs_of(
        replace(state, human_clicks=2, human_replies=1, last_engagement_at=NOW - timedelta(days=3)), {}, NOW
    )
    assert set(found) == set(INPUTS)
    assert found["requested"] == "demo_requested"
    assert found["engagement"] == 4
    assert found["pricing_views"] == 1
    assert found["days_since_engagement"] == 3
    assert found["company_size"] == 200
    assert found["business_email"] == "yes"


def test_enrichment_goes_before_what_was_given_unless_it_is_empty():
    state = fold([event(1, EventKind.LEAD_CREATED)])
    enrichment = {
        "company_size": EvidenceField("51-200", "p"),
        "title": EvidenceField(" ", "p"),
        "industry": EvidenceField("software", "p"),
        "business_email": EvidenceField("no", "p"),
    }
    found = inputs_of(state, enrichment, NOW)
    assert (found["company_size"], found["title"]) == (51, "VP of Sales")
    assert (found["industry"], found["business_email"]) == ("software", "no")
    level = inputs_of(replace(state, title=None), {"title_level": EvidenceField("vp", "p")}, NOW)
    assert level["title"] == "vp"


def test_a_blank_source_and_no_address_are_unknown():
    state = replace(fold([event(1, EventKind.LEAD_CREATED)]), source="(blank)", emails=(), domain=None)
    found = inputs_of(state, {}, NOW)
    assert found["lead_source"] is None
    assert found["business_email"] is None


def test_the_hash_ignores_the_clock_within_a_day_and_what_no_signal_reads(scorecard):
    signal = Signal(
        name="recent", field="days_since_engagement", max_points=5, at_least={0.5: 1, 7: 5}, otherwise=3
    )
    days = card(signal)
    early, late = score({"days_since_engagement": 2.01}, days), score({"days_since_engagement": 2.99}, days)
    assert early == late
    assert score({"days_since_engagement": 3.0}, days).inputs_hash != early.inputs_hash
    assert score({**HOT, "industry": "software"}, scorecard).inputs_hash == score(HOT, scorecard).inputs_hash
    assert score({**HOT, "company_size": 200.0}, scorecard) == score(HOT, scorecard)
    newer = scorecard.model_copy(update={"version": "next"})
    assert score(HOT, newer).inputs_hash != score(HOT, scorecard).inputs_hash


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("VP, Sales", 8),
        ("vp", 8),
        ("MVP coach", 1),
        ("Geschäftsführer", 9),
        ("GESCHÄFTSFÜHRER/CEO", 9),
        ("Geschäftsführerassistent", 1),
        ("Head  of\tOps", 6),
        ("Ahead of Ops", 1),
        ("ＶＰ", 8),
        ("Head of Ops and VP", 8),
        ("", 2),
        ("   ", 2),
        (None, 2),
        (float("nan"), 2),
    ],
)
def test_words_match_whole_and_in_any_case_and_the_best_one_counts(title, expected):
    rules = {"vp": 8, "geschäftsführer": 9, "head of": 6}
    signal = Signal(name="t", field="title", max_points=10, contains=rules, missing=2, otherwise=1)
    assert points(signal, title) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 1), (9, 1), (10, 5), (49.9, 5), (50, 3), ("60", 3), (10**12, 3), ("many", 2), (None, 2)],
)
def test_at_least_takes_the_highest_threshold_reached_even_where_it_earns_less(value, expected):
    signal = Signal(
        name="s", field="company_size", max_points=5, at_least={10: 5, 50: 3}, missing=2, otherwise=1
    )
    assert points(signal, value) == expected


def test_equals_compares_without_case_and_knows_numbers():
    signal = Signal(name="s", field="lead_source", max_points=5, equals={"referral": 5, "3": 4}, otherwise=1)
    assert [points(signal, v) for v in (" Referral ", 3, 3.0, "referrals", True)] == [5, 4, 4, 1, 1]


def test_negative_rules_never_take_the_total_below_zero():
    signal = Signal(name="s", field="title", max_points=1, contains={"student": -50})
    assert score({"title": "Student"}, card(signal)).total == 0


monotone_signals = st.sampled_from(
    [
        ("company_size", {"at_least": {1: 1.0, 50: 3.0, 500: 5.0}}),
        ("pricing_views", {"at_least": {1: 2.0, 3: 4.0}}),
        ("page_views", {"at_least": {2: 1.0}}),
        ("engagement", {"at_least": {1: 0.1, 2: 0.3}}),
        ("requested", {"equals": {"demo_requested": 5.0, "form_submitted": 2.0}}),
        ("title", {"contains": {"vp": 5.0, "director": 4.0}}),
    ]
)
cards = st.lists(monotone_signals, min_size=5, max_size=8).map(
    lambda chosen: Scorecard(
        version="1",
        hot=60,
        warm=35,
        signals=tuple(
            Signal(name=f"{field}_{n}", field=field, max_points=5, **rules)
            for n, (field, rules) in enumerate(chosen)
        ),
    )
)
evidence = st.fixed_dictionaries(
    {},
    optional={
        "company_size": st.integers(0, 1000),
        "pricing_views": st.integers(0, 5),
        "page_views": st.integers(0, 5),
        "engagement": st.integers(0, 5),
        "requested": st.sampled_from(["demo_requested", "form_submitted", "other"]),
        "title": st.sampled_from(["VP", "Director", "Clerk"]),
    },
)


@given(cards, evidence, evidence)
@settings(max_examples=200, deadline=None)
def test_more_evidence_never_lowers_a_monotone_total(scorecard, known, more):
    added = {**more, **known}
    before, after = score(known, scorecard), score(added, scorecard)
    assert after.total >= before.total
    assert 0 <= before.total <= 100


@given(cards, evidence, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_neither_the_order_of_inputs_nor_of_signals_matters(scorecard, known, random):
    items, signals = list(known.items()), list(scorecard.signals)
    random.shuffle(items)
    random.shuffle(signals)
    one = score(known, scorecard)
    other = score(dict(items), scorecard.model_copy(update={"signals": tuple(signals)}))
    assert (one.total, one.tier, one.inputs_hash, one.reason) == (
        other.total,
        other.tier,
        other.inputs_hash,
        other.reason,
    )
    assert set(one.signals) == set(other.signals)


def sides(**given: object) -> Scorecard:
    """Two signals of fit, three of engagement, ten points each."""
    signals = [
        Signal(name="size", field="company_size", max_points=10, at_least={50: 10, 1: -4}),
        Signal(name="who", field="title", max_points=10, contains={"ceo": 10, "intern": -10}),
        Signal(
            name="asked", field="requested", group="engagement", max_points=10, equals={"demo_requested": 10}
        ),
        *(
            Signal(name=f, field=f, group="engagement", max_points=10, at_least={1: 10}, half_life_days=30)
            for f in ("page_views", "pricing_views")
        ),
    ]
    return Scorecard.model_validate({"version": "t", "signals": signals, "hot": 60, "warm": 35, **given})


ALL = {"company_size": 50, "title": "CEO", "requested": "demo_requested", "page_views": 1, "pricing_views": 1}


def test_fit_and_engagement_are_apart_and_a_cap_bounds_its_group():
    plain, bound = score(ALL, sides()), score(ALL, sides(caps={"engagement": 15}))
    assert (plain.total, plain.fit, plain.engagement) == (100, 20, 30)
    assert (bound.total, bound.fit, bound.engagement) == (100, 20, 15)
    looks_only = {"page_views": 1, "pricing_views": 1, "requested": "demo_requested"}
    assert score(looks_only, sides()).total == pytest.approx(60)
    assert score(looks_only, sides(caps={"engagement": 15})).total == pytest.approx(100 * 15 / 35)


def test_negative_points_count_against_and_never_make_less_than_nothing():
    assert score(ALL | {"title": "Intern"}, sides()).total == pytest.approx(60)
    worst = score({"title": "Intern", "company_size": 2}, sides())
    assert (worst.total, worst.fit) == (0, -14)


def test_what_they_did_is_half_forgotten_after_the_half_life_and_who_they_are_is_not():
    fresh, old = (score(ALL | {"days_since_engagement": d}, sides()) for d in (0, 30))
    assert (fresh.engagement, old.engagement) == (30, 10 + 5 + 5)
    assert fresh.fit == old.fit
    assert fresh.inputs_hash != old.inputs_hash
    assert score(ALL | {"days_since_engagement": -3}, sides()).total == fresh.total


def test_another_day_is_no_news_of_who_has_nothing_to_forget():
    quiet = {"company_size": 50, "title": "CEO", "requested": "demo_requested"}
    one, other = (score(quiet | {"days_since_engagement": d}, sides()) for d in (1, 40))
    assert one.inputs_hash == other.inputs_hash


@given(days=st.lists(st.integers(0, 1000), min_size=2, max_size=2).map(sorted))
def test_time_alone_never_raises_a_score(days):
    earlier, later = (score(ALL | {"days_since_engagement": d}, sides(caps={"engagement": 25})) for d in days)
    assert later.total <= earlier.total


def test_a_disqualifier_wins_over_any_points_and_is_named():
    out = sides(
        disqualifiers=[
            {"name": "competitor", "field": "domain", "equals": ["rival.example"]},
            {"name": "student", "field": "title", "contains": ["student"]},
        ]
    )
    found = score(ALL | {"domain": "Rival.example"}, out)
    assert (found.total, found.tier, found.disqualified) == (100, Tier.COLD, "competitor")
    assert found.reason.startswith("Disqualified (competitor): ")
    both = score({"title": "PhD Student", "domain": "rival.example"}, out)
    assert both.disqualified == "competitor"
    for innocent in ({"title": "Studentenwerk"}, {"domain": "notrival.example"}, {}):
        assert score(innocent, out).disqualified is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"caps": {"fit": 0}},
        {"caps": {"other": 5}},
        {"disqualifiers": [{"name": "a", "field": "title"}]},
        {"disqualifiers": [{"name": "a", "field": "title", "equals": ["x"], "contains": ["y"]}]},
        {"disqualifiers": [{"name": "a", "field": "title", "equals": ["x"]}] * 2},
        {"disqualifiers": [{"name": "a", "field": "shoe_size", "equals": ["x"]}]},
    ],
)
def test_a_scorecard_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=r"caps|disqualifier|exactly one|unknown scoring input|literal"):
        sides(**wrong)
