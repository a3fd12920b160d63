"""The promoted model at hand for scoring: read once per process. NumPy is imported where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from leadops.domain.learned import take_over
from leadops.playbook.model import Playbook
from leadops.store import models
from leadops.terms import Score

if TYPE_CHECKING:
    from leadops.learning.model import Learned

_AT_HAND: dict[str, Learned] = {}
_MOST = 4


def model_in_use(connection: Connection, playbook: Playbook) -> Learned | None:
    """The promoted model; None where there is none, or it was equated to another scorecard than this one.

    A changed scorecard means other totals and thresholds: the rules score until the next training.
    """
    if not playbook.model.enabled:
        return None
    found = models.promoted(connection)
    if found is None or found[1] != playbook.scorecard.version:
        return None
    return loaded(connection, found[0])


def loaded(connection: Connection, version: str) -> Learned | None:
    """A model by version, which says all about its content; None where it is not there or cannot be read."""
    if version not in _AT_HAND:
        from leadops.learning.model import UnreadableModelError, model_from_json

        data = models.artifact(connection, version)
        if data is None:
            return None
        try:
            made = model_from_json(data)
        except UnreadableModelError:
            return None  # of another version of leadops: the scorecard scores until the next training
        if len(_AT_HAND) >= _MOST:
            _AT_HAND.pop(next(iter(_AT_HAND)))
        _AT_HAND[version] = made
    return _AT_HAND[version]


def taken_over(
    connection: Connection, playbook: Playbook, by_rules: Mapping[str, Score], now: datetime
) -> dict[str, Score]:
    """The scores of these leads (lead_id -> the scorecard's) by the model in use; or as they were.

    Whatever is wrong with a model, no lead waits for it: the scorecard's score then stands, and says so by
    having no model's part.
    """
    model = model_in_use(connection, playbook) if by_rules else None
    if model is None:
        return dict(by_rules)
    try:
        with connection.begin_nested():
            return _by_model(connection, playbook, model, by_rules, now)
    except DBAPIError:
        raise
    except Exception:  # noqa: BLE001 - the scorecard needs no model
        return dict(by_rules)


def _by_model(
    connection: Connection, playbook: Playbook, model: Learned, by_rules: Mapping[str, Score], now: datetime
) -> dict[str, Score]:
    from leadops.learning.examples import asked_now

    asked = asked_now(connection, list(by_rules), playbook.scorecard, now)
    ids: Sequence[str] = sorted(asked)
    predictions = model.predict([asked[i].row for i in ids], [asked[i].at for i in ids])
    found = dict(by_rules)
    for lead_id, said in zip(ids, predictions, strict=True):
        found[lead_id] = take_over(
            by_rules[lead_id],
            playbook.scorecard,
            version=model.version,
            probability=said.probability,
            total=said.total,
            rules_then=asked[lead_id].rules,
            contributions=said.contributions,
        )
    return found
