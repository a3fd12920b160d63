"""The scorecard over a table is the scorecard of each row."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.scoring import INPUTS, score
from leadops.playbook.loader import load
from leadops.playbook.model import Scorecard
from leadops.settings import PROJECT_ROOT
from leadops.stages.score_frame import POINTS, score_frame

DEFAULT = load(PROJECT_ROOT / "playbook" / "playbook.yaml").playbook.scorecard
CARD = Scorecard.model_validate(
    {
        **DEFAULT.model_dump(),
        "caps": {"fit": 40, "engagement": 45},
        "disqualifiers": [
            {"name": "competitor", "field": "domain", "equals": ["rival.example"]},
            {"name": "student", "field": "title", "contains": ["student", "intern"]},
        ],
    }
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 400),
    st.floats(allow_infinity=False, width=32),
    st.sampled_from(
        [
            "",
            "  ",
            "CEO",
            "vp  sales",
            "Student",
            "yes",
            "no",
            "referral",
            "demo_requested",
            "rival.example",
            "1",
        ]
    ),
    st.text(max_size=6),
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(INPUTS, VALUES)), min_size=1, max_size=8)


@pytest.mark.parametrize("card", [DEFAULT, CARD], ids=["default", "capped"])
@given(rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_a_table_scores_as_its_rows(card: Scorecard, rows: list[dict[str, Any]]) -> None:
    found = score_frame(pd.DataFrame(rows, index=range(10, 10 + len(rows)), dtype=object), card)
    for (place, seen), row in zip(found.iterrows(), rows, strict=True):
        single = score(row, card)
        assert (place, seen["tier"], seen["disqualified"]) == (place, single.tier.value, single.disqualified)
        assert seen["total"] == pytest.approx(single.total, abs=2e-6)
        assert (seen["fit"], seen["engagement"]) == pytest.approx((single.fit, single.engagement))
        assert [seen[POINTS + s.signal] for s in single.signals] == pytest.approx(
            [s.points for s in single.signals]
        )


def test_an_empty_table_and_absent_columns() -> None:
    assert score_frame(pd.DataFrame({"title": []}), CARD).empty
    alone = score_frame(pd.DataFrame({"title": ["CEO", None]}), CARD)
    assert list(alone["total"]) == pytest.approx([score({"title": t}, CARD).total for t in ("CEO", None)])
