"""The ingestion service's HTTP contract: authentication, limits, shapes and status codes.

What an event must hold, what is quarantined and how it is stored is the stage's business
(`leadops.stages.ingest`); it arrives here as a callable, so this file knows no database tables.
Nothing a sender wrote (addresses, names, reasons that may quote them) reaches a log line from here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from secrets import compare_digest, token_hex
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from leadops.web.answers import (
    RETRY_AFTER_S,
    IngestAnswer,
    database_gone,
    describe,
    error_answer,
    not_stored,
)
from leadops.web.body import RequestError, as_items, check_headers, parse_events, read_body

BODY_TIMEOUT_S = 30.0
INGEST_THREADS = 16  # more would only queue for database connections

__all__ = ["answer_body", "create_app", "database_gone"]

log = logging.getLogger("leadops.web")


def create_app(
    ingest: Callable[[list[dict[str, Any]]], IngestAnswer],
    key: str,
    ready: Callable[[], bool],
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application. `ingest` and `ready` may block: they run in threads. `more`: the routes of webhooks
    and pages, each with an authentication of its own.

    `ingest` returns one item per event (`reason` set: quarantined). If it raises, part of the events may
    be stored; the sender is told to come again with all of them, which stores none twice.
    Raises ValueError when `key` is empty, which would let everybody in.
    """
    if not key.strip():
        raise ValueError("the ingestion key is empty")
    routes = [
        Route("/v1/events", _Events(ingest, key).post, methods=["POST"]),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _Readiness(ready).get, methods=["GET"]),
        *more,
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


def answer_body(answer: IngestAnswer) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer: 202 when at least one event was taken in, else 422."""
    items = sorted(answer.items, key=lambda item: item.index)
    stored = [
        {"id": item.event_id, "source_event_id": item.source_event_id, "duplicate": item.duplicate}
        for item in items
        if item.reason is None
    ]
    quarantined = [{"index": i.index, "reason": i.reason} for i in items if i.reason is not None]
    duplicates = sum(1 for item in items if item.reason is None and item.duplicate)
    body = {"stored": stored, "duplicates": duplicates, "quarantined": quarantined}
    return (202 if stored else 422), body


class _Events:
    """POST /v1/events."""

    def __init__(self, ingest: Callable[[list[dict[str, Any]]], IngestAnswer], key: str) -> None:
        self._ingest = ingest
        self._key = key.strip().encode()
        self._limiter: CapacityLimiter | None = None

    async def post(self, request: Request) -> Response:
        """Take events in; every refusal says what to do about it."""
        began = time.perf_counter()
        request_id = token_hex(6)
        response = await self._answer(request, request_id)
        response.headers["X-Request-Id"] = request_id
        log.info(
            "request %s: %d in %.0f ms", request_id, response.status_code, (time.perf_counter() - began) * 1e3
        )
        return response

    async def _answer(self, request: Request, request_id: str) -> Response:
        # Before the body is read: a stranger must not make us buffer a megabyte.
        if not self._authorized(request.headers.get("authorization", "")):
            return error_answer(
                401,
                "the bearer key is missing or wrong (Authorization: Bearer LEADOPS_INGEST_KEY)",
                {"WWW-Authenticate": 'Bearer realm="leadops"'},
            )
        try:
            check_headers(request.headers)
            with anyio.fail_after(BODY_TIMEOUT_S):
                raw = await read_body(request)
            events = parse_events(raw)
        except RequestError as refused:
            return error_answer(refused.status, str(refused))
        except TimeoutError:
            return error_answer(408, f"the body did not arrive within {BODY_TIMEOUT_S:.0f} seconds")
        except ClientDisconnect:
            return error_answer(400, "the connection closed before the body was complete")
        return await self._store(as_items(events), request_id)

    async def _store(self, events: list[dict[str, Any]], request_id: str) -> Response:
        if self._limiter is None:  # needs a running loop, hence not in __init__
            self._limiter = CapacityLimiter(INGEST_THREADS)
        try:
            answer = await to_thread.run_sync(partial(self._ingest, events), limiter=self._limiter)
        except Exception as error:  # noqa: BLE001 - the sender needs an answer whatever happened
            return not_stored(error, request_id)
        status, body = answer_body(answer)
        log.info(
            "request %s: stored %d, duplicates %d, quarantined %d",
            request_id,
            len(body["stored"]) - body["duplicates"],
            body["duplicates"],
            len(body["quarantined"]),
        )
        return JSONResponse(body, status_code=status)

    def _authorized(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        # Both comparisons run, so that the time taken tells nothing about the key.
        same = compare_digest(credentials.strip().encode("utf-8", "surrogateescape"), self._key)
        return same and scheme.lower() == "bearer"


class _Readiness:
    """GET /readyz: is the database there?"""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._limiter: CapacityLimiter | None = None

    async def get(self, request: Request) -> Response:
        """200 or 503. Its own two threads: a burst of events must not make the service look dead."""
        del request
        if self._limiter is None:
            self._limiter = CapacityLimiter(2)
        try:
            ready = await to_thread.run_sync(self._ready, limiter=self._limiter)
        except Exception as error:  # noqa: BLE001 - whatever the probe met, the answer is "not ready"
            log.warning("readiness probe: %s", describe(error))
            ready = False
        if ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse(
            {"status": "database unreachable"}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)}
        )


async def _healthz(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


async def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"error": error.detail}, status_code=error.status_code, headers=dict(error.headers or {})
    )
