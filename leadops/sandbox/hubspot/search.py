"""HubSpot's CRM search: what a request must look like, and what it finds.

Rules of the request: the vendor's search guide (all five fields, 200 a page, six groups, window of 10,000);
https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm (one sort, operators, lower
case of IN's values, ``associations.contact``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadops.sandbox.hubspot.filters import Filter, predicate, read_filter
from leadops.sandbox.hubspot.index import Index, Properties
from leadops.sandbox.hubspot.options import Options
from leadops.sandbox.hubspot.portal import Portal
from leadops.sandbox.hubspot.refusals import invalid
from leadops.sandbox.hubspot.schema import created_name, modified_name
from leadops.sandbox.hubspot.shapes import fields, names, text, whole

OFFSET = re.compile(r"[0-9]{1,9}")
REQUIRED = ("after", "filterGroups", "limit", "properties", "sorts")
LONGEST_QUERY = 3_000
MOST_GROUPS = 6
MOST_PER_GROUP = 6
MOST_FILTERS = 18
MOST_PER_PAGE = 200
SEARCHED_TEXT = (
    "email", "firstname", "lastname", "phone", "company", "name", "domain", "dealname", "hs_task_subject",
    "hs_task_body", "hs_note_body", "hs_email_subject", "hs_call_title", "hs_meeting_title",
    "hs_communication_body",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A search as asked, checked. ``sort``: (property, whether it descends)."""

    object_type: str
    groups: tuple[tuple[Filter, ...], ...]
    sort: tuple[str, bool]
    offset: int
    limit: int
    properties: tuple[str, ...]
    query: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """``page``: ids; ``after``: where the next page begins, None at the end."""

    total: int
    page: tuple[int, ...]
    after: str | None


def read_request(portal: Portal, object_type: str, body: Any, options: Options) -> Request:
    """The search ``body`` asks for. Raises RefusedError (400)."""
    fields(body, (*REQUIRED, "query"), REQUIRED)
    limit = body["limit"]
    if isinstance(limit, str):
        raise invalid("Invalid input JSON: limit must be a number")
    limit = whole(limit, "limit", 1, MOST_PER_PAGE)
    offset = _offset(body["after"])
    if offset + limit > options.window:
        raise invalid(
            f"The page would end after result {options.window}; a search gives no more than that "
            f"(after {offset}, limit {limit})"
        )
    query = body.get("query") or ""
    if not isinstance(query, str) or len(query) > LONGEST_QUERY:
        raise invalid(f"query must be a string of at most {LONGEST_QUERY} characters")
    groups = _groups(portal, object_type, body["filterGroups"])
    problems = tuple(each.problem for group in groups for each in group if each.problem)
    sort = _sort(portal, object_type, body["sorts"])
    wanted = tuple(names(body["properties"], "properties"))
    return Request(object_type, groups, sort, offset, limit, wanted, query, problems)


def _offset(after: Any) -> int:
    if not isinstance(after, str) or not OFFSET.fullmatch(after):
        raise invalid('after must be a string of digits ("0" for the first page)')
    return int(after)


def _groups(portal: Portal, object_type: str, given: Any) -> tuple[tuple[Filter, ...], ...]:
    if not isinstance(given, list):
        raise invalid("Invalid input JSON: filterGroups must be an array")
    if len(given) > MOST_GROUPS:
        raise invalid(f"{len(given)} filterGroups; at most {MOST_GROUPS} are allowed")
    groups = []
    for group in given:
        filters = fields(group, ("filters",), ("filters",), "filterGroup")["filters"]
        if not isinstance(filters, list) or not 1 <= len(filters) <= MOST_PER_GROUP:
            raise invalid(f"a filterGroup must have 1 to {MOST_PER_GROUP} filters")
        groups.append(tuple(read_filter(portal.properties[object_type], each) for each in filters))
    count = sum(map(len, groups))
    if count > MOST_FILTERS:
        raise invalid(f"{count} filters; at most {MOST_FILTERS} are allowed in one search")
    return tuple(groups)


def _sort(portal: Portal, object_type: str, given: Any) -> tuple[str, bool]:
    """(property, descending). Without sorts: in order of making."""
    if not isinstance(given, list):
        raise invalid("Invalid input JSON: sorts must be an array")
    if not given:
        return created_name(object_type), False
    if len(given) > 1:
        raise invalid("Only one sorting rule can be applied to any search")
    if isinstance(given[0], str):
        name, descends = given[0].removeprefix("-"), given[0].startswith("-")
    else:
        rule = fields(given[0], ("propertyName", "direction"), ("propertyName",), "sort")
        direction = rule.get("direction", "ASCENDING")
        if direction not in ("ASCENDING", "DESCENDING"):
            raise invalid("the direction of a sort must be ASCENDING or DESCENDING")
        name, descends = text(rule["propertyName"], "propertyName"), direction == "DESCENDING"
    if name not in portal.properties[object_type]:
        raise invalid(f"There was a problem with the request: no property {name} to sort by")
    return name, descends


def run(portal: Portal, request: Request, now_ms: int, options: Options) -> Found:
    """The page asked for, of what the index knows at ``now_ms``."""
    index = portal.indexes[request.object_type]
    index.catch_up(now_ms - round(options.index_lag_s * 1000))
    ids = _matching(portal, index, request, options)
    ids = _sorted(portal, index, request, ids, options)
    end = request.offset + request.limit
    return Found(len(ids), tuple(ids[request.offset : end]), str(end) if end < len(ids) else None)


def _matching(portal: Portal, index: Index, request: Request, options: Options) -> list[int]:
    """Ids in the index's order. A bound on the time of writing is found by bisection."""
    low, high = None, None
    groups: list[list[Filter]] = [list(group) for group in request.groups]
    if len(groups) == 1:
        bounds = [each.bounds() for each in groups[0] if each.name == modified_name(request.object_type)]
        lows = [low for low, _ in bounds if low is not None]
        highs = [high for _, high in bounds if high is not None]
        low, high = max(lows, default=None), min(highs, default=None)
        groups = [
            [
                each
                for each in groups[0]
                if each.name != modified_name(request.object_type) or each.bounds() == (None, None)
            ]
        ]
    ids = index.since(low, high)
    keeps = _keeps(portal, request, groups, options)
    if keeps is None:
        return ids
    found = index.found
    return [number for number in ids if keeps(number, found[number])]


def _keeps(
    portal: Portal, request: Request, groups: Sequence[Sequence[Filter]], options: Options
) -> Callable[[int, Properties], bool] | None:
    """Whether a record fits the groups (any of them, all filters of it) and the text query."""
    known = portal.properties[request.object_type]

    def linked(number: int, other: str) -> list[str]:
        return portal.associated(request.object_type, str(number), other)

    built = [
        [predicate(each, known, linked, blank_differs=options.finds_blank_as_unequal) for each in group]
        for group in groups
    ]
    words = request.query.lower().split()
    if not words and (not built or not all(built)):
        return None

    def keeps(number: int, values: Properties) -> bool:
        if built and not any(all(fits(number, values) for fits in group) for group in built):
            return False
        return not words or _speaks_of(values, words)

    return keeps


def _speaks_of(values: Mapping[str, str | None], words: Sequence[str]) -> bool:
    everything = " ".join(values.get(name) or "" for name in SEARCHED_TEXT).lower()
    return all(word in everything for word in words)


def _sorted(portal: Portal, index: Index, request: Request, ids: list[int], options: Options) -> list[int]:
    """``ids``, which come in order of writing, in the order asked for; blanks last."""
    name, descends = request.sort
    if options.ties_by_id:
        ids = sorted(ids)
    elif name == modified_name(request.object_type):
        return ids[::-1] if descends else ids
    if name == "hs_object_id":
        return sorted(ids, reverse=descends)
    found, is_number = index.found, portal.properties[request.object_type][name].type == "number"
    filled = [number for number in ids if found[number].get(name) is not None]
    blank = [number for number in ids if found[number].get(name) is None]

    def key(number: int) -> Any:
        value = found[number][name] or ""
        return float(value) if is_number else value.lower()

    return sorted(filled, key=key, reverse=descends) + blank
