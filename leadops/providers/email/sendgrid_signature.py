"""SendGrid's signature on its webhooks: ECDSA P-256 with SHA-256 over timestamp + raw body (R26).

Event webhook and Inbound Parse sign alike:
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks
The vendor's own helper (``sendgrid.EventWebhook``) looks at no clock and wants the body as text, which an
Inbound Parse body is not; here the body is fed in pieces, as it arrives.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from leadops.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

SIGNATURE_HEADER = "x-twilio-email-event-webhook-signature"
TIMESTAMP_HEADER = "x-twilio-email-event-webhook-timestamp"

AHEAD = timedelta(minutes=5)
"""How far a vendor's clock may be ahead of ours."""
EVENTS_BACK = timedelta(hours=24) + AHEAD
"""Events are sent again for 24 hours, and nothing says that they are signed anew each time."""
INBOUND_BACK = timedelta(days=3) + AHEAD
"""Mail is sent again for three days."""

_SECONDS = re.compile(r"[0-9]{1,11}")
_LONGEST_SIGNATURE = 200  # base64 of a P-256 signature in DER is 96 characters
_PEM_LINE = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----")


class SignatureError(Exception):
    """Not signed by the owner of the key, or too old. ``code`` is safe to log."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Verifier:
    """One webhook's public key: base64 of its SubjectPublicKeyInfo as the vendor shows it, or a PEM block.

    ``back``: how old a signature may be. Raises UsageError naming ``setting`` where the key is none.
    """

    def __init__(self, key: str, setting: str, back: timedelta = EVENTS_BACK) -> None:
        self._key = _public_key(key, setting)
        self._back = back

    def begin(self, headers: Mapping[str, str], now: datetime) -> Check:
        """Look at the headers (lower-case names) before a byte of the body is read.

        ``now`` is aware. Raises SignatureError.
        """
        given, stamp = headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
        if not given or not stamp:
            raise SignatureError(
                "unsigned", "the request is not signed: switch signature verification on for this webhook"
            )
        if not _SECONDS.fullmatch(stamp):
            raise SignatureError("timestamp", "the timestamp is not a number of seconds")
        age = now.timestamp() - int(stamp)
        if age > self._back.total_seconds() or -age > AHEAD.total_seconds():
            raise SignatureError("stale", "the timestamp is too old, or ahead: check this machine's clock")
        return Check(self._key, _signature(given), stamp.encode())

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """All at once. Raises SignatureError."""
        check = self.begin(headers, now)
        check.update(body)
        check.verify()


class Check:
    """A signature waiting for its body."""

    def __init__(self, key: EllipticCurvePublicKey, signature: bytes, stamp: bytes) -> None:
        from cryptography.hazmat.primitives.hashes import SHA256, Hash

        self._key, self._signature = key, signature
        self._hash = Hash(SHA256())
        self._hash.update(stamp)

    def update(self, piece: bytes) -> None:
        """The next bytes of the body, as they came on the wire."""
        self._hash.update(piece)

    def verify(self) -> None:
        """After the last piece, once. Raises SignatureError."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self._key.verify(self._signature, self._hash.finalize(), ECDSA(Prehashed(SHA256())))
        except InvalidSignature:
            raise SignatureError(
                "signature", "the signature does not belong to this body and our public key"
            ) from None


def _signature(given: str) -> bytes:
    if len(given) <= _LONGEST_SIGNATURE:
        try:
            return base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise SignatureError("signature", "the signature is not base64")


def _public_key(key: str, setting: str) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        der = base64.b64decode("".join(_PEM_LINE.sub("", key).split()), validate=True)
        found = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, EllipticCurvePublicKey) or not isinstance(found.curve, SECP256R1):
        raise UsageError(
            "sendgrid.webhook_key",
            f"{setting} is no public key of SendGrid: copy the verification key of this webhook as it is "
            "shown there (base64, beginning with MFkw).",
        )
    return found
