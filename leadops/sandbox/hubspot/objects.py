"""Records one at a time: list, read, make, write, archive, search."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from leadops.sandbox.frame import Answer
from leadops.sandbox.hubspot import search
from leadops.sandbox.hubspot.batches import object_type_of
from leadops.sandbox.hubspot.desk import Desk, trace_of
from leadops.sandbox.hubspot.links import links_of
from leadops.sandbox.hubspot.portal import Record
from leadops.sandbox.hubspot.shapes import (
    associations_json,
    fields,
    listed,
    record_json,
    string_map,
    whole,
)

MOST_LISTED = 100
MOST_LISTED_WITH_HISTORY = 50


def list_objects(desk: Desk, params: Mapping[str, str], query: Mapping[str, str]) -> Answer:
    """GET: by id, a page at a time; ``after`` is the id to begin at."""
    object_type = object_type_of(params["type"])
    most = MOST_LISTED_WITH_HISTORY if query.get("propertiesWithHistory") else MOST_LISTED
    limit = whole(query.get("limit", "10"), "limit", 1, most)
    after = whole(query.get("after", "0"), "after", 0, 10**18)
    if query.get("archived") == "true":
        return Answer.of(200, {"results": []})
    coming = (each for each in desk.portal.records(object_type) if int(each.id) >= after)
    page = list(islice(coming, limit + 1))
    said: dict[str, Any] = {"results": [_read_json(desk, each, query) for each in page[:limit]]}
    if len(page) > limit:
        said["paging"] = {"next": {"after": page[limit].id, "link": f"?after={page[limit].id}"}}
    return Answer.of(200, said)


def _read_json(desk: Desk, record: Record, query: Mapping[str, str]) -> dict[str, Any]:
    others = [object_type_of(each) for each in listed(query, "associations")]
    return record_json(
        desk.portal,
        record,
        listed(query, "properties"),
        history_of=listed(query, "propertiesWithHistory"),
    ) | associations_json(desk.portal, record, others)


def read_object(desk: Desk, params: Mapping[str, str], query: Mapping[str, str]) -> Answer:
    """GET one."""
    object_type = object_type_of(params["type"])
    record = desk.record(object_type, params["id"], query.get("idProperty"))
    return Answer.of(200, _read_json(desk, record, query))


def create_object(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST one."""
    object_type = object_type_of(params["type"])
    fields(body, ("properties", "associations", "objectWriteTraceId"), ("properties",))
    trace_of(body)
    properties = string_map(body["properties"], "properties")
    record = desk.creation(object_type, properties, links_of(object_type, body.get("associations")))()
    return Answer.of(201, record_json(desk.portal, record, properties))


def update_object(desk: Desk, params: Mapping[str, str], query: Mapping[str, str], body: Any) -> Answer:
    """PATCH one."""
    object_type = object_type_of(params["type"])
    fields(body, ("properties", "objectWriteTraceId"), ("properties",))
    trace_of(body)
    properties = string_map(body["properties"], "properties")
    record = desk.record(object_type, params["id"], query.get("idProperty"))
    return Answer.of(200, record_json(desk.portal, desk.change(record, properties)(), properties))


def archive_object(desk: Desk, params: Mapping[str, str]) -> Answer:
    """DELETE one."""
    object_type = object_type_of(params["type"])
    desk.portal.archive(object_type, desk.record(object_type, params["id"]).id, at=desk.now)
    return Answer(204)


def search_objects(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../search."""
    object_type = object_type_of(params["type"])
    asked = search.read_request(desk.portal, object_type, body, desk.options)
    found = search.run(desk.portal, asked, desk.now_ms, desk.options)
    index = desk.portal.indexes[object_type]
    results = []
    for number in found.page:
        if desk.portal.has(object_type, str(number)):
            record = desk.portal.get(object_type, str(number))
            results.append(record_json(desk.portal, record, asked.properties, values=index.found[number]))
    said: dict[str, Any] = {"total": found.total, "results": results}
    if found.after is not None:
        said["paging"] = {"next": {"after": found.after}}
    return Answer.of(200, said, problems=asked.problems)
