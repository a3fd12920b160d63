"""The HTTP side of the simulated HubSpot: who may ask, where, how often; the handlers do the rest.

Date versions only: 2026-09, and 2026-03 which is still supported. /crm/v3 and the like
are 404 here, so that nobody builds on what ends in 2027.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from leadops.sandbox.frame import Answer, Ask, Clock, Provider
from leadops.sandbox.hubspot import links, metadata, object_batches, objects, refusals
from leadops.sandbox.hubspot.batches import object_type_of
from leadops.sandbox.hubspot.desk import Desk
from leadops.sandbox.hubspot.limits import Meter
from leadops.sandbox.hubspot.options import Options
from leadops.sandbox.hubspot.portal import Portal
from leadops.sandbox.hubspot.refusals import RefusedError, invalid
from leadops.sandbox.hubspot.schema import ENGAGEMENTS
from leadops.sandbox.hubspot.summary import summary_of

Handler = Callable[..., Answer]
VERSION = "(?:2026-09|2026-03)"
PART = "[^/]+"


@dataclass(frozen=True, slots=True)
class Route:
    """``takes``: what the handler is given after the desk, of params, query, body. ``scope``: what kind of
    permission it needs: objects, schemas or owners; ``writes``: to write, not to read.
    """

    method: str
    path: re.Pattern[str]
    handler: Handler
    takes: tuple[str, ...]
    scope: str = "objects"
    writes: bool = False
    is_search: bool = False


def _route(
    method: str,
    path: str,
    handler: Handler,
    takes: str,
    scope: str = "objects",
    *,
    writes: bool = False,
    is_search: bool = False,
) -> Route:
    """``path``: {name} stands for one part of it."""
    pattern = re.sub(r"\{(\w+)\}", rf"(?P<\1>{PART})", path.replace("VERSION", VERSION))
    return Route(method, re.compile(pattern), handler, tuple(takes.split()), scope, writes, is_search)


OBJECTS = "/crm/objects/VERSION/{type}"
ASSOCIATIONS = "/crm/associations/VERSION/{type}/{other}/batch"
PROPERTIES = "/crm/properties/VERSION/{type}"
ROUTES = (
    _route("POST", f"{OBJECTS}/search", objects.search_objects, "params body", is_search=True),
    _route("POST", f"{OBJECTS}/batch/read", object_batches.read_batch, "params body"),
    _route("POST", f"{OBJECTS}/batch/archive", object_batches.archive_batch, "params body", writes=True),
    _route(
        "POST",
        OBJECTS + "/batch/(?P<verb>create|update|upsert)",
        object_batches.write_batch,
        "params body",
        writes=True,
    ),
    _route(
        "PUT",
        OBJECTS + "/{id}/associations/default/{other}/{other_id}",
        links.put_default,
        "params",
        writes=True,
    ),
    _route("GET", OBJECTS, objects.list_objects, "params query"),
    _route("POST", OBJECTS, objects.create_object, "params body", writes=True),
    _route("GET", OBJECTS + "/{id}", objects.read_object, "params query"),
    _route("PATCH", OBJECTS + "/{id}", objects.update_object, "params query body", writes=True),
    _route("DELETE", OBJECTS + "/{id}", objects.archive_object, "params", writes=True),
    _route("POST", ASSOCIATIONS + "/read", links.batch_read, "params body"),
    _route(
        "POST", ASSOCIATIONS + "/(?P<verb>associate/default|create)", links.batch_link, "params body",
        writes=True,
    ),
    _route("GET", "/crm/owners/VERSION", metadata.list_owners, "query", "owners"),
    _route("GET", "/crm/owners/VERSION/{id}", metadata.read_owner, "params", "owners"),
    _route("GET", PROPERTIES, metadata.list_properties, "params", "schemas"),
    _route("POST", PROPERTIES, metadata.create_property, "params body", "schemas", writes=True),
    _route("GET", f"{PROPERTIES}/groups", metadata.list_groups, "params", "schemas"),
    _route("POST", f"{PROPERTIES}/groups", metadata.create_group, "params body", "schemas", writes=True),
    _route("GET", PROPERTIES + "/groups/{name}", metadata.read_group, "params", "schemas"),
    _route("GET", PROPERTIES + "/{name}", metadata.read_property, "params", "schemas"),
)  # fmt: skip
RESERVED = frozenset({"search", "batch", "groups"})
"""Parts of addresses that are no record's id."""


QUERY = frozenset(
    {
        "limit",
        "after",
        "properties",
        "propertiesWithHistory",
        "associations",
        "archived",
        "idProperty",
        "email",
    }
)
"""Query parameters an address may have; others are passed over, as the vendor does, and noted."""


class HubSpotSandbox(Provider):
    """A HubSpot account behind its API. ``more``: the members of Options, by name."""

    name = "hubspot"

    def __init__(self, clock: Clock, token: str, seed: int = 7, **more: Any) -> None:
        super().__init__(clock, seed)
        self.token = token
        self.portal = Portal()
        self.options = Options(**more)
        self._meter = Meter()
        self._ids = random.Random(f"{seed}:correlation")  # noqa: S311 - a simulation

    def handle(self, ask: Ask) -> Answer:
        headers: dict[str, str] = {}
        try:
            route, params = _find(ask)
            self._authenticate(ask)
            desk = Desk(self.portal, self.options, self.clock())
            try:
                self._meter.count(desk.now, self.options, is_search=route.is_search)
            finally:
                if not route.is_search:
                    headers = self._meter.headers(self.options)
            self._authorize(route, params)
            answer = _call(route, desk, params, ask)
        except RefusedError as refused:
            return refused.answer(self._correlation_id(), headers)
        problems = answer.problems + tuple(
            f"query parameter {each} is not the vendor's" for each in ask.query if each not in QUERY
        )
        return Answer(answer.status, answer.body, {**answer.headers, **headers}, problems)

    def summary(self) -> list[tuple[str, ...]]:
        """What was written lately, for the page. Called with the lock held."""
        return summary_of(self.portal)

    def refusal(self, status: int) -> Answer:
        usual = refusals.of_status(status)
        return refusals.html(status) if usual is None else usual.answer(self._correlation_id())

    def _correlation_id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def _authenticate(self, ask: Ask) -> None:
        if ask.headers.get("authorization", "") != f"Bearer {self.token}":
            raise refusals.unauthenticated()

    def _authorize(self, route: Route, params: Mapping[str, str]) -> None:
        """Raise RefusedError (403) where the token lacks a scope."""
        scopes = self.options.scopes
        if scopes is None:
            return
        missing = [each for each in _scopes(route, params) if each not in scopes]
        if missing:
            raise refusals.missing_scopes(missing)


def _find(ask: Ask) -> tuple[Route, dict[str, str]]:
    """The route of an address. Raises RefusedError (404, 405)."""
    known = False
    for route in ROUTES:
        found = route.path.fullmatch(ask.path)
        if found is None or RESERVED & {found.groupdict("").get(each, "") for each in ("id", "name")}:
            continue
        if route.method == ask.method:
            return route, found.groupdict()
        known = True
    if known:
        raise RefusedError(405, "METHOD_NOT_ALLOWED", f"HTTP 405 Method Not Allowed: {ask.method} {ask.path}")
    raise refusals.no_route(ask.method, ask.path)


def _scopes(route: Route, params: Mapping[str, str]) -> list[str]:
    """The permissions a route needs. Engagements are read and written with those of contacts."""
    act = "write" if route.writes else "read"
    if route.scope == "owners":
        return ["crm.objects.owners.read"]
    kinds = [object_type_of(params[name]) for name in ("type", "other") if name in params]
    plain = dict.fromkeys("contacts" if kind in ENGAGEMENTS else kind for kind in kinds)
    return [f"crm.{route.scope}.{kind}.{act}" for kind in plain]


def _call(route: Route, desk: Desk, params: Mapping[str, str], ask: Ask) -> Answer:
    handler = partial(route.handler, desk)
    for each in route.takes:
        if each == "params":
            handler = partial(handler, params)
        elif each == "query":
            handler = partial(handler, ask.query)
        else:
            handler = partial(handler, _json(ask))
    return handler()


def _json(ask: Ask) -> Any:
    """The body. Raises RefusedError (415, 400)."""
    kind = ask.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, "VALIDATION_ERROR", f"Unsupported Media Type: {kind or 'none given'}")
    try:
        told = json.loads(ask.body, parse_constant=_no_constant)
        if b"\\u" in ask.body:
            # Half a surrogate pair is text in JSON and nowhere else.
            json.dumps(told, ensure_ascii=False).encode()
        return told
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid input JSON: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
