"""What leadops asks of a mail provider: take these bytes once, and say for certain what became of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from leadops.terms import SendResult


class EmailPort(ABC):
    """A mail provider. Usable by several threads at once."""

    name: str
    tells_later: bool = False
    """Whether its webhook tells later what became of a message, also of one whose call had no outcome."""

    @abstractmethod
    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        """Hand one message over. ``key`` is the touch's; ``wire`` its frozen RFC 5322 bytes.

        Never raises for what a provider or a network does, but says one of: ACCEPTED; RETRY and REJECTED,
        where the message was certainly not accepted; AMBIGUOUS, where that cannot be known.
        """

    @abstractmethod
    def look_up(self, key: str) -> SendResult | None:
        """What became of the message with this key: ACCEPTED, or RETRY where it was certainly not accepted,
        or AMBIGUOUS where that is not known now. None: this provider can never tell.
        """

    @abstractmethod
    def check(self) -> None:
        """Raise UsageError, saying what to do, where the configuration cannot work."""
