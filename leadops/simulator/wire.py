"""Calls of providers on virtual time: boundaries before, during and after each, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from leadops.demo.carrying import Cut, NotReached, Silence
from leadops.sandbox.frame import Answer, Ask, Fault, Provider
from leadops.simulator.boundaries import AFTER_CALL, BEFORE_CALL, DURING_CALL, Boundary, place_of
from leadops.simulator.faults import Faults
from leadops.simulator.scheduler import Scheduler

PATIENCE = timedelta(seconds=20)
"""An answer that takes longer comes to nobody: every adapter has given up by then."""


class Wire:
    """Carries one request after the other; ``told`` hears of each request to send before it leaves."""

    def __init__(
        self,
        scheduler: Scheduler,
        faults: Faults,
        passed: Callable[[Boundary], None],
        told: Callable[[Ask], None],
        note: Callable[[str], None],
    ) -> None:
        self._scheduler, self._faults, self._passed = scheduler, faults, passed
        self._told, self._note = told, note

    def __call__(self, provider: Provider, ask: Ask) -> Answer:
        """The vendor's answer. Raises NotReached, Silence, Cut; Crash where the caller dies.

        Whoever calls outside of a task (the account's set-up) meets nothing.
        """
        if self._scheduler.current is None:
            return provider.handle(ask)
        place = place_of(provider.name, ask.method, ask.path)
        if provider.name == "sendgrid" and ask.path == "/v3/mail/send":
            self._told(ask)
        self._passed(Boundary(BEFORE_CALL, place))
        self._scheduler.give_way()
        met = self._faults.of_call(provider.name, self._scheduler.clock())
        takes = self._faults.latency(provider.name)
        if met is not None and (answer := self._nothing_done(provider, *met)) is not None:
            self._note(f"{met[0]} {place}")
            return answer
        answer = provider.handle(ask)
        self._passed(Boundary(DURING_CALL, place))
        if takes > PATIENCE:
            raise Silence
        if takes:
            self._scheduler.sleep(takes)
        if met is not None:
            self._note(f"{met[0]} {place}")
            answer = self._spoilt(answer, met[1])
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

    def _spoilt(self, answer: Answer, fault: Fault) -> Answer:
        if fault.kind == "garbage":
            return Answer(answer.status, b"<html>", {"content-type": "application/json"})
        if fault.kind == "cut_after":
            raise Cut(answer)
        raise Silence
