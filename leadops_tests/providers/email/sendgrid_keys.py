"""A key pair as SendGrid holds one, and its signature, made here and not by what is tested."""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


class KeyPair:
    """``public``: base64 of the SPKI, as the vendor shows it."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self._private = ec.generate_private_key(curve or ec.SECP256R1())
        spki = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = base64.b64encode(spki).decode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """The two headers."""
        stamp = str(int(at.timestamp()))
        made = self._private.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: base64.b64encode(made).decode(), TIMESTAMP: stamp}
