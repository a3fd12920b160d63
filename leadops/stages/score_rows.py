"""Rows of a file -> scores, with no database: what the scorecard, or a model in hand, says of people nobody
has stored yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadops.domain.fold import fold
from leadops.domain.identity import part
from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring, identity_keys
from leadops.domain.scoring import INPUTS, inputs_of, score
from leadops.errors import BadInput
from leadops.learning.as_of import cut_of, known
from leadops.learning.examples import Asked, row_of
from leadops.learning.serve import said_by
from leadops.playbook.model import Scorecard
from leadops.providers.crm.port import RawRow
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.terms import LeadEvent, LeadState

if TYPE_CHECKING:
    import pandas as pd

    from leadops.learning.model import Learned


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """``inputs`` and ``scores``: a line per row that could be read, indexed by its place among the rows.
    ``problems``: place -> why a row could not be read."""

    inputs: pd.DataFrame
    scores: pd.DataFrame
    problems: dict[int, str]


BY_MODEL = ("probability", "rules_total", "why")
"""The columns that a model adds."""


@dataclass(frozen=True, slots=True)
class _Person:
    """Whose rows stand at ``places``."""

    events: list[LeadEvent]
    places: list[int]
    state: LeadState
    inputs: dict[str, Any]


def score_rows(
    given: Sequence[RawRow], scorecard: Scorecard, *, now: datetime, model: Learned | None = None
) -> ScoredRows:
    """Score the people of ``given`` as of ``now``. Rows of one person (address, phone, CRM id) are folded
    together and have one score. Enriched by what their own words say; nobody is asked.

    ``model``: has the word, as in the chain: it reads a lead as of becoming one (at most a day before
    ``now``: as of now), and what came since counts by the scorecard. Who is no lead keeps the scorecard's.
    """
    import pandas as pd

    from leadops.stages.score_frame import score_frame

    problems: dict[int, str] = {}
    people = list(_people(given, now, problems))
    inputs = {place: p.inputs for p in people for place in p.places}
    order = sorted(inputs)
    frame = pd.DataFrame([inputs[p] for p in order], index=order, columns=list(INPUTS), dtype=object)
    scores = score_frame(frame, scorecard)
    if model is not None:
        scores = _taken_over(scores, people, scorecard, model, now)
    return ScoredRows(frame, scores, problems)


def _people(given: Sequence[RawRow], now: datetime, problems: dict[int, str]) -> Iterator[_Person]:
    keyring, provider = Keyring(b"nothing of this is kept"), OfflineEnrichment()
    events: dict[str, LeadEvent] = {}
    places: dict[str, list[int]] = {}
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
    parted = part(list(events.values()), {i: identity_keys(e, keyring) for i, e in events.items()})
    for person in parted.persons:
        own = [events[i] for i in person]
        state = fold(own)
        inputs = inputs_of(state, provider.enrich(state), now)
        yield _Person(own, [place for i in person for place in places[i]], state, inputs)


def _taken_over(
    scores: pd.DataFrame, people: Sequence[_Person], scorecard: Scorecard, model: Learned, now: datetime
) -> pd.DataFrame:
    """The scores by ``model``, with its columns; where it has no word, as they were."""
    import pandas as pd

    asked: dict[str, Asked] = {}
    for number, person in enumerate(people):
        came = person.state.became_lead_at
        if came is not None and (look := known(cut_of(str(number), came, now), person.events)) is not None:
            asked[str(number)] = row_of(look, scorecard)
    by_rules = {i: score(people[int(i)].inputs, scorecard) for i in asked}
    by_place: dict[int, tuple[Any, ...]] = {}
    for i, found in said_by(model, asked, by_rules, scorecard).items():
        if found.learned is not None:  # else the scorecard rules it out
            part_of = found.learned
            told = (found.total, found.tier.value, part_of.probability, part_of.rules_total, found.reason)
            by_place |= dict.fromkeys(people[int(i)].places, told)
    changed = pd.DataFrame.from_dict(by_place, orient="index", columns=["total", "tier", *BY_MODEL])
    out = scores.assign(**dict.fromkeys(BY_MODEL))
    out.loc[changed.index, changed.columns] = changed
    return out
