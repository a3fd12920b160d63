"""``leadops import``: put the rows of a file through the same mapping and intake as everything else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadops.cli import import_job as job
from leadops.errors import UsageError
from leadops.providers.crm.mapping_model import FileSpec
from leadops.providers.crm.port import RawRow
from leadops.providers.crm.records import Position

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from leadops.domain.keys import Keyring

INTERRUPTED = 130
MappingOption = Annotated[
    Path | None,
    typer.Option(help="mapping.yaml: what the columns mean; unset: the one beside FILE, or the default."),
]
SpecOption = Annotated[
    str | None,
    typer.Option(help="Which entry of the mapping (its name or pattern); unset: the one that fits."),
]


def import_file(
    file: Annotated[Path, typer.Argument(help="A csv or jsonl file.", show_default=False)],
    mapping: MappingOption = None,
    spec: SpecOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be imported.")] = False,
    errors: Annotated[
        Path | None,
        typer.Option(help="Write every refused row to this csv file (line, column, reason, row)."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Rows per commit.")] = 500,
    resume: Annotated[
        bool, typer.Option("--resume/--restart", help="Go on after an interrupted import, or read all again.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Import a file of leads or events. Rows already known are recognised; importing twice changes nothing.

    Exit code 0: all rows are in. 1: some were refused (see --errors and `leadops events quarantined`).
    2: wrong use; nothing was imported.
    """
    _check_paths(file, mapping, errors)
    found, shown = job.choose_mapping(file, mapping)
    chosen = job.choose_spec(found, shown, file.name, spec)
    now = datetime.now(UTC)
    start, done = Position(), False
    put = job.dry_put(now)
    if not dry_run:
        engine, keyring = _database()
        name = job.cursor_name(file, chosen)
        put = _put(engine, keyring, name, now)
        if resume:
            start, done = job.position_in(_stored(engine, name))
    tally = job.Tally(start.line + 1)
    tally.finished = done
    if not done:
        _run(file, chosen, put, batch, start, tally, errors, quiet=as_json)
    _say(file, chosen.label, tally, dry_run=dry_run, already=done, as_json=as_json)
    if not tally.finished:
        raise typer.Exit(INTERRUPTED)
    if tally.quarantined:
        raise typer.Exit(1)


def _run(
    file: Path,
    spec: FileSpec,
    put: job.Put,
    batch: int,
    start: Position,
    tally: job.Tally,
    errors: Path | None,
    *,
    quiet: bool,
) -> None:
    with job.error_file(errors, append=start.offset > 0) as write, _progress(file, quiet) as on_bytes:
        try:
            job.run(
                file, spec, put, batch=batch, start=start, tally=tally, on_problems=write, on_bytes=on_bytes
            )
        except KeyboardInterrupt:
            return  # the batch in work was rolled back; those before it are kept


def _check_paths(file: Path, mapping: Path | None, errors: Path | None) -> None:
    if not file.is_file():
        raise UsageError("no_such_file", f"{file}: no such file; give a csv or jsonl file")
    try:
        file.open("rb").close()
    except OSError as error:
        raise UsageError("unreadable_file", f"{file}: cannot be read: {error.strerror}") from None
    for other in (file, mapping):
        if errors is not None and other is not None and errors.resolve() == other.resolve():
            raise UsageError("errors_file", f"--errors {errors} would overwrite {other}; name another file")


def _database() -> tuple[Engine, Keyring]:
    from leadops.domain.keys import Keyring
    from leadops.runtime.databases import open_databases
    from leadops.runtime.secrets import secret
    from leadops.settings import settings
    from leadops.store.engine import open_engine

    found = settings()
    engine = open_engine(open_databases(found).business, pool_size=2)
    return engine, Keyring(secret(found, "secret_key").encode())


def _stored(engine: Engine, name: str) -> str | None:
    from leadops.store.engine import transaction
    from leadops.store.events import cursor_of

    with transaction(engine) as connection:
        return cursor_of(connection, name)


def _put(engine: Engine, keyring: Keyring, name: str, now: datetime) -> job.Put:
    from leadops.stages.ingest import ingest

    def put(rows: Sequence[RawRow], cursor: str) -> job.Verdicts:
        report = ingest(engine, rows, now=now, keyring=keyring, cursor=(name, cursor))
        items = sorted(report.items, key=lambda item: item.index)
        return [item.reason or (job.DUPLICATE if item.duplicate else None) for item in items]

    return put


@contextmanager
def _progress(file: Path, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on a terminal's stderr; elsewhere nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda done: progress.update(task, completed=done)


def _say(file: Path, label: str, tally: job.Tally, *, dry_run: bool, already: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_summary(file, label, tally, dry_run=dry_run, already=already)))
        return
    if already:
        typer.echo(f"{file.name} was imported before; nothing to do (--restart reads it again).")
        return
    typer.echo("\n".join(_lines(file, label, tally, dry_run=dry_run)))


def _summary(file: Path, label: str, tally: job.Tally, *, dry_run: bool, already: bool) -> dict[str, Any]:
    problems = [{"line": p.line, "column": p.column, "reason": p.reason} for p in tally.problems]
    return {
        "file": file.name,
        "spec": label,
        "dry_run": dry_run,
        "already_imported": already,
        "finished": tally.finished,
        "from_line": tally.from_line,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "quarantined": tally.quarantined,
        "kinds": dict(sorted(tally.kinds.items())),
        "problems": problems,
    }


def _lines(file: Path, label: str, tally: job.Tally, *, dry_run: bool) -> Iterator[str]:
    resumed = f" from line {tally.from_line}" if tally.from_line > 1 else ""
    yield f"{file.name} ({label}){resumed}: {tally.rows} rows"
    for kind, count in sorted(tally.kinds.items()):
        yield f"  {kind}: {count}"
    if dry_run:
        yield f"would be taken: {tally.accepted}, would be refused: {tally.quarantined} (nothing was written)"
    else:
        yield f"new: {tally.accepted}, already known: {tally.duplicates}, refused: {tally.quarantined}"
    for problem in tally.problems:
        yield f"  line {problem.line}: {problem.reason}"
    if tally.quarantined > len(tally.problems):
        yield f"  and {tally.quarantined - len(tally.problems)} more (--errors FILE lists them all)"
    if not tally.finished:
        yield "Interrupted. Run it again (without --restart) to go on from here."
