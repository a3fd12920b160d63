"""The playbook's words on the two ends: how a language model is asked, what a CRM's fields mean."""

from __future__ import annotations

from pydantic import Field

from leadops.playbook.strict import Strict
from leadops.terms import Disposition, EventKind


class Writer(Strict):
    """How the language model that fills slots is asked. Used where LEADOPS_WRITER names one."""

    model: str = "gpt-4o"
    temperature: float = Field(0, ge=0, le=2)
    max_tokens: int = Field(300, gt=0, description="Longest answer.")
    timeout_s: float = Field(8, gt=0, description="Patience with one answer.")
    deadline_s: float = Field(
        12, gt=0, description="Patience with all answers of a batch; what is missing then is written without."
    )
    concurrency: int = Field(16, gt=0, description="Requests under way at once, per process.")
    requests_per_minute: float = Field(
        0, ge=0, description="What the model's account allows, per process; 0: no limit of ours."
    )
    usd_per_million_input: float = Field(
        2.5, ge=0, description="Price of the model, for the cost of a draft."
    )
    usd_per_million_output: float = Field(10, ge=0)


class HubSpotMapping(Strict):
    """What HubSpot's fields mean to us, and how much of its budget we take (where LEADOPS_CRM=hubspot)."""

    forms: dict[str, EventKind] = Field(
        default_factory=lambda: {
            "demo": EventKind.DEMO_REQUESTED,
            "download": EventKind.CONTENT_DOWNLOADED,
        },
        description="Words in a form's name (lower case): kind; the first that fits. Else form_submitted.",
    )
    source_property: str = Field("hs_analytics_source", description="Contact property: marketing source.")
    message_property: str = Field("message", description="Contact property: what they wrote in a form.")
    lead_status: dict[str, Disposition] = Field(
        default_factory=lambda: {
            "UNQUALIFIED": Disposition.NOT_INTERESTED,
            "BAD_TIMING": Disposition.NOT_NOW,
        },
        description="hs_lead_status as a rep sets it: disposition.",
    )
    won_stages: tuple[str, ...] = ("closedwon",)
    lost_stages: tuple[str, ...] = ("closedlost",)
    overlap_seconds: float = Field(300, ge=0, description="How far back each poll looks: the index lags.")
    requests_per_second: float = Field(10, gt=0)
    searches_per_second: float = Field(4, gt=0, description="HubSpot allows 5 per account.")


class CrmMapping(Strict):
    hubspot: HubSpotMapping = HubSpotMapping()
