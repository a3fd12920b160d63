"""Associations: the vendor's ids for their types, and the addresses that read and write them.

Ids: https://developers.hubspot.com/docs/api-reference/latest/crm/associations (HUBSPOT_DEFINED).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadops.sandbox.frame import Answer
from leadops.sandbox.hubspot.batches import finished, inputs_of, object_type_of
from leadops.sandbox.hubspot.desk import Desk, Link
from leadops.sandbox.hubspot.refusals import RefusedError, invalid, not_found
from leadops.sandbox.hubspot.schema import SINGULAR
from leadops.sandbox.hubspot.shapes import fields, text

TYPE_IDS: Mapping[tuple[str, str], int] = {
    ("notes", "contacts"): 202, ("contacts", "notes"): 201,
    ("tasks", "contacts"): 204, ("contacts", "tasks"): 203,
    ("emails", "contacts"): 198, ("contacts", "emails"): 197,
    ("calls", "contacts"): 194, ("contacts", "calls"): 193,
    ("meetings", "contacts"): 200, ("contacts", "meetings"): 199,
    ("communications", "contacts"): 81, ("contacts", "communications"): 82,
    ("notes", "companies"): 190, ("companies", "notes"): 189,
    ("tasks", "companies"): 192, ("companies", "tasks"): 191,
    ("emails", "companies"): 186, ("companies", "emails"): 185,
    ("calls", "companies"): 182, ("companies", "calls"): 181,
    ("meetings", "companies"): 188, ("companies", "meetings"): 187,
    ("communications", "companies"): 87, ("companies", "communications"): 88,
    ("notes", "deals"): 214, ("deals", "notes"): 213,
    ("tasks", "deals"): 216, ("deals", "tasks"): 215,
    ("emails", "deals"): 210, ("deals", "emails"): 209,
    ("calls", "deals"): 206, ("deals", "calls"): 205,
    ("meetings", "deals"): 212, ("deals", "meetings"): 211,
    ("communications", "deals"): 85, ("deals", "communications"): 86,
    ("contacts", "companies"): 279, ("companies", "contacts"): 280,
    ("deals", "contacts"): 3, ("contacts", "deals"): 4,
    ("deals", "companies"): 341, ("companies", "deals"): 342,
    ("contacts", "contacts"): 449,
}  # fmt: skip
"""(from, to) -> associationTypeId of the plain association."""
TO_OF: Mapping[tuple[str, int], str] = {(one, id_): other for (one, other), id_ in TYPE_IDS.items()}


def links_of(object_type: str, given: Any) -> list[Link]:
    """The associations of a record about to be made. Raises RefusedError (400)."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("Invalid input JSON: associations must be an array")
    found = []
    for each in given:
        fields(each, ("to", "types"), ("to", "types"), "association")
        other_id = text(fields(each["to"], ("id",), ("id",), "to")["id"], "to.id")
        found.append((_to_type(object_type, each["types"]), other_id))
    return found


def _to_type(object_type: str, types: Any) -> str:
    """The other end's type, which the type of the association says. Raises RefusedError (400)."""
    if not isinstance(types, list) or not types:
        raise invalid("an association must have at least one type")
    said = fields(
        types[0],
        ("associationCategory", "associationTypeId"),
        ("associationCategory", "associationTypeId"),
        "type",
    )
    category, type_id = said["associationCategory"], said["associationTypeId"]
    if category != "HUBSPOT_DEFINED" or not isinstance(type_id, int) or isinstance(type_id, bool):
        raise invalid("associationCategory must be HUBSPOT_DEFINED and associationTypeId a number")
    other = TO_OF.get((object_type, type_id))
    if other is None:
        raise invalid(f"associationTypeId {type_id} does not begin at {object_type}")
    return other


def put_default(desk: Desk, params: Mapping[str, str]) -> Answer:
    """PUT .../{from}/{id}/associations/default/{to}/{id}."""
    one, other = object_type_of(params["type"]), object_type_of(params["other"])
    _may_link(one, other)
    result = _link(desk, one, params["id"], other, params["other_id"])
    return Answer.of(200, finished(desk, result))


def _may_link(one: str, other: str) -> None:
    if (one, other) not in TYPE_IDS:
        raise invalid(f"No association types exist between {SINGULAR[one]} and {SINGULAR[other]}")


def _link(desk: Desk, one: str, id_: str, other: str, other_id: str) -> list[dict[str, Any]]:
    """Tie two records; both directions as answered. Raises RefusedError (404)."""
    for kind, each in ((one, id_), (other, other_id)):
        if not desk.portal.has(kind, each):
            raise not_found(f"{SINGULAR[kind]} {each} does not exist")
    desk.portal.associate(one, id_, other, other_id, at=desk.now)
    return [_tie(one, id_, other, other_id), _tie(other, other_id, one, id_)]


def _tie(one: str, id_: str, other: str, other_id: str) -> dict[str, Any]:
    return {
        "from": {"id": id_},
        "to": {"id": other_id},
        "associationSpec": {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": TYPE_IDS[one, other],
        },
    }


def batch_link(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../batch/associate/default (200) and .../batch/create (201, with types)."""
    one, other = object_type_of(params["type"]), object_type_of(params["other"])
    _may_link(one, other)
    has_types = params["verb"] == "create"
    names = ("from", "to", "types") if has_types else ("from", "to")
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for each in inputs_of(desk, body):
        fields(each, names, names, "input")
        ends = [text(fields(each[end], ("id",), ("id",), end)["id"], f"{end}.id") for end in ("from", "to")]
        if has_types and _to_type(one, each["types"]) != other:
            raise invalid(f"the association's type does not lead from {one} to {other}")
        try:
            results += _link(desk, one, ends[0], other, ends[1])
        except RefusedError as error:
            errors.append(error.item() | {"context": {"fromObjectId": [ends[0]], "toObjectId": [ends[1]]}})
    status = 207 if errors else (201 if has_types else 200)
    return Answer.of(status, finished(desk, results, errors))


def batch_read(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST .../batch/read: who is tied to whom. A record tied to nobody is an error of a 207."""
    one, other = object_type_of(params["type"]), object_type_of(params["other"])
    _may_link(one, other)
    kind = {"category": "HUBSPOT_DEFINED", "typeId": TYPE_IDS[one, other], "label": None}
    results, errors = [], []
    for each in inputs_of(desk, body):
        id_ = text(fields(each, ("id", "after"), ("id",), "input")["id"], "id")
        ids = desk.portal.associated(one, id_, other)
        if ids:
            to = [{"toObjectId": to_id, "associationTypes": [kind]} for to_id in ids]
            results.append({"from": {"id": id_}, "to": to})
        else:
            errors.append(_nobody(one, id_, other))
    return Answer.of(207 if errors else 200, finished(desk, results, errors))


def _nobody(one: str, id_: str, other: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {SINGULAR[other]} is associated with {SINGULAR[one]} {id_}.",
        "context": {
            "fromObjectId": [id_],
            "fromObjectType": [SINGULAR[one]],
            "toObjectType": [SINGULAR[other]],
        },
    }
