"""How a request of an adapter gets to a simulated vendor in this process, and what may go wrong on the way.

A carrier says what happens on the wire: it returns an answer, or raises one of three exceptions. The ends
(``ends.py``) make of that what their library would have met over the network, and let the time pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from leadops.sandbox import faults
from leadops.sandbox.frame import Answer, Ask, Provider


class Carrier(Protocol):
    """Carries one request. Raises NotReached, Silence, Cut; anything else passes through the ends.

    A BaseException that is no Exception (a simulated crash) passes through the adapters too.
    """

    def __call__(self, provider: Provider, ask: Ask, /) -> Answer: ...


class NotReached(Exception):  # noqa: N818 - what happened
    """Nothing listens: the connection is refused, and nothing has left."""


class Silence(Exception):  # noqa: N818 - what happened
    """Nothing comes until the library gives up. ``left`` False: not even a connection."""

    def __init__(self, *, left: bool = True) -> None:
        super().__init__()
        self.left = left


class Cut(Exception):  # noqa: N818 - what happened
    """The connection ends after ``after_s`` of silence: without an answer, or in the middle of this one.

    Whoever waits no longer than ``after_s`` gives up before that.
    """

    def __init__(self, answer: Answer | None = None, *, after_s: float = 0.0) -> None:
        super().__init__()
        self.answer, self.after_s = answer, after_s


def plain(provider: Provider, ask: Ask) -> Answer:
    """Straight to the vendor, without a record of it."""
    return provider.handle(ask)


class Faulty:
    """As the sandbox's server: the provider's latency, its faults, its record.

    ``wait`` gets the seconds an answer takes; while they pass nothing else of the same caller does.
    """

    def __init__(self, wait: Callable[[float], None] = lambda _seconds: None) -> None:
        self._wait = wait

    def __call__(self, provider: Provider, ask: Ask, /) -> Answer:
        """Raises Cut; of a silence longer than the library's patience the ends make a timeout."""
        if (seconds := provider.latency()) > 0:
            self._wait(seconds)
        fault = provider.next_fault(ask)
        if fault is None:
            return provider.answer(ask)
        met = faults.meet(provider, ask, fault)
        if met.cut or met.answer is None:
            raise Cut(met.answer, after_s=met.silent_s)
        return met.answer


Kind = Literal["refused", "no_connection", "timeout", "cut"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """No whole answer came. refused, no_connection: nothing left. ``after_s``: of silence, then this.

    ``answer``: of a cut, the one that had begun.
    """

    kind: Kind
    after_s: float = 0.0
    answer: Answer | None = None


def carried(carry: Carrier, provider: Provider, ask: Ask, patience_s: float) -> Answer | Trouble:
    """What comes of one request, for somebody who waits ``patience_s``."""
    try:
        return carry(provider, ask)
    except NotReached:
        return Trouble("refused")
    except Silence as silence:
        return Trouble("timeout" if silence.left else "no_connection", patience_s)
    except Cut as cut:
        if cut.after_s >= patience_s:
            return Trouble("timeout", patience_s)
        return Trouble("cut", cut.after_s, cut.answer)
