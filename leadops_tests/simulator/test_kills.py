"""Processes killed by SIGKILL at every boundary of every stage, against the sandbox's own count.

The simulator's crashes are exceptions in one process; these are not: sockets end, Postgres rolls back by
itself, and whoever comes next is a process that remembers nothing (P1, P2, P3, R1, R2, R16, R28).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leadops.playbook.loader import LoadedPlaybook, load
from leadops.simulator.boundaries import AFTER_CALL, AFTER_COMMIT, BEFORE_CALL, BEFORE_COMMIT, DURING_CALL
from leadops_tests import postgres_server
from leadops_tests.house import PLAYBOOK
from leadops_tests.simulator.killing import Nursery, Spot, nursery
from leadops_tests.simulator.left_behind import HANDED_OVER, SEND, Ending, differences, ending_of
from leadops_tests.simulator.story import FIRST_DAYS, MOMENTS, Story

TOWARDS_US = ("ingest", "replies", "fold", "enrich", "score", "enrol", "settle", "escalate")
AWAY_FROM_US = ("outreach", "write_back")
"""Modules of the stages. (Drafts and hand-overs are the outreach's.)"""
AT_LEAST = 110
MADE = "hubspot POST /crm/objects/2026-09/notes/batch/create"
REPRESENTATIVE = (
    (AFTER_COMMIT, HANDED_OVER),
    (DURING_CALL, SEND),
    (BEFORE_COMMIT, "outreach._record_one"),
    (BEFORE_COMMIT, "ingest.ingest"),
    (AFTER_COMMIT, "fold._fold_batch"),
    (DURING_CALL, "hubspot POST /crm/objects/2026-09/tasks/batch/upsert"),
)


@dataclass(frozen=True)
class Stage:
    """Where stories are told, by whom."""

    server: str
    folder: Path
    nursery: Nursery
    loaded: LoadedPlaybook

    def tell(self, moments: Sequence[timedelta], deadly: Spot | None = None, **more: Any) -> Told:
        """A story in a database and a world of its own."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with postgres_server.fresh_database(self.server) as database:
            story = Story(folder, database, self.nursery, self.loaded, deadly, moments, **more)
            story.tell()
            return Told(story, ending_of(story))


@dataclass(frozen=True)
class Told:
    """A story and its end."""

    story: Story
    ending: Ending

    def the(self, when: str, place: str) -> Spot:
        """The first of its boundaries that is called so."""
        return next(spot for spot in self.story.spots if (spot.when, spot.place) == (when, place))

    def with_kills(self, stage: Stage, spots: Sequence[Spot], **more: Any) -> list[str]:
        """What went wrong where somebody was killed at these, each in a telling of its own."""
        found = []
        for spot in spots:
            try:
                again = stage.tell(self.story.moments, spot, **more)
            except AssertionError as error:
                raise AssertionError(f"killed {spot}: {error}") from error
            found += [f"killed {spot}: {what}" for what in differences(spot, again.ending, self.ending)]
        return found


@pytest.fixture(scope="module")
def stage(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("kills")
    with nursery(folder) as children:
        yield Stage(postgres_url, folder, children, load(PLAYBOOK))


@pytest.fixture(scope="module")
def first_days(stage: Stage) -> Told:
    """Without a kill, up to the second messages."""
    return stage.tell(FIRST_DAYS)


@pytest.fixture(scope="module")
def whole(stage: Stage) -> Told:
    """Without a kill, to its end: it passes every boundary there is."""
    return stage.tell(MOMENTS)


@pytest.mark.timeout(120)
def test_killed_where_it_hurts_most_everybody_is_answered_once(stage: Stage, first_days: Told) -> None:
    assert first_days.ending.wrong == ()
    spots = [first_days.the(*named) for named in REPRESENTATIVE]
    assert first_days.with_kills(stage, spots) == []


@pytest.mark.full
@pytest.mark.timeout(120)
def test_the_story_passes_every_stage_and_nothing_is_wrong_with_it(whole: Told) -> None:
    counts = whole.story.counts
    for stage, *what in (
        ("replies", "human", "opt_out", "out_of_office"),
        ("fold", "leads_new", "stopped"),
        ("enrich", "enriched"),
        ("score", "hot", "warm"),
        ("enrol", "enrol"),
        ("plan", "planned"),
        ("outreach", "sent", "unknown", "deferred:outside_window"),
        ("tend", "finished", "resumed"),
        ("reconcile", "found_sent"),
        ("escalate", "escalated"),
        ("write_back", "done"),
    ):
        for name in what:
            assert counts[stage, name], (stage, name, counts)
    assert len(whole.story.stopped) == 4  # an answer, two withdrawals, a bounce
    assert whole.ending.wrong == ()
    assert whole.ending.unknown == frozenset()
    assert max(step for _, step in whole.ending.messages) == "warm 3"


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stages", [TOWARDS_US, AWAY_FROM_US], ids=["towards us", "away from us"])
@pytest.mark.parametrize("when", [BEFORE_COMMIT, AFTER_COMMIT, BEFORE_CALL, DURING_CALL, AFTER_CALL])
def test_killed_at_every_boundary_everybody_is_answered_once(
    stage: Stage, whole: Told, when: str, stages: Sequence[str]
) -> None:
    every = list(whole.story.spots)
    assert len(every) >= AT_LEAST
    assert {spot.stage for spot in every} == {*TOWARDS_US, *AWAY_FROM_US}
    spots = [spot for spot in every if spot.when == when and spot.stage in stages]
    print(f"killed at {len(spots)} of {len(every)} boundaries")  # noqa: T201
    assert spots
    assert whole.with_kills(stage, spots) == []


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_crm_without_unique_ids_has_everything_once_all_the_same(stage: Stage) -> None:
    """What the dead one had made it remembered; whoever comes next must find it (R28)."""
    told = stage.tell(FIRST_DAYS, unique_ids=False)
    assert told.ending.wrong == ()
    spots = [
        spot
        for spot in told.story.spots
        if spot.stage == "write_back"
        and spot.when in (DURING_CALL, AFTER_CALL)
        and spot.place.endswith(("/batch/create", "/associate/default"))
    ]
    assert len(spots) == 12
    assert told.with_kills(stage, spots, unique_ids=False) == []


@pytest.mark.full
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("mutant", "when", "place", "caught"),
    [
        ("a lapsed hand-over is planned again", DURING_CALL, SEND, "is 2 messages"),
        ("claims never expire", AFTER_COMMIT, "outreach._claim", "missing, a message"),
        ("what the CRM has is not looked for", DURING_CALL, MADE, "2 times in the CRM"),
    ],
)
def test_a_house_that_cannot_bear_a_kill_is_found_out(
    stage: Stage, tmp_path: Path, mutant: str, when: str, place: str, caught: str
) -> None:
    told = stage.tell(MOMENTS, unique_ids=False)
    with nursery(tmp_path, mutant) as children:
        mutated = replace(stage, nursery=children)
        found = told.with_kills(mutated, [told.the(when, place)], unique_ids=False)
    assert any(caught in what for what in found), found
