"""`leadops sandbox`: the vendors, simulated on this machine, for leadops or anybody else."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from leadops.errors import UsageError
from leadops.settings import Settings, settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from leadops.sandbox.control import Control, Verb
    from leadops.sandbox.frame import Clock, Provider
    from leadops.sandbox.sendgrid import SendGridSandbox

KEY = "sandbox"
NAMES = ("hubspot", "openai", "sendgrid", "apollo", "clearbit", "self_hosted")


class Sandbox(NamedTuple):
    """What ``build`` makes: (app, providers, control)."""

    app: Starlette
    providers: list[Provider]
    control: Control

    def provider(self, name: str) -> Any:
        """The provider of this name. Raises KeyError."""
        return {provider.name: provider for provider in self.providers}[name]


def _now() -> datetime:
    return datetime.now(UTC)


def build(
    config: Settings,
    *,
    clock: Clock = _now,
    seed: int = 7,
    only: Collection[str] = NAMES,
    verbs: Mapping[str, Verb] | None = None,
    sendgrid: Mapping[str, Any] | None = None,
) -> Sandbox:
    """The providers, their control and the application that serves them; nothing is started.

    Keys are those of ``config`` where it has them, else "sandbox". ``verbs`` may be added to later
    (``control.verbs``). ``sendgrid``: keyword arguments for SendGridSandbox.
    Raises UsageError: no such provider.
    """
    from leadops.sandbox.control import Control
    from leadops.sandbox.server import create_app

    if unknown := set(only) - set(NAMES):
        raise UsageError(
            "sandbox.provider", f"There is no provider {min(unknown)!r}: choose from {', '.join(NAMES)}."
        )
    keys = {
        "hubspot": config.hubspot_token,
        "openai": config.openai_key,
        "sendgrid": config.sendgrid_key,
        "apollo": config.apollo_key,
        "clearbit": config.clearbit_key,
        "self_hosted": config.enrichment_key,
    }
    providers: list[Provider] = []
    for name in NAMES:
        if name in only:
            secret = keys[name]
            key = secret.get_secret_value() if secret else KEY
            providers.append(_provider(name, clock, key, seed, sendgrid or {}))
    control = Control(providers, verbs)
    return Sandbox(create_app(providers, control), providers, control)


def _provider(name: str, clock: Clock, key: str, seed: int, options: Mapping[str, Any]) -> Provider:
    if name == "hubspot":
        from leadops.sandbox.hubspot import HubSpotSandbox

        return HubSpotSandbox(clock, key, seed=seed)
    if name == "openai":
        from leadops.sandbox.openai import OpenAISandbox

        return OpenAISandbox(clock, key, seed=seed)
    if name in ("apollo", "clearbit", "self_hosted"):
        from leadops.sandbox import enrichment

        vendors: dict[str, Callable[..., Provider]] = {
            "apollo": enrichment.ApolloSandbox,
            "clearbit": enrichment.ClearbitSandbox,
            "self_hosted": enrichment.SelfHostedSandbox,
        }
        return vendors[name](clock, key, seed)
    from leadops.sandbox.sendgrid import SendGridSandbox

    return SendGridSandbox(clock, key, seed=seed, **options)


def environment(
    url: str, providers: Sequence[Provider], keys: Mapping[str, str], webhook_key: str | None = None
) -> dict[str, str]:
    """Variables that point leadops at a sandbox at ``url``. ``keys`` by provider; ``webhook_key``: public."""
    lines = {
        "hubspot": {"LEADOPS_CRM": "hubspot", "LEADOPS_HUBSPOT_URL": f"{url}/hubspot"},
        "openai": {"LEADOPS_WRITER": "openai", "LEADOPS_OPENAI_URL": f"{url}/openai/v1"},
        "sendgrid": {"LEADOPS_EMAIL": "sendgrid", "LEADOPS_SENDGRID_URL": f"{url}/sendgrid"},
        "apollo": {"LEADOPS_APOLLO_URL": f"{url}/apollo/api/v1"},
        "clearbit": {"LEADOPS_CLEARBIT_URL": f"{url}/clearbit"},
        "self_hosted": {"LEADOPS_ENRICHMENT_URL": f"{url}/self_hosted/"},
    }
    secret_of = {
        "hubspot": "LEADOPS_HUBSPOT_TOKEN",
        "openai": "LEADOPS_OPENAI_KEY",
        "sendgrid": "LEADOPS_SENDGRID_KEY",
        "apollo": "LEADOPS_APOLLO_KEY",
        "clearbit": "LEADOPS_CLEARBIT_KEY",
        "self_hosted": "LEADOPS_ENRICHMENT_KEY",
    }
    found: dict[str, str] = {}
    for provider in providers:
        found |= lines[provider.name] | {secret_of[provider.name]: keys.get(provider.name, KEY)}
    if webhook_key is not None:
        found |= dict.fromkeys(("LEADOPS_SENDGRID_EVENT_KEY", "LEADOPS_SENDGRID_INBOUND_KEY"), webhook_key)
    return found


def sandbox(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: LEADOPS_SANDBOX_PORT, 8480; 0: any.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NAMES)}; repeatable.")] = None,
    hubspot_token: Annotated[str, typer.Option(help="The token HubSpot accepts.")] = KEY,
    openai_key: Annotated[str, typer.Option(help="The key OpenAI accepts.")] = KEY,
    sendgrid_key: Annotated[str, typer.Option(help="The key SendGrid accepts.")] = KEY,
    verified: Annotated[
        list[str] | None, typer.Option(help="A domain or address that may send; repeatable. Default: any.")
    ] = None,
    keep_message_id: Annotated[
        bool, typer.Option("--keep-message-id", help="A Message-ID header survives to the wire.")
    ] = False,
    events_url: Annotated[
        str | None, typer.Option(help="Where SendGrid's event webhook is posted; every mail is delivered.")
    ] = None,
    inbound_url: Annotated[str | None, typer.Option(help="Where Inbound Parse is posted.")] = None,
    webhook_key: Annotated[
        Path | None, typer.Option(help="Private key (PEM) of both webhooks; made there if missing.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Ids and chances follow from it.")] = 7,
) -> None:
    """Serve the simulated providers on 127.0.0.1 until told to stop. Needs no leadops running.

    What they were asked is at / and under /control; faults are ordered with POST /control/faults.
    """
    config = settings()
    given = {"hubspot": hubspot_token, "openai": openai_key, "sendgrid": sendgrid_key}
    built = build(
        _with_keys(config, given),
        seed=seed,
        only=only or NAMES,
        sendgrid={"verified": tuple(verified or ()), "keeps_message_id": keep_message_id},
    )
    public = None
    if "sendgrid" in (only or NAMES):
        public = _attach_postman(built, events_url, inbound_url, webhook_key)
    _serve(built, config.sandbox_port if port is None else port, given, public)


def _with_keys(config: Settings, given: Mapping[str, str]) -> Settings:
    from pydantic import SecretStr

    names = {"hubspot": "hubspot_token", "openai": "openai_key", "sendgrid": "sendgrid_key"}
    return config.model_copy(update={names[name]: SecretStr(key) for name, key in given.items()})


def _attach_postman(
    built: Sandbox, events_url: str | None, inbound_url: str | None, key_file: Path | None
) -> str | None:
    """Deliver every message; returns the public key webhooks are signed with, None when none are posted."""
    from leadops.sandbox.sendgrid.postman import Postman
    from leadops.sandbox.webhooks import Webhooks, public_key_of

    provider: SendGridSandbox = built.provider("sendgrid")
    private = _private_key(key_file) if events_url or inbound_url else None
    try:
        webhooks = Webhooks(events_url, inbound_url, private, private)
    except ValueError as error:
        raise UsageError("sandbox.webhooks", f"The webhooks cannot be posted: {error}.") from None
    built.control.verbs |= Postman(provider.mailroom, webhooks, provider.clock).verbs()
    return public_key_of(private) if private else None


def _private_key(path: Path | None) -> str:
    from leadops.sandbox.webhooks import new_key_pair

    if path is None:
        return new_key_pair()[0]
    try:
        if path.exists():
            return path.read_text(encoding="ascii")
        made = new_key_pair()[0]
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(made)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError("sandbox.webhook_key", f"{path} cannot be used as a key: {reason}.") from None
    return made


def _serve(built: Sandbox, port: int, keys: Mapping[str, str], webhook_key: str | None) -> None:
    from leadops.runtime.stopping import StopRequest, stop_on_signals
    from leadops.sandbox.server import running

    stop = StopRequest()
    with stop_on_signals(stop), running(built.app, port) as url:
        typer.echo(f"# Sandbox at {url}/ (what was asked), {url}/control (faults). Ctrl-C stops it.")
        for name, value in environment(url, built.providers, keys, webhook_key).items():
            typer.echo(f"export {name}={value}")
        while not stop.wait(60.0):
            pass
