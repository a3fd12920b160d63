"""What providers read in the bytes they are given; they never change them."""

from __future__ import annotations

from email.parser import BytesHeaderParser
from email.policy import compat32


def message_id_of(wire: bytes) -> str | None:
    """The Message-ID in the bytes, with its angle brackets."""
    found = str(BytesHeaderParser(policy=compat32).parsebytes(wire).get("Message-ID") or "").strip()
    return found or None
