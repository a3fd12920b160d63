"""The house of one process: engine, playbook, keyring and providers, bound once from settings.

Tests and the sandbox build a :class:`House` of their own; nothing is monkeypatched.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy import Engine

from leadops.domain.keys import Keyring
from leadops.errors import UsageError
from leadops.playbook.loader import LoadedPlaybook, load
from leadops.playbook.model import Playbook
from leadops.providers.crm.files import FilesCrm
from leadops.providers.crm.port import CrmPort
from leadops.providers.email.outbox import Outbox
from leadops.providers.email.port import EmailPort
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.providers.enrichment.port import EnrichmentPort
from leadops.providers.llm.port import SlotWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.runtime.databases import databases_of
from leadops.runtime.secrets import secret
from leadops.settings import Settings
from leadops.stages.beside import Beside, Inline, Latch, Threads
from leadops.stages.enrich_whom import manners_of
from leadops.stages.enriching import Enriching
from leadops.stages.outreach import Outreach
from leadops.store.engine import open_engine


@dataclass
class House:
    """Everything a stage is given. ``asking``, ``latch``, ``seconds``: how enrichment waits for others, and
    the monotonic clock it does so by.
    """

    engine: Engine
    loaded: LoadedPlaybook
    keyring: Keyring
    crm: CrmPort
    email: EmailPort
    enrichment: tuple[EnrichmentPort, ...] = field(default_factory=lambda: (OfflineEnrichment(),))
    writer: SlotWriter = field(default_factory=TemplateWriter)
    public_url: str | None = None
    fresh: Callable[[], str] = lambda: uuid.uuid4().hex
    beside: Callable[[], Beside] = Inline
    asking: Callable[[int], Beside] = lambda _at_once: Inline()
    latch: Callable[[], Latch] = threading.Event
    seconds: Callable[[], float] = time.monotonic
    worker: str | None = None

    @property
    def playbook(self) -> Playbook:
        return self.loaded.playbook

    @cached_property
    def enriching(self) -> Enriching:
        return Enriching(
            engine=self.engine,
            section=self.playbook.enrichment,
            manners=manners_of(self.playbook, self.keyring),
            providers=self.enrichment,
            beside=self.asking,
            latch=self.latch,
            fresh=self.fresh,
            clock=self.seconds,
        )

    @cached_property
    def outreach(self) -> Outreach:
        return Outreach(
            engine=self.engine,
            playbook=self.playbook,
            templates=self.loaded.templates,
            keyring=self.keyring,
            writer=self.writer,
            email=self.email,
            public_url=self.public_url,
            fresh=self.fresh,
            beside=self.beside,
            worker=self.worker,
        )


def keyring_of(settings: Settings) -> Keyring:
    """The keyring whose digests this installation's suppressions are made with."""
    return Keyring(secret(settings, "secret_key").encode())


def crm_of(settings: Settings, playbook: Playbook) -> CrmPort:
    """The CRM the settings name. Raises UsageError where its key is missing."""
    if settings.crm == "files":
        return FilesCrm(settings.crm_path)
    from leadops.providers.crm.hubspot import HubSpot

    return HubSpot(
        _needed(settings.hubspot_token, "LEADOPS_HUBSPOT_TOKEN", "LEADOPS_CRM=hubspot"),
        playbook.crm.hubspot,
        playbook.handoff.reps,
        base_url=settings.hubspot_url,
        timeout_s=settings.hubspot_timeout_s,
    )


def email_of(settings: Settings, playbook: Playbook) -> EmailPort:
    """The mail provider the settings name. Raises UsageError where its key is missing."""
    if settings.email == "outbox":
        return Outbox(settings.outbox_path)
    if settings.email == "sendgrid":
        from leadops.providers.email.sendgrid import SendGrid

        return SendGrid(
            _needed(settings.sendgrid_key, "LEADOPS_SENDGRID_KEY", "LEADOPS_EMAIL=sendgrid"),
            base_url=settings.sendgrid_url,
            timeout_s=settings.sendgrid_timeout_s,
            track_opens=playbook.sender.track_opens,
            track_clicks=playbook.sender.track_clicks,
        )
    from leadops.providers.email.smtp import Smtp

    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        starttls=settings.smtp_starttls,
        timeout_s=settings.smtp_timeout_s,
    )


def enrichment_of(settings: Settings, playbook: Playbook, crm: CrmPort) -> tuple[EnrichmentPort, ...]:
    """Who is asked about leads, in the playbook's order. Raises UsageError where a key is missing."""
    places = playbook.enrichment.waterfall
    return tuple(_enrichment(place.provider, settings, playbook, crm) for place in places)


def _enrichment(name: str, settings: Settings, playbook: Playbook, crm: CrmPort) -> EnrichmentPort:
    because = f"{name} in the playbook's enrichment.waterfall"
    if name == "offline":
        return OfflineEnrichment()
    if name == "hubspot":
        return _hubspot_companies(settings, playbook, crm, because)
    if name == "clearbit":
        from leadops.providers.enrichment.clearbit import Clearbit

        key = _needed(settings.clearbit_key, "LEADOPS_CLEARBIT_KEY", because)
        return Clearbit(key, settings.clearbit_url)
    if name == "self_hosted":
        from leadops.providers.enrichment.self_hosted import SelfHosted

        url = (settings.enrichment_url or "").strip()
        _needed(SecretStr(url), "LEADOPS_ENRICHMENT_URL", because)
        own = settings.enrichment_key
        return SelfHosted(own.get_secret_value() if own else None, url)
    from leadops.providers.enrichment.apollo import Apollo, ApolloCompany

    key = _needed(settings.apollo_key, "LEADOPS_APOLLO_KEY", because)
    return (Apollo if name == "apollo" else ApolloCompany)(key, settings.apollo_url)


def _hubspot_companies(settings: Settings, playbook: Playbook, crm: CrmPort, because: str) -> EnrichmentPort:
    """With the CRM's own client where HubSpot is the CRM: the account's limits are for both together."""
    from leadops.providers.crm.hubspot import HubSpot
    from leadops.providers.crm.hubspot_client import Client
    from leadops.providers.enrichment.hubspot import HubSpotCompanies

    if isinstance(crm, HubSpot):
        return HubSpotCompanies(crm.client)
    token = _needed(settings.hubspot_token, "LEADOPS_HUBSPOT_TOKEN", because)
    limits = playbook.crm.hubspot
    rates = (limits.requests_per_second, limits.searches_per_second)
    return HubSpotCompanies(Client(token, settings.hubspot_url, settings.hubspot_timeout_s, *rates))


def writer_of(settings: Settings, playbook: Playbook) -> SlotWriter:
    """Who fills slots. Without a key the model is not asked, and every draft says so."""
    if settings.writer == "template":
        return TemplateWriter()
    from leadops.providers.llm.openai import OpenAIWriter

    key = settings.openai_key.get_secret_value() if settings.openai_key else os.environ.get("OPENAI_API_KEY")
    return OpenAIWriter(
        key,
        settings.openai_url or os.environ.get("OPENAI_BASE_URL"),
        playbook.writer,
        playbook,
        TemplateWriter(),
    )


def _needed(value: SecretStr | None, variable: str, because: str) -> str:
    found = value.get_secret_value().strip() if value else ""
    if not found:
        raise UsageError("key_missing", f"{because} needs {variable}; set it in the environment or in .env.")
    return found


def open_house(settings: Settings) -> House:
    """Bind everything. Opens no connection yet.

    Raises:
        UsageError: the playbook or a setting is wrong; says where.
    """
    loaded = load(settings.playbook)
    crm = crm_of(settings, loaded.playbook)
    return House(
        engine=open_engine(databases_of(settings).business),
        loaded=loaded,
        keyring=keyring_of(settings),
        crm=crm,
        email=email_of(settings, loaded.playbook),
        enrichment=enrichment_of(settings, loaded.playbook, crm),
        writer=writer_of(settings, loaded.playbook),
        public_url=_public_url(settings.public_url),
        beside=lambda: Threads(loaded.playbook.delivery.calls_at_once),
        asking=Threads,
    )


def _public_url(given: str | None) -> str | None:
    """Where it is wrong no message could be composed, so it is refused here."""
    parts = urlsplit(given.strip()) if given and given.strip() else None
    if parts is None:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            "public_url", "LEADOPS_PUBLIC_URL must be like https://hooks.example.com, without ? and #."
        )
    return parts.geturl()
