"""A score said line by line: what one would tell a rep, and sums that come out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain.learned import take_over
from leadops.domain.score_words import by_model, by_rules, tenths
from leadops.domain.scoring import score
from leadops.playbook.loader import load
from leadops.playbook.model import Scorecard, Signal
from leadops.terms import Contribution, Score, ScoreLine
from leadops_tests.domain.test_scoring import ALL, sides
from leadops_tests.house import PLAYBOOK

CARD = load(PLAYBOOK).playbook.scorecard


def words(lines: tuple[ScoreLine, ...]) -> dict[str, float]:
    return {line.words: line.points for line in lines}


def add_up(lines: tuple[ScoreLine, ...], total: float) -> bool:
    """In whole tenths, so that it holds of what is printed."""
    tenth = [round(line.points * 10, 6) for line in lines]
    return all(t == int(t) for t in tenth) and sum(tenth) == round(tenths(total) * 10)


def test_each_signal_says_which_rule_gave_what() -> None:
    seen = {"title": "VP Sales", "company_size": 420, "requested": "demo_requested", "lead_source": "fax"}
    said = words(by_rules(score(seen | {"page_views": 0, "engagement": 1}, CARD)))
    assert said["title 'VP Sales' has 'vp': 18 of 18"] == 18
    assert said["420 employees (200 or more): 15 of 15"] == 15
    assert said["asked for a demo: 25 of 25"] == 25
    assert said["source fax, which no rule names: 4 of 10"] == 4
    assert said["no page views: 0 of 6"] == 0
    assert "business email not known: 0 of 8" in said
    assert "title 'Gardener', which no rule names: 5 of 18" in words(
        by_rules(score({"title": "Gardener"}, CARD))
    )
    assert words(by_rules(score({"title": "Student"}, CARD)))["title 'Student' has 'student': -5 of 18"] == -5


def test_a_cap_says_what_it_cut_and_what_makes_a_hundred_is_its_scale() -> None:
    found = score(ALL, sides(caps={"engagement": 15}))
    said = words(by_rules(found))
    assert said["what they did counts 15 points at most"] == pytest.approx(-15 * 100 / 35, abs=0.1)
    assert found.attainable == 35
    assert "who they are counts" not in " ".join(said)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0, "1 page: 10 of 10"),
        (1, "98 % of it left after 1 day without a sign"),
        (12, "76 % of it left after 12 days without a sign"),
        (30, "halved once in 30 days without a sign"),
        (60, "halved twice in 60 days without a sign"),
        (91, "halved 3 times in 91 days without a sign"),
        (900, "nearly nothing of it left after 900 days without a sign"),
        (32_000, "nearly nothing of it left after 32000 days without a sign"),
    ],
)
def test_what_is_forgotten_is_said_as_such(days: int, said: str) -> None:
    found = score({"page_views": 1, "days_since_engagement": days}, sides())
    (line,) = [w for w in words(by_rules(found)) if "1 page" in w]
    assert line.endswith(said)
    assert "10 of 10" in line


def test_less_than_nothing_counts_as_nothing() -> None:
    found = score({"title": "Intern", "company_size": 2}, sides())
    assert found.total == 0
    said = words(by_rules(found))
    assert said["less than nothing counts as nothing"] == 28
    assert sum(said.values()) == 0


POINTS = st.one_of(st.integers(-20, 20), st.floats(-20, 20, allow_nan=False))


@st.composite
def cards(draw: st.DrawFn) -> Scorecard:
    fields = ("page_views", "pricing_views", "human_clicks", "engagement", "company_size", "lead_source")
    signals = []
    for n, field in enumerate(draw(st.permutations(fields))[: draw(st.integers(5, 6))]):
        earned = draw(POINTS)
        form = {"equals": {"1": earned}} if field == "lead_source" else {"at_least": {1: earned}}
        signals.append(
            Signal(
                name=f"s{n}",
                field=field,
                group=draw(st.sampled_from(["fit", "engagement"])),
                max_points=max(earned, 0) + draw(st.floats(0.5, 20)),
                half_life_days=draw(st.one_of(st.none(), st.floats(0.5, 60))),
                missing=min(earned, draw(POINTS)),
                **form,
            )
        )
    present = sorted({s.group for s in signals})
    caps = {g: draw(st.floats(1, 40)) for g in present if draw(st.booleans())}
    return Scorecard(version="t", signals=tuple(signals), hot=60, warm=35, caps=caps)


@given(card=cards(), days=st.integers(0, 4000), known=st.booleans())
def test_the_scorecards_lines_add_up_to_its_total(card: Scorecard, days: int, known: bool) -> None:
    seen = {s.field: 1 for s in card.signals} if known else {}
    found = score(seen | {"days_since_engagement": days}, card)
    assert add_up(by_rules(found), found.total), (found, by_rules(found))


def learned(rules: Score, start: float, points: list[float], total: float, since: float) -> Score:
    parts = tuple(Contribution(f"p.c{n}", "x", p / 10, p) for n, p in enumerate(points))
    return take_over(
        rules,
        CARD,
        version="m-1",
        probability=0.3,
        total=total,
        start=start,
        rules_then=rules.total - since,
        contributions=parts,
    )


@given(
    start=st.floats(0, 100),
    points=st.lists(st.floats(-60, 60), max_size=20),
    total=st.floats(0, 100),
    since=st.floats(-30, 30),
)
def test_the_learned_lines_add_up_to_the_total_shown(
    start: float, points: list[float], total: float, since: float
) -> None:
    rules = score({"title": "VP Sales", "requested": "form_submitted"}, CARD)
    found = learned(rules, start, points, total, since)
    assert add_up(by_model(found), found.total), (found, by_model(found))
    assert add_up(by_rules(found), rules.total)  # what the scorecard alone says adds up beside it


def test_what_is_learned_says_what_each_value_adds_or_takes() -> None:
    rules = score({"title": "VP Sales"}, CARD)
    found = learned(rules, 40, [12.5, -3], 50.5, 4)
    assert words(by_model(found)) == {
        "what a lead like the mean of earlier ones gets": 40,
        "c0 x": 12.5,
        "c1 x": -3,
        "everything else together": 1,
        "what they did since they came in": 4,
    }
    flat = learned(rules, 40, [0.0], 40, 0)
    assert found.learned is not None
    assert words(by_model(flat))["c0 x lowers the odds, but not the points"] == 0
    assert by_model(rules) == ()


def test_who_is_just_below_a_threshold_does_not_read_as_above() -> None:
    assert tenths(59.999) == 59.9
    assert tenths(60.0) == tenths(60 - 1e-9) == 60
    below = replace(score(ALL, sides()), total=59.999)
    assert tenths(below.total) < 60
