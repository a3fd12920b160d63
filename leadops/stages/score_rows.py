"""Rows of a file -> scores, with no database: what the scorecard says of people nobody has stored yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from leadops.domain.fold import fold
from leadops.domain.identity import part
from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring, identity_keys
from leadops.domain.scoring import INPUTS, inputs_of
from leadops.errors import BadInput
from leadops.playbook.model import Scorecard
from leadops.providers.crm.port import RawRow
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.terms import LeadEvent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """``inputs`` and ``scores``: a line per row that could be read, indexed by its place among the rows.
    ``problems``: place -> why a row could not be read."""

    inputs: pd.DataFrame
    scores: pd.DataFrame
    problems: dict[int, str]


def score_rows(given: Sequence[RawRow], scorecard: Scorecard, *, now: datetime) -> ScoredRows:
    """Score the people of ``given`` as of ``now``. Rows of one person (address, phone, CRM id) are folded
    together and have one score. Enriched by what their own words say; nobody is asked."""
    import pandas as pd

    from leadops.stages.score_frame import score_frame

    keyring, provider = Keyring(b"nothing of this is kept"), OfflineEnrichment()
    events: dict[str, LeadEvent] = {}
    places: dict[str, list[int]] = {}
    problems: dict[int, str] = {}
    for place, row in enumerate(given):
        try:
            if row.event is None:
                raise BadInput("invalid_row", row.error or "cannot be read")
            event = parse_event(row.event, now=now, keyring=keyring)
        except BadInput as error:
            problems[place] = str(error)
            continue
        events[event.event_id] = event
        places.setdefault(event.event_id, []).append(place)
    found = {}
    people = part(list(events.values()), {i: identity_keys(e, keyring) for i, e in events.items()})
    for person in people.persons:
        state = fold([events[i] for i in person])
        inputs = inputs_of(state, provider.enrich(state), now)
        found.update({place: inputs for i in person for place in places[i]})
    order = sorted(found)
    frame = pd.DataFrame([found[p] for p in order], index=order, columns=list(INPUTS), dtype=object)
    return ScoredRows(frame, score_frame(frame, scorecard), problems)
