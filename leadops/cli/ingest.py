"""`leadops ingest`: the ingestion service alone, as `leadops up` runs it and as a deployment does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from leadops.errors import LeadopsError, UsageError
from leadops.settings import Settings, settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from leadops.stages.ingest import IngestReport


def ingest() -> None:
    """Serve POST /v1/events until told to stop."""
    from leadops.runtime.secrets import secret
    from leadops.store.status import is_ready
    from leadops.web.app import create_app
    from leadops.web.server import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    config = settings()
    engine = _engine(config)
    app = create_app(_take_in(engine, config), secret(config, "ingest_key"), partial(is_ready, engine))
    serve(app, config.bind, config.ingest_port, _announce(config))
    engine.dispose()


def _engine(config: Settings) -> Engine:
    from leadops.runtime.databases import databases_of, open_databases
    from leadops.store.engine import open_engine

    # A real server may be away for a moment: the service starts all the same, answers 503 and recovers.
    databases = open_databases(config) if config.database_url is None else databases_of(config)
    return open_engine(databases.business)


def _take_in(engine: Engine, config: Settings) -> Callable[[list[dict[str, Any]]], IngestReport]:
    from leadops.providers.crm.port import RawRow
    from leadops.runtime.wiring import keyring_of
    from leadops.stages import ingest as stage

    keyring = keyring_of(config)

    def take_in(events: list[dict[str, Any]]) -> IngestReport:
        rows = [RawRow(event=event, error=None, raw=event, where="http") for event in events]
        return stage.ingest(engine, rows, now=datetime.now(UTC), keyring=keyring)

    return take_in


def _announce(config: Settings) -> Callable[[int], None]:
    return lambda port: typer.echo(f"Listening on {config.bind}:{port}.")


def main() -> int:
    """`python -m leadops.cli.ingest`: without the other commands, so that it is up sooner."""
    try:
        ingest()
    except LeadopsError as error:
        typer.echo(str(error), err=True)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
