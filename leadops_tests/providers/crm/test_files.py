"""The folder CRM as somebody uses it: files grow, break, are replaced; nothing is lost or read half."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.errors import ProviderError, UsageError
from leadops.providers.crm.files import SETTLED_S, FilesCrm
from leadops.providers.crm.port import Poll, Writeback

HEADER = "id,created_at,email,company\n"
MAPPING = """
files:
  - pattern: "leads*.csv"
    kind: lead_created
    id: id
    occurred_at: {column: created_at}
    contact: {email: email, company: company}
  - {pattern: "*.jsonl", format: events}
"""


def never() -> bool:
    return False


def row(n: int, company: str = "Acme") -> str:
    return f"{n},2024-05-31,a{n}@acme.example,{company}\n"


def ids(poll: Poll) -> list[str]:
    return [str((r.event or {}).get("id")) for r in poll.rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as stream:
        stream.write(text.encode() if isinstance(text, str) else text)


def test_no_folder_and_no_file_are_an_empty_poll(tmp_path: Path) -> None:
    crm = FilesCrm(tmp_path / "none")
    poll = crm.poll(None, 10, never)
    assert (poll.rows, poll.more) == ((), False)
    crm.check()


def test_each_row_is_read_once_as_the_file_grows(folder: Path) -> None:
    crm, leads = FilesCrm(folder), folder / "leads.csv"
    append(leads, HEADER + row(1))
    first = crm.poll(None, 10, never)
    append(leads, row(2))
    second = crm.poll(first.cursor, 10, never)
    third = FilesCrm(folder).poll(second.cursor, 10, never)
    assert [ids(p) for p in (first, second, third)] == [["lead_created:1"], ["lead_created:2"], []]
    assert third.cursor == second.cursor
    assert second.rows[0].where == "leads.csv:3"
    assert second.rows[0].event is not None
    assert second.rows[0].event["day_precision"] is True


def test_a_half_written_last_line_waits(folder: Path) -> None:
    crm, leads = FilesCrm(folder), folder / "leads.csv"
    append(leads, HEADER + row(1) + row(2)[:12])
    first = crm.poll(None, 10, never)
    assert ids(first) == ["lead_created:1"]
    append(leads, row(2)[12:-1])
    assert ids(crm.poll(first.cursor, 10, never)) == []
    append(leads, "\n")
    assert ids(crm.poll(first.cursor, 10, never)) == ["lead_created:2"]


def test_a_last_row_without_line_end_counts_once_nobody_writes_any_more(folder: Path) -> None:
    leads = folder / "leads.csv"
    append(leads, HEADER + row(1).rstrip("\n"))
    changed = leads.stat().st_mtime
    assert ids(FilesCrm(folder, clock=lambda: changed + 1).poll(None, 10, never)) == []
    settled = FilesCrm(folder, clock=lambda: changed + SETTLED_S + 1)
    poll = settled.poll(None, 10, never)
    assert ids(poll) == ["lead_created:1"]
    append(leads, "\n" + row(2))
    assert ids(settled.poll(poll.cursor, 10, never)) == ["lead_created:2"]


def test_newlines_inside_quotes_do_not_end_a_record(folder: Path) -> None:
    crm, leads = FilesCrm(folder), folder / "leads.csv"
    append(leads, HEADER + '1,2024-05-31,a@b.example,"Acme\nand ""Sons"", ')
    first = crm.poll(None, 10, never)
    assert first.rows == ()
    append(leads, 'Ltd\n"\n' + row(2))
    poll = crm.poll(first.cursor, 10, never)
    assert [r.where for r in poll.rows] == ["leads.csv:2", "leads.csv:5"]
    assert poll.rows[0].event is not None
    assert poll.rows[0].event["contact"]["company"] == 'Acme\nand "Sons", Ltd'


def test_broken_rows_are_told_and_their_neighbours_go_on(folder: Path) -> None:
    append(
        folder / "leads.csv",
        b"\xef\xbb\xbf" + HEADER.encode() + row(1).encode()
        + b"2,2024-05-31\n" + b"3,yesterday,c@b.example,X\n" + b",2024-05-31,d@b.example,X\n"
        + b"5,2024-05-31,\xff\xfe@b.example,X\n" + b"\r\n" + row(6, '5" pipes').encode() + row(7).encode(),
    )  # fmt: skip
    poll = FilesCrm(folder).poll(None, 100, never)
    assert [(r.where, r.error is None) for r in poll.rows] == [
        ("leads.csv:2", True),
        ("leads.csv:3", False),
        ("leads.csv:4", False),
        ("leads.csv:5", False),
        ("leads.csv:6", False),
        ("leads.csv:8", True),
        ("leads.csv:9", True),
    ]
    errors = [r.error for r in poll.rows if r.error]
    assert errors[0] == "the row has 2 fields, the header 4"
    assert "'created_at'" in errors[1]
    assert "'id'" in errors[2]
    assert "utf-8" in errors[3]
    json.dumps([r.raw for r in poll.rows])


def test_a_quote_never_closed_costs_its_own_row_only(folder: Path) -> None:
    leads = folder / "leads.csv"
    append(leads, HEADER + '1,2024-05-31,a@b.example,"Acme\n' + row(2) + row(3))
    later = FilesCrm(folder, clock=lambda: leads.stat().st_mtime + SETTLED_S + 1)
    poll = later.poll(None, 10, never)
    assert ids(poll) == ["None", "lead_created:2", "lead_created:3"]
    append(leads, '4,2024-05-31,a@b.example,"Acme\n' + row(5) + row(6, '"Q"') + row(7))
    poll = FilesCrm(folder).poll(poll.cursor, 10, never)
    assert ids(poll) == ["None", "lead_created:5", "lead_created:6", "lead_created:7"]


def test_a_replaced_or_cut_file_is_read_from_its_start(folder: Path) -> None:
    crm, leads = FilesCrm(folder), folder / "leads.csv"
    append(leads, HEADER + row(1) + row(2))
    cursor = crm.poll(None, 10, never).cursor
    fresh = folder / ".new"
    fresh.write_text(HEADER + row(1) + row(2) + row(3))
    fresh.replace(leads)
    replaced = crm.poll(cursor, 10, never)
    assert ids(replaced) == ["lead_created:1", "lead_created:2", "lead_created:3"]
    leads.write_text(HEADER + row(9))
    cut = crm.poll(replaced.cursor, 10, never)
    assert ids(cut) == ["lead_created:9"]
    leads.write_text(HEADER + row(8))  # same length, same inode
    assert ids(crm.poll(cut.cursor, 10, never)) == ["lead_created:8"]


def test_the_limit_bounds_a_poll_and_the_files_follow_in_order(folder: Path) -> None:
    crm = FilesCrm(folder)
    append(folder / "leads-b.csv", HEADER + row(3) + row(4))
    append(folder / "leads-a.csv", HEADER + row(1) + row(2))
    seen, cursor, more = [], None, True
    while more:
        poll = crm.poll(cursor, 1, never)
        assert len(poll.rows) <= 1
        cursor, more = poll.cursor, poll.more
        seen += ids(poll)
    assert seen == [f"lead_created:{n}" for n in (1, 2, 3, 4)]


def test_asked_to_stop_it_stops_and_says_that_more_waits(folder: Path) -> None:
    append(folder / "leads.csv", HEADER + "".join(row(n) for n in range(50)))
    calls = iter([False, False, False, True])
    poll = FilesCrm(folder).poll(None, 100, lambda: next(calls, True))
    assert poll.more
    assert len(poll.rows) < 5


def test_a_header_that_does_not_fit_is_told_once_and_mended_later(folder: Path) -> None:
    crm, leads = FilesCrm(folder), folder / "leads.csv"
    leads.write_text("id,created_at,mail,company\n" + row(1))
    append(folder / "leads-z.csv", HEADER + row(2))
    first = crm.poll(None, 10, never)
    assert [(r.error, r.where) for r in first.rows if r.error] == [
        ("column 'email': is not in the header", "leads.csv:1")
    ]
    assert "lead_created:2" in ids(first)
    assert crm.poll(first.cursor, 10, never).rows == ()
    (folder / "mapping.yaml").write_text(
        MAPPING.replace("{email: email,", "{email: mail,").replace("leads*", "leads")
    )
    assert ids(crm.poll(first.cursor, 10, never)) == ["lead_created:1"]


def test_our_own_files_are_never_input(folder: Path) -> None:
    crm = FilesCrm(folder)
    (folder / "mapping.yaml").write_text("files: [{pattern: '*', format: events}]")
    crm.write([Writeback("k1", "touch", "lead_1"), Writeback("k2", "task", "lead_1")])
    (folder / "alias.jsonl").symlink_to(folder / "writebacks.jsonl")
    (folder / "fifo.jsonl").unlink(missing_ok=True)
    poll = crm.poll(None, 10, never)
    assert poll.rows == ()


def test_what_is_no_regular_file_is_told_and_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "a.jsonl")
    (folder / "b.jsonl").mkdir()
    append(folder / "c.jsonl", '{"id": "1", "kind": "lead_created"}\n')
    poll = FilesCrm(folder).poll(None, 10, never)
    assert [r.where for r in poll.rows] == ["a.jsonl:1", "b.jsonl:1", "c.jsonl:1"]
    assert [r.error is None for r in poll.rows] == [False, False, True]


def test_json_lines_are_wire_events(folder: Path) -> None:
    lines = [
        '{"source": "web", "id": 1, "kind": "lead_created", "contact": {"email": "a@b.example"}}',
        "[1]", "{not json", '{"v": NaN}', "[" * 5000, "", '{"id": "2", "n": "a\\u0000b\\ud800"}',
    ]  # fmt: skip
    append(folder / "x.jsonl", "\n".join(lines) + "\n")
    rows = FilesCrm(folder).poll(None, 10, never).rows
    assert [r.error is None for r in rows] == [True, False, False, False, False, True]
    assert rows[0].event is not None
    assert rows[0].event["source"] == "web"
    assert rows[-1].event == {"source": "files", "id": "2", "n": "a\ufffdb?"}


def test_an_endless_line_is_an_error_not_a_memory(folder: Path) -> None:
    append(folder / "leads.csv", HEADER + "x" * 600_000 + "\n" + row(2))
    rows = FilesCrm(folder).poll(None, 10, never).rows
    assert rows[0].error == "the line is longer than 262144 bytes"
    assert len(rows[0].raw["text"]) <= 2000
    assert rows[1].where == "leads.csv:3"


def test_a_cursor_that_is_not_ours_says_what_to_do(folder: Path) -> None:
    with pytest.raises(ProviderError, match="crm_cursors"):
        FilesCrm(folder).poll('{"files": {"x": 1}}', 10, never)


def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("files: 1")
    with pytest.raises(UsageError, match=r"mapping\.yaml:1: files"):
        FilesCrm(tmp_path).check()
    (tmp_path / "plain").write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        FilesCrm(tmp_path / "plain").check()


CELL = st.text(alphabet='ab",;\n ü', max_size=8)


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(CELL, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_however_the_bytes_arrive_the_same_rows_come_out(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("crm")
    (folder / "mapping.yaml").write_text(MAPPING)
    quoted = ['"' + c.replace('"', '""') + '"' for c in cells]
    data = (HEADER + "".join(row(n, q) for n, q in enumerate(quoted))).encode()
    points = [0, *sorted(c for c in cuts if c < len(data)), len(data)]
    crm, cursor, got = FilesCrm(folder), None, []
    for start, end in itertools.pairwise(points):
        append(folder / "leads.csv", data[start:end])
        poll = crm.poll(cursor, 100, never)
        cursor = poll.cursor
        got += [(r.event or {})["contact"].get("company", "") for r in poll.rows]
    assert got == [c.strip() for c in cells]
