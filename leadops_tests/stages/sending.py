"""What the tests of the send ledger share: leads up to their plan, and mail providers that do as told."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leadops.playbook.loader import LoadedPlaybook, load
from leadops.providers.email.port import EmailPort
from leadops.settings import PROJECT_ROOT
from leadops.stages.enrich import enrich
from leadops.stages.enrol import enrol, plan_touches
from leadops.stages.fold import fold_pending
from leadops.stages.outreach import OutreachReport, send_due
from leadops.stages.replies import match_replies
from leadops.stages.score import score
from leadops.terms import Outcome, SendResult
from leadops_tests.house import DEMO, PLAYBOOK, World, wire


class Scripted(EmailPort):
    """Answers with what ``answer`` gives for a key; keeps every call in order."""

    name = "scripted"

    def __init__(
        self,
        answer: Callable[[str], SendResult] = lambda _: SendResult(Outcome.ACCEPTED),
        found: Callable[[str], SendResult | None] = lambda _: None,
    ) -> None:
        self.answer = answer
        self.found = found
        self.calls: list[tuple[str, str, bytes]] = []

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        self.calls.append((key, to_address, wire))
        return self.answer(key)

    def look_up(self, key: str) -> SendResult | None:
        return self.found(key)

    def check(self) -> None:
        pass


class Noted(EmailPort):
    """Writes each call's key to a file that several processes share; can tell nothing afterwards."""

    name = "noted"

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        note(self.path, {"key": key})
        return SendResult(Outcome.ACCEPTED)

    def look_up(self, key: str) -> SendResult | None:
        return None

    def check(self) -> None:
        pass


def note(path: Path, what: Any) -> None:
    """One line, whole even when several processes write."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, json.dumps(what).encode() + b"\n")
    finally:
        os.close(fd)


def noted(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def address(i: int) -> str:
    """Everybody at a company of their own, so that nobody's answer holds a colleague."""
    return f"lead{i}@company{i}.example"


def demo(world: World, *numbers: int) -> None:
    """These people ask for a demo."""
    for i in numbers:
        who = {**DEMO, "company": f"Company {i}"}
        world.post(wire("demo_requested", address(i), at=world.now, **who))


def process(world: World) -> None:
    """Every stage but the sending ones, once."""
    h, now = world.house, world.now
    match_replies(h.engine, h.playbook, h.keyring, now=now)
    fold_pending(h.engine, h.playbook, h.keyring, now=now)
    enrich(h.enriching, now=now)
    score(h.engine, h.playbook, now=now)
    enrol(h.engine, h.playbook, h.keyring, now=now)
    plan_touches(h.engine, h.playbook, now=now)


def send(world: World, limit: int = 100) -> OutreachReport:
    return send_due(world.house.outreach, world.clock, limit=limit)


def playbook_with(**sections: dict[str, Any]) -> LoadedPlaybook:
    """The default playbook with some fields of some sections replaced."""
    loaded = load(PLAYBOOK)
    changed = {
        name: getattr(loaded.playbook, name).model_copy(update=fields) for name, fields in sections.items()
    }
    return dataclasses.replace(loaded, playbook=loaded.playbook.model_copy(update=changed))


def in_mode(mode: str, **fields: Any) -> LoadedPlaybook:
    """The default playbook in this mode; any other field of its top can be given too."""
    loaded = load(PLAYBOOK)
    changed = loaded.playbook.model_copy(update={"mode": mode, **fields})
    return dataclasses.replace(loaded, playbook=changed)


def capped(daily_cap: int, domain_daily_cap: int | None = None) -> LoadedPlaybook:
    """One mailbox with this cap."""
    mailbox = load(PLAYBOOK).playbook.sender.mailboxes[0].model_copy(update={"daily_cap": daily_cap})
    return playbook_with(sender={"mailboxes": (mailbox,), "domain_daily_cap": domain_daily_cap})


def race(url: str, folder: Path, *verbs: str, mutant: str = "") -> None:
    """Run these racers (``racers.py``) at the same time until all are done."""
    environment = os.environ | {"LEADOPS_TEST_MUTANT": mutant, "PYTHONPATH": str(PROJECT_ROOT)}
    module = "leadops_tests.stages.racers"
    racers = [
        subprocess.Popen([sys.executable, "-m", module, verb, url, str(folder)], env=environment)
        for verb in verbs
    ]
    try:
        until(lambda: len(list(folder.glob("*.ready"))) == len(verbs))
        (folder / "go").touch()
        assert [r.wait(120) for r in racers] == [0] * len(verbs)
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()


def until(true: Callable[[], bool], patience_s: float = 60) -> None:
    """Wait for what another process or thread does."""
    last = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < last, "it never happened"
        time.sleep(0.002)
