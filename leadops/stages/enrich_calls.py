"""Asking providers about a batch of leads: beside the database's work, within one deadline for all of them.

Each look-up is written down, then made on another thread. What is answered in time decides who is asked
next. What comes later is recorded by the thread that waited for it, and its leads are looked at again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from leadops.domain.enriching import Call, Known, Pursuit, Round, month_of, round_of
from leadops.errors import LeadopsError
from leadops.providers.enrichment.port import (
    Answer,
    Found,
    Key,
)
from leadops.stages.beside import Beside, Latch, Tell
from leadops.stages.enriching import Enriching, Fetched, fetched_of
from leadops.stages.report import Report
from leadops.store import enrichment as store
from leadops.store.engine import transaction
from leadops.store.enrichment import Pair
from leadops.terms import EvidenceField, stable_id

_LOGGER = logging.getLogger(__name__)
_GIVEN_UP_S = 30.0
"""Beyond the timeout: a look-up that nobody has settled by then was a dead worker's."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request under way since ``began``. ``call_ids``, ``lead_ids``: key -> its row, for whom."""

    call: Call
    began: float
    call_ids: Mapping[str, str]
    lead_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Told:
    """What came of a request. ``at``: when, on the caller's clock."""

    request: _Request
    answers: Mapping[str, Answer]
    took_ms: float
    at: datetime


@dataclass(slots=True)
class Asking:
    """One batch. ``pursuits``: lead id -> Pursuit; ``keys``: (provider, stored key) -> what is looked up."""

    house: Enriching
    pursuits: Mapping[str, Pursuit]
    keys: Mapping[Pair, Key]
    now: datetime
    report: Report
    fetched: dict[Pair, Fetched] = field(default_factory=dict)
    unpaid: set[tuple[str, str]] = field(default_factory=set)
    recorded: Latch = field(init=False)
    _asking: dict[Pair, _Request] = field(default_factory=dict)
    _unsettled: list[_Told] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.recorded = self.house.latch()

    def run(self) -> None:
        """Until nothing more is to be asked, or the deadline. Closes what is still open for a later pass."""
        house = self.house
        self._began = house.clock()
        until = self._began + house.section.deadline_seconds
        at_once = house.section.calls_at_once * len(house.remote)
        beside = house.beside(at_once)
        try:
            while True:
                self._begin(beside)
                told = beside.told(until - house.clock()) if self._asking else []
                if not told:
                    break
                self._heard(told)
                if house.clock() >= until:
                    break
        finally:
            with self._guard:
                self._is_over = True
            self._heard(beside.told(0.0) if self._asking else [])
            beside.close()
            self._give_up()

    # Before a call ------------------------------------------------------------------------------------

    def _begin(self, beside: Beside) -> None:
        """Start what may be started now."""
        if not self._round({}).calls:
            return
        requests = self._reserve()
        for request in requests:
            self.house.slots.change(request.call.source, 1)
            self._asking |= {(request.call.source, key): request for key in request.call.keys}
            self.report.count(f"{request.call.source}:asked", len(request.call.keys))
            beside.write(lambda tell, r=request: self._call(r, tell))  # type: ignore[misc]

    def _round(self, left: Mapping[str, float]) -> Round:
        house = self.house
        most = house.section.calls_at_once
        return round_of(
            self.pursuits,
            house.sources,
            house.section.wanted,
            left_usd=left,
            free={name: max(0, most - house.slots.under_way[name]) for name in house.remote},
            resting=house.resting(),
            asking=self._asking.keys(),
        )

    def _reserve(self) -> list[_Request]:
        """Write down what will be asked, one worker at a time; what others have or are asking is theirs."""
        house, began = self.house, month_of(self.now)
        gone = self.now - timedelta(seconds=house.section.timeout_seconds + _GIVEN_UP_S)
        with transaction(house.engine) as connection:
            store.lock_budgets(connection, house.remote)
            self.settle(connection)
            left = {n: usd - store.spent(connection, n, began) for n, usd in house.budgets.items()}
            while True:
                found = self._round(left)
                pairs = [(call.source, key) for call in found.calls for key in call.keys]
                self.take(store.cached(connection, pairs))
                theirs = store.asked_since(connection, pairs, gone)
                self._close(theirs, again=True)
                if not theirs and not any(pair in self.fetched for pair in pairs):
                    break
            self.unpaid |= found.unpaid
            requests = [self._request(call) for call in found.calls]
            store.reserve(connection, [row for r in requests for row in self._rows(r)])
        self._unsettled = []
        return requests

    def _request(self, call: Call) -> _Request:
        first: dict[str, str] = {}
        for lead_id, pursuit in self.pursuits.items():
            first.setdefault(pursuit.keys.get(call.source, ""), lead_id)
        ids = {
            k: stable_id("enc", call.source, k, self.now.isoformat(), self.house.fresh()) for k in call.keys
        }
        return _Request(call, self.house.clock(), ids, first)

    def _rows(self, request: _Request) -> Iterable[dict[str, Any]]:
        usd = self._price(request.call.source)
        for key in request.call.keys:
            yield {
                "call_id": request.call_ids[key],
                "provider": request.call.source,
                "key": key,
                "lead_id": request.lead_ids[key],
                "outcome": "asked",
                "cost_usd": usd,
                "called_at": self.now,
            }

    def _price(self, name: str) -> float:
        """USD of one answer of this source, at most."""
        return next(s.usd for s in self.house.sources if s.name == name)

    def take(self, cached: Mapping[Pair, Mapping[str, Any]]) -> None:
        """What is kept and fresh is known."""
        ages = {s.name: s.max_age for s in self.house.sources}
        for pair, row in cached.items():
            found = fetched_of(row)
            if found.known.is_fresh(ages[pair[0]], self.now):
                self.fetched[pair] = found
                told = self._learn(pair, found.known)
                self.report.count(f"{pair[0]}:cached", told)

    def _learn(self, pair: Pair, known: Known) -> int:
        concerned = [p for p in self.pursuits.values() if p.keys.get(pair[0]) == pair[1]]
        for pursuit in concerned:
            pursuit.known[pair[0]] = known
        return len(concerned)

    def _close(self, pairs: Iterable[Pair], *, again: bool) -> None:
        for name, key in pairs:
            for pursuit in self.pursuits.values():
                if pursuit.keys.get(name) == key:
                    pursuit.closed[name] = again

    # On another thread --------------------------------------------------------------------------------

    def _call(self, request: _Request, tell: Tell) -> None:
        house, name = self.house, request.call.source
        began = house.clock()
        try:
            answers = self._look_up(request.call)
        finally:
            house.slots.change(name, -1)
        ended = house.clock()
        at = self.now + timedelta(seconds=max(0.0, ended - self._began))
        told = _Told(request, answers, 1000 * (ended - began), at)
        with self._guard:
            is_late = self._is_over
            if not is_late:
                tell(told)
        self._remember_health(name, list(answers.values()), is_late=is_late)
        if is_late:
            self._late(told)

    def _look_up(self, call: Call) -> dict[str, Answer]:
        keys = [self.keys[call.source, key] for key in call.keys]
        try:
            found = self.house.remote[call.source].lookup(keys, self.house.section.timeout_seconds)
            return dict(zip(call.keys, found, strict=True))
        except LeadopsError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - a broken adapter must not hold up the others
            code = f"adapter_{type(error).__name__}"
        return dict.fromkeys(call.keys, Answer(Found.FAILED, code=code, in_doubt=True))

    def _remember_health(self, name: str, answers: Sequence[Answer], *, is_late: bool) -> None:
        breaker = self.house.breakers[name]
        for answer in answers:
            if answer.retry_after_s is not None:
                breaker.rest(answer.retry_after_s)
        if all(a.outcome is Found.FAILED and not a.is_refusal for a in answers):
            breaker.failed()
        elif not is_late:  # too late to be of use is a failure, and was counted as one
            breaker.worked()

    def _late(self, told: _Told) -> None:
        """Nobody waits any more: keep what was paid for, and have its leads looked at again."""
        name = told.request.call.source
        try:
            with transaction(self.house.engine) as connection:
                store.settle(connection, *self._booked(told))
            self.recorded.wait(_GIVEN_UP_S)
            news = {k for k, a in told.answers.items() if a.outcome in (Found.FOUND, Found.NONE)}
            leads = [i for i, p in self.pursuits.items() if p.keys.get(name) in news]
            if leads:
                with transaction(self.house.engine) as connection:
                    store.again_soon(connection, leads, told.at)
        except LeadopsError as error:
            _LOGGER.warning("a late answer of %s was not recorded: %s", name, error.code)

    # After a call -------------------------------------------------------------------------------------

    def _heard(self, told: Sequence[_Told]) -> None:
        for one in told:
            name = one.request.call.source
            for key, answer in one.answers.items():
                pair = (name, key)
                self._asking.pop(pair, None)
                self.report.count(f"{name}:{answer.outcome.value}")
                if answer.outcome in (Found.FOUND, Found.NONE):
                    fetched = self._fetched(one, key)
                    self.fetched[pair] = fetched
                    self._learn(pair, fetched.known)
                    self.report.add("cost_usd", fetched.cost_usd)
                else:
                    self._close([pair], again=not answer.is_refusal)
        self._unsettled += told

    def _fetched(self, told: _Told, key: str) -> Fetched:
        answer, name = told.answers[key], told.request.call.source
        fields = {n: EvidenceField(f.value, name, at=told.at) for n, f in answer.fields.items()}
        # What may have been charged counts as charged: the month's budget is never passed.
        usd = (1.0 if answer.in_doubt else answer.credits) * self._price(name)
        return Fetched(Known(fields, told.at), told.request.lead_ids[key], usd, told.took_ms)

    def _booked(self, told: _Told) -> tuple[list[store.Settled], list[dict[str, Any]]]:
        settled, remembered = [], []
        for key, answer in told.answers.items():
            fetched = self._fetched(told, key)
            settled.append(
                store.Settled(
                    told.request.call_ids[key],
                    answer.outcome.value,
                    told.took_ms,
                    answer.code or None,
                    answer.credits,
                    fetched.cost_usd,
                )
            )
            if answer.outcome in (Found.FOUND, Found.NONE):
                remembered.append(
                    {
                        "provider": told.request.call.source,
                        "key": key,
                        "found": answer.outcome is Found.FOUND,
                        "fields": {n: f.value for n, f in fetched.known.fields.items()},
                        "lead_id": fetched.lead_id,
                        "cost_usd": fetched.cost_usd,
                        "took_ms": fetched.took_ms,
                        "fetched_at": told.at,
                    }
                )
        return settled, remembered

    def settle(self, connection: Connection) -> None:
        """Record what was heard and is not yet recorded. Twice is no harm."""
        for told in self._unsettled:
            store.settle(connection, *self._booked(told))

    def _give_up(self) -> None:
        """The deadline is over: who has not answered is asked again, and slow if it had half of that time."""
        now, fair = self.house.clock(), self.house.section.deadline_seconds / 2
        for request in {id(r): r for r in self._asking.values()}.values():
            if now - request.began >= fair:
                self.house.breakers[request.call.source].failed()
        for name, _key in self._asking:
            self.report.count(f"{name}:late")
        self._close(self._asking, again=True)
