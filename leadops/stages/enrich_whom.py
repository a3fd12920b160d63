"""About whom nobody else is told: asking costs money and hands a person's data to a third party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from leadops.domain.enriching import why_not_asked
from leadops.domain.keys import Keyring, suppression_keys
from leadops.domain.scoring import inputs_of, ruled_out
from leadops.playbook.model import Playbook, Scorecard
from leadops.store import suppressions
from leadops.terms import EvidenceField, LeadState


@dataclass(frozen=True, slots=True)
class Manners:
    """What decides about whom providers may be asked. ``max_lead_age``: of what they asked for."""

    keyring: Keyring
    scorecard: Scorecard
    max_lead_age: timedelta

    def ruled_out(self, state: LeadState, known: Mapping[str, EvidenceField], now: datetime) -> bool:
        """Whether the scorecard rules a lead out by what is known before anybody is asked."""
        card = self.scorecard
        return bool(card.disqualifiers) and ruled_out(inputs_of(state, known, now), card) is not None

    def not_asked(
        self, connection: Connection, leads: Mapping[str, tuple[LeadState, bool]], now: datetime
    ) -> dict[str, str]:
        """lead id -> why nobody is asked about it (``why_not_asked``), of these (state, ruled out) alone."""
        keys = {lead_id: suppression_keys(self.keyring, state) for lead_id, (state, _) in leads.items()}
        found = suppressions.found(connection, {key for own in keys.values() for key in own})
        reasons = {
            lead_id: why_not_asked(
                state,
                now,
                self.max_lead_age,
                suppressed=not found.keys().isdisjoint(keys[lead_id]),
                disqualified=out,
            )
            for lead_id, (state, out) in leads.items()
        }
        return {lead_id: reason for lead_id, reason in reasons.items() if reason is not None}


def manners_of(playbook: Playbook, keyring: Keyring) -> Manners:
    """As the playbook has them."""
    return Manners(keyring, playbook.scorecard, timedelta(days=playbook.enrolment.max_age_days))
