"""``leadops metrics``: rebuild the metric tables, and print one. What they mean: docs/metrics.md."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from leadops.settings import settings

if TYPE_CHECKING:
    from rich.table import Table

    from leadops.metrics.read import MetricTable

app = typer.Typer(name="metrics", help="The metric tables: build, show.", no_args_is_help=True)


@app.command()
def build(
    as_of: Annotated[
        str | None,
        typer.Option(
            help="The moment the metrics speak of, ISO 8601 with offset. Default: the newest stamp."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Rebuild every metric table and check it, without Dagster."""
    from dataclasses import asdict

    from leadops.metrics import build as rebuild
    from leadops.runtime.databases import open_databases

    moment = rebuild.parse_as_of(as_of)
    databases = open_databases(settings())
    folder = settings().home / "dbt" / "cli"
    done = rebuild.build(databases.business, databases.metrics_env, folder, moment)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    warned = f", {done.warnings} with warnings" if done.warnings else ""
    typer.echo(f"{done.models} tables rebuilt, {done.tests} tests run{warned}, {done.seconds:.1f} s.")


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="A table of the schema metrics.")] = "conversion_by_tier",
    every: Annotated[bool, typer.Option("--all", help="Every column, one per line, row by row.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every column, for machines.")] = False,
) -> None:
    """Print a metric table."""
    from leadops.metrics import read
    from leadops.runtime.databases import open_databases

    with read.opened(open_databases(settings()).business) as connection:
        found = read.read_table(connection, table, limit)
    if as_json:
        typer.echo(json.dumps(found.records(), indent=2))
    else:
        _print(found if every else found.headline(), found.as_of())


# More rows than these do not fit beside each other on a screen of 80 columns.
_BESIDE = 5
# More columns than these do not; a wide console takes the headline columns all the same.
_ACROSS = 8
_WIDE = 160


def _print(found: MetricTable, as_of: datetime | None) -> None:
    """The way that can be read: few rows beside each other, few columns across, else a block per row."""
    from rich.console import Console

    from leadops.metrics.read import MetricTable, cell

    spoken = f"As of {cell('as_of', as_of)}. " if as_of else ""
    console = Console()
    if len(found.columns) <= _ACROSS:
        console.print(_across(found))
    elif len(found.rows) <= _BESIDE:
        console.print(_beside(found))
    elif console.width >= _WIDE:
        console.print(_across(found))
    else:
        for row in found.rows:
            console.print(_beside(MetricTable(found.name, found.columns, (row,))))
    console.print(f"{spoken}docs/metrics.md says what each column means.", highlight=False)


def _across(found: MetricTable) -> Table:
    """One line per row."""
    from rich.table import Table
    from rich.text import Text

    from leadops.metrics.read import KEYS, cell

    shown = Table(title=found.name, title_justify="left")
    for name in found.columns:
        is_key = name in KEYS
        shown.add_column(name.replace("_", " "), justify="left" if is_key else "right", no_wrap=is_key)
    for row in found.rows:
        shown.add_row(*(Text(cell(name, value)) for name, value in zip(found.columns, row, strict=True)))
    return shown


def _beside(found: MetricTable) -> Table:
    """One line per column, the rows beside each other."""
    from rich.table import Table
    from rich.text import Text

    from leadops.metrics.read import KEYS, cell

    shown = Table(title=found.name, title_justify="left", show_header=False)
    for place, name in enumerate(found.columns):
        last_key = name in KEYS and not (place + 1 < len(found.columns) and found.columns[place + 1] in KEYS)
        cells = (Text(cell(name, row[place]), justify="right") for row in found.rows)
        shown.add_row(name.replace("_", " "), *cells, end_section=last_key)
    return shown
