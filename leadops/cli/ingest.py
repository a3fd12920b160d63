"""`leadops ingest`: the ingestion service alone, as `leadops up` runs it and as a deployment does.

Takes in events, SendGrid's signed webhooks, and clicks on unsubscribe links.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from leadops.cli.alone import exit_code_of
from leadops.settings import Settings, settings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.applications import Starlette

    from leadops.domain.keys import Keyring
    from leadops.providers.crm.port import RawRow
    from leadops.stages.ingest import IngestReport


def ingest() -> None:
    """Serve POST /v1/events, the webhooks and the unsubscribe page until told to stop."""
    from leadops.web.server import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    config = settings()
    engine = _engine(config)
    serve(application(engine, config), config.bind, config.ingest_port, _announce(config))
    engine.dispose()


def application(
    engine: Engine,
    config: Settings,
    keyring: Keyring | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The service on this database. ``keyring``: of the settings where not given.

    Raises UsageError where a webhook's key is none.
    """
    from leadops.providers.email.sendgrid_signature import INBOUND_BACK, Verifier
    from leadops.runtime.secrets import secret
    from leadops.runtime.wiring import keyring_of
    from leadops.store.status import is_ready
    from leadops.web.app import create_app
    from leadops.web.unsubscribe import Unsubscribe
    from leadops.web.webhooks import SendGrid

    event_key, inbound_key = config.sendgrid_event_key, config.sendgrid_inbound_key
    take_in = _take_in(engine, keyring or keyring_of(config), clock)
    wire = _from_the_wire(take_in)
    sendgrid = SendGrid(
        take_in,
        events=Verifier(event_key, "LEADOPS_SENDGRID_EVENT_KEY") if event_key else None,
        inbound=Verifier(inbound_key, "LEADOPS_SENDGRID_INBOUND_KEY", INBOUND_BACK) if inbound_key else None,
        clock=clock,
    )
    unsubscribe = Unsubscribe(partial(_is_token, engine), wire, clock)
    more = [*sendgrid.routes(), *unsubscribe.routes()]
    return create_app(wire, secret(config, "ingest_key"), partial(is_ready, engine), more)


def _engine(config: Settings) -> Engine:
    from leadops.runtime.databases import databases_of, open_databases
    from leadops.store.engine import open_engine

    # A real server may be away for a moment: the service starts all the same, answers 503 and recovers.
    databases = open_databases(config) if config.database_url is None else databases_of(config)
    return open_engine(databases.business)


def _take_in(
    engine: Engine, keyring: Keyring, clock: Callable[[], datetime]
) -> Callable[[list[RawRow]], IngestReport]:
    from leadops.stages import ingest as stage

    return lambda rows: stage.ingest(engine, rows, now=clock(), keyring=keyring)


def _from_the_wire(
    take_in: Callable[[list[RawRow]], IngestReport],
) -> Callable[[list[dict[str, Any]]], IngestReport]:
    from leadops.providers.crm.port import RawRow

    return lambda events: take_in([RawRow(event=e, error=None, raw=e, where="http") for e in events])


def _is_token(engine: Engine, token: str) -> bool:
    from leadops.store.engine import transaction
    from leadops.store.enrolments import is_reply_token

    with transaction(engine) as connection:
        return is_reply_token(connection, token)


def _announce(config: Settings) -> Callable[[int], None]:
    return lambda port: typer.echo(f"Listening on {config.bind}:{port}.")


if __name__ == "__main__":
    sys.exit(exit_code_of(ingest))
