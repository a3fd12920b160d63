"""Correlation keys: what ties an event, a person and a touch together, as keyed digests.

Syntax only. Ingestion computes them before anything is known about the event; the stop gate
compares them; suppressions keep them when everything personal is erased.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from leadops.domain.addresses import canonical_email, is_free_mail, normalise_phone
from leadops.terms import INBOUND_KINDS, STOP_KINDS, EventKind, LeadEvent, LeadState

MANUAL_IDENTITY_KINDS = frozenset({EventKind.IDENTITY_MERGED, EventKind.IDENTITY_SPLIT})
"""The only kinds whose ``properties.emails`` say who somebody is; elsewhere it may be a list of guests."""
MAX_LISTED = 50
"""Addresses, Message-IDs and tokens of one event that become keys: every key is a lock for a moment."""

# Neither part may hold an @: with two of them the search would take quadratic time.
MESSAGE_ID = re.compile(r"<[^<>\s@]{1,500}@[^<>\s@]{1,500}>")
_REPLY_TOKEN = re.compile(r"\breply\+([A-Za-z0-9_-]{16,64})@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EventKey:
    """``identity``: says who it is. ``blocking``: while it stands, no touch carrying it leaves."""

    key: str
    identity: bool
    blocking: bool


@lru_cache(maxsize=65_536)
def _digest(secret: bytes, kind: str, value: str) -> str:
    """The same keys are asked for at every step of a touch."""
    mac = hmac.digest(secret, f"{kind}\x1f{value}".encode(), hashlib.blake2b)
    return f"{kind}:{mac[:16].hex()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Makes the digests. The secret keeps them from being reversed by trying addresses."""

    secret: bytes

    def digest(self, kind: str, value: str) -> str:
        """``kind:hex``, 128 bits."""
        return _digest(self.secret, kind, value)

    def email(self, address: str | None) -> str | None:
        canonical = canonical_email(address) if address else None
        return self.digest("email", canonical) if canonical else None

    def domain(self, domain: str | None) -> str | None:
        return self.digest("domain", domain) if domain and not is_free_mail(domain) else None

    def message_id(self, message_id: str) -> str:
        return self.digest("msgid", message_id.strip().strip("<>"))

    def crm(self, source: str, crm_id: str) -> str:
        return self.digest("crm", f"{source}\x1f{crm_id}")

    def phone(self, e164: str) -> str:
        return self.digest("phone", e164)

    def token(self, token: str) -> str:
        return self.digest("token", token)

    def touch(self, touch_id: str) -> str:
        return self.digest("touch", touch_id)

    def reply_token(self, enrolment_id: str) -> str:
        """Unguessable and reproducible: derives from the secret and the enrolment."""
        mac = hmac.new(self.secret, f"reply-token\x1f{enrolment_id}".encode(), hashlib.blake2b)
        return mac.hexdigest()[:24]


def lock_number(key: str) -> int:
    """The advisory lock of a key: a signed 64-bit integer. Two keys sharing one only wait needlessly."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def cited_message_ids(properties: Mapping[str, Any]) -> list[str]:
    """The Message-IDs an inbound message cites, with their angle brackets, in order.

    Of a very long thread the first and the last ones.
    """
    cited = " ".join(str(properties.get(k) or "") for k in ("in_reply_to", "references", "message_id_ref"))
    found = list(dict.fromkeys(MESSAGE_ID.findall(cited)))
    return found if len(found) <= MAX_LISTED else found[: MAX_LISTED // 2] + found[-MAX_LISTED // 2 :]


def cited_tokens(properties: Mapping[str, Any]) -> list[str]:
    """The reply tokens an inbound message was addressed to, in order."""
    given = properties.get("reply_token")
    addressed = " ".join(str(properties.get(k) or "") for k in ("to", "delivered_to"))
    found = ([given] if isinstance(given, str) and given else []) + _REPLY_TOKEN.findall(addressed)
    return list(dict.fromkeys(found))[:MAX_LISTED]


def touch_keys(
    keyring: Keyring, state: LeadState, reply_token: str, touch_ids: Iterable[str], message_ids: Iterable[str]
) -> frozenset[str]:
    """Every key under which an event could stop a touch: its person's, its thread's, its company's."""
    keys = {keyring.digest("email", e) for e in state.emails}
    keys |= {keyring.crm(source, crm_id) for source, crm_id in state.crm_ids}
    keys |= {keyring.touch(t) for t in touch_ids} | {keyring.message_id(m) for m in message_ids}
    keys.add(keyring.token(reply_token))
    if state.phone:
        keys.add(keyring.phone(state.phone))
    keys |= {d for e in state.emails if (d := keyring.domain(e.rpartition("@")[2]))}
    return frozenset(keys)


def suppression_keys(keyring: Keyring, state: LeadState) -> dict[str, str]:
    """Keys under which this person, or their whole company, may be suppressed: key -> scope."""
    keys = {keyring.digest("email", e): "address" for e in state.emails}
    keys |= {d: "domain" for e in state.emails if (d := keyring.domain(e.rpartition("@")[2]))}
    return keys


def identity_keys(event: LeadEvent, keyring: Keyring) -> list[str]:
    """The keys that say who somebody is: address, phone, CRM id. Sorted."""
    contact, found = event.contact, set[str]()
    emails = [contact.email]
    listed = event.properties.get("emails")
    if event.kind in MANUAL_IDENTITY_KINDS and isinstance(listed, list):
        emails += [e for e in listed[:MAX_LISTED] if isinstance(e, str)]
    for email in emails:
        if key := keyring.email(email):
            found.add(key)
    if contact.phone and (e164 := normalise_phone(contact.phone, contact.country)):
        found.add(keyring.phone(e164))
    if contact.crm_id:
        found.add(keyring.crm(event.source, contact.crm_id))
    return sorted(found)


def event_keys(event: LeadEvent, keyring: Keyring) -> list[EventKey]:
    """Every key an event carries, sorted by key.

    An event that can stop something blocks by all its keys. The company's domain blocks only for
    inbound messages (anybody there may be answering) and only until they are matched.
    """
    stops = event.kind in STOP_KINDS
    inbound = event.kind in INBOUND_KINDS
    identity = identity_keys(event, keyring)
    keys = {key: EventKey(key, True, stops) for key in identity}
    others = {keyring.message_id(m) for m in cited_message_ids(event.properties)}
    others |= {keyring.token(t) for t in cited_tokens(event.properties)}
    if isinstance(touch := event.properties.get("touch_id"), str) and touch:
        others.add(keyring.touch(touch))
    for key in others:
        keys.setdefault(key, EventKey(key, False, stops))
    email = canonical_email(event.contact.email) if event.contact.email else None
    if email and (domain_key := keyring.domain(email.rpartition("@")[2])):
        keys.setdefault(domain_key, EventKey(domain_key, False, inbound))
    return sorted(keys.values(), key=lambda k: k.key)
