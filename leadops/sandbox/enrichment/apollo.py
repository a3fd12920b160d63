"""Apollo as a simulated provider: people/match, people/bulk_match, organizations/enrich.

https://docs.apollo.io/reference/people-enrichment and its neighbours. Parameters of a match stand in the
query string, people of a bulk match in the body; who confuses the two is refused here, so that nobody builds
on it.
"""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from leadops.sandbox.enrichment.directory import Company, Directory, Person, domain_of
from leadops.sandbox.frame import Answer, Ask, Clock, Provider

MATCH, BULK, COMPANY = (
    "/api/v1/people/match",
    "/api/v1/people/bulk_match",
    "/api/v1/organizations/enrich",
)
METHODS: Mapping[str, str] = {MATCH: "POST", BULK: "POST", COMPANY: "GET"}
MOST = 10
REVEALS = frozenset({"reveal_personal_emails", "reveal_phone_number", "webhook_url"})
WHO = frozenset(
    {
        "id", "email", "hashed_email", "first_name", "last_name", "name", "organization_name", "domain",
        "linkedin_url",
    }
)  # fmt: skip
_SAYS: Mapping[int, str] = {
    401: "Invalid access credentials.",
    402: "You have insufficient credits.",
    403: "This endpoint is not accessible with this api_key.",
    404: "Not found.",
    422: "The request could not be processed.",
    429: "The maximum number of api calls allowed for this endpoint per minute has been reached.",
    500: "Something went wrong.",
}


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class ApolloSandbox(Provider):
    """``credits_used``: what was charged so far: one for each person or company that was found.

    ``bulk_per_minute``: as the account's plan allows; None: any number.
    """

    name = "apollo"

    def __init__(
        self,
        clock: Clock,
        key: str,
        seed: int = 7,
        *,
        directory: Directory | None = None,
        bulk_per_minute: int | None = None,
    ) -> None:
        super().__init__(clock, seed)
        self.key = key
        self.directory = directory or Directory(invents=True, seed=seed)
        self.bulk_per_minute = bulk_per_minute
        self.credits_used = 0
        self._bulk_at: deque[datetime] = deque()

    def handle(self, ask: Ask) -> Answer:
        try:
            return self._answer(ask)
        except _RefusedError as refused:
            problems = (refused.message,) if refused.status in (400, 405, 415, 422) else ()
            headers = {"retry-after": "60"} if refused.status == 429 else {}
            return Answer.of(refused.status, {"error": refused.message}, headers, problems)

    def refusal(self, status: int) -> Answer:
        headers = {"retry-after": "60"} if status == 429 else {}
        return Answer.of(status, {"error": _SAYS.get(status, f"Error {status}.")}, headers)

    def _answer(self, ask: Ask) -> Answer:
        if ask.path not in METHODS:
            raise _RefusedError(404, _SAYS[404])
        if METHODS[ask.path] != ask.method:
            raise _RefusedError(405, f"{ask.method} is not allowed on {ask.path}.")
        if not hmac.compare_digest(ask.headers.get("x-api-key", "").encode(), self.key.encode()):
            raise _RefusedError(401, _SAYS[401])
        if "api_key" in ask.query:
            raise _RefusedError(422, "api_key does not belong in the query string: use the x-api-key header.")
        if ask.path == MATCH:
            return self._match(ask)
        return self._bulk(ask) if ask.path == BULK else self._company(ask)

    def _match(self, ask: Ask) -> Answer:
        _only(ask.query, WHO | REVEALS, "query parameter")
        _reveals(ask.query)
        if ask.body:
            raise _RefusedError(422, "Parameters belong in the query string; the body must be empty.")
        return Answer.of(200, {"person": self._person(_identified(ask.query))})

    def _bulk(self, ask: Ask) -> Answer:
        _only(ask.query, REVEALS, "query parameter")
        _reveals(ask.query)
        body = _object(ask)
        _only(body, {"details"}, "field")
        details = body.get("details")
        if not isinstance(details, list) or not 1 <= len(details) <= MOST:
            raise _RefusedError(422, f"details must be a list of 1 to {MOST} people.")
        for each in details:
            if not isinstance(each, dict) or not all(isinstance(v, str) for v in each.values()):
                raise _RefusedError(422, "each of details must be an object of texts.")
            _only(each, WHO, "field of details")
        self._count()
        before = self.credits_used
        matches = [self._person(_identified(each)) for each in details]
        found = sum(match is not None for match in matches)
        return Answer.of(
            200,
            {
                "status": "success",
                "error_code": None,
                "error_message": None,
                "total_requested_enrichments": len(details),
                "unique_enriched_records": found,
                "missing_records": len(details) - found,
                "credits_consumed": self.credits_used - before,
                "matches": matches,
            },
        )

    def _count(self) -> None:
        if self.bulk_per_minute is None:
            return
        now = self.clock()
        while self._bulk_at and self._bulk_at[0] <= now - timedelta(minutes=1):
            self._bulk_at.popleft()
        if len(self._bulk_at) >= self.bulk_per_minute:
            raise _RefusedError(429, _SAYS[429])
        self._bulk_at.append(now)

    def _company(self, ask: Ask) -> Answer:
        _only(ask.query, {"domain"}, "query parameter")
        domain = ask.query.get("domain", "")
        if not domain or "@" in domain or "/" in domain or ask.body:
            raise _RefusedError(422, "domain must be a domain such as apollo.io, in the query string.")
        found = self.directory.company(domain)
        if found is None:
            return Answer.of(200, {})
        self.credits_used += 1
        return Answer.of(200, {"organization": _organization(found)})

    def _person(self, who: Mapping[str, str]) -> dict[str, Any] | None:
        email = who.get("email", "")
        found = self.directory.person(email)
        if found is None:
            return None
        self.credits_used += 1
        company = self.directory.company(domain_of(email) or "")
        return _shown(found) | {"organization": None if company is None else _organization(company)}


def _only(given: Mapping[str, Any], known: frozenset[str] | set[str], what: str) -> None:
    if unknown := sorted(set(given) - known):
        raise _RefusedError(422, f"{what} {unknown[0]} is not known.")


def _reveals(query: Mapping[str, str]) -> None:
    if query.get("reveal_phone_number") == "true" and not query.get("webhook_url"):
        raise _RefusedError(400, "Please add a valid 'webhook_url' parameter to use 'reveal_phone_number'")


def _identified(who: Mapping[str, str]) -> Mapping[str, str]:
    if not any(who.values()):
        raise _RefusedError(422, "Name the person by an email address, a name and domain, or an id.")
    if "email" in who and domain_of(who["email"]) is None:
        raise _RefusedError(422, "email is not valid.")
    return who


def _object(ask: Ask) -> dict[str, Any]:
    if ask.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise _RefusedError(415, "The body must be application/json.")
    try:
        body = json.loads(ask.body)
    except ValueError:
        raise _RefusedError(400, "The body is no JSON.") from None
    if not isinstance(body, dict):
        raise _RefusedError(422, "The body must be an object.")
    return body


def _shown(person: Person) -> dict[str, Any]:
    return {
        "id": "5f5e2b4e8a8a8a0001a1b2c3",
        "email": person.email,
        "email_status": "verified",
        "title": person.title,
        "seniority": person.seniority,
        "country": person.country,
        "personal_emails": [],
    }


def _organization(company: Company) -> dict[str, Any]:
    return {
        "id": "5e66b6381e05b4008c8331b8",
        "name": company.name,
        "website_url": f"http://www.{company.domain}",
        "primary_domain": company.domain,
        "industry": company.industry,
        "estimated_num_employees": company.employees,
        "country": company.country,
    }
