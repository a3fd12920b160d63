"""Owners, properties and groups of properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from leadops.sandbox.frame import Answer
from leadops.sandbox.hubspot.batches import object_type_of
from leadops.sandbox.hubspot.desk import Desk
from leadops.sandbox.hubspot.refusals import RefusedError, invalid, not_found
from leadops.sandbox.hubspot.schema import ENGAGEMENTS, FIELD_TYPES, PROPERTY_TYPES, Property
from leadops.sandbox.hubspot.shapes import fields, text, whole

MOST_OWNERS = 500
MOST_UNIQUE = 10
"""Unique properties an object type may have."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
PROPERTY_REQUIRED = ("name", "label", "type", "fieldType", "groupName")
PROPERTY_FIELDS = (
    *PROPERTY_REQUIRED, "description", "options", "displayOrder", "hasUniqueValue", "hidden", "formField",
    "externalOptions", "referencedObjectType", "calculationFormula", "dataSensitivity",
    "currencyPropertyName", "numberDisplayHint", "showCurrencySymbol", "textDisplayHint",
)  # fmt: skip
OPTION_FIELDS = ("label", "value", "description", "displayOrder", "hidden")


def list_owners(desk: Desk, query: Mapping[str, str]) -> Answer:
    """GET owners; ``email`` finds one."""
    limit = whole(query.get("limit", "100"), "limit", 1, MOST_OWNERS)
    offset = whole(query.get("after", "0"), "after", 0, 10**9)
    email = query.get("email")
    found = [
        each for each in desk.portal.owners if email is None or each["email"].lower() == email.strip().lower()
    ]
    page = found[offset : offset + limit]
    said: dict[str, Any] = {"results": [_owner(each) for each in page]}
    if offset + limit < len(found):
        said["paging"] = {"next": {"after": str(offset + limit)}}
    return Answer.of(200, said)


def read_owner(desk: Desk, params: Mapping[str, str]) -> Answer:
    """GET one owner."""
    for each in desk.portal.owners:
        if each["id"] == params["id"]:
            return Answer.of(200, _owner(each))
    raise not_found()


def _owner(owner: Mapping[str, str]) -> dict[str, Any]:
    since = "2024-01-15T09:00:00.000Z"
    return {
        "id": owner["id"],
        "email": owner["email"],
        "firstName": owner.get("firstName", ""),
        "lastName": owner.get("lastName", ""),
        "userId": int(owner["id"]) + 900_000,
        "type": "PERSON",
        "createdAt": since,
        "updatedAt": since,
        "archived": False,
    }


def list_properties(desk: Desk, params: Mapping[str, str]) -> Answer:
    """GET all properties of a type."""
    known = desk.portal.properties[object_type_of(params["type"])]
    return Answer.of(200, {"results": [each.public() for each in known.values()]})


def read_property(desk: Desk, params: Mapping[str, str]) -> Answer:
    """GET one property."""
    known = desk.portal.properties[object_type_of(params["type"])].get(params["name"])
    if known is None:
        raise not_found(f"Property {params['name']} does not exist")
    return Answer.of(200, known.public())


def create_property(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST a property."""
    object_type = object_type_of(params["type"])
    fields(body, PROPERTY_FIELDS, PROPERTY_REQUIRED)
    for name in PROPERTY_REQUIRED:
        text(body[name], name)
    made = _property(body)
    if made.name in desk.portal.properties[object_type]:
        raise RefusedError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{made.name}' already exists.")
    if made.group not in desk.portal.groups[object_type]:
        raise invalid(f"property group {made.group} does not exist for {object_type}")
    if made.has_unique_value:
        _may_be_unique(desk, object_type, made)
    desk.portal.define(object_type, made)
    return Answer.of(201, made.public())


def _property(body: Mapping[str, Any]) -> Property:
    """The property described. Raises RefusedError (400)."""
    name, kind, field_type = body["name"], body["type"], body["fieldType"]
    if not NAME.fullmatch(name) or name.startswith("hs_"):
        raise invalid(
            f"property name {name}: lower case letters, digits and _, a letter first, not hs_ at the start"
        )
    if kind not in PROPERTY_TYPES:
        raise invalid(f"Invalid input JSON: no property type {kind}; {', '.join(PROPERTY_TYPES)}")
    if field_type not in FIELD_TYPES:
        raise invalid(f"Invalid input JSON: no fieldType {field_type}; {', '.join(FIELD_TYPES)}")
    unique = body.get("hasUniqueValue", False)
    if not isinstance(unique, bool):
        raise invalid("Invalid input JSON: hasUniqueValue must be true or false")
    options = _options(body.get("options") or [])
    if kind == "enumeration" and not options:
        raise invalid("an enumeration must have options")
    if kind not in ("enumeration", "bool") and options:
        raise invalid(f"a property of type {kind} has no options")
    return Property(
        name,
        body["label"],
        kind,
        field_type,
        body["groupName"],
        options,
        has_unique_value=unique,
        is_hubspot_defined=False,
        description=str(body.get("description") or ""),
    )


def _options(given: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, list):
        raise invalid("Invalid input JSON: options must be an array")
    found = []
    for each in given:
        fields(each, OPTION_FIELDS, ("label", "value"), "option")
        found.append((text(each["value"], "option.value"), text(each["label"], "option.label")))
    if len({value for value, _ in found}) < len(found):
        raise invalid("options must have different values")
    return tuple(found)


def _may_be_unique(desk: Desk, object_type: str, made: Property) -> None:
    """Raise RefusedError (400) where a property may not have unique values."""
    if object_type in ENGAGEMENTS and not desk.options.unique_engagement_properties:
        raise invalid(f"{object_type} cannot have properties with unique values")
    if made.type not in ("string", "number"):
        raise invalid(f"a property of type {made.type} cannot have unique values")
    unique = [each for each in desk.portal.properties[object_type].values() if each.has_unique_value]
    if len(unique) >= MOST_UNIQUE:
        raise invalid(f"{object_type} has {MOST_UNIQUE} properties with unique values, which is the most")


def list_groups(desk: Desk, params: Mapping[str, str]) -> Answer:
    """GET the groups of properties."""
    known = desk.portal.groups[object_type_of(params["type"])]
    return Answer.of(200, {"results": [_group(name, label) for name, label in known.items()]})


def read_group(desk: Desk, params: Mapping[str, str]) -> Answer:
    """GET one group of properties."""
    known = desk.portal.groups[object_type_of(params["type"])]
    if params["name"] not in known:
        raise not_found(f"Property group {params['name']} does not exist")
    return Answer.of(200, _group(params["name"], known[params["name"]]))


def create_group(desk: Desk, params: Mapping[str, str], body: Any) -> Answer:
    """POST a group of properties."""
    object_type = object_type_of(params["type"])
    fields(body, ("name", "label", "displayOrder"), ("name", "label"))
    name, label = text(body["name"], "name"), text(body["label"], "label")
    if not NAME.fullmatch(name):
        raise invalid(f"group name {name}: lower case letters, digits and _, a letter first")
    if name in desk.portal.groups[object_type]:
        raise RefusedError(409, "OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists.")
    desk.portal.groups[object_type][name] = label
    return Answer.of(201, _group(name, label))


def _group(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}
