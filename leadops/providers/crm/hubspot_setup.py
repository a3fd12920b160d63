"""What must stand in a HubSpot account before we write to it, and whether the key may do its work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from leadops.errors import UsageError
from leadops.providers.crm.hubspot_client import OBJECTS, PROPERTIES, CallError, Client, results_of
from leadops.providers.crm.hubspot_events import ACTION_ID, LEAD_ID

GROUP = "leadops"
TRACKED = ("tasks", "notes", "emails")
_YES_NO = [
    {"label": "Yes", "value": "true", "displayOrder": 0, "hidden": False},
    {"label": "No", "value": "false", "displayOrder": 1, "hidden": False},
]
_TIERS = [
    {"label": tier.capitalize(), "value": tier, "displayOrder": at, "hidden": False}
    for at, tier in enumerate(("hot", "warm", "cold"))
]


def _property(name: str, label: str, kind: str, field: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "type": kind, "fieldType": field, "groupName": GROUP, **more}


CONTACT_PROPERTIES = (
    _property(LEAD_ID, "leadops: lead", "string", "text"),
    _property("leadops_score", "leadops: score", "number", "number"),
    _property("leadops_tier", "leadops: tier", "enumeration", "select", options=_TIERS),
    _property("leadops_fit", "leadops: points for who they are", "number", "number"),
    _property("leadops_engagement", "leadops: points for what they did", "number", "number"),
    _property("leadops_disqualified", "leadops: in no sequence because of", "string", "text"),
    _property("leadops_score_reason", "leadops: why this score", "string", "textarea"),
    _property("leadops_score_lines", "leadops: what gave and took the points", "string", "textarea"),
    _property("leadops_scored_by", "leadops: scored by", "string", "text"),
    _property("leadops_probability", "leadops: chance to convert, 0 to 1", "number", "number"),
    _property("leadops_rules_score", "leadops: what the scorecard alone says", "number", "number"),
    _property("leadops_scored_at", "leadops: scored at", "datetime", "date"),
    _property("leadops_sequence_state", "leadops: sequence", "string", "text"),
    _property("leadops_exit_reason", "leadops: why the sequence ended", "string", "text"),
    _property("leadops_sequence_at", "leadops: sequence changed at", "datetime", "date"),
    _property("leadops_opted_out", "leadops: opted out", "bool", "booleancheckbox", options=_YES_NO),
)
_ACTION = _property(ACTION_ID, "leadops: action", "string", "text")


def set_up(client: Client) -> Iterator[str]:
    """Make what is missing; a sentence each. Raises UsageError or ProviderError, saying what to do."""
    try:
        yield from _contacts(client)
        for object_type in TRACKED:
            yield from _activity(client, object_type)
    except CallError as error:
        raise explained(error) from None


def check(client: Client) -> None:
    """One cheap call. Raises UsageError."""
    try:
        path = f"{OBJECTS}/contacts"
        results_of(client.get(path, {"limit": "1"}), path)
    except CallError as error:
        raise explained(error) from None


def lacks(client: Client) -> list[str]:
    """What the write-backs need and is not there, a sentence each. Raises UsageError."""
    try:
        wanted = {"contacts": [each["name"] for each in CONTACT_PROPERTIES]}
        wanted |= {object_type: [ACTION_ID] for object_type in TRACKED}
        known = {object_type: _known(client, object_type) for object_type in wanted}
    except CallError as error:
        raise explained(error) from None
    found = ((kind, [name for name in names if name not in known[kind]]) for kind, names in wanted.items())
    return [f"HubSpot's {kind} have no {', '.join(names)}." for kind, names in found if names]


def explained(error: CallError) -> UsageError:
    """What a person does about it."""
    advice = {
        "key": "HubSpot does not accept the key: set LEADOPS_HUBSPOT_TOKEN to a Service Key "
        "(Settings > Integrations > Service Keys) or to the access token of a private app.",
        "limit": "HubSpot has had enough requests for now: try again later, and lower "
        "crm.hubspot.requests_per_second in the playbook where other programs use the same account.",
        "trouble": "HubSpot does not answer as HubSpot does: check LEADOPS_HUBSPOT_URL, the network and "
        "LEADOPS_HUBSPOT_TIMEOUT_S.",
    }
    if error.blame == "scope":
        needed = ", ".join(error.needs) or "the one of that object type"
        text = f"The key may not do that: add the scope {needed} to it in HubSpot, then try again."
    elif error.blame == "refused" and error.status == 404:
        text = advice["trouble"]
    else:
        text = advice.get(error.blame, str(error))
    return UsageError(error.code, f"{text} ({error.code})")


def _contacts(client: Client) -> Iterator[str]:
    yield from _group(client, "contacts")
    known = _known(client, "contacts")
    for wanted in CONTACT_PROPERTIES:
        have = known.get(wanted["name"])
        if have is None:
            client.post(f"{PROPERTIES}/contacts", wanted)
            yield f"Made the contact property {wanted['name']}."
        else:
            yield _same(wanted, have, "contacts")


def _activity(client: Client, object_type: str) -> Iterator[str]:
    """The action id, unique where the account allows that for activities (not certain)."""
    yield from _group(client, object_type)
    have = _known(client, object_type).get(ACTION_ID)
    if have is None:
        try:
            client.post(f"{PROPERTIES}/{object_type}", {**_ACTION, "hasUniqueValue": True})
            yield f"Made {ACTION_ID} of {object_type}; HubSpot keeps its values unique."
            return
        except CallError as error:
            if error.blame != "refused":
                raise
        client.post(f"{PROPERTIES}/{object_type}", _ACTION)
        yield f"Made {ACTION_ID} of {object_type}, not unique: this account refuses that. {_BY_SEARCH}"
        return
    yield _same(_ACTION, have, object_type)
    if have.get("hasUniqueValue") is not True:
        yield f"{ACTION_ID} of {object_type} is not unique. {_BY_SEARCH}"


_BY_SEARCH = "What was written before is looked for by search instead."


def _group(client: Client, object_type: str) -> Iterator[str]:
    path = f"{PROPERTIES}/{object_type}/groups"
    try:
        client.get(f"{path}/{GROUP}")
    except CallError as error:
        if error.status != 404:
            raise
        client.post(path, {"name": GROUP, "label": "leadops", "displayOrder": -1})
        yield f"Made the group of properties {GROUP} of {object_type}."


def _known(client: Client, object_type: str) -> dict[str, Mapping[str, Any]]:
    path = f"{PROPERTIES}/{object_type}"
    return {str(each.get("name")): each for each in results_of(client.get(path), path)}


def _same(wanted: Mapping[str, Any], have: Mapping[str, Any], object_type: str) -> str:
    """Raises UsageError where somebody made a property of that name which is something else."""
    name = wanted["name"]
    if have.get("type") != wanted["type"]:
        raise UsageError(
            "crm_property_type",
            f"{name} of {object_type} is of type {have.get('type')} in HubSpot, and leadops needs "
            f"{wanted['type']}: rename or delete it there, then run `leadops crm setup` again.",
        )
    return f"Found {name} of {object_type}."
