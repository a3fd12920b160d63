"""Who decides, at every volume (the bounds themselves belong to the middle)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leadops.domain.modes import Mode, decide, enough
from leadops.playbook.model import Volume

BRIEF = Volume()
EARNED = st.sampled_from([None, False, True])
BOUNDS = st.tuples(st.integers(0, 200), st.integers(0, 2000)).map(
    lambda b: Volume(review_below=min(b), model_above=max(b))
)


@pytest.mark.parametrize(
    ("leads", "earned", "review", "scorer"),
    [
        (0, None, True, "rules"),
        (49, True, True, "rules"),
        (50, True, False, "rules"),
        (500, True, False, "rules"),
        (501, True, False, "model"),
        (501, False, False, "rules"),
        (501, None, False, "rules"),
        (100_000, True, False, "model"),
    ],
)
def test_by_volume_follows_the_brief(leads: int, earned: bool | None, review: bool, scorer: str) -> None:
    mode = decide("by_volume", leads, earned, BRIEF)
    assert (mode.review, mode.scorer) == (review, scorer)


@given(leads=st.integers(0, 10_000), earned=EARNED, bounds=BOUNDS)
def test_auto_and_review_are_what_a_person_chose(leads: int, earned: bool | None, bounds: Volume) -> None:
    for setting, review in (("auto", False), ("review", True)):
        mode = decide(setting, leads, earned, bounds)  # type: ignore[arg-type]
        assert mode == decide(setting, 0, earned, BRIEF)  # type: ignore[arg-type]
        assert (mode.review, mode.scorer) == (review, "model" if earned else "rules")


@given(leads=st.integers(0, 10_000), earned=EARNED, bounds=BOUNDS)
def test_counting_further_than_enough_changes_nothing(
    leads: int, earned: bool | None, bounds: Volume
) -> None:
    most = enough(bounds)
    assert decide("by_volume", leads, earned, bounds) == decide("by_volume", min(leads, most), earned, bounds)


@given(leads=st.integers(0, 3000), earned=EARNED, bounds=BOUNDS)
def test_more_leads_never_bring_a_person_back(leads: int, earned: bool | None, bounds: Volume) -> None:
    now, then = (decide("by_volume", n, earned, bounds) for n in (leads, leads + 1))
    assert now.review or not then.review
    assert (now.scorer, then.scorer) != ("model", "rules")


@given(
    setting=st.sampled_from(["auto", "review", "by_volume"]),
    leads=st.integers(0, 3000),
    earned=EARNED,
    bounds=BOUNDS,
)
def test_the_reason_says_what_was_decided(
    setting: str, leads: int, earned: bool | None, bounds: Volume
) -> None:
    mode: Mode = decide(setting, leads, earned, bounds)  # type: ignore[arg-type]
    assert ("a person approves every message" in mode.reason) == mode.review
    assert ("the model scores" in mode.reason) == (mode.scorer == "model")
    assert "\n" not in mode.reason
    assert not mode.reason.endswith(".")


def test_a_reason_has_the_number_it_comes_from() -> None:
    assert decide("by_volume", 1, None, BRIEF).reason.startswith("1 lead in 30 days, fewer than 50:")
    assert decide("by_volume", 212, None, BRIEF).reason.startswith("212 leads in 30 days, 50 to 500:")
    assert decide("by_volume", 501, False, BRIEF).reason.startswith("more than 500 leads in 30 days:")


def test_bounds_ascend() -> None:
    with pytest.raises(ValidationError, match="model_above must not be less"):
        Volume(review_below=60, model_above=50)
