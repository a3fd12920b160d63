"""What of a HubSpot account differs from one to another, or is not certain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

Rule = Callable[[str, Mapping[str, "str | None"]], "str | None"]
"""An administrator's validation rule: (record type, properties as they would be) -> complaint or None."""


@dataclass(slots=True)
class Options:
    """May be changed while the sandbox runs.

    Attributes:
        index_lag_s: seconds until search finds what was written.
        limits: whether requests are limited at all.
        searches_per_s: per account.
        requests_per_10s: all but searches.
        requests_per_day: all but searches.
        batch_inputs: most inputs of a batch [?].
        window: results of one search that can be paged to.
        scopes: what the token may do; None: everything.
        unique_engagement_properties: whether tasks, notes, emails ... take properties with unique values [?].
        validation_rules: rules an administrator set; enforced on API writes from 2026-09 on.
        needs_timestamp: hs_timestamp is required of engagements [?].
        finds_blank_as_unequal: NEQ and NOT_IN find records without a value [?].
        ties_by_id: among equal sort values, search goes by id; else in a steady order of its own (the vendor
            promises none).
        source_id: the app's id in the history of what the API wrote.
    """

    index_lag_s: float = 0.0
    limits: bool = True
    searches_per_s: int = 5
    requests_per_10s: int = 190
    requests_per_day: int = 650_000
    batch_inputs: int = 100
    window: int = 10_000
    scopes: Collection[str] | None = None
    unique_engagement_properties: bool = True
    validation_rules: list[Rule] = field(default_factory=list)
    needs_timestamp: bool = True
    finds_blank_as_unequal: bool = False
    ties_by_id: bool = False
    source_id: str = "1048576"
