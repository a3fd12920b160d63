"""The mode at this moment: what the playbook says, and where it says so, how many leads came in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from leadops.domain import modes
from leadops.domain.modes import Mode, Scorer
from leadops.learning.serve import promoted_for
from leadops.playbook.model import Playbook
from leadops.store import leads, models


def mode_now(connection: Connection, playbook: Playbook, *, now: datetime) -> Mode:
    """Whether a model has earned it, and where the mode follows the volume, one bounded range of an index."""
    return _decided(connection, playbook, models.earned(connection) if playbook.model.enabled else None, now)


def model_that_scores(
    connection: Connection, playbook: Playbook, *, now: datetime, scorer: Scorer | None = None
) -> str | None:
    """The version of the promoted model where it is its turn to score; None: the scorecard's.

    ``scorer``: as ``score`` says.
    """
    version = None if scorer == "rules" else promoted_for(connection, playbook)
    if version is None or scorer == "model":
        return version
    return version if _decided(connection, playbook, True, now).scorer == "model" else None


def _decided(connection: Connection, playbook: Playbook, earned: bool | None, now: datetime) -> Mode:
    count = 0
    if modes.needs_count(playbook.mode):
        since = now - modes.TRAILING
        count = leads.came_in(connection, since=since, until=now, at_most=modes.enough(playbook.volume))
    return modes.decide(playbook.mode, count, earned, playbook.volume)
