"""`leadops playbook diff`: another scorecard over the leads there were, for a person and for machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadops.errors import LeadopsError
from leadops_tests.cli.installed import read, run
from leadops_tests.house import DEMO, PLAYBOOK, World, wire


@pytest.fixture
def candidate(world: World, tmp_path: Path) -> Path:
    """A playbook in which nobody is hot below 99, and two leads of a fortnight ago."""
    other = tmp_path / "candidate"
    other.mkdir()
    (other / "templates").symlink_to(PLAYBOOK.parent / "templates")
    text = PLAYBOOK.read_text().replace('version: "2026-2"', 'version: "draft"').replace("hot: 60", "hot: 99")
    (other / "playbook.yaml").write_text(text)
    world.now = datetime.now(UTC) - timedelta(days=14)
    for n in range(2):
        world.post(wire("demo_requested", f"p{n}@firm{n}.example", id=str(n), at=world.now, **DEMO))
    world.run()
    return other / "playbook.yaml"


def test_it_says_who_would_change_tier(candidate: Path) -> None:
    found = read("playbook", "diff", str(candidate))
    assert (found["leads"], found["changed"], found["moved"]) == (2, 2, {"hot -> warm": 2})
    said = run("playbook", "diff", str(candidate)).stdout
    assert "2 change tier under draft (now 2026-2)." in said
    assert "hot -> warm: 2" in said
    assert found["movers"][0]["lead_id"] in said


def test_a_history_that_was_only_imported_is_folded_and_looked_at_as_of_its_end(
    world: World, candidate: Path
) -> None:
    old = datetime(2020, 6, 1, 12, tzinfo=UTC)
    world.post(wire("demo_requested", "old@firm.example", id="old", at=old, **DEMO))
    found = read("playbook", "diff", str(candidate), "--as-of", "2020-07-02")
    assert (found["leads"], found["mature"]) == (1, 1)


def test_a_candidate_that_is_no_playbook_is_refused_with_the_line(candidate: Path) -> None:
    candidate.write_text(candidate.read_text().replace("hot: 99", "hot: 9"))
    with pytest.raises(LeadopsError, match="thresholds"):
        raise run("playbook", "diff", str(candidate)).exception or AssertionError("accepted")
