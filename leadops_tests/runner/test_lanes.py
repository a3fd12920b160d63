"""What a runner serves, and when it tries again what a run has left."""

from __future__ import annotations

from leadops.defs import jobs
from leadops.runner.lanes import LANES, PATIENCE_S, Patience
from leadops.store import runners


def test_every_lane_is_a_job_and_every_asset_of_the_jobs_has_a_lane() -> None:
    assert [lane.name for lane in LANES] == list(runners.LANES)
    made = {asset for lane in LANES for asset in lane.assets}
    assert made == {*jobs._INTAKE, *jobs._SCORING, *jobs._OUTREACH, "handoffs", "crm_writebacks"}


def test_a_slow_crm_is_in_nobodys_way() -> None:
    assert [lane.name for lane in LANES if "crm_writebacks" in lane.assets] == ["write_back"]


def test_what_is_new_is_taken_at_once() -> None:
    patience = Patience()
    assert not patience.may(None, 0)
    assert patience.may("a", 0)
    patience.ran("a", None, 1)
    assert patience.may("a", 1)
    patience.ran("a", "b", 2)
    assert patience.may("b", 2)


def test_what_a_run_leaves_as_it_was_rests_longer_and_longer() -> None:
    patience, at, rests = Patience(), 0.0, []
    for _ in range(8):
        assert patience.may("a", at)
        patience.ran("a", "a", at)
        began = at
        while not patience.may("a", at):
            at += 0.5
        rests.append(at - began)
    assert rests[:4] == [1, 2, 4, 8]
    assert rests[-1] == PATIENCE_S[1]
    assert patience.may("b", 0), "what is new does not rest"
