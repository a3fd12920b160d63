"""What SendGrid posts: its signed event webhook and its signed Inbound Parse.

The signature is checked over the bytes as they came, before anything is parsed; the body is kept in a file
once it is longer than a megabyte, so that a stranger fills no memory. What the events mean is the business
of ``leadops.providers.email``; what is stored, of the callable given. Nothing a sender wrote is logged.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from leadops.providers.crm.port import RawRow
from leadops.providers.email import sendgrid_events, sendgrid_inbound
from leadops.providers.email.sendgrid_signature import SignatureError, Verifier
from leadops.web.answers import IngestAnswer, error_answer, not_stored
from leadops.web.body import RequestError, check_length, too_long
from leadops.web.forms import FormError, fields_of

EVENTS_PATH = "/v1/webhooks/sendgrid/events"
INBOUND_PATH = "/v1/webhooks/sendgrid/inbound"

MAX_EVENT_BYTES = 8 * 1024 * 1024
MAX_EVENTS = 20_000
MAX_INBOUND_BYTES = 32 * 1024 * 1024
"""The vendor takes mail of up to 30 MB and adds fields of its own."""
BODY_TIMEOUT_S = 60.0
IN_MEMORY_BYTES = 1024 * 1024
EVENT_THREADS = 6
INBOUND_THREADS = 2  # one mail may take some hundred megabytes while it is read

log = logging.getLogger("leadops.web")


@dataclass(frozen=True, slots=True)
class SendGrid:
    """What the two webhooks need.

    ``take_in`` stores rows and may block; it runs in a thread. It is called once per request, also where it
    raised before: what is stored already stays single. A verifier of None: that webhook is not set up.
    """

    take_in: Callable[[list[RawRow]], IngestAnswer]
    events: Verifier | None = None
    inbound: Verifier | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def routes(self) -> list[Route]:
        """POST for each of them."""
        events = _Webhook(self, self.events, "LEADOPS_SENDGRID_EVENT_KEY", MAX_EVENT_BYTES, _event_rows)
        inbound = _Webhook(self, self.inbound, "LEADOPS_SENDGRID_INBOUND_KEY", MAX_INBOUND_BYTES, _mail_rows)
        return [
            Route(EVENTS_PATH, events.post, methods=["POST"]),
            Route(INBOUND_PATH, inbound.post, methods=["POST"]),
        ]


Rows = Callable[[BinaryIO, str, datetime], tuple[list[RawRow], int]]


class _Webhook:
    """One of them: refuse or verify, read, translate, store."""

    def __init__(
        self, ends: SendGrid, verifier: Verifier | None, setting: str, limit: int, rows: Rows
    ) -> None:
        self._ends, self._verifier, self._setting = ends, verifier, setting
        self._limit, self._rows = limit, rows
        self._threads = INBOUND_THREADS if rows is _mail_rows else EVENT_THREADS
        self._limiter: CapacityLimiter | None = None

    async def post(self, request: Request) -> Response:
        """200 with counts; 403 unsigned, 4xx unreadable, 5xx come again."""
        began, request_id = time.perf_counter(), token_hex(6)
        response = await self._guarded(request, request_id)
        response.headers["X-Request-Id"] = request_id
        took = (time.perf_counter() - began) * 1e3
        log.info("webhook %s: %d in %.0f ms", request_id, response.status_code, took)
        return response

    async def _guarded(self, request: Request, request_id: str) -> Response:
        try:
            return await self._answer(request, request_id)
        except SignatureError as refused:
            log.warning("webhook %s: refused, %s", request_id, refused.code)
            return error_answer(403, str(refused))
        except RequestError as refused:
            return error_answer(refused.status, str(refused))
        except TimeoutError:
            return error_answer(408, f"the body did not arrive within {BODY_TIMEOUT_S:.0f} seconds")
        except ClientDisconnect:
            return error_answer(400, "the connection closed before the body was complete")

    async def _answer(self, request: Request, request_id: str) -> Response:
        if self._verifier is None:
            # 5xx, and the vendor keeps what it has for us until the key is there.
            return error_answer(
                503, f"this webhook is not set up: set {self._setting} to its public key, then restart"
            )
        now = self._ends.clock()
        check = self._verifier.begin(request.headers, now)
        check_length(request.headers, self._limit)
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
            size = 0
            with anyio.fail_after(BODY_TIMEOUT_S):
                async for piece in request.stream():
                    size += len(piece)
                    if size > self._limit:
                        raise too_long(self._limit)
                    check.update(piece)
                    body.write(piece)
            check.verify()
            body.seek(0)
            kind = request.headers.get("content-type", "")
            return await self._store(partial(self._rows, cast("BinaryIO", body), kind, now), request_id)

    async def _store(self, rows: Callable[[], tuple[list[RawRow], int]], request_id: str) -> Response:
        if self._limiter is None:  # needs a running loop, hence not in __init__
            self._limiter = CapacityLimiter(self._threads)
        try:
            counts = await to_thread.run_sync(partial(self._take_in, rows), limiter=self._limiter)
        except RequestError:
            raise
        except Exception as error:  # noqa: BLE001 - the sender needs an answer whatever happened
            return not_stored(error, request_id)
        log.info("webhook %s: %s", request_id, ", ".join(f"{n} {what}" for what, n in counts.items()))
        return JSONResponse(counts)

    def _take_in(self, translated: Callable[[], tuple[list[RawRow], int]]) -> dict[str, int]:
        rows, ignored = translated()
        items = self._ends.take_in(rows).items if rows else ()
        quarantined = sum(i.reason is not None for i in items)
        duplicates = sum(i.reason is None and i.duplicate for i in items)
        return {
            "stored": len(items) - quarantined - duplicates,
            "duplicates": duplicates,
            "quarantined": quarantined,
            "ignored": ignored,
        }


def _event_rows(body: BinaryIO, _kind: str, _now: datetime) -> tuple[list[RawRow], int]:
    try:
        events: Any = json.loads(body.read())
    except (ValueError, RecursionError):
        raise RequestError(400, "malformed JSON") from None
    if not isinstance(events, list):
        raise RequestError(400, "the body must be a list of events")
    if len(events) > MAX_EVENTS:
        raise RequestError(413, f"at most {MAX_EVENTS} events in one request")
    return sendgrid_events.translate(events)


def _mail_rows(body: BinaryIO, kind: str, now: datetime) -> tuple[list[RawRow], int]:
    """A signed body that is no form is kept too: refused for good, the vendor would drop the mail."""
    try:
        return sendgrid_inbound.translate(fields_of(kind, body), now), 0
    except FormError as error:
        size = body.seek(0, 2)
        body.seek(0)
        return [sendgrid_inbound.unreadable(f"form: {error}", size, body.read(2_000))], 0
