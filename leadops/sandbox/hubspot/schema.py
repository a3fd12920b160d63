"""The properties a HubSpot account has: the standard ones of each object type, and how a custom one looks.

Only what this project can meet, not all of the several hundred a real account lists. Types and option values
as the vendor's properties API gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

OBJECT_TYPES = (
    "contacts", "companies", "deals", "tasks", "notes", "emails", "calls", "meetings", "communications",
)  # fmt: skip
ENGAGEMENTS = frozenset({"tasks", "notes", "emails", "calls", "meetings", "communications"})
CONTACTING = frozenset({"emails", "calls", "meetings", "communications"})
"""Activities that are contact with a person, rather than talk about one."""
TYPE_IDS: Mapping[str, str] = {
    "0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-27": "tasks", "0-46": "notes",
    "0-49": "emails", "0-48": "calls", "0-47": "meetings", "0-18": "communications",
}  # fmt: skip
SINGULAR: Mapping[str, str] = {
    "contacts": "contact", "companies": "company", "deals": "deal", "tasks": "task", "notes": "note",
    "emails": "email", "calls": "call", "meetings": "meeting", "communications": "communication",
}  # fmt: skip
PROPERTY_TYPES = ("string", "number", "date", "datetime", "enumeration", "bool", "phone_number")
FIELD_TYPES = (
    "textarea", "text", "date", "file", "number", "select", "radio", "checkbox", "booleancheckbox",
    "calculation_equation", "html", "phonenumber",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Property:
    """One property. ``type`` is one of PROPERTY_TYPES; ``options`` are values of an enumeration, none:
    not checked. ``is_read_only``: set by HubSpot itself, refused through the API.
    """

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = ""
    options: tuple[tuple[str, str], ...] = ()
    has_unique_value: bool = False
    is_read_only: bool = False
    is_hubspot_defined: bool = True
    description: str = ""

    def public(self) -> dict[str, Any]:
        """As the properties API answers it."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": self.group,
            "description": self.description,
            "options": [
                {"label": label, "value": value, "displayOrder": at, "hidden": False}
                for at, (value, label) in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": False,
            "externalOptions": self.name == "hubspot_owner_id",
            "archived": False,
            "hasUniqueValue": self.has_unique_value,
            "hidden": False,
            "hubspotDefined": self.is_hubspot_defined,
            "modificationMetadata": {
                "archivable": not self.is_hubspot_defined,
                "readOnlyDefinition": self.is_hubspot_defined,
                "readOnlyValue": self.is_read_only,
            },
            "formField": not self.is_read_only,
            "dataSensitivity": "non_sensitive",
        }

    def dump(self) -> dict[str, Any]:
        """Everything about it, JSON-safe; the reverse of :func:`load_property`."""
        return {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
        }  # fmt: skip


def load_property(dumped: Mapping[str, Any]) -> Property:
    """A property from what ``dump`` gave."""
    options = tuple((str(value), str(label)) for value, label in dumped["options"])
    return Property(**{**dumped, "options": options})


def modified_name(object_type: str) -> str:
    """The property that says when a record was last written: contacts have their own name for it."""
    return "lastmodifieddate" if object_type == "contacts" else "hs_lastmodifieddate"


def created_name(object_type: str) -> str:
    """The property that says when a record was made."""
    return "hs_createdate" if object_type in ENGAGEMENTS else "createdate"


DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    "deals": (
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
        "pipeline",
    ),
    **dict.fromkeys(ENGAGEMENTS, ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")),
}  # fmt: skip
"""What an answer carries where no properties are asked for."""


def always(object_type: str) -> tuple[str, ...]:
    """What an answer carries whatever properties are asked for."""
    return (created_name(object_type), "hs_object_id", modified_name(object_type))


FIELD_OF = {
    "string": "text", "number": "number", "date": "date", "datetime": "date", "enumeration": "select",
    "bool": "booleancheckbox", "phone_number": "phonenumber",
}  # fmt: skip


def _label(name: str) -> str:
    return name.removeprefix("hs_").replace("_", " ").capitalize()


def _several(group: str, names: str, kind: str = "string", *, read_only: bool = False) -> list[Property]:
    """Properties of one type; ``names`` apart by blanks."""
    return [
        Property(name, _label(name), kind, FIELD_OF[kind], group, is_read_only=read_only)
        for name in names.split()
    ]


def _choice(group: str, name: str, values: str, *, read_only: bool = False) -> Property:
    options = tuple((value, _label(value).replace("-", " ")) for value in values.split())
    return Property(name, _label(name), "enumeration", "select", group, options, is_read_only=read_only)


CALL_OUTCOMES = (
    ("9d9162e7-6cf3-4944-bf63-4dff82258764", "Busy"),
    ("f240bbac-87c9-4f6e-bf70-924b57d47db7", "Connected"),
    ("a4c4c377-d246-4b32-a13b-75a56a4cd0ff", "Left live message"),
    ("b2cf5968-551e-4856-9783-52b3da59a7d0", "Left voicemail"),
    ("73a0d17f-1163-4015-bdd5-ec830791da20", "No answer"),
    ("17b47fee-58de-441e-a44c-c6300d46f273", "Wrong number"),
)
"""Values of hs_call_disposition and what a rep reads."""
SOURCES = (
    "ORGANIC_SEARCH PAID_SEARCH EMAIL_MARKETING SOCIAL_MEDIA REFERRALS OTHER_CAMPAIGNS DIRECT_TRAFFIC "
    "OFFLINE PAID_SOCIAL AI_REFERRALS"
)
COMPANY_SIZES = "1-5 5-25 25-50 50-100 100-500 500-1000 1000+"


def _common(object_type: str, group: str) -> list[Property]:
    found = [
        *_several(group, "hs_object_id", "number", read_only=True),
        *_several(group, created_name(object_type), "datetime", read_only=True),
        *_several(group, modified_name(object_type), "datetime", read_only=True),
        *_several(
            group, "hs_object_source hs_object_source_id hs_object_source_label", "string", read_only=True
        ),
        Property("hubspot_owner_id", "Owner", "enumeration", "select", group),
    ]
    if object_type in ENGAGEMENTS:
        found += _several(group, "hs_timestamp", "datetime")
        found += _several(group, "hs_attachment_ids hs_unique_creation_key", "string")
    else:
        found += _several(group, "notes_last_updated notes_last_contacted", "datetime", read_only=True)
    return found


def _contacts() -> list[Property]:
    info, web, form = "contactinformation", "analyticsinformation", "conversioninformation"
    return [
        *_several(
            info,
            "email firstname lastname company jobtitle address city state zip country industry website "
            "message hs_country_region_code hs_timezone hs_language salutation work_email hs_linkedin_url",
        ),
        *_several(info, "phone mobilephone", "phone_number"),
        *_several(info, "numberofemployees annualrevenue", "number"),
        _choice(info, "numemployees", COMPANY_SIZES),
        _choice(
            "sales_properties",
            "hs_lead_status",
            "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING",
        ),
        _choice(
            info,
            "lifecyclestage",
            "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other",
        ),
        *_several(form, "recent_conversion_date first_conversion_date", "datetime", read_only=True),
        *_several(form, "recent_conversion_event_name first_conversion_event_name", read_only=True),
        *_several(form, "num_conversion_events num_unique_conversion_events", "number", read_only=True),
        _choice(web, "hs_analytics_source", SOURCES, read_only=True),
        *_several(web, "hs_analytics_source_data_1 hs_analytics_source_data_2", read_only=True),
        *_several(web, "hs_analytics_num_page_views hs_analytics_num_visits", "number", read_only=True),
        *_several(
            web, "hs_analytics_last_timestamp hs_analytics_first_timestamp", "datetime", read_only=True
        ),
        *_several(web, "hs_analytics_first_url hs_analytics_last_url", read_only=True),
        *_several("emailinformation", "hs_email_optout hs_email_bounce", "bool", read_only=True),
        *_several(info, "closedate", "datetime"),
    ]


def _companies() -> list[Property]:
    group = "companyinformation"
    return [
        *_several(group, "name domain website industry city state country address zip description"),
        *_several(group, "phone", "phone_number"),
        *_several(group, "numberofemployees annualrevenue", "number"),
        _choice(
            group,
            "lifecyclestage",
            "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other",
        ),
        _choice(
            group,
            "hs_lead_status",
            "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING",
        ),
    ]


def _deals() -> list[Property]:
    group = "dealinformation"
    return [
        *_several(group, "dealname description closed_lost_reason closed_won_reason"),
        *_several(group, "amount hs_deal_stage_probability", "number"),
        *_several(group, "closedate", "datetime"),
        _choice(group, "pipeline", "default"),
        _choice(
            group,
            "dealstage",
            "appointmentscheduled qualifiedtobuy presentationscheduled decisionmakerboughtin contractsent "
            "closedwon closedlost",
        ),
        _choice(group, "dealtype", "newbusiness existingbusiness"),
        *_several(group, "hs_is_closed hs_is_closed_won", "bool", read_only=True),
    ]


def _tasks() -> list[Property]:
    group = "task"
    return [
        *_several(group, "hs_task_subject hs_task_body hs_task_reminders"),
        _choice(group, "hs_task_status", "NOT_STARTED IN_PROGRESS WAITING COMPLETED DEFERRED"),
        _choice(group, "hs_task_priority", "NONE LOW MEDIUM HIGH"),
        _choice(group, "hs_task_type", "TODO EMAIL CALL LINKED_IN LINKED_IN_CONNECT LINKED_IN_MESSAGE"),
        *_several(group, "hs_task_completion_date", "datetime", read_only=True),
    ]


def _emails() -> list[Property]:
    group = "email"
    return [
        *_several(
            group,
            "hs_email_subject hs_email_text hs_email_html hs_email_headers hs_email_message_id "
            "hs_email_thread_id",
        ),
        # Filled from hs_email_headers.
        *_several(
            group,
            "hs_email_from_email hs_email_from_firstname hs_email_from_lastname hs_email_to_email "
            "hs_email_to_firstname hs_email_to_lastname",
            read_only=True,
        ),
        _choice(group, "hs_email_direction", "EMAIL INCOMING_EMAIL FORWARDED_EMAIL DRAFT_EMAIL"),
        _choice(group, "hs_email_status", "BOUNCED FAILED SCHEDULED SENDING SENT"),
    ]


def _calls() -> list[Property]:
    group = "call"
    under_way = "CALLING_CRM_USER CONNECTING IN_PROGRESS QUEUED RINGING"
    over = "BUSY CANCELED COMPLETED FAILED MISSED NO_ANSWER"
    return [
        *_several(
            group,
            "hs_call_title hs_call_body hs_call_from_number hs_call_to_number hs_call_recording_url "
            "hs_call_callee_object_id hs_activity_type",
        ),
        *_several(group, "hs_call_duration", "number"),
        _choice(group, "hs_call_direction", "INBOUND OUTBOUND"),
        _choice(group, "hs_call_status", f"{under_way} {over}"),
        Property(
            "hs_call_disposition", "Call outcome", "enumeration", "select", group, CALL_OUTCOMES
        ),
    ]  # fmt: skip


def _meetings() -> list[Property]:
    group = "meeting"
    return [
        *_several(
            group,
            "hs_meeting_title hs_meeting_body hs_internal_meeting_notes hs_meeting_location "
            "hs_meeting_external_url hs_activity_type",
        ),
        *_several(group, "hs_meeting_start_time hs_meeting_end_time", "datetime"),
        _choice(group, "hs_meeting_outcome", "SCHEDULED COMPLETED RESCHEDULED NO_SHOW CANCELED"),
        _choice(
            group,
            "hs_meeting_source",
            "CRM_UI MEETINGS_PUBLIC MEETINGS_EMBEDDED BIDIRECTIONAL_API INTEGRATION",
        ),
    ]


def _communications() -> list[Property]:
    group = "communication"
    return [
        *_several(group, "hs_communication_body"),
        _choice(group, "hs_communication_channel_type", "WHATS_APP LINKEDIN_MESSAGE SMS"),
        _choice(group, "hs_communication_logged_from", "CRM"),
    ]


def standard(object_type: str) -> dict[str, Property]:
    """The properties every account has for ``object_type``, by name; a dict of the caller's own."""
    return dict(_standard(object_type))


@cache
def _standard(object_type: str) -> dict[str, Property]:
    own: dict[str, list[Property]] = {
        "contacts": _contacts(),
        "companies": _companies(),
        "deals": _deals(),
        "tasks": _tasks(),
        "notes": _several("note", "hs_note_body"),
        "emails": _emails(),
        "calls": _calls(),
        "meetings": _meetings(),
        "communications": _communications(),
    }
    return by_name([*_common(object_type, groups(object_type)[0]), *own[object_type]])


def by_name(properties: Iterable[Property]) -> dict[str, Property]:
    """The properties, each under its name."""
    return {each.name: each for each in properties}


def groups(object_type: str) -> tuple[str, ...]:
    """Names of the property groups every account has; the first is the main one."""
    if object_type == "contacts":
        return (
            "contactinformation", "sales_properties", "analyticsinformation", "conversioninformation",
            "emailinformation",
        )  # fmt: skip
    if object_type in ("companies", "deals"):
        return (f"{SINGULAR[object_type]}information",)
    return (SINGULAR[object_type],)
