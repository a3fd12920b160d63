"""Who takes over a lead, by when, and what they must know before picking up the phone."""

from __future__ import annotations

import hashlib
from datetime import datetime

from leadops.domain.timing import business_deadline
from leadops.playbook.model import Playbook, Rep


def choose_rep(lead_id: str, owner: str | None, playbook: Playbook) -> Rep:
    """The lead's owner where it is one of our reps, else one by hash of the lead: the same on every call."""
    reps = playbook.handoff.reps
    for rep in reps:
        if owner is not None and owner.lower() in (rep.id.lower(), rep.email.lower()):
            return rep
    digest = hashlib.blake2b(f"rep\x1f{lead_id}".encode(), digest_size=8).digest()
    return reps[int.from_bytes(digest, "big") % len(reps)]


def sla_due(created_at: datetime, rep: Rep, playbook: Playbook) -> datetime:
    """When the rep must have acted: minutes on the rep's own business clock."""
    return business_deadline(created_at, playbook.handoff.sla_minutes, rep.timezone)
