"""Calls of providers on virtual time: boundaries before, during and after each, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from leadops.demo.carrying import Cut, NotReached, Silence
from leadops.sandbox.frame import Answer, Ask, Fault, Provider
from leadops.simulator.boundaries import AFTER_CALL, BEFORE_CALL, DURING_CALL, Boundary, place_of
from leadops.simulator.enrichers import nonsense
from leadops.simulator.faults import Faults
from leadops.simulator.scheduler import Scheduler

PATIENCE = timedelta(seconds=20)
"""An answer that takes longer comes to nobody: every adapter has given up by then."""


class Ear(Protocol):
    """Hears of every request; what it says of one when that leaves it is given again later."""

    def leaves(self, provider: Provider, ask: Ask) -> Any:
        """It is about to leave."""

    def takes_effect(self, said: Any, answer: Answer) -> None:
        """The vendor has done it, whether anybody hears of that or not."""

    def comes(self, said: Any, *, is_whole: bool) -> None:
        """An answer has come, as the vendor gave it or spoilt."""


class Wire:
    """Carries one request after the other."""

    def __init__(
        self,
        scheduler: Scheduler,
        faults: Faults,
        passed: Callable[[Boundary], None],
        ear: Ear,
        note: Callable[[str], None],
    ) -> None:
        self._scheduler, self._faults, self._passed = scheduler, faults, passed
        self._ear, self._note = ear, note

    def __call__(self, provider: Provider, ask: Ask) -> Answer:
        """The vendor's answer. Raises NotReached, Silence, Cut; Crash where the caller dies.

        Whoever calls outside of a task (the account's set-up) meets nothing.
        """
        if self._scheduler.current is None:
            return provider.handle(ask)
        place = place_of(provider.name, ask.method, ask.path)
        said = self._ear.leaves(provider, ask)
        self._passed(Boundary(BEFORE_CALL, place))
        self._scheduler.give_way()
        met = self._faults.of_call(provider.name, self._scheduler.clock())
        takes = self._faults.latency(provider.name, self._scheduler.clock())
        if met is not None and (answer := self._nothing_done(provider, *met)) is not None:
            self._note(f"{met[0]} {place}")
            return answer
        answer = provider.handle(ask)
        self._ear.takes_effect(said, answer)
        self._passed(Boundary(DURING_CALL, place))
        if takes > PATIENCE:
            raise Silence
        if takes:
            self._scheduler.sleep(takes)
        if met is not None:
            self._note(f"{met[0]} {place}")
            answer = self._spoilt(answer, *met)
        self._ear.comes(said, is_whole=met is None)
        self._passed(Boundary(AFTER_CALL, place))
        return answer

    def _nothing_done(self, provider: Provider, name: str, fault: Fault) -> Answer | None:
        """An answer (or none at all) to a request that does nothing; None: the request takes effect."""
        if name == "refused_connections":
            raise NotReached
        if fault.kind == "slow_before":
            raise Silence
        if fault.kind != "status":
            return None
        own = provider.refusal(fault.status)
        return Answer(fault.status, own.body, {**own.headers, **fault.headers})

    def _spoilt(self, answer: Answer, name: str, fault: Fault) -> Answer:
        if name == "enrichment_nonsense":
            return nonsense(answer)
        if fault.kind == "garbage":
            return Answer(answer.status, b"<html>", {"content-type": "application/json"})
        if fault.kind == "cut_after":
            raise Cut(answer)
        raise Silence
