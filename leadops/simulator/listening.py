"""What the simulator hears of every request to a vendor, and writes into its own records."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from leadops.providers.enrichment.port import Key
from leadops.sandbox.frame import Answer, Ask, Provider
from leadops.simulator.enrichers import is_known, keys_of
from leadops.simulator.faults import ENRICHERS
from leadops.simulator.records import LookUp

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation


class Listener:
    """The run's ear on the wire."""

    def __init__(self, run: Simulation) -> None:
        self._run = run

    def leaves(self, provider: Provider, ask: Ask) -> list[LookUp]:
        """Also what was asked for, where it is a look-up."""
        if provider.name == "sendgrid" and ask.path == "/v3/mail/send":
            self._run.told(ask)
        if provider.name not in ENRICHERS:
            return []
        task, now = self._run.scheduler.current, self._run.scheduler.clock()
        process = "" if task is None else task.process
        kept_as = self._run.house.enriching.kept_as
        look_ups = [
            LookUp(provider.name, text, kept_as(Key(text, is_personal="@" in text)), process, now)
            for text in keys_of(ask)
        ]
        self._run.records.look_ups += look_ups
        return look_ups

    def takes_effect(self, said: list[LookUp], answer: Answer) -> None:
        """What the vendor charges for."""
        if not said:
            return
        for look_up, known in zip(said, is_known(answer, len(said)), strict=True):
            look_up.is_charged = known
            look_up.is_answered = answer.status in (200, 404)
            self._run.records.bill[look_up.vendor, f"{look_up.at:%Y-%m}"] += known

    def comes(self, said: list[LookUp], *, is_whole: bool) -> None:
        """Whoever waits longest has an answer, if it is one."""
        now = self._run.scheduler.clock()
        patience = timedelta(seconds=self._run.loaded.playbook.enrichment.timeout_seconds)
        for look_up in said:
            if look_up.is_answered and now - look_up.at <= patience:
                look_up.came_at, look_up.is_whole = now, is_whole
