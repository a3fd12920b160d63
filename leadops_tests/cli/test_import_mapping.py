"""``leadops import`` as far as no database is needed: dry runs, choices, batches, going on after a stop."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from leadops.cli import import_job as job
from leadops.cli.import_ import import_file
from leadops.errors import UsageError
from leadops.providers.crm.mapping import parse_mapping
from leadops.providers.crm.port import RawRow
from leadops.providers.crm.records import Position

MAPPING = """
files:
  - name: leads
    pattern: "leads*.csv"
    kind: lead_created
    id: id
    occurred_at: {column: at}
    contact: {email: email}
  - name: deals
    pattern: "deals*.csv"
    kind: deal_won
    id: id
    occurred_at: {column: at}
    contact: {email: email}
"""
GOOD = "id,at,email\n1,2024-05-31,a@b.example\n2,2024-05-31T10:00:00Z,c@d.example\n"
BAD = GOOD + "3,soon,e@f.example\n4,2024-05-31\n5,2024-05-31,\n6,2024-05-31,g@h.example\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "leads.csv").write_text(BAD)
    (tmp_path / "good-leads.csv").write_text(GOOD)
    return tmp_path


def call(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command("import")(import_file)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_dry_run_counts_kinds_and_shows_the_first_problems(folder: Path) -> None:
    result = call(folder / "leads.csv", "--dry-run")
    assert result.exit_code == 1
    assert "leads.csv (leads): 6 rows" in result.output
    assert "lead_created: 4" in result.output
    assert "would be taken: 3, would be refused: 3 (nothing was written)" in result.output
    assert "line 4: column 'at': is not a date" in result.output
    assert "line 5: the row has 2 fields, the header 3" in result.output
    assert "line 6: contact: needs an email" in result.output


def test_the_summary_as_json(folder: Path) -> None:
    found = json.loads(call(folder / "leads.csv", "--dry-run", "--json").output)
    assert (found["rows"], found["accepted"], found["quarantined"]) == (6, 3, 3)
    assert found["kinds"] == {"lead_created": 4}
    assert [(p["line"], p["column"]) for p in found["problems"]] == [(4, "at"), (5, None), (6, None)]
    assert found["finished"] is True


def test_all_good_is_exit_code_0_and_the_mapping_may_be_named(folder: Path) -> None:
    result = call(
        folder / "good-leads.csv",
        "--mapping",
        folder / "mapping.yaml",
        "--spec",
        "deals",
        "--dry-run",
        "--json",
    )
    assert result.exit_code == 0
    assert json.loads(result.output)["kinds"] == {"deal_won": 2}


def test_refused_rows_go_to_a_file_with_line_column_reason_and_row(folder: Path) -> None:
    errors = folder / "errors.csv"
    assert call(folder / "leads.csv", "--dry-run", "--errors", errors).exit_code == 1
    with errors.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["line"], r["column"]) for r in rows] == [("4", "at"), ("5", ""), ("6", "")]
    assert json.loads(rows[0]["row"]) == {"id": "3", "at": "soon", "email": "e@f.example"}


@pytest.mark.parametrize("rows", [1, 20_000])
def test_a_file_whose_lines_end_in_carriage_returns_says_so(folder: Path, rows: int) -> None:
    """As old spreadsheets write them: to us one endless line."""
    (folder / "leads.csv").write_bytes(b"id,at,email\r" + b"1,2024-05-31,a@b.example\r" * rows)
    found = call(folder / "leads.csv", "--dry-run")
    assert "carriage return alone" in f"{found.output} {found.exception}"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none.csv", "--dry-run"], "no_such_file"),
        (["leads.csv", "--dry-run", "--spec", "x"], "unknown_spec"),
        (["good-leads.csv", "--dry-run"], "no_spec"),
        (["leads.csv", "--dry-run", "--mapping", "none.yaml"], "mapping_not_found"),
        (["leads.csv", "--dry-run", "--errors", "leads.csv"], "errors_file"),
        (["leads.csv", "--dry-run", "--errors", "no/such/folder.csv"], "errors_file"),
        (["leads-odd.csv", "--dry-run"], "header_mismatch"),
    ],
)
def test_wrong_use_is_a_usage_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str
) -> None:
    (folder / "leads-odd.csv").write_text("id,when,email\n1,2024-05-31,a@b.example\n")
    monkeypatch.chdir(folder)
    result = call(*arguments)
    assert isinstance(result.exception, UsageError)
    assert result.exception.code == code
    assert (folder / "leads.csv").read_text() == BAD


class Store:
    """Takes batches as the database does: rows and cursor together, or, when it dies, neither."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.ids: list[str] = []
        self.cursor: str | None = None
        self.batches = 0
        self.dies_at = dies_at

    def put(self, rows: Sequence[RawRow], cursor: str) -> job.Verdicts:
        self.batches += 1
        if self.batches == self.dies_at:
            raise KeyboardInterrupt
        self.ids += [str((r.event or {}).get("id")) for r in rows]
        self.cursor = cursor
        return [r.error for r in rows]


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
def test_after_a_stop_it_goes_on_behind_the_last_batch(tmp_path: Path, dies_at: int) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("id,at,email\n" + "".join(f"{n},2024-05-31,a{n}@b.example\n" for n in range(10)))
    spec = parse_mapping(MAPPING).files[0]
    store = Store(dies_at)
    with pytest.raises(KeyboardInterrupt):
        job.run(file, spec, store.put, batch=3, start=Position(), tally=job.Tally())
    start, finished = job.position_in(store.cursor)
    assert not finished
    tally = job.run(file, spec, store.put, batch=3, start=start, tally=job.Tally())
    assert store.ids == [f"lead_created:{n}" for n in range(10)]
    assert tally.from_line == start.line + 1
    assert job.position_in(store.cursor)[1]


def test_the_last_row_needs_no_line_end(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(GOOD.rstrip("\n"))
    store = Store()
    job.run(file, parse_mapping(MAPPING).files[0], store.put, batch=500, start=Position(), tally=job.Tally())
    assert store.ids == ["lead_created:1", "lead_created:2"]


def test_another_file_or_another_meaning_is_another_import(tmp_path: Path) -> None:
    leads, deals = parse_mapping(MAPPING).files
    file = tmp_path / "leads.csv"
    file.write_text(GOOD)
    name = job.cursor_name(file, leads)
    assert name.startswith("import:")
    assert name == job.cursor_name(file, leads)
    assert name != job.cursor_name(file, deals)
    file.write_text(BAD)
    assert name != job.cursor_name(file, leads)


def test_duplicates_are_counted_apart() -> None:
    tally = job.Tally()
    row = RawRow({"kind": "lead_created"}, None, {}, "f.csv:2")
    assert tally.add([row, row, row], [None, job.DUPLICATE, "contact: needs"]) == tally.problems
    assert (tally.accepted, tally.duplicates, tally.quarantined) == (1, 1, 1)
