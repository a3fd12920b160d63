"""A HubSpot contact as wire events. Pure: a record with its history in, events out.

Ids and times come from the record's history alone, so that reading a record again gives the same ids
(R26, R28): what changed because of our own write-backs yields nothing that is not known already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from leadops.domain.firmographics import company_size
from leadops.playbook.ends import HubSpotMapping
from leadops.terms import Disposition, EventKind

SOURCE = "hubspot"
ACTION_ID = "leadops_action_id"
LEAD_ID = "leadops_lead_id"
FIELDS = (
    "email", "firstname", "lastname", "company", "jobtitle", "phone", "mobilephone", "country",
    "hs_country_region_code", "hs_timezone", "numberofemployees", "numemployees", "hubspot_owner_id",
)  # fmt: skip
"""Contact properties whose change is news, beside the playbook's two (source, message)."""
_DECIDED = ("hs_lead_status", "hs_email_optout", "recent_conversion_date", "recent_conversion_event_name")
_EXTRA = (LEAD_ID, "createdate", "lastmodifieddate")

_SAME_MOMENT = timedelta(minutes=10) // timedelta(milliseconds=1)
_AT_ONCE = 1000  # ms within which two properties were written by one request
_LONGEST = 500  # characters the intake takes in a contact's field
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PEOPLE = frozenset({"CRM_UI", "CRM_UI_BULK_ACTION", "MOBILE_IOS", "MOBILE_ANDROID", "EXTENSION"})
"""sourceType of a change that a person made by hand."""
_MACHINES = frozenset({"INTEGRATION", "API", ""})
_NOT_YET = frozenset({"NEW", "OPEN"})
"""hs_lead_status of a lead nobody has taken up: no act of a rep."""
_ALPHA_2 = re.compile(r"[A-Za-z]{2}")


@dataclass(frozen=True, slots=True)
class Version:
    """One value a property had since ``at`` (ms). ``source``: HubSpot's sourceType."""

    value: str
    at: int
    source: str

    @property
    def by_a_person(self) -> bool:
        return self.source in _PEOPLE


@dataclass(frozen=True, slots=True)
class Found:
    """One record. ``history``: versions of each property asked for, oldest first."""

    id: str
    modified: int  # ms, as the search saw it
    properties: Mapping[str, str]
    history: Mapping[str, Sequence[Version]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.properties.get(name, "").strip()

    def ms(self, name: str) -> int | None:
        return ms_of(self.properties.get(name))

    def versions(self, name: str) -> Sequence[Version]:
        return self.history.get(name, ())


def contact_properties(mapping: HubSpotMapping) -> tuple[str, ...]:
    """What is read of a contact, with history."""
    return tuple(dict.fromkeys((*_news(mapping), *_DECIDED, *_EXTRA)))


def _news(mapping: HubSpotMapping) -> tuple[str, ...]:
    return (*FIELDS, mapping.source_property, mapping.message_property)


def contact_events(
    found: Found, mapping: HubSpotMapping, owners: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Every event a contact tells of, oldest kinds first.

    ``owners``: HubSpot's owner id -> rep id. A contact that came with a form's submission is one lead
    event, the submission; one that we made ourselves is none, only news about a lead we know.

    Raises ValueError where the record cannot be understood.
    """
    created = found.ms("createdate")
    if created is None:
        raise ValueError("createdate: is missing or no date")
    conversions = _conversions(found)
    ours = _made_by_us(found, created)
    came_with_form = any(abs(at - created) <= _SAME_MOMENT for at, _ in conversions)
    whole = contact_of(found)
    if not ours and not came_with_form:
        properties = _properties(found, mapping, owners, created)
        yield event(EventKind.LEAD_CREATED, f"contact:{found.id}:created", created, whole, properties)
    for at, form in conversions:
        properties = _properties(found, mapping, owners, at) | {"interest": form, "form": form}
        yield event(form_kind(form, mapping), f"contact:{found.id}:conversion:{at}", at, whole, properties)
    newest = max((v.at for name in _news(mapping) for v in found.versions(name)), default=created)
    told = max([at for at, _ in conversions] + ([] if ours else [created]), default=0)
    if newest > told:
        properties = _properties(found, mapping, owners, newest)
        yield event(EventKind.LEAD_UPDATED, f"contact:{found.id}:updated:{newest}", newest, whole, properties)
    yield from _decisions(found, mapping)


def _decisions(found: Found, mapping: HubSpotMapping) -> Iterator[dict[str, Any]]:
    """What somebody decided about the contact: its lead status, its opt-out."""
    who = {"email": whole["email"]} if "email" in (whole := contact_of(found)) else {}
    who["crm_id"] = found.id
    for version in found.versions("hs_lead_status"):
        made = _status(version, mapping)
        if made is not None:
            kind, properties = made
            yield event(kind, f"contact:{found.id}:lead_status:{version.at}", version.at, who, properties)
    for version in found.versions("hs_email_optout"):
        if version.value.lower() == "true":
            at = version.at
            yield event(
                EventKind.OPTED_OUT, f"contact:{found.id}:opted_out:{at}", at, who, {"via": "hubspot"}
            )


def _status(version: Version, mapping: HubSpotMapping) -> tuple[EventKind, dict[str, Any]] | None:
    """A lead status the playbook names is a disposition, whoever set it; recycling is a person's alone.

    Any other one that a person set says that they have taken the lead up (R28), but for the first ones.
    """
    told = {"lead_status": version.value}
    meant = mapping.lead_status.get(version.value)
    if meant is Disposition.RECYCLE and not version.by_a_person:
        return None
    if meant is not None:
        return EventKind.DISPOSITION, told | {"disposition": meant.value}
    if not version.value or version.value in _NOT_YET or not version.by_a_person:
        return None
    return EventKind.REP_ACTIVITY, told | {"via": "lead_status"}


def _conversions(found: Found) -> list[tuple[int, str]]:
    """(moment in ms, form's name) of every submission HubSpot remembers, oldest first."""
    names = found.versions("recent_conversion_event_name")
    dates = found.versions("recent_conversion_date")
    if not dates:
        return [(v.at, v.value) for v in names if v.value]
    moments = {at: v.at for v in dates if (at := ms_of(v.value)) is not None}
    return [(at, _value_at(names, written)) for at, written in sorted(moments.items())]


def _value_at(versions: Sequence[Version], at: int) -> str:
    """The value at a moment; properties of one submission are written within a second."""
    before = [v.value for v in versions if v.at <= at + _AT_ONCE]
    return before[-1] if before else ""


def _made_by_us(found: Found, created: int) -> bool:
    """Our id and the address came with the contact itself, through the API."""
    first = found.versions(LEAD_ID)[:1]
    if not first or abs(first[0].at - created) > _AT_ONCE:
        return False
    return first[0].source in _MACHINES and all(v.source in _MACHINES for v in found.versions("email")[:1])


def form_kind(form: str, mapping: HubSpotMapping) -> EventKind:
    """The first word of the playbook's that stands in the form's name decides."""
    name = form.lower()
    return next(
        (kind for word, kind in mapping.forms.items() if word.lower() in name), EventKind.FORM_SUBMITTED
    )


def contact_of(found: Found) -> dict[str, Any]:
    """The contact's fields as the wire has them; blanks are left out."""
    text = found.text
    region, country = text("hs_country_region_code"), text("country")
    size = company_size(text("numberofemployees") or text("numemployees"))
    given: dict[str, Any] = {
        "email": text("email"),
        "first_name": text("firstname")[:_LONGEST],
        "last_name": text("lastname")[:_LONGEST],
        "company": text("company")[:_LONGEST],
        "title": text("jobtitle")[:_LONGEST],
        "phone": text("phone") or text("mobilephone"),
        "country": next((c.upper() for c in (region, country) if _ALPHA_2.fullmatch(c)), ""),
        "timezone": zone_of(text("hs_timezone")) or "",
        "company_size": size,
        "crm_id": found.id,
    }
    return {name: value for name, value in given.items() if value not in ("", None)}


def zone_of(value: str) -> str | None:
    """``europe_slash_berlin`` -> ``Europe/Berlin``; None where no such zone is known."""
    plain = value.strip().lower().replace("_slash_", "/").replace("_hyphen_", "-").replace("_plus_", "+")
    return _zones().get(plain)


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def _properties(found: Found, mapping: HubSpotMapping, owners: Mapping[str, str], at: int) -> dict[str, Any]:
    """Of a lead event. The message is the one of that moment where HubSpot remembers it."""
    versions = found.versions(mapping.message_property)
    message = _value_at(versions, at) if versions else found.text(mapping.message_property)
    given = {
        "source": found.text(mapping.source_property).lower(),
        "message": message.strip(),
        "owner": owners.get(found.text("hubspot_owner_id"), ""),
    }
    return {name: value for name, value in given.items() if value}


def event(
    kind: EventKind, event_id: str, at: int, contact: Mapping[str, Any], properties: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of ``POST /v1/events``. ``at``: ms since 1970."""
    return {
        "source": SOURCE,
        "id": event_id,
        "kind": kind.value,
        "occurred_at": iso(at),
        "contact": dict(contact),
        "properties": dict(properties),
    }


def iso(at: int) -> str:
    """Milliseconds since 1970 as HubSpot writes a moment: ``2026-11-22T08:15:00.123Z``."""
    moment = _EPOCH + timedelta(milliseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(value: Any) -> int | None:
    """A date-time of HubSpot's (ISO 8601 or ms) as milliseconds since 1970; None for anything else."""
    text = str(value or "").strip()
    if text.isdigit():
        return int(text) if len(text) <= 14 else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)
