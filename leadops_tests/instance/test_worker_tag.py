"""Whose run it is, and whether that process lives: not told by a copied tag, a reused pid, another boot."""

from __future__ import annotations

import os
from dataclasses import replace

from leadops.instance.worker_tag import this_worker, worker_of
from leadops.runtime.processes import Identity


def test_a_worker_is_found_by_its_tag_and_lives() -> None:
    found = worker_of("run-1", this_worker().tag("run-1"))
    assert found is not None
    assert found.process.pid == os.getpid()
    assert found.is_here
    assert found.lives


def test_a_re_execution_copies_the_tag_and_is_nobodys() -> None:
    assert worker_of("run-2", this_worker().tag("run-1")) is None


def test_what_is_no_tag_names_nobody() -> None:
    for tag in (None, "", "run-1", "run-1 host boot pid 1.0", "run-1 host boot 1", "a b c d e f"):
        assert worker_of("run-1", tag) is None


def test_the_same_pid_of_another_start_or_another_boot_is_dead() -> None:
    here = this_worker()
    assert not replace(here, process=Identity(here.process.pid, here.process.create_time - 60)).lives
    assert not replace(here, boot="before").lives


def test_another_machine_cannot_be_asked() -> None:
    assert not replace(this_worker(), host="elsewhere").is_here
