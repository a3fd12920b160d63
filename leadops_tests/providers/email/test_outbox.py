"""One key, one file, whole: whoever sends it, however often, wherever it is killed."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
from pathlib import Path

import pytest

from leadops.errors import UsageError
from leadops.providers.email.outbox import Outbox
from leadops.terms import Outcome, SendResult

WIRE = b"Message-ID: <m1@leads.example>\r\nTo: anna@acme.example\r\n\r\nHello\r\n"


def send(outbox: Outbox, key: str = "touch_1", wire: bytes = WIRE) -> SendResult:
    return outbox.send(key, "rep@leads.example", "anna@acme.example", wire)


def test_a_message_is_a_file_with_its_bytes(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    assert send(outbox) == SendResult(Outcome.ACCEPTED, "touch_1.eml", "<m1@leads.example>", "")
    assert (tmp_path / "outbox" / "touch_1.eml").read_bytes() == WIRE
    assert [p.name for p in (tmp_path / "outbox").iterdir()] == ["touch_1.eml"]


@pytest.mark.parametrize("wire", [WIRE, WIRE + b"other"])
def test_the_same_key_again_is_no_second_message(tmp_path: Path, wire: bytes) -> None:
    send(Outbox(tmp_path))
    again = send(Outbox(tmp_path), wire=wire)
    assert (again.outcome, again.detail) == (Outcome.ACCEPTED, "already_there")
    assert (tmp_path / "touch_1.eml").read_bytes() == WIRE


def test_look_up_is_presence(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    absent = outbox.look_up("touch_1")
    assert absent is not None
    assert absent.outcome is Outcome.RETRY
    send(outbox)
    found = outbox.look_up("touch_1")
    assert found is not None
    assert (found.outcome, found.message_id) == (Outcome.ACCEPTED, "<m1@leads.example>")


def test_look_up_does_not_claim_what_it_cannot_see(tmp_path: Path) -> None:
    gone = Outbox(tmp_path / "not mounted").look_up("touch_1")
    assert gone is not None
    assert (gone.outcome, gone.detail) == (Outcome.AMBIGUOUS, "enoent")
    with (tmp_path / ".touch_1.abc.tmp").open("wb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        busy = Outbox(tmp_path).look_up("touch_1")
        assert busy is not None
        assert (busy.outcome, busy.detail) == (Outcome.AMBIGUOUS, "in_flight")
    settled = Outbox(tmp_path).look_up("touch_1")
    assert settled is not None
    assert settled.outcome is Outcome.RETRY


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead, living = tmp_path / ".touch_7.aa.tmp", tmp_path / ".touch_8.bb.tmp"
    dead.write_bytes(b"half")
    with living.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        send(Outbox(tmp_path))
        assert not dead.exists()
        assert living.exists()


def test_a_key_that_is_no_file_name_stays_in_the_folder(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    for key in ("../../etc/x", ".hidden", "a/b", "", "x" * 500, "ümlaut"):
        assert send(outbox, key).outcome is Outcome.ACCEPTED
        found = outbox.look_up(key)
        assert found is not None
        assert found.outcome is Outcome.ACCEPTED
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 6
    assert [p.name for p in tmp_path.iterdir()] == ["outbox"]


def _send_with_limit(folder: str, queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    outbox = Outbox(Path(folder))
    results = [send(outbox, "touch_1", WIRE + b"x" * 5000), send(outbox, "touch_2")]
    queue.put([(r.outcome.value, r.detail) for r in results])


def test_a_full_disk_is_retry_and_leaves_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_send_with_limit, args=(str(tmp_path), queue))
    child.start()
    found = queue.get(timeout=60)
    child.join()
    assert found == [("retry", "disk_full"), ("accepted", "")]
    assert [p.name for p in tmp_path.iterdir()] == ["touch_2.eml"]
    assert send(Outbox(tmp_path)).detail == ""


def test_a_folder_that_cannot_be_is_retry_and_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outbox = Outbox(tmp_path / "file" / "outbox")
    assert send(outbox).outcome is Outcome.RETRY
    with pytest.raises(UsageError, match="LEADOPS_OUTBOX_DIR"):
        outbox.check()


def _send_all(folder: str, queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    outbox = Outbox(Path(folder))
    queue.put([send(outbox, f"touch_{n}", WIRE + str(os.getpid()).encode()).detail for n in range(20)])


def test_two_processes_with_the_same_keys_make_each_message_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [context.Process(target=_send_all, args=(str(tmp_path), queue)) for _ in range(2)]
    for child in children:
        child.start()
    details = queue.get(timeout=60) + queue.get(timeout=60)
    for child in children:
        child.join(60)
    assert sorted(details) == [""] * 20 + ["already_there"] * 20
    assert len(list(tmp_path.iterdir())) == 20


def test_without_hard_links_a_name_is_still_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert send(Outbox(tmp_path)).detail == ""
    assert send(Outbox(tmp_path), wire=b"other").detail == "already_there"
    assert (tmp_path / "touch_1.eml").read_bytes() == WIRE
    assert not list(tmp_path.glob("*.tmp"))
