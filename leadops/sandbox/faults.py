"""What a fault makes of one request, told apart from how it is carried.

``server.py`` does it to a TCP connection; who carries requests in one process says the same in exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leadops.sandbox.frame import Answer, Ask, Fault, Provider

GARBAGE = b"<html><body>upstream connect error or disconnect/reset before headers</body>\x00\xff"


@dataclass(frozen=True, slots=True)
class Met:
    """In this order: ``silent_s`` of nothing; ``answer``, of which where ``cut`` only half; where ``cut`` the
    connection's end.
    """

    answer: Answer | None = None
    silent_s: float = 0.0
    cut: bool = False


def meet(provider: Provider, ask: Ask, fault: Fault) -> Met:
    """The request takes effect or not, as the fault's kind says, and is kept in the record."""
    told = f"{fault.kind} {fault.status}" if fault.kind == "status" else fault.kind
    if fault.kind in ("status", "slow_before", "cut_before"):
        answer = _refused(provider, fault) if fault.kind == "status" else Answer(0)
        provider.note(ask, answer, told)
    else:
        answer = provider.answer(ask, told)
    match fault.kind:
        case "status":
            return Met(answer)
        case "garbage":
            status = answer.status if 200 <= answer.status < 300 else 200
            return Met(Answer(status, GARBAGE, {"content-type": "application/json"}))
        case "slow_before" | "slow_after":
            return Met(silent_s=fault.seconds, cut=True)
        case "cut_before":
            return Met(cut=True)
        case "cut_after":
            return Met(answer, cut=True)


def half(answer: Answer) -> tuple[bytes, int]:
    """(the part of a body that comes before a cut, the length its headers promise)."""
    body = answer.body or b"\r\n"
    return body[: len(body) // 2], len(body)


def _refused(provider: Provider, fault: Fault) -> Answer:
    own = provider.refusal(fault.status)
    body = own.body if fault.body is None else fault.body.encode()
    return Answer(fault.status, body, lower(own.headers) | lower(fault.headers))


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """The same with names in lower case."""
    return {name.lower(): value for name, value in headers.items()}
