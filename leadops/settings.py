"""What differs between machines: addresses, ports, secrets, folders. From the environment and ``.env``.

What differs between sales teams (tiers, sequences, templates, windows, caps) is the playbook.
Only the edge reads settings: cli, defs, web, runtime. Floors below take values as arguments.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One field, one variable: ``home`` is ``LEADOPS_HOME``, and so on (see ``.env.example``)."""

    model_config = SettingsConfigDict(env_prefix="LEADOPS_", env_file=".env", extra="ignore")

    home: Path = Field(Path(".leadops"), description="Everything leadops writes; also DAGSTER_HOME.")
    playbook: Path = Field(PROJECT_ROOT / "playbook" / "playbook.yaml", description="The playbook file.")
    database_url: SecretStr | None = Field(
        None, description="A real Postgres (postgresql://...); unset: the embedded one in LEADOPS_HOME."
    )
    dagster_url: SecretStr | None = Field(
        None,
        description="Dagster's own storage; unset: a second database on the same server.",
    )

    bind: str = Field("127.0.0.1", description="Address every server of ours listens on.")
    webserver_port: int = Field(3000, description="Dagster UI.")
    ingest_port: int = Field(8400, description="Events, webhooks, unsubscribe links.")
    ingest_key: SecretStr | None = Field(
        None, description="Bearer key of POST /v1/events; unset: one is made in LEADOPS_HOME."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Keys digests of addresses and reply tokens; unset: one is made in LEADOPS_HOME. "
        "Changing it orphans suppressions.",
    )

    public_url: str | None = Field(
        None,
        description="Where the ingestion service is reached from outside, e.g. https://hooks.example.com: "
        "unsubscribe links begin with it. Unset: messages offer mailto only.",
    )

    crm: Literal["files", "hubspot"] = Field("files", description="Which CRM is polled and written to.")
    crm_dir: Path | None = Field(
        None, description="Folder of the files CRM (rows in, write-backs out); unset: LEADOPS_HOME/crm."
    )
    hubspot_url: str = "https://api.hubapi.com"
    hubspot_token: SecretStr | None = Field(None, description="Service key or private app token.")
    hubspot_timeout_s: float = 20.0

    email: Literal["outbox", "smtp", "sendgrid"] = Field("outbox", description="How mail leaves.")
    outbox_dir: Path | None = Field(None, description="Unset: LEADOPS_HOME/outbox.")
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = False
    smtp_timeout_s: float = 20.0
    sendgrid_url: str = "https://api.sendgrid.com"
    sendgrid_key: SecretStr | None = None
    sendgrid_timeout_s: float = 15.0
    sendgrid_event_key: str | None = Field(
        None, description="Public key of the signed event webhook (base64); unset: that webhook is refused."
    )
    sendgrid_inbound_key: str | None = Field(
        None, description="Public key of the signed Inbound Parse webhook; unset: it is refused."
    )

    writer: Literal["template", "openai"] = Field("template", description="Who fills the slots of a message.")
    openai_url: str | None = Field(
        None, description="Any compatible base URL; unset: OPENAI_BASE_URL, else the vendor's."
    )
    openai_key: SecretStr | None = Field(None, description="Unset: OPENAI_API_KEY.")

    apollo_url: str = "https://api.apollo.io/api/v1"
    apollo_key: SecretStr | None = None
    clearbit_url: str = Field("https://person.clearbit.com", description="For legacy keys only.")
    clearbit_key: SecretStr | None = None
    enrichment_url: str | None = Field(
        None, description="Your own enrichment service: GET <this>?domain=acme.com."
    )
    enrichment_key: SecretStr | None = Field(None, description="Its bearer key; unset: it asks for none.")

    dashboard_port: int = Field(8501, description="The page for analysts and reps.")
    sandbox_port: int = Field(8480, description="The sandbox of `leadops sandbox` and `leadops demo`.")

    runner_workers: int = Field(
        1, ge=0, description="Runner processes that answer new leads; 0: sensors and schedules alone."
    )
    sensor_grace_s: float = Field(
        10.0, description="How long work may wait for a living runner before sensors and schedules take over."
    )
    metrics_cron: str = Field("7 * * * *", description="When the metric tables are rebuilt (UTC).")
    automation: bool = Field(
        False,
        description="Sensors and schedules start running. Set by `leadops up` and `demo`; "
        "a bare `dg dev` mails nobody.",
    )

    @property
    def crm_path(self) -> Path:
        return self.crm_dir or self.home / "crm"

    @property
    def outbox_path(self) -> Path:
        return self.outbox_dir or self.home / "outbox"


@cache
def settings() -> Settings:
    """The process's settings, read once. Relative paths are anchored so children agree."""
    found = Settings()
    for name in ("home", "playbook", "crm_dir", "outbox_dir"):
        value = getattr(found, name)
        if value is not None:
            setattr(found, name, Path(value).expanduser().resolve())
    return found
