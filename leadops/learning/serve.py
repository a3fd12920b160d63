"""The promoted model at hand for scoring: read once per process. NumPy is imported where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from leadops.domain.learned import take_over
from leadops.playbook.model import Playbook, Scorecard
from leadops.store import models
from leadops.terms import Score

if TYPE_CHECKING:
    from leadops.learning.examples import Asked
    from leadops.learning.model import Learned

_AT_HAND: dict[str, Learned] = {}
_MOST = 4


def promoted_for(connection: Connection, playbook: Playbook) -> str | None:
    """Version of the promoted model; None where there is none, or it was equated to another scorecard.

    A changed scorecard means other totals and thresholds: the rules score until the next training.
    """
    found = models.promoted(connection) if playbook.model.enabled else None
    return found[0] if found is not None and found[1] == playbook.scorecard.version else None


def model_in_use(connection: Connection, playbook: Playbook) -> Learned | None:
    """The promoted model, where there is one for this scorecard and it can be read."""
    version = promoted_for(connection, playbook)
    return None if version is None else loaded(connection, version)


def loaded(connection: Connection, version: str) -> Learned | None:
    """A model by version, which says all about its content; None where it is not there or cannot be read."""
    from leadops.learning.model import UnreadableModelError

    try:
        return _load(connection, version)
    except UnreadableModelError:
        return None  # of another version of leadops: the scorecard scores until the next training


def _load(connection: Connection, version: str) -> Learned:
    """Raises UnreadableModelError."""
    if version not in _AT_HAND:
        from leadops.learning.model import UnreadableModelError, model_from_json

        data = models.artifact(connection, version)
        if data is None:
            raise UnreadableModelError("it is not there")
        made = model_from_json(data)
        if len(_AT_HAND) >= _MOST:
            _AT_HAND.pop(next(iter(_AT_HAND)))
        _AT_HAND[version] = made
    return _AT_HAND[version]


def taken_over(
    connection: Connection, playbook: Playbook, version: str, by_rules: Mapping[str, Score], now: datetime
) -> dict[str, Score]:
    """The scores of these leads (lead_id -> the scorecard's) by the model of this version.

    Whatever is wrong with a model, no lead waits for it: the scorecard's score then stands and says so, by
    the type of what went wrong (its words may hold a person's data).
    """
    try:
        with connection.begin_nested():
            return _by_model(connection, playbook, _load(connection, version), by_rules, now)
    except DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - the scorecard needs no model
        failed = type(error).__name__
        return {
            i: s if s.disqualified is not None else replace(s, model_failed=failed)
            for i, s in by_rules.items()
        }


def _by_model(
    connection: Connection, playbook: Playbook, model: Learned, by_rules: Mapping[str, Score], now: datetime
) -> dict[str, Score]:
    from leadops.learning.examples import asked_now

    asked = asked_now(connection, list(by_rules), playbook.scorecard, now)
    return dict(by_rules) | said_by(model, asked, by_rules, playbook.scorecard)


def said_by(
    model: Learned, asked: Mapping[str, Asked], by_rules: Mapping[str, Score], scorecard: Scorecard
) -> dict[str, Score]:
    """lead_id -> its score by ``model``, of those that are ``asked`` about. ``by_rules``: the scorecard's."""
    ids = sorted(asked)
    predictions = model.predict([asked[i].row for i in ids], [asked[i].at for i in ids])
    return {
        lead_id: take_over(
            by_rules[lead_id],
            scorecard,
            version=model.version,
            probability=said.probability,
            total=said.total,
            start=said.start,
            rules_then=asked[lead_id].rules,
            contributions=said.contributions,
        )
        for lead_id, said in zip(ids, predictions, strict=True)
    }
