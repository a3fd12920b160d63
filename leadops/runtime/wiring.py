"""The house of one process: engine, playbook, keyring and providers, bound once from settings.

Tests and the sandbox build a :class:`House` of their own; nothing is monkeypatched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Engine

from leadops.domain.keys import Keyring
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
from leadops.stages.outreach import Outreach
from leadops.store.engine import open_engine


@dataclass
class House:
    """Everything a stage is given."""

    engine: Engine
    loaded: LoadedPlaybook
    keyring: Keyring
    crm: CrmPort
    email: EmailPort
    enrichment: tuple[EnrichmentPort, ...] = field(default_factory=lambda: (OfflineEnrichment(),))
    writer: SlotWriter = field(default_factory=TemplateWriter)

    @property
    def playbook(self) -> Playbook:
        return self.loaded.playbook

    @cached_property
    def outreach(self) -> Outreach:
        return Outreach(
            engine=self.engine,
            playbook=self.playbook,
            templates=self.loaded.templates,
            keyring=self.keyring,
            writer=self.writer,
            email=self.email,
        )


def keyring_of(settings: Settings) -> Keyring:
    """The keyring whose digests this installation's suppressions are made with."""
    return Keyring(secret(settings, "secret_key").encode())


def email_of(settings: Settings) -> EmailPort:
    """The mail provider the settings name."""
    if settings.email == "outbox":
        return Outbox(settings.outbox_path)
    from leadops.providers.email.smtp import Smtp

    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        starttls=settings.smtp_starttls,
        timeout_s=settings.smtp_timeout_s,
    )


def open_house(settings: Settings) -> House:
    """Bind everything. Opens no connection yet.

    Raises:
        UsageError: the playbook or a setting is wrong; says where.
    """
    return House(
        engine=open_engine(databases_of(settings).business),
        loaded=load(settings.playbook),
        keyring=keyring_of(settings),
        crm=FilesCrm(settings.crm_path),
        email=email_of(settings),
    )
