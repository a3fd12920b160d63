"""Clearbit as a simulated provider: combined find, as legacy keys still reach it.

GET only, HTTP Basic with the key as user. 202 where it does not know yet and will in a while.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

from leadops.sandbox.enrichment.directory import Company, Directory, Person, domain_of
from leadops.sandbox.frame import Answer, Ask, Clock, Provider

FIND = "/v2/combined/find"
_TYPES: Mapping[int, tuple[str, str]] = {
    401: ("auth_invalid", "Invalid API key provided."),
    402: ("payment_required", "Your plan's quota is used up."),
    404: ("unknown_record", "Unknown record."),
    422: ("params_invalid", "Invalid email."),
    429: ("rate_limit", "Too many requests."),
}
_LEVELS = {"c_suite": "executive", "vp": "executive", "head": "director", "director": "director",
           "manager": "manager"}  # fmt: skip


class ClearbitSandbox(Provider):
    """``pending``: addresses that are answered 202 the first time they are asked for."""

    name = "clearbit"

    def __init__(self, clock: Clock, key: str, seed: int = 7, *, directory: Directory | None = None) -> None:
        super().__init__(clock, seed)
        self.key = key
        self.directory = directory or Directory(invents=True, seed=seed)
        self.pending: set[str] = set()

    def handle(self, ask: Ask) -> Answer:
        if ask.path != FIND:
            return self.refusal(404)
        if ask.method != "GET" or ask.body:
            return self._refused(405, "method_not_allowed", "GET, with parameters in the query string.")
        if not hmac.compare_digest(_user(ask.headers.get("authorization", "")), self.key.encode()):
            return self.refusal(401)
        email = ask.query.get("email", "").lower()
        if domain_of(email) is None or ask.query.keys() - {"email"}:
            return self._refused(422, *_TYPES[422])
        if email in self.pending:
            self.pending.discard(email)
            said = {"error": {"type": "queued", "message": "Your request has been queued."}}
            return Answer.of(202, said)
        person = self.directory.person(email)
        company = self.directory.company(domain_of(email) or "")
        if person is None and company is None:
            return self.refusal(404)
        return Answer.of(200, {"person": _person(person), "company": _company(company)})

    def refusal(self, status: int) -> Answer:
        kind, message = _TYPES.get(status, ("internal_error", f"Error {status}."))
        headers = {"retry-after": "30"} if status == 429 else {}
        return Answer.of(status, {"error": {"type": kind, "message": message}}, headers)

    def _refused(self, status: int, kind: str, message: str) -> Answer:
        return Answer.of(status, {"error": {"type": kind, "message": message}}, problems=(message,))


def _user(header: str) -> bytes:
    """The user of HTTP Basic; empty where there is none, or a password."""
    scheme, _, given = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(given, validate=True).partition(b":")
    except ValueError:
        return b""
    return user if scheme == "Basic" and colon and not password else b""


def _person(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    return {
        "email": person.email,
        "geo": {"country": person.country, "countryCode": person.country_code},
        "employment": {
            "domain": domain_of(person.email),
            "name": None,
            "title": person.title,
            "seniority": _LEVELS.get(person.seniority or ""),
        },
    }


def _company(company: Company | None) -> dict[str, Any] | None:
    if company is None:
        return None
    return {
        "name": company.name,
        "domain": company.domain,
        "category": {"industry": company.industry},
        "metrics": {"employees": company.employees, "employeesRange": None},
        "geo": {"country": company.country, "countryCode": company.country_code},
    }
