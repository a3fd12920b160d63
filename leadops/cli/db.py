"""``leadops db``: start, stop and upgrade the database, and say where it is."""

from __future__ import annotations

from typing import Annotated

import typer

from leadops.errors import UsageError
from leadops.runtime.databases import Databases, databases_of, open_databases, shown_url
from leadops.runtime.postgres import EmbeddedPostgres
from leadops.settings import settings

app = typer.Typer(name="db", help="The database: start, stop, upgrade, url.", no_args_is_help=True)


@app.command()
def start(
    upgrade: Annotated[bool, typer.Option(help="Also bring the tables to the version of this code.")] = True,
) -> None:
    """Start the embedded Postgres (or check the real one), create what is missing, upgrade the tables."""
    databases = open_databases(settings())
    done = f", tables at version {_upgraded(databases)}" if upgrade else ""
    server = databases.embedded
    where = shown_url(databases.business) if server is None else f"{server.socket_dir} (pid {server.pid()})"
    typer.echo(f"Postgres is running at {where}{done}.")


@app.command()
def stop() -> None:
    """Stop the embedded Postgres, whichever process started it."""
    if settings().database_url is not None:
        raise UsageError(
            "not_embedded",
            "LEADOPS_DATABASE_URL names a server that leadops did not start: stop it where it was started, "
            "or unset the variable to stop the embedded one.",
        )
    server = EmbeddedPostgres(settings().home)
    was_running = server.pid() is not None
    server.stop()
    typer.echo("Postgres is stopped." if was_running else "Postgres was not running.")


@app.command()
def upgrade() -> None:
    """Bring the tables to the version of this code."""
    typer.echo(f"Tables are at version {_upgraded(open_databases(settings()))}.")


@app.command()
def url(
    password: Annotated[bool, typer.Option("--password", help="Include the password.")] = False,
    dagster: Annotated[bool, typer.Option("--dagster", help="Dagster's database instead of ours.")] = False,
) -> None:
    """Print the database URL, fit for psql. Starts nothing."""
    databases = databases_of(settings())
    typer.echo(shown_url(databases.dagster if dagster else databases.business, password))


def _upgraded(databases: Databases) -> str:
    from leadops.store import migrate

    migrate.upgrade(databases.business)
    return migrate.head()
