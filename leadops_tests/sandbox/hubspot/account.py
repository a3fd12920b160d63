"""A HubSpot account for the tests, asked as a client would ask it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leadops.sandbox.frame import Answer, Ask
from leadops.sandbox.hubspot import HubSpotSandbox, Portal

TOKEN = "pat-eu1-a-token"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OBJECTS = "/crm/objects/2026-09"


def ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


@dataclass
class Said:
    status: int
    json: Any
    answer: Answer

    @property
    def codes(self) -> list[str]:
        """The vendor's codes of what is wrong with property values."""
        return [each.get("code", "") for each in self.json.get("errors", [])]


@dataclass
class Account:
    """``now`` is the sandbox's clock."""

    now: datetime = START
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sandbox = HubSpotSandbox(lambda: self.now, TOKEN, **{"limits": False, **self.options})

    @property
    def portal(self) -> Portal:
        return self.sandbox.portal

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Said:
        sent = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        usual = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self.sandbox.answer(
            Ask(method, path, usual if headers is None else headers, query or {}, sent)
        )
        is_json = answer.headers.get("content-type") == "application/json"
        return Said(answer.status, json.loads(answer.body) if is_json else None, answer)

    def post(self, path: str, body: Any, **more: Any) -> Said:
        return self.ask("POST", path, body, **more)

    def make(self, object_type: str, properties: dict[str, str], **more: Any) -> Said:
        return self.post(f"{OBJECTS}/{object_type}", {"properties": properties, **more})

    def write(self, object_type: str, id_: str, properties: dict[str, str]) -> Said:
        return self.ask("PATCH", f"{OBJECTS}/{object_type}/{id_}", {"properties": properties})

    def read(self, object_type: str, id_: str, **query: str) -> Said:
        return self.ask("GET", f"{OBJECTS}/{object_type}/{id_}", query=query)

    def batch(self, object_type: str, verb: str, inputs: list[Any], **more: Any) -> Said:
        return self.post(f"{OBJECTS}/{object_type}/batch/{verb}", {"inputs": inputs, **more})

    def search(self, object_type: str = "contacts", **body: Any) -> Said:
        return self.post(f"{OBJECTS}/{object_type}/search", {**search_body(), **body})

    def contact(self, email: str = "ada@customer.example", **more: str) -> str:
        return self.portal.create("contacts", {"email": email, **more}, at=self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def search_body() -> dict[str, Any]:
    return {"after": "0", "filterGroups": [], "limit": 10, "properties": [], "sorts": []}


def one_filter(name: str, operator: str, **values: Any) -> list[Any]:
    """filterGroups of one filter."""
    return [{"filters": [{"propertyName": name, "operator": operator, **values}]}]


def ascending(name: str) -> list[Any]:
    return [{"propertyName": name, "direction": "ASCENDING"}]


def ids(said: Said) -> list[str]:
    return [each["id"] for each in said.json["results"]]
