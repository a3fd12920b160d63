"""What we tell the folder CRM stands there once, whole, whatever dies meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
from pathlib import Path

from leadops.providers.crm.files import FilesCrm
from leadops.providers.crm.port import Writeback, WritebackResult
from leadops.terms import Outcome


def touch(n: int, size: int = 0) -> Writeback:
    return Writeback(f"touch:{n}", "touch", "lead_1", (("files", "7"),), {"body": "x" * size})


def lines(path: Path) -> list[dict[str, object]]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def keys(folder: Path, name: str = "writebacks.jsonl") -> list[object]:
    return [line["dedupe_key"] for line in lines(folder / name)]


def test_a_score_is_told_whole(tmp_path: Path) -> None:
    """What HubSpot has as properties stands in the line, the model's reasons too."""
    learned = {
        "model_version": "m-7",
        "probability": 0.125,
        "rules_total": 41.5,
        "contributions": [{"column": "p.plan", "value": "team", "log_odds": 0.4}],
    }
    told = {"total": 50, "fit": 30.5, "engagement": 11, "disqualified": None, "learned": learned}
    FilesCrm(tmp_path).write([Writeback("score:1", "score", "lead_1", (), told)])
    (line,) = lines(tmp_path / "writebacks.jsonl")
    assert line["payload"] == told


def outcomes(results: list[WritebackResult]) -> list[Outcome]:
    return [r.outcome for r in results]


def test_tasks_and_the_rest_stand_in_their_files(tmp_path: Path) -> None:
    crm = FilesCrm(tmp_path / "crm")
    results = crm.write([touch(1), Writeback("task:1", "task", "lead_1"), Writeback("score:1", "score", "l")])
    assert [r.dedupe_key for r in results] == ["touch:1", "task:1", "score:1"]
    assert outcomes(results) == [Outcome.ACCEPTED] * 3
    assert keys(tmp_path / "crm") == ["touch:1", "score:1"]
    assert keys(tmp_path / "crm", "tasks.jsonl") == ["task:1"]
    assert lines(tmp_path / "crm" / "writebacks.jsonl")[0]["crm_ids"] == [["files", "7"]]


def test_the_same_activity_written_twice_is_one_note(tmp_path: Path) -> None:
    crm = FilesCrm(tmp_path)
    again = [crm.write([touch(1), touch(1)]), crm.write([touch(1)]), FilesCrm(tmp_path).write([touch(1)])]
    assert all(r.outcome is Outcome.ACCEPTED for results in again for r in results)
    assert keys(tmp_path) == ["touch:1"]


def test_what_another_process_wrote_is_known(tmp_path: Path) -> None:
    one, other = FilesCrm(tmp_path), FilesCrm(tmp_path)
    one.write([touch(1)])
    other.write([touch(2)])
    one.write([touch(2), touch(3)])
    assert keys(tmp_path) == ["touch:1", "touch:2", "touch:3"]


def test_a_torn_last_line_is_cut_off_and_written_again(tmp_path: Path) -> None:
    FilesCrm(tmp_path).write([touch(1), touch(2)])
    path = tmp_path / "writebacks.jsonl"
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 20, len(whole) // 2 + 1, 3):
        path.write_bytes(whole[:cut])
        assert outcomes(FilesCrm(tmp_path).write([touch(1), touch(2)])) == [Outcome.ACCEPTED] * 2
        assert path.read_bytes() == whole


def test_hand_edited_lines_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "writebacks.jsonl"
    path.write_text('# note\n[]\n{"dedupe_key": 3}\n')
    FilesCrm(tmp_path).write([touch(1)])
    assert path.read_text().startswith('# note\n[]\n{"dedupe_key": 3}\n{')


def test_a_file_moved_away_is_started_anew(tmp_path: Path) -> None:
    crm = FilesCrm(tmp_path)
    crm.write([touch(1)])
    (tmp_path / "writebacks.jsonl").rename(tmp_path / "old")
    crm.write([touch(2)])
    assert keys(tmp_path) == ["touch:2"]


def test_what_is_no_json_is_rejected_and_its_neighbours_go_on(tmp_path: Path) -> None:
    bad = Writeback("bad", "touch", "lead_1", (), {"v": float("nan")})
    odd = Writeback("odd", "touch", "lead_1", (), {"v": "line\nend \ud800", "d": Path("x")})
    assert outcomes(FilesCrm(tmp_path).write([touch(1), bad, odd])) == [
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.ACCEPTED,
    ]
    assert keys(tmp_path) == ["touch:1", "odd"]


def _write_with_limit(folder: str, limit: int, queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    results = FilesCrm(Path(folder)).write([touch(1), touch(2, 5000), touch(3)])
    queue.put([(r.outcome.value, r.detail) for r in results])


def test_a_full_disk_is_retry_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_write_with_limit, args=(str(tmp_path), 2000, queue))
    child.start()
    found = queue.get(timeout=60)
    child.join()
    assert found == [("accepted", ""), ("retry", "disk_full"), ("retry", "disk_full")]
    assert keys(tmp_path) == ["touch:1"]
    assert outcomes(FilesCrm(tmp_path).write([touch(1), touch(2), touch(3)])) == [Outcome.ACCEPTED] * 3
    assert keys(tmp_path) == ["touch:1", "touch:2", "touch:3"]


def test_a_folder_that_cannot_be_is_retry(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert outcomes(FilesCrm(tmp_path / "file" / "crm").write([touch(1)])) == [Outcome.RETRY]


def _write_many(folder: str, start: int) -> None:
    crm = FilesCrm(Path(folder))
    for n in range(start, start + 30):
        crm.write([touch(n)])


def test_processes_side_by_side_write_each_key_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_write_many, args=(str(tmp_path), start)) for start in (0, 15)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert sorted(keys(tmp_path), key=str) == sorted((f"touch:{n}" for n in range(45)), key=str)


def test_killed_in_mid_write_the_next_one_mends_it(tmp_path: Path) -> None:
    """kill -9 at each byte of the last line: the file a dead process leaves is a prefix."""
    FilesCrm(tmp_path).write([touch(1), touch(2)])
    path = tmp_path / "writebacks.jsonl"
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for cut in range(second, len(whole), 7):
        os.truncate(path, cut)
        FilesCrm(tmp_path).write([touch(2)])
        assert path.read_bytes() == whole
