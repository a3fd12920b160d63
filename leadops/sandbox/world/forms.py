"""A person's form as the CRM stores it: HubSpot contact properties. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from leadops.sandbox.world.arrivals import Arrival
from leadops.sandbox.world.asking import FORMS
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person
from leadops.sandbox.world.places import BY_CODE

ANALYTICS = {
    "organic_search": ("ORGANIC_SEARCH", ""),
    "paid_search": ("PAID_SEARCH", "google"),
    "referral": ("REFERRALS", "review-site.example"),
    "webinar": ("OTHER_CAMPAIGNS", "webinar"),
    "social": ("SOCIAL_MEDIA", "linkedin"),
    "email_campaign": ("EMAIL_MARKETING", "newsletter"),
    "partner": ("OFFLINE", "partner"),
}
"""Our word for a source -> (hs_analytics_source, hs_analytics_source_data_1)."""


def stamp(at: datetime) -> str:
    """As HubSpot writes a date-time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address_of(person: Person, arrival: Arrival) -> str:
    """What they type as their address this time."""
    return person.alias if arrival.how == "alias" else person.email


def form_of(person: Person, arrival: Arrival) -> str:
    """Who comes back wants more than before."""
    ask = person.ask if arrival.how == "first" else "pricing" if person.ask == "guide" else "demo"
    return FORMS[ask]


def new_contact(
    chance: Chance, person: Person, arrival: Arrival, at: datetime, owners: Sequence[str]
) -> dict[str, str]:
    """Properties of the contact a form makes. ``owners``: HubSpot ids, of whom some leads get one at once."""
    source, detail = ANALYTICS[person.source]
    given = {
        "email": address_of(person, arrival),
        "firstname": person.first,
        "lastname": person.last,
        "company": person.company,
        "jobtitle": person.title,
        "phone": person.phone,
        "country": BY_CODE[person.country].name,
        "hs_country_region_code": person.country,
        "hs_timezone": person.zone.lower().replace("/", "_slash_"),
        "numberofemployees": "" if person.size is None else str(person.size),
        "message": person.message,
        "hs_analytics_source": source,
        "hs_analytics_source_data_1": detail,
        "hs_analytics_num_page_views": str(1 + int(12 * chance.uniform("pages", person.key) ** 2)),
        "lifecyclestage": "lead",
        "first_conversion_date": stamp(at),
        "first_conversion_event_name": form_of(person, arrival),
        "hubspot_owner_id": _owner(chance, person, owners),
    }
    return {name: value for name, value in given.items() if value} | conversion(person, arrival, at, 1)


def conversion(person: Person, arrival: Arrival, at: datetime, count: int) -> dict[str, str]:
    """What a form changes in a contact that exists."""
    return {
        "recent_conversion_date": stamp(at),
        "recent_conversion_event_name": form_of(person, arrival),
        "num_conversion_events": str(count),
    }


def conversions(properties: Mapping[str, str | None]) -> int:
    """How many forms a contact has filled in."""
    return int(properties.get("num_conversion_events") or 0)


def _owner(chance: Chance, person: Person, owners: Sequence[str]) -> str:
    if not owners or not chance.happens(0.3, "owned", person.key):
        return ""
    return owners[int(chance.uniform("owner", person.key) * len(owners))]
