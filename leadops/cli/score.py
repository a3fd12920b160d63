"""``leadops score``: a file of leads, scored where it lies. Nothing is stored, nobody is written to."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from leadops.cli import import_job as job
from leadops.cli.import_ import MappingOption, SpecOption
from leadops.cli.shown import parse_moment
from leadops.errors import UsageError
from leadops.providers.crm.port import RawRow
from leadops.providers.crm.records import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leadops.learning.model import Learned
    from leadops.playbook.model import Playbook
    from leadops.stages.score_rows import ScoredRows

_ADDED = ("total", "tier", "fit", "engagement", "disqualified")


def score(
    file: Annotated[Path, typer.Argument(help="A csv or jsonl file of leads or events.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write the csv here; unset: to the terminal.")] = None,
    playbook: Annotated[
        Path | None, typer.Option(help="Score by this playbook.yaml; unset: LEADOPS_PLAYBOOK.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="scorecard; model: the one in use (asks the database); or a file of `leadops model export`."
        ),
    ] = "scorecard",
    mapping: MappingOption = None,
    spec: SpecOption = None,
    at: Annotated[
        str | None,
        typer.Option(help="As of this moment, ISO 8601 (without offset: UTC); unset: now. For decay."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON, on stderr.")] = False,
) -> None:
    """Score a file by scorecard or model: its own columns, then score_* and the points of each signal.

    Columns mean what they mean to `leadops import`. Rows of one person count together. Exit code 1: some
    rows could not be read; they stand in the output with their reason in score_problem.
    """
    from leadops.playbook import loader
    from leadops.settings import settings
    from leadops.stages.score_rows import BY_MODEL, score_rows

    if not file.is_file():
        raise UsageError("no_such_file", f"{file}: no such file; give a csv or jsonl file")
    if out is not None and out.resolve() == file.resolve():
        raise UsageError("out_file", f"--out {out} would overwrite the input; name another file")
    book = loader.load(playbook or settings().playbook).playbook
    card, model = book.scorecard, _model(by, book)
    rows = _rows(file, mapping, spec)
    found = score_rows(rows, card, now=parse_moment("--at", at), model=model)
    with _output(out) as stream:
        _write(stream, rows, found, (*_ADDED, *BY_MODEL) if model else _ADDED)
    tiers = {str(t): int(n) for t, n in found.scores["tier"].value_counts().sort_index().items()}
    said: dict[str, Any] = {
        "rows": len(rows),
        "scored": len(found.scores),
        "refused": len(found.problems),
        "tiers": tiers,
        "scorecard": card.version,
        "model": model.version if model else None,
    }
    typer.echo(json.dumps(said) if as_json else _sentence(said), err=True)
    if found.problems:
        raise typer.Exit(1)


def _model(by: str, book: Playbook) -> Learned | None:
    """What ``--by`` names; None: the scorecard alone."""
    if by == "scorecard":
        return None
    from leadops.learning.model import UnreadableModelError, model_from_json

    if by == "model":
        return _in_use(book)
    try:
        found = model_from_json(json.loads(Path(by).read_text("utf-8")))
    except OSError as error:
        raise UsageError("by", f"--by {by}: scorecard, model, or a file: {error.strerror}") from None
    except (ValueError, UnreadableModelError):
        raise UsageError(
            "by", f"--by {by}: no model of this version; `leadops model export` writes one"
        ) from None
    made_for = str(found.about["scorecard_version"])
    if made_for != book.scorecard.version:
        raise UsageError(
            "by",
            f"--by {by}: it was equated to scorecard {made_for}, the playbook has {book.scorecard.version}",
        )
    return found


def _in_use(book: Playbook) -> Learned:
    from leadops.learning.serve import model_in_use
    from leadops.runtime.databases import open_databases
    from leadops.settings import settings
    from leadops.store.engine import open_engine, transaction

    with transaction(open_engine(open_databases(settings()).business, pool_size=1)) as connection:
        found = model_in_use(connection, book)
    if found is None:
        raise UsageError(
            "no_model",
            f"No model is in use for scorecard {book.scorecard.version}: `leadops model show` says why; "
            "without --by the scorecard scores",
        )
    return found


def _rows(file: Path, mapping: Path | None, spec: str | None) -> list[RawRow]:
    known, shown = job.choose_mapping(file, mapping)
    chosen = job.choose_spec(known, shown, file.name, spec)
    return [row for rows, _, _ in job.batches(file, chosen, Position(), 10_000) for row in rows]


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    try:
        stream = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError("out_file", f"{path}: cannot be written: {error.strerror}") from None
    with stream:
        yield stream


def _write(stream: IO[str], rows: list[RawRow], found: ScoredRows, added: Sequence[str]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row.raw))
    points = [name for name in found.scores if name not in added]
    problem = ["score_problem"] if found.problems else []
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, *(f"score_{n}" for n in (*added, *points)), *problem])
    by_place = {place: values for place, *values in found.scores[[*added, *points]].itertuples()}
    nothing = [""] * (len(added) + len(points))
    for place, row in enumerate(rows):
        own = [_cell(row.raw.get(name)) for name in columns]
        scored = [_cell(v) for v in by_place[place]] if place in by_place else nothing
        writer.writerow([*own, *scored, *([found.problems.get(place, "")] if problem else [])])


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _sentence(said: dict[str, Any]) -> str:
    tiers = ", ".join(f"{n} {tier}" for tier, n in said["tiers"].items()) or "none"
    refused = f"; {said['refused']} rows could not be read (see score_problem)" if said["refused"] else ""
    by = f"model {said['model']}" if said["model"] else f"scorecard {said['scorecard']}"
    return f"{said['scored']} of {said['rows']} rows scored by {by}: {tiers}{refused}"
