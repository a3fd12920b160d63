"""The mode at this moment: what the playbook says, and where it says so, how many leads came in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from leadops.domain import modes
from leadops.domain.modes import Mode
from leadops.playbook.model import Playbook
from leadops.store import leads


def mode_now(
    connection: Connection, playbook: Playbook, *, now: datetime, model_earned_it: bool | None = None
) -> Mode:
    """Reads nothing unless the mode follows the volume; then one bounded range of an index.

    ``model_earned_it``: whether the promoted model is better than the rules; None where there is none.
    """
    count = 0
    if modes.needs_count(playbook.mode):
        since = now - modes.TRAILING
        count = leads.came_in(connection, since=since, until=now, at_most=modes.enough(playbook.volume))
    return modes.decide(playbook.mode, count, model_earned_it, playbook.volume)
