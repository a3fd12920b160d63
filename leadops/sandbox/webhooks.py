"""Posts what the simulated vendor has to say to the application, signed and retried as the vendor does.

Events: a JSON array, with the headers X-Twilio-Email-Event-Webhook-Signature (base64 of the ECDSA P-256
signature, DER, over timestamp and body) and -Timestamp. Inbound Parse: multipart/form-data, signed the same
way over the bytes of the form when its security policy says so.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
BATCH = 100
RETRY_FOR_S = 24 * 3600.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
_LOG = logging.getLogger(__name__)


def new_key_pair() -> tuple[str, str]:
    """(private key as PEM, public key as base64 of its SPKI: what the vendor shows its users)."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii"), public_key_of(pem.decode("ascii"))


def public_key_of(private_pem: str) -> str:
    """The public half, base64 of its SPKI. Raises ValueError: no EC private key."""
    spki = (
        _private(private_pem)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(spki).decode("ascii")


def sign(private_pem: str, timestamp: str, body: bytes) -> str:
    """Base64 of the DER signature over ``timestamp`` and ``body``. Raises ValueError: no EC private key."""
    made = _private(private_pem).sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(made).decode("ascii")


def _private(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the vendor signs with ECDSA P-256: this is another kind of key")  # noqa: TRY004
    return key


@dataclass(slots=True)
class Counters:
    """Requests and what became of them. ``refused``: tries that were not answered 2xx."""

    posted: int = 0
    delivered: int = 0
    refused: int = 0
    given_up: int = 0


@dataclass(slots=True)
class _Post:
    """One request to be made. ``due``: not before, monotonic seconds."""

    url: str
    key: str | None
    body: bytes
    content_type: str
    due: float
    began: float
    wait: float = FIRST_WAIT_S


class Webhooks:
    """``post_events`` and ``post_inbound`` never block and never raise; one daemon thread delivers.

    A post that is not answered 2xx is tried again, signed anew, after 0.5 s, 1 s, ... at most a minute, for
    24 h; others are not kept waiting by it. Without a private key it is not signed. Events that come in while
    the thread is busy leave together, at most 100 in one request.
    Raises ValueError: no web address, or a key of another kind.
    """

    def __init__(
        self,
        events_url: str | None,
        inbound_url: str | None,
        events_private_key: str | None = None,
        inbound_private_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        first_wait_s: float = FIRST_WAIT_S,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        for key in (events_private_key, inbound_private_key):
            if key is not None:
                _private(key)
        for url in (events_url, inbound_url):
            if url is not None and not url.startswith(("http://", "https://")):
                raise ValueError("a webhook's address begins with http:// or https://")
        self._events_url, self._inbound_url = events_url, inbound_url
        self._events_key, self._inbound_key = events_private_key, inbound_private_key
        self._first_wait_s, self._retry_for_s = first_wait_s, retry_for_s
        self._changed = threading.Condition()
        self._events: deque[dict[str, Any]] = deque()
        self._posts: list[_Post] = []
        self._busy = False
        self._closed = False
        self.counters = Counters()
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)
        self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
        self._thread.start()

    def post_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Queue events; dropped when there is nowhere to post them."""
        if self._events_url is None or not events:
            return
        with self._changed:
            self._events.extend(dict(event) for event in events)
            self._changed.notify_all()

    def post_inbound(self, form: Mapping[str, str]) -> None:
        """Queue an inbound message; dropped when there is nowhere to post it."""
        if self._inbound_url is None:
            return
        # httpx encodes a form with files only; a part without a file name is a field.
        parts = [(name, (None, value.encode())) for name, value in form.items()]
        request = httpx.Request("POST", self._inbound_url, files=parts)
        self._add(self._inbound_url, self._inbound_key, request.read(), request.headers["content-type"])

    def wait_idle(self, timeout: float) -> bool:
        """Wait until everything queued is delivered or given up, at most ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._events or self._posts or self._busy), timeout=timeout
            )

    def close(self) -> None:
        """Stop delivering; what is queued is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=15)
        self._client.close()

    def _add(self, url: str, key: str | None, body: bytes, content_type: str) -> None:
        with self._changed:
            now = time.monotonic()
            self._posts.append(_Post(url, key, body, content_type, now, now, self._first_wait_s))
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            post = self._next()
            if post is None:
                return
            delivered = self._deliver(post)
            with self._changed:
                self._busy = False
                self._settle(post, delivered)
                self._changed.notify_all()

    def _next(self) -> _Post | None:
        """The next request that is due, waited for; None when closed."""
        with self._changed:
            while not self._closed:
                self._batch()
                now = time.monotonic()
                due = [post for post in self._posts if post.due <= now]
                if due:
                    self._posts.remove(due[0])
                    self._busy = True
                    return due[0]
                self._changed.wait(min((post.due for post in self._posts), default=now + 60) - now)
            return None

    def _batch(self) -> None:
        """Put waiting events into requests."""
        while self._events and self._events_url is not None:
            batch = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
            # The vendor's body ends with a line break, which the signature covers.
            body = json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"
            self._add(self._events_url, self._events_key, body, "application/json")

    def _deliver(self, post: _Post) -> bool:
        self.counters.posted += 1
        headers = {"Content-Type": post.content_type, "User-Agent": "SendGrid Event API"}
        if post.key is not None:
            timestamp = str(int(time.time()))
            headers |= {SIGNATURE: sign(post.key, timestamp, post.body), TIMESTAMP: timestamp}
        try:
            return self._client.post(post.url, content=post.body, headers=headers).is_success
        except httpx.HTTPError:
            return False

    def _settle(self, post: _Post, delivered: bool) -> None:
        now = time.monotonic()
        if delivered:
            self.counters.delivered += 1
            return
        self.counters.refused += 1
        if now + post.wait - post.began > self._retry_for_s:
            self.counters.given_up += 1
            _LOG.warning("a webhook was not taken within %.0f s and is given up", self._retry_for_s)
            return
        post.due, post.wait = now + post.wait, min(post.wait * 2, LONGEST_WAIT_S)
        self._posts.append(post)
