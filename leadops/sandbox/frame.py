"""What every simulated provider shares: it answers requests without I/O, can be told to fail, keeps a record.

A provider is a function from :class:`Ask` to :class:`Answer` over its own state in memory; how asks arrive
(HTTP in ``server.py``, or a call from the simulated past) is not its business. Thread-safe by one lock.
"""

from __future__ import annotations

import json
import random
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl

Clock = Callable[[], datetime]
KEPT = 5_000
"""Exchanges a provider remembers; older ones are forgotten, what they changed is not."""

SHOWN = 200_000
"""Bytes of a body an exchange keeps."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: ``path`` begins after the provider's prefix; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


def query_of(text: str) -> dict[str, str]:
    """A query string's parameters, decoded; one given several times is joined with commas."""
    query: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        query[key] = f"{query[key]},{value}" if key in query else value
    return query


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. ``problems``: what of the vendor's description the request did not keep."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        status: int,
        value: Any,
        headers: Mapping[str, str] | None = None,
        problems: tuple[str, ...] = (),
    ) -> Answer:
        """A JSON answer."""
        body = json.dumps(value, ensure_ascii=False, default=str).encode()
        return cls(status, body, {"content-type": "application/json", **(headers or {})}, problems)


FaultKind = Literal["status", "slow_before", "slow_after", "garbage", "cut_before", "cut_after"]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next ``times`` requests that match (-1: all of them).

    status: this status, the vendor's own error body, nothing done. slow_before / slow_after: ``seconds`` of
    silence before / after the request took effect, then the connection ends. garbage: it took effect, and
    the answer is no JSON. cut_before / cut_after: the connection ends without an answer / in the middle of
    it, before / after the request took effect.
    """

    kind: FaultKind
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 60.0

    def matches(self, ask: Ask) -> bool:
        """Whether this request meets it: method, beginning of the path, and not used up."""
        return (
            self.times != 0
            and (not self.method or self.method == ask.method)
            and ask.path.startswith(self.path)
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as a person looks at it. ``fault``: what was made to go wrong with it."""

    at: datetime
    method: str
    path: str
    status: int
    problems: tuple[str, ...]
    request: str
    response: str
    fault: str | None = None


class Provider(ABC):
    """A simulated vendor."""

    name: str
    """Its path prefix in the sandbox, and its name in ``/control``."""

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)
        self.faults: list[Fault] = []
        self.latency_s: tuple[float, float] = (0.0, 0.0)
        self.asked = 0
        self._chance = random.Random(f"{seed}:{self.name}")  # noqa: S311 - a simulation

    @abstractmethod
    def handle(self, ask: Ask) -> Answer:
        """Answer one request as the vendor would. Called with the lock held; must not block."""

    @abstractmethod
    def refusal(self, status: int) -> Answer:
        """The body and headers the vendor answers an error of this status with."""

    def answer(self, ask: Ask, fault: str | None = None) -> Answer:
        """``handle`` with a record; faults are not looked at. ``fault``: what will happen to the answer."""
        with self.lock:
            answer = self.handle(ask)
            self.note(ask, answer, fault)
            return answer

    def next_fault(self, ask: Ask) -> Fault | None:
        """The fault this request meets, counted down."""
        with self.lock:
            for fault in self.faults:
                if fault.matches(ask):
                    fault.times -= fault.times > 0
                    return fault
        return None

    def latency(self) -> float:
        """Seconds this answer takes."""
        with self.lock:
            return self._chance.uniform(*self.latency_s)

    def note(self, ask: Ask, answer: Answer, fault: str | None = None) -> None:
        """Keep what was asked and answered."""
        with self.lock:
            self.asked += 1
            self.exchanges.append(
                Exchange(
                    self.clock(),
                    ask.method,
                    ask.path,
                    answer.status,
                    answer.problems,
                    ask.body[:SHOWN].decode("utf-8", "replace"),
                    answer.body[:SHOWN].decode("utf-8", "replace"),
                    fault,
                )
            )
