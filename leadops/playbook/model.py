"""The playbook's shape. Validation that needs one field stands here as types; that needs two, as validators.

Everything sales ops may change without touching code. Loading, line numbers and JSON schema: ``loader.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from leadops.playbook.ends import CrmMapping, Writer
from leadops.playbook.enrichment import Enrichment
from leadops.playbook.strict import Strict
from leadops.terms import Channel, EventKind, Tier

SCORING_FIELDS: frozenset[str] = frozenset(
    {
        "company_size",
        "title",
        "title_level",
        "domain",
        "lead_source",
        "requested",
        "pricing_views",
        "page_views",
        "business_email",
        "human_clicks",
        "engagement",
        "country",
        "industry",
        "days_since_engagement",
    }
)
"""What a signal may look at: the names of the scoring inputs (``domain/scoring.py``)."""

EVIDENCE_PATHS: Mapping[str, str] = {
    "contact.first_name": "First name, as the person or the CRM gave it",
    "contact.last_name": "Last name, as the person or the CRM gave it",
    "contact.title": "Job title, as given",
    "contact.company": "Company, as the person typed it",
    "company.name": "Company: the enriched name where there is one, otherwise as typed",
    "company.industry": "Industry, from enrichment",
    "lead.interest": "What they asked for or looked at, in their words",
    "lead.message": "What they wrote to us, latest; mostly for slots that quote a passage",
    "lead.source": "Marketing source of the first lead event",
}
"""What a slot may be filled with, and what it is. Closed: a path that is not here is a mistake.

Stands here and not with ``domain/slots.py``, which fills them: the playbook is the floor below.
"""

SLOT_NAME = re.compile(r"[a-z][a-z0-9_]*")
SLOT = re.compile(r"\{\{[ \t]*(" + SLOT_NAME.pattern + r")[ \t]*\}\}")
"""A hole in a template's body. One definition for the check and for the rendering."""

MAILBOX_NAME = "{{mailbox_name}}"
"""The one hole a signature may have: the name of the mailbox the message is sent from."""

_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@cache
def _zone_names() -> frozenset[str]:
    # Walks the zone files each time it is asked.
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zone_names():
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin")
    return name


def _known_field(name: str) -> str:
    if name not in SCORING_FIELDS:
        raise ValueError(f"unknown scoring input {name!r}; use one of: {', '.join(sorted(SCORING_FIELDS))}")
    return name


def _known_evidence(path: str) -> str:
    if path not in EVIDENCE_PATHS:
        raise ValueError(f"unknown evidence path {path!r}; use one of: {', '.join(sorted(EVIDENCE_PATHS))}")
    return path


def _clock(value: Any) -> Any:
    # A bare number would pass as seconds since midnight: `start: 9` means nobody's nine seconds past.
    if isinstance(value, time) or (isinstance(value, str) and _CLOCK.fullmatch(value)):
        return value
    raise ValueError("write the time of day as HH:MM, e.g. 09:00")


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or value.count("@") != 1 or set(value) & set('<>()[],;:\\"'):
        raise ValueError("not a plain e-mail address (name@domain, ASCII, without brackets or spaces)")
    return value


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value):
        raise ValueError("not a domain name such as reply.company.example")
    return value


def _neutral(value: str) -> str:
    if value != value.strip() or "\n" in value or "{" in value or "}" in value:
        raise ValueError("a neutral phrase is one line without braces or space around it")
    return value


def _slot_names(slots: dict[str, Any]) -> dict[str, Any]:
    wrong = [name for name in slots if not SLOT_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"slot names are lower_case words: {', '.join(sorted(wrong))}")
    return slots


def _every_tier(sequences: dict[Tier, Any]) -> dict[Tier, Any]:
    missing = set(Tier) - set(sequences)
    if missing:
        raise ValueError(f"no sequence for tier {', '.join(sorted(missing))}")
    return sequences


ZoneName = Annotated[str, AfterValidator(_known_zone)]
ClockTime = Annotated[
    time,
    BeforeValidator(_clock),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
Address = Annotated[str, AfterValidator(_address)]
DomainName = Annotated[str, AfterValidator(_domain)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Window(Strict):
    """When a touch may leave, in the recipient's local time. ``start`` inclusive, ``end`` exclusive."""

    days: tuple[Weekday, ...] = WEEKDAYS
    start: ClockTime = time(0, 0)
    end: ClockTime | None = Field(None, description="Exclusive; none: end of the day.")
    skip_holidays: bool = Field(False, description="Public holidays of the recipient's country.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start (a window does not cross midnight)")
        if not self.days:
            raise ValueError("name at least one day")
        return self


Group = Literal["fit", "engagement"]


class Signal(Strict):
    """One scorecard signal. Exactly one of the forms below; the best matching rule earns its points.

    ``field`` is one of SCORING_FIELDS, the scoring inputs. Points may be negative; ``max_points`` is the most
    a rule earns.
    """

    name: str
    field: Annotated[str, AfterValidator(_known_field)]
    group: Group = Field("fit", description="fit: who they are; engagement: what they do.")
    max_points: float = Field(gt=0)
    half_life_days: float | None = Field(
        None, gt=0, description="Points above zero halve in so many days since they last did something."
    )
    equals: dict[str, float] = Field(default_factory=dict, description="value (lower case): points")
    contains: dict[str, float] = Field(
        default_factory=dict, description="word in the value (case-insensitive, whole words): points"
    )
    at_least: dict[float, float] = Field(default_factory=dict, description="threshold: points")
    missing: float = Field(0.0, description="Points where the field is unknown.")
    otherwise: float = Field(0.0, description="Points where no rule matches.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum(map(bool, (self.equals, self.contains, self.at_least))) != 1:
            raise ValueError("give exactly one of equals, contains, at_least")
        rules = [*self.equals.values(), *self.contains.values(), *self.at_least.values()]
        top = max([*rules, self.missing, self.otherwise])
        if top > self.max_points:
            raise ValueError(f"a rule earns {top:g}, more than max_points {self.max_points:g}")
        return self


class Disqualifier(Strict):
    """Who is never written to, however many points they earn. Exactly one of ``equals`` and ``contains``."""

    name: str = Field(description="Why, in a word or two: competitor, student.")
    field: Annotated[str, AfterValidator(_known_field)]
    equals: tuple[str, ...] = ()
    contains: tuple[str, ...] = Field((), description="Whole words in the value, upper or lower case.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if bool(self.equals) == bool(self.contains):
            raise ValueError("give exactly one of equals and contains, with at least one entry")
        return self


class Scorecard(Strict):
    version: str
    signals: tuple[Signal, ...] = Field(min_length=5, max_length=8)
    caps: dict[Group, float] = Field(
        default_factory=dict, description="The most that all signals of a group count together."
    )
    disqualifiers: tuple[Disqualifier, ...] = ()
    hot: float = Field(description="Total (0..100) from which a lead is hot.")
    warm: float = Field(description="Total (0..100) from which a lead is warm.")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [s.name for s in self.signals]
        if len(set(names)) != len(names):
            raise ValueError("signal names must be unique")
        reasons = [d.name for d in self.disqualifiers]
        if len(set(reasons)) != len(reasons):
            raise ValueError("disqualifier names must be unique")
        for group, cap in self.caps.items():
            if cap <= 0 or all(s.group != group for s in self.signals):
                raise ValueError(f"caps.{group}: needs a cap above 0 and a signal of that group")
        if not 0 < self.warm < self.hot <= 100:
            raise ValueError("thresholds must be 0 < warm < hot <= 100")
        return self


class Step(Strict):
    """One step of a sequence. ``day`` counts from enrolment (0 = at once)."""

    day: float = Field(ge=0)
    channel: Channel = Channel.EMAIL
    template: str
    templates: dict[str, str] = Field(
        default_factory=dict, description="variant: template, where variants differ"
    )

    def template_for(self, variant: str) -> str:
        return self.templates.get(variant, self.template)


class Sequence(Strict):
    """A tier's ordered plan of touches."""

    version: str
    steps: tuple[Step, ...] = Field(min_length=1)
    window: str = Field(description="Name of a window.")
    first_touch_window: str | None = Field(
        None, description="Window of the first step, where it differs (a hot lead is answered at once)."
    )
    min_gap_hours: float = Field(48, ge=0, description="Least time since the last touch of the lead.")
    variants: dict[str, int] = Field(default_factory=lambda: {"standard": 100}, description="variant: weight")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        days = [s.day for s in self.steps]
        if days != sorted(days):
            raise ValueError("steps must be in the order of their day")
        if not self.variants or min(self.variants.values()) < 0 or sum(self.variants.values()) == 0:
            raise ValueError("variant weights must be >= 0 with a positive sum")
        unknown = {v for s in self.steps for v in s.templates} - set(self.variants)
        if unknown:
            raise ValueError(f"templates for unknown variants: {', '.join(sorted(unknown))}")
        return self


class Mailbox(Strict):
    address: Address
    name: str
    daily_cap: int = Field(gt=0, description="Accepted sends per rolling 24 h.")


class Sender(Strict):
    mailboxes: tuple[Mailbox, ...] = Field(min_length=1)
    reply_domain: DomainName = Field(description="Replies go to reply+TOKEN@this domain.")
    unsubscribe_mailto: Address = Field(description="Where a request to unsubscribe may be written to.")
    domain_daily_cap: int | None = Field(
        None, gt=0, description="Accepted sends per rolling 24 h and domain."
    )
    track_opens: bool = Field(
        False, description="Count opens, where the provider can. Never decides anything."
    )
    track_clicks: bool = Field(
        False, description="Count clicks, where the provider can: links then lead through the provider."
    )
    signature: str = Field(description="Ends every message; {{mailbox_name}} is the sending mailbox's name.")
    postal_address: str = Field(min_length=1)
    opt_out: str = Field("", description="How to stop these mails; none: a sentence with the address above.")

    @model_validator(mode="after")
    def _footer(self) -> Self:
        rest = self.signature.replace(MAILBOX_NAME, "")
        if "{{" in rest or "}}" in rest:
            raise ValueError(f"signature: only {MAILBOX_NAME} may stand in braces")
        if self.opt_out and self.unsubscribe_mailto not in self.opt_out:
            raise ValueError("opt_out must name unsubscribe_mailto, so that a reader can use it")
        return self

    @property
    def opt_out_line(self) -> str:
        """The last line of every message."""
        return self.opt_out.strip() or (
            f"Prefer not to hear from us? Reply 'unsubscribe' or write to {self.unsubscribe_mailto}."
        )


class Enrolment(Strict):
    max_age_days: float = Field(7, gt=0, description="Older lead events start no sequence.")
    cooldown_days: float = Field(90, ge=0, description="Least time between two enrolments of one person.")
    account_stop: bool = Field(False, description="A human reply of one person stops the whole company.")
    starting_kinds: tuple[EventKind, ...] = (
        EventKind.LEAD_CREATED,
        EventKind.FORM_SUBMITTED,
        EventKind.DEMO_REQUESTED,
        EventKind.CONTENT_DOWNLOADED,
        EventKind.MESSAGE_RECEIVED,
    )


class Route(Strict):
    """Leads a person takes from the first touch: no automated message, a handoff at once.

    An empty list of tiers or sources means all of them.
    """

    sequence: Literal["rep_first"] = "rep_first"
    tiers: tuple[Tier, ...] = ()
    sources: tuple[str, ...] = Field((), description="Marketing sources, as leads bear them.")
    share: int = Field(
        100,
        ge=0,
        le=100,
        description="Percent of such leads; the others get the tier's sequence, to compare.",
    )


class Escalation(Strict):
    on_human_click: bool = Field(
        True,
        description="Who clicks in a message and does not answer moves up one tier. Scanners never count.",
    )


class Rep(Strict):
    id: str
    name: str
    email: Address
    timezone: ZoneName = "UTC"


class Handoff(Strict):
    reps: tuple[Rep, ...] = Field(min_length=1)
    sla_minutes: float = Field(30, gt=0, description="A rep acts within this, business hours.")


class Replies(Strict):
    ooo_default_days: float = Field(14, gt=0)


class Delivery(Strict):
    debounce_seconds: float = Field(
        0.03, ge=0, le=5, description="How long a runner that was woken lets more come: one run for all."
    )
    calls_at_once: int = Field(
        16, gt=1, description="Messages under way to the mail provider at once, per process."
    )
    lease_seconds: float = Field(120, gt=0)
    handover_seconds: float = Field(
        120, gt=0, description="After this a hand-over without outcome is unknown."
    )
    max_attempts: int = Field(6, gt=0)
    backoff_seconds: float = Field(60, gt=0, description="First retry; doubles up to max_backoff_seconds.")
    max_backoff_seconds: float = Field(3600, gt=0)
    soft_bounces_to_suppress: int = Field(3, gt=0)
    receipt_wait_minutes: float = Field(
        15,
        ge=0,
        description="How long a provider's webhook may settle an unknown outcome before a person is asked.",
    )


class Volume(Strict):
    """Leads of the trailing 30 days at which ``mode: by_volume`` changes."""

    review_below: int = Field(50, ge=0, description="With fewer leads a person approves every message.")
    model_above: int = Field(
        500, ge=0, description="With more leads a model is trained, and scores if it is better."
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.model_above < self.review_below:
            raise ValueError("model_above must not be less than review_below")
        return self


class Model(Strict):
    """When the learned score is trained, what it must show, and what it may read."""

    enabled: bool = Field(True, description="false: the scorecard scores, nothing is trained.")
    outcome: tuple[EventKind, ...] = Field(
        (EventKind.MEETING_BOOKED, EventKind.DEAL_WON),
        min_length=1,
        description="What counts as converted: the first of these events within horizon_days.",
    )
    horizon_days: float = Field(30, gt=0, description="A lead is counted this long after it came in.")
    window_days: float = Field(365, gt=0, description="Leads older than this are not learned from.")
    min_converted: int = Field(50, ge=10, description="Converted leads to train on, at least.")
    min_held_out: int = Field(20, ge=10, description="Converted leads held out to judge by, at least.")
    margin_auc: float = Field(
        0.01, ge=0, lt=0.5, description="The lower end of the 95 % interval of the gain in AUC is above this."
    )
    resamples: int = Field(1000, ge=1000, le=20_000, description="Bootstrap resamples of that interval.")
    max_leads: int = Field(50_000, ge=1000, description="The newest this many leads are learned from.")
    ignore: tuple[str, ...] = Field((), description="Columns never to learn from (`leadops model show`).")
    trust: tuple[str, ...] = Field(
        (), description="Columns that are known when a lead comes in, although they tell the outcome alone."
    )


class Playbook(Strict):
    version: Literal[1]
    company: str
    mode: Literal["auto", "review", "by_volume"] = Field(
        "auto",
        description="auto: messages leave by themselves; review: a person approves each (leadops review); "
        "by_volume: as the leads of the trailing 30 days say.",
    )
    volume: Volume = Volume()
    fallback_timezone: ZoneName = Field("UTC", description="Where neither zone nor country is known.")
    home_country: str = Field("US", pattern="^[A-Z]{2}$", description="ISO 3166 alpha-2, upper case.")
    windows: dict[str, Window]
    scorecard: Scorecard
    sequences: Annotated[dict[Tier, Sequence], AfterValidator(_every_tier)]
    sender: Sender
    enrichment: Enrichment = Enrichment()
    enrolment: Enrolment = Enrolment()
    routing: tuple[Route, ...] = Field((), description="The first entry that fits decides.")
    escalation: Escalation = Escalation()
    handoff: Handoff
    replies: Replies = Replies()
    delivery: Delivery = Delivery()
    writer: Writer = Writer()
    model: Model = Model()
    crm: CrmMapping = CrmMapping()
    case_studies: dict[str, str] = Field(default_factory=dict, description="id: sentence")
    pain_points: dict[str, str] = Field(default_factory=dict, description="id: phrase")

    @model_validator(mode="after")
    def _references(self) -> Self:
        for tier, sequence in self.sequences.items():
            for window in (sequence.window, sequence.first_touch_window):
                if window is not None and window not in self.windows:
                    # A type of its own: the loader tells the same with the line it stands on.
                    raise PydanticCustomError(
                        "unknown_window",
                        "sequence {tier}: unknown window {window}",
                        {"tier": tier.value, "window": window},
                    )
        return self

    def window_for(self, sequence: Sequence, first: bool) -> Window:
        name = sequence.first_touch_window if first and sequence.first_touch_window else sequence.window
        return self.windows[name]


class SlotSpec(Strict):
    """A declared hole of a template: what may fill it, and what stands there otherwise.

    Exactly one of ``evidence`` (a fact about the lead) and ``choose`` (an entry of a closed list of the
    playbook). What is quoted or chosen takes a writer with judgement; the template writer leaves it neutral.
    """

    evidence: Annotated[str, AfterValidator(_known_evidence)] | None = Field(
        None, description="Evidence path, e.g. contact.first_name, company.name, lead.interest."
    )
    choose: Literal["pain_points", "case_studies"] | None = Field(
        None, description="One entry of this list of the playbook, chosen by its id."
    )
    quote: bool = Field(
        False, description="A passage of the evidence, word for word, may stand there instead of all of it."
    )
    neutral: Annotated[str, AfterValidator(_neutral)] = Field(
        min_length=1, description="Stands where nothing else may: missing, not clean, not certain."
    )
    max_length: int = Field(60, gt=0, le=400)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.evidence is None) == (self.choose is None):
            raise ValueError("give exactly one of evidence and choose")
        if self.quote and self.evidence is None:
            raise ValueError("quote needs evidence to quote from")
        return self

    @property
    def is_judged(self) -> bool:
        """Whether filling it takes judgement: a choice, or a passage to be found."""
        return self.choose is not None or self.quote


class Template(Strict):
    """A template file: YAML front matter (these fields but ``body`` and ``version``), then the body."""

    name: str
    subject: str = Field("", description="No slots. Empty on a follow-up: 'Re: ' + the thread's subject.")
    slots: Annotated[dict[str, SlotSpec], AfterValidator(_slot_names)] = Field(default_factory=dict)
    body: str = Field(min_length=1)
    version: str = Field(description="Digest of the file's text.")
