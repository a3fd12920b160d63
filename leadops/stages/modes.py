"""The mode at this moment: what the playbook says, and where it says so, how many leads came in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from leadops.domain import modes
from leadops.domain.modes import Mode
from leadops.playbook.model import Playbook
from leadops.store import leads, models


def mode_now(connection: Connection, playbook: Playbook, *, now: datetime) -> Mode:
    """Whether a model has earned it, and where the mode follows the volume, one bounded range of an index."""
    earned = models.earned(connection) if playbook.model.enabled else None
    count = 0
    if modes.needs_count(playbook.mode):
        since = now - modes.TRAILING
        count = leads.came_in(connection, since=since, until=now, at_most=modes.enough(playbook.volume))
    return modes.decide(playbook.mode, count, earned, playbook.volume)
