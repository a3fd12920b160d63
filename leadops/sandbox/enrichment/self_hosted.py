"""A service of one's own as leadops asks it: GET with a domain in the query string, flat JSON or 404."""

from __future__ import annotations

import hmac

from leadops.sandbox.enrichment.directory import Directory
from leadops.sandbox.frame import Answer, Ask, Clock, Provider


class SelfHostedSandbox(Provider):
    """``key`` empty: it asks for none."""

    name = "self_hosted"

    def __init__(self, clock: Clock, key: str, seed: int = 7, *, directory: Directory | None = None) -> None:
        super().__init__(clock, seed)
        self.key = key
        self.directory = directory or Directory(invents=True, seed=seed)

    def handle(self, ask: Ask) -> Answer:
        if self.key and not hmac.compare_digest(
            ask.headers.get("authorization", "").encode(), f"Bearer {self.key}".encode()
        ):
            return self.refusal(401)
        if ask.method != "GET" or ask.path != "/" or ask.body:
            return self._refused(405, "GET, with parameters in the query string.")
        if ask.query.keys() != {"domain"} or not ask.query["domain"]:
            return self._refused(422, "domain, and nothing else, is asked for.")
        found = self.directory.company(ask.query["domain"])
        if found is None:
            return self.refusal(404)
        told = {
            "company_name": found.name,
            "company_size": found.employees,
            "country": found.country_code,
            "industry": found.industry,
            "domain": found.domain,
        }
        return Answer.of(200, {name: value for name, value in told.items() if value is not None})

    def refusal(self, status: int) -> Answer:
        headers = {"retry-after": "5"} if status == 429 else {}
        return Answer.of(status, {"error": f"status {status}"}, headers)

    def _refused(self, status: int, message: str) -> Answer:
        return Answer.of(status, {"error": message}, problems=(message,))
