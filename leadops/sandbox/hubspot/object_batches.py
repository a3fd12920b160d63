"""Records many at a time.

Where every input names an objectWriteTraceId, one that fails does not keep the others back: 207 with both.
Else the first that fails fails the batch, and nothing is written.
https://developers.hubspot.com/docs/api-reference/latest/error-handling (multi-status errors)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leadops.sandbox.frame import Answer
from leadops.sandbox.hubspot.batches import finished, inputs_of, no_duplicates, object_type_of
from leadops.sandbox.hubspot.desk import Desk, trace_of
from leadops.sandbox.hubspot.links import links_of
from leadops.sandbox.hubspot.refusals import RefusedError
from leadops.sandbox.hubspot.schema import SINGULAR
from leadops.sandbox.hubspot.shapes import fields, names, record_json, string_map, text

Json = dict[str, Any]
Commit = Callable[[], Json]
"""Writes what was checked; what the record looks like then."""
Act = Callable[[Desk, str, Mapping[str, Any]], Commit]
INPUT_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "create": (("properties", "associations", "objectWriteTraceId"), ("properties",)),
    "update": (("id", "idProperty", "properties", "objectWriteTraceId"), ("id", "properties")),
    "upsert": (("id", "idProperty", "properties", "objectWriteTraceId"), ("id", "idProperty", "properties")),
}
"""Verb -> fields an input may have, fields it must have."""


def read_batch(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../batch/read. What is not there is one error of a 207."""
    object_type = object_type_of(params["type"])
    inputs = inputs_of(desk, body, ("properties", "propertiesWithHistory", "idProperty"))
    wanted = names(body.get("properties") or [], "properties")
    history = names(body.get("propertiesWithHistory") or [], "propertiesWithHistory")
    id_property = None if body.get("idProperty") is None else text(body["idProperty"], "idProperty")
    ids = [text(fields(each, ("id",), ("id",), "input")["id"], "id") for each in inputs]
    results, missing = [], []
    for id_ in dict.fromkeys(ids):
        try:
            record = desk.record(object_type, id_, id_property)
        except RefusedError as error:
            if error.status != 404:
                raise
            missing.append(id_)
        else:
            results.append(record_json(desk.portal, record, wanted, history_of=history))
    if not missing:
        return Answer.of(200, finished(desk, results))
    said = (
        f"Could not get some {SINGULAR[object_type].upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    absent = {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": said,
        "context": {"ids": missing},
    }
    return Answer.of(207, finished(desk, results, [absent]))


def archive_batch(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../batch/archive. Records that are not there are passed over."""
    object_type = object_type_of(params["type"])
    inputs = inputs_of(desk, body)
    ids = [text(fields(each, ("id",), ("id",), "input")["id"], "id") for each in inputs]
    no_duplicates(ids, "IDs")
    for id_ in ids:
        if desk.portal.has(object_type, id_):
            desk.portal.archive(object_type, id_, at=desk.now)
    return Answer(204)


def write_batch(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../batch/{create,update,upsert}."""
    object_type, verb = object_type_of(params["type"]), params["verb"]
    inputs = inputs_of(desk, body)
    for each in inputs:
        _check_input(each, verb)
    traces = [trace_of(each) for each in inputs]
    no_duplicates([each for each in traces if each is not None], "objectWriteTraceIds")
    _check_keys(desk, object_type, verb, inputs)
    act = {"create": _create, "update": _update, "upsert": _upsert}[verb]
    success = 201 if verb == "create" else 200
    if all(each is not None for each in traces):
        return _each_for_itself(desk, object_type, inputs, act, success)
    return _all_or_nothing(desk, object_type, inputs, act, success)


def _check_input(given: Any, verb: str) -> None:
    allowed, required = INPUT_FIELDS[verb]
    fields(given, allowed, required, "input")
    string_map(given["properties"], "properties")
    for name in ("id", "idProperty"):
        if name in given:
            text(given[name], name)


def _check_keys(desk: Desk, object_type: str, verb: str, inputs: Sequence[Mapping[str, Any]]) -> None:
    """No record and no unique value twice in one batch. Raises RefusedError (400)."""
    for name in desk.portal.properties[object_type]:
        if desk.portal.is_unique(object_type, name):
            given = [each["properties"].get(name, "").strip().lower() for each in inputs]
            no_duplicates([each for each in given if each], f"values of {name}")
    if verb != "create":
        for name in {each["idProperty"] for each in inputs if "idProperty" in each}:
            desk.unique(object_type, name)
        no_duplicates([each["id"].strip().lower() for each in inputs], "IDs")


def _create(desk: Desk, object_type: str, given: Mapping[str, Any]) -> Commit:
    links = links_of(object_type, given.get("associations"))
    properties = given["properties"]
    write = desk.creation(object_type, properties, links)
    return lambda: record_json(desk.portal, write(), properties)


def _update(desk: Desk, object_type: str, given: Mapping[str, Any]) -> Commit:
    properties = given["properties"]
    write = desk.change(desk.record(object_type, given["id"], given.get("idProperty")), properties)
    return lambda: record_json(desk.portal, write(), properties)


def _upsert(desk: Desk, object_type: str, given: Mapping[str, Any]) -> Commit:
    key = given["idProperty"]
    properties = {key: given["id"], **given["properties"]}
    record = desk.portal.by_unique(object_type, key, given["id"])
    write = desk.creation(object_type, properties) if record is None else desk.change(record, properties)
    return lambda: record_json(desk.portal, write(), properties) | {"new": record is None}


def _each_for_itself(
    desk: Desk, object_type: str, inputs: Sequence[Mapping[str, Any]], act: Act, success: int
) -> Answer:
    results, errors, problems = [], [], []
    for each in inputs:
        trace = each["objectWriteTraceId"]
        try:
            results.append(act(desk, object_type, each)() | {"objectWriteTraceId": trace})
        except RefusedError as error:
            errors.append(error.item(trace))
            if error.is_breach:
                problems.append(f"{error.status} {error.category}: {error.message}")
    status = 207 if errors else success
    return Answer.of(status, finished(desk, results, errors), problems=tuple(problems))


def _all_or_nothing(
    desk: Desk, object_type: str, inputs: Sequence[Mapping[str, Any]], act: Act, success: int
) -> Answer:
    commits = [act(desk, object_type, each) for each in inputs]
    return Answer.of(success, finished(desk, [commit() for commit in commits]))
