"""The page behind a message's unsubscribe link, and its one-click form (RFC 8058, R12).

Link scanners open every link: GET and HEAD change nothing. A POST opts out only with what a mail program
sends (``List-Unsubscribe=One-Click``) or what the page's own button sends (``confirm=yes``). No cookies, no
scripts, nothing from elsewhere, nothing about the person: the token in the path is all there is.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import escape
from secrets import token_hex
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from leadops.terms import EventKind, stable_id
from leadops.web.answers import RETRY_AFTER_S, IngestAnswer, describe
from leadops.web.body import RequestError, check_length, read_body
from leadops.web.forms import FormError, fields_of

PATH = "/u/{token}"
SOURCE = "unsubscribe"
MAX_BYTES = 16 * 1024
BODY_TIMEOUT_S = 15.0
THREADS = 4
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")

_STYLE = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1.2rem;"
    "color:#1c1c1c;background:#fff}h1{font-size:1.5rem}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.4rem;background:#1c1c1c;color:#fff;"
    "cursor:pointer}button:focus-visible{outline:3px solid #4a90d9;outline-offset:2px}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
_OTHERWISE = (
    "Or answer any of our messages with the single word <b>unsubscribe</b>: that has the same effect."
)
_BUTTON = '<form method="post"><button type="submit" name="confirm" value="yes">{}</button></form>'

log = logging.getLogger("leadops.web")


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """``known``: is it a token of ours? ``take_in`` stores an event on the wire. Both may block."""

    known: Callable[[str], bool]
    take_in: Callable[[list[dict[str, Any]]], IngestAnswer]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def routes(self) -> list[Route]:
        """GET, HEAD and POST."""
        return [Route(PATH, _Page(self).answer, methods=["GET", "POST"])]


def opt_out_of(token: str, now: datetime, how: str) -> dict[str, Any]:
    """The event of an opt-out. Its id derives from the token, so that the same link opts out once."""
    return {
        "source": SOURCE,
        "id": stable_id("unsub", token),
        "kind": EventKind.OPTED_OUT.value,
        "occurred_at": now.isoformat(),
        "contact": {},
        "properties": {"reply_token": token, "reason": how},
    }


class _Page:
    def __init__(self, ends: Unsubscribe) -> None:
        self._ends = ends
        self._limiter: CapacityLimiter | None = None

    async def answer(self, request: Request) -> Response:
        """Every answer is a page a person can read; none holds the token or anything sent."""
        token, request_id = request.path_params["token"], token_hex(6)
        try:
            how = await _how(request) if request.method == "POST" else None
            page = await self._page(token, request.method, how)
        except RequestError as refused:
            page = _asking(refused.status)
        except Exception as error:  # noqa: BLE001 - a person waits for an answer
            log.warning("unsubscribe %s: %s", request_id, describe(error))
            page = _later()
        log.info("unsubscribe %s: %s %d", request_id, request.method, page.status_code)
        return page

    async def _page(self, token: str, method: str, how: str | None) -> Response:
        if not _TOKEN.fullmatch(token) or not await self._blocking(partial(self._ends.known, token)):
            return _unknown()
        if method != "POST":
            return _asking(200)
        if how is None:
            return _asking(400)
        event = opt_out_of(token, self._ends.clock(), how)
        answer = await self._blocking(partial(self._ends.take_in, [event]))
        if any(item.reason is not None for item in answer.items):
            log.error("unsubscribe: the event was not accepted")
            return _later()
        return _done()

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        if self._limiter is None:  # needs a running loop, hence not in __init__
            self._limiter = CapacityLimiter(THREADS)
        return await to_thread.run_sync(call, limiter=self._limiter)


async def _how(request: Request) -> str | None:
    """``one_click`` or ``page``; None where the body is neither."""
    check_length(request.headers, MAX_BYTES)
    try:
        with anyio.fail_after(BODY_TIMEOUT_S):
            raw = await read_body(request, MAX_BYTES)
        fields = fields_of(request.headers.get("content-type", ""), io.BytesIO(raw))
    except (FormError, TimeoutError, ClientDisconnect):
        return None
    if fields.get("List-Unsubscribe") == b"One-Click":
        return "one_click"
    return "page" if fields.get("confirm") == b"yes" else None


def _asking(status: int) -> Response:
    button = _BUTTON.format("Unsubscribe")
    return _html(
        status, "Unsubscribe", "Do you want no more messages like this one from us?", button, _OTHERWISE
    )


def _done() -> Response:
    return _html(
        200,
        "You are unsubscribed",
        "We will not send you such messages any more. One that is on its way already may still arrive.",
    )


def _unknown() -> Response:
    return _html(
        404,
        "This link is not known here",
        "It may have been cut off: please open it from the message again.",
        _OTHERWISE,
    )


def _later() -> Response:
    page = _html(
        503,
        "That did not work",
        "Your wish may not have been stored. Please try again in a minute.",
        _BUTTON.format("Try again"),
        _OTHERWISE,
    )
    page.headers["Retry-After"] = str(RETRY_AFTER_S)
    return page


def _html(status: int, title: str, *paragraphs: str) -> Response:
    shown = "".join(p if p.startswith("<form") else f"<p>{p}</p>" for p in paragraphs)
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex,nofollow"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{shown}</main></body></html>"
    )
    return HTMLResponse(body, status_code=status, headers=_HEADERS)
