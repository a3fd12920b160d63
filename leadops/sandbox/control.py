"""``/control``: what a test, a demo or a person does to the sandbox, and what they may know of it.

JSON in and out, for this machine only. Wrong input is answered 422 with ``{"error": "a sentence"}``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from leadops.sandbox.frame import Exchange, Fault, FaultKind, Provider

Verb = Callable[[dict[str, Any]], Any]
Endpoint = Callable[[Request], Awaitable[Response]]
MODES = ("sensible", "obeys_attacker", "invents", "refuses", "cut_short", "not_json")
MOST = 1_000


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    provider: str


class FaultInput(_Input):
    """A fault as it is posted; see ``frame.Fault``."""

    kind: FaultKind
    status: int = Field(500, ge=400, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    method: Literal["", "GET", "POST", "PUT", "PATCH", "DELETE"] = ""
    path: str = ""
    times: int = Field(1, ge=-1)
    seconds: float = Field(60.0, ge=0, le=3600)

    def fault(self) -> Fault:
        return Fault(**self.model_dump(exclude={"provider"}))


class LatencyInput(_Input):
    """Each answer takes a random time in between, seconds."""

    min_s: float = Field(ge=0, le=3600)
    max_s: float = Field(ge=0, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> LatencyInput:
        if self.max_s < self.min_s:
            raise ValueError("max_s is less than min_s")
        return self


class ModeInput(_Input):
    """How the simulated model behaves."""

    provider: str = "openai"
    mode: Literal["sensible", "obeys_attacker", "invents", "refuses", "cut_short", "not_json"]


class _Wrong(Exception):  # noqa: N818 - what the input is
    """Input that is answered 422 with this sentence."""


class Control:
    """The endpoints. ``verbs`` are callables of whoever owns the simulated world: POST /control/do/<verb>
    with a JSON object calls one and answers what it returns; ValueError from it is wrong input."""

    def __init__(self, providers: Sequence[Provider], verbs: Mapping[str, Verb] | None = None) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self.verbs: dict[str, Verb] = dict(verbs or {})

    def routes(self) -> list[Route]:
        """To be mounted under ``/control``."""
        found: list[tuple[str, str, Endpoint]] = [
            ("GET", "/state", self._state),
            ("GET", "/exchanges", self._exchanges),
            ("GET", "/received", self._received),
            ("POST", "/faults", self._add_faults),
            ("DELETE", "/faults", self._drop_faults),
            ("POST", "/latency", self._latency),
            ("POST", "/mode", self._mode),
            ("POST", "/world", self._world),
            ("POST", "/do/{verb}", self._do),
        ]
        return [Route(path, _guarded(endpoint), methods=[method]) for method, path, endpoint in found]

    def state(self) -> dict[str, Any]:
        """What GET /control/state answers."""
        return {
            "providers": {name: self._state_of(provider) for name, provider in self._providers.items()},
            "verbs": sorted(self.verbs),
        }

    def _state_of(self, provider: Provider) -> dict[str, Any]:
        with provider.lock:
            found: dict[str, Any] = {
                "asked": provider.asked,
                "problems": sum(bool(exchange.problems) for exchange in provider.exchanges),
                "faults": [asdict(fault) for fault in provider.faults if fault.times],
                "latency_s": list(provider.latency_s),
            }
            if hasattr(provider, "mode"):
                found["mode"] = provider.mode
            if hasattr(provider, "mailroom"):
                found["accepted"] = len(provider.mailroom.accepted)
            return found

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            raise _Wrong(f"There is no provider {name!r}; there are {', '.join(self._providers)}.")
        return self._providers[name]

    async def _state(self, _request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.state))

    async def _exchanges(self, request: Request) -> Response:
        limit = _limit(request)
        named = request.query_params.get("provider")
        chosen = [self._provider(named)] if named else [*self._providers.values()]
        return JSONResponse({"exchanges": await run_in_threadpool(_newest, chosen, limit)})

    async def _received(self, request: Request) -> Response:
        """Accepted mail, oldest first. ``at``: when it was accepted, by the sandbox's clock."""
        to, touch = request.query_params.get("to"), request.query_params.get("touch")
        limit = _limit(request)
        rooms = [provider.mailroom for provider in self._providers.values() if hasattr(provider, "mailroom")]
        found = [mail for room in rooms for mail in await run_in_threadpool(room.received, to, touch)]
        return JSONResponse({"count": len(found), "received": [_shown(mail) for mail in found[-limit:]]})

    async def _add_faults(self, request: Request) -> Response:
        given = await _json(request)
        posted = [FaultInput.model_validate(one) for one in (given if isinstance(given, list) else [given])]
        chosen = [(self._provider(one.provider), one.fault()) for one in posted]
        for provider, fault in chosen:
            with provider.lock:
                provider.faults.append(fault)
        return JSONResponse({"added": len(chosen)}, 201)

    async def _drop_faults(self, request: Request) -> Response:
        named = request.query_params.get("provider")
        for provider in [self._provider(named)] if named else self._providers.values():
            with provider.lock:
                provider.faults.clear()
        return Response(status_code=204)

    async def _latency(self, request: Request) -> Response:
        given = LatencyInput.model_validate(await _json(request))
        provider = self._provider(given.provider)
        with provider.lock:
            provider.latency_s = (given.min_s, given.max_s)
        return JSONResponse({"provider": provider.name, "latency_s": [given.min_s, given.max_s]})

    async def _mode(self, request: Request) -> Response:
        given = ModeInput.model_validate(await _json(request))
        provider: Any = self._provider(given.provider)
        if not hasattr(provider, "mode"):
            raise _Wrong(f"{given.provider} has no modes.")
        with provider.lock:
            provider.mode = given.mode
        return JSONResponse({"provider": given.provider, "mode": given.mode})

    async def _world(self, request: Request) -> Response:
        if "world" not in self.verbs:
            raise _Wrong("No world is attached to this sandbox.")
        return await self._call("world", request)

    async def _do(self, request: Request) -> Response:
        verb = request.path_params["verb"]
        if verb not in self.verbs:
            raise _Wrong(f"There is no verb {verb!r}; there are: {', '.join(sorted(self.verbs)) or 'none'}.")
        return await self._call(verb, request)

    async def _call(self, verb: str, request: Request) -> Response:
        given = await _json(request, empty={})
        if not isinstance(given, dict):
            raise _Wrong("The body must be a JSON object.")
        try:
            result = await run_in_threadpool(self.verbs[verb], given)
        except ValidationError:
            raise
        except ValueError as error:
            raise _Wrong(str(error)) from None
        return JSONResponse({"result": result})


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Wrong input becomes a sentence; other machines, and pages of other sites in a browser, are refused."""

    async def answer(request: Request) -> Response:
        if not _is_local(request):
            return JSONResponse({"error": "/control answers this machine only."}, 403)
        try:
            return await endpoint(request)
        except ValidationError as error:
            return JSONResponse({"error": _sentence(error)}, 422)
        except _Wrong as error:
            return JSONResponse({"error": str(error)}, 422)

    return answer


def _is_local(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    origin = request.headers.get("origin")
    same = origin is None or origin == f"{request.url.scheme}://{request.url.netloc}"
    return local and same and (request.url.hostname or "") in ("127.0.0.1", "localhost", "::1")


def _sentence(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in error.errors()]
    return "Not accepted: " + "; ".join(parts) + "."


async def _json(request: Request, empty: Any = None) -> Any:
    body = await request.body()
    if not body and empty is not None:
        return empty
    try:
        return await request.json()
    except ValueError:
        raise _Wrong("The body must be JSON.") from None


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise _Wrong(f"limit must be a number from 1 to {MOST}.")
    return int(text)


def _newest(providers: Sequence[Provider], limit: int) -> list[dict[str, Any]]:
    """Exchanges of these providers, newest first."""
    found: list[tuple[str, Exchange]] = []
    for provider in providers:
        with provider.lock:
            found += [(provider.name, exchange) for exchange in islice(reversed(provider.exchanges), limit)]
    found.sort(key=lambda pair: pair[1].at, reverse=True)
    return [
        {"provider": name, **asdict(exchange), "at": _iso(exchange.at)} for name, exchange in found[:limit]
    ]


def _shown(mail: Any) -> dict[str, Any]:
    return {**mail.dump(), "at": _iso(mail.at)}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
