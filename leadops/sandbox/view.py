"""The page ``/``: what each provider was asked, and what people would have got. For eyes only; read-only.

Everything shown comes from outside and is escaped by the template; the page's policy lets no script run
but its own, which only fetches the page again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from leadops.sandbox.frame import Exchange, Fault, Provider

if TYPE_CHECKING:
    from jinja2 import Template

TITLES = {
    "hubspot": "HubSpot",
    "openai": "OpenAI",
    "sendgrid": "SendGrid",
    "apollo": "Apollo",
    "clearbit": "Clearbit (legacy)",
    "self_hosted": "Own enrichment service",
}
EXCHANGES = 60
TOGETHER, ALONE = (12, 15), (40, 60)
"""(messages, changes) shown of each provider: beside all others, alone."""
REFRESH_S = 3
_LONGEST = 6_000


@dataclass(frozen=True, slots=True)
class _Row:
    """An exchange as the page shows it. ``id`` stays the same while the page is refreshed."""

    id: str
    provider: str
    at: datetime
    method: str
    path: str
    status: int
    problems: tuple[str, ...]
    request: str
    response: str
    fault: str | None

    @property
    def tone(self) -> str:
        """CSS class of the status."""
        if self.status == 0:
            return "cut"
        return {2: "ok", 3: "ok", 4: "bad", 5: "down"}.get(self.status // 100, "")


@dataclass(frozen=True, slots=True)
class _Section:
    """One provider as the page shows it."""

    name: str
    title: str
    asked: int
    problems: int
    faults: tuple[str, ...]
    latency: str
    mode: str
    rows: tuple[_Row, ...]
    mails: tuple[Any, ...]
    accepted: int
    summary: tuple[tuple[str, ...], ...]


def page(providers: Sequence[Provider]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of ``/``; ``?provider=`` chooses one."""

    async def show(request: Request) -> Response:
        chosen = request.query_params.get("provider", "")
        nonce = secrets.token_urlsafe(16)
        html = await run_in_threadpool(render, providers, chosen, nonce)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(html, headers={"content-security-policy": policy, "cache-control": "no-store"})

    return show


def render(providers: Sequence[Provider], chosen: str, nonce: str) -> str:
    """The page as HTML."""
    alone = chosen in [provider.name for provider in providers]
    sections = [_section(provider, *(ALONE if alone else TOGETHER)) for provider in providers]
    shown = [section for section in sections if section.name == chosen] or sections
    rows = sorted((row for section in shown for row in section.rows), key=lambda row: row.at, reverse=True)
    return _template().render(
        sections=sections,
        chosen=chosen if alone else "",
        shown=shown,
        rows=rows[:EXCHANGES],
        mails=[mail for section in shown for mail in section.mails],
        accepted=sum(section.accepted for section in shown),
        takes_mail=any(hasattr(p, "mailroom") for p in providers if p.name in {s.name for s in shown}),
        nonce=nonce,
        refresh=REFRESH_S,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("leadops.sandbox", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    return environment.get_template("view.html")


def _section(provider: Provider, most_mails: int, most_changes: int) -> _Section:
    with provider.lock:
        exchanges = list(islice(reversed(provider.exchanges), EXCHANGES))
        asked, faults = provider.asked, [_told(fault) for fault in provider.faults if fault.times]
        problems = sum(bool(exchange.problems) for exchange in provider.exchanges)
        low, high = provider.latency_s
        accepted = provider.mailroom.accepted if hasattr(provider, "mailroom") else []
        mails = list(islice(reversed(accepted), most_mails))
        summary = provider.summary() if hasattr(provider, "summary") else []
        mode = str(getattr(provider, "mode", ""))
    return _Section(
        name=provider.name,
        title=TITLES.get(provider.name, provider.name),
        asked=asked,
        problems=problems,
        faults=tuple(faults),
        latency=f"{low:g} to {high:g} s" if high else "none",
        mode=mode,
        rows=tuple(_row(provider.name, asked - n, exchange) for n, exchange in enumerate(exchanges)),
        mails=tuple(mails),
        accepted=len(accepted),
        summary=tuple(tuple(map(str, row)) for row in summary[:most_changes]),
    )


def _row(name: str, number: int, exchange: Exchange) -> _Row:
    return _Row(
        id=f"{name}-{number}",
        provider=name,
        at=exchange.at,
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        problems=exchange.problems,
        request=_pretty(exchange.request),
        response=_pretty(exchange.response),
        fault=exchange.fault,
    )


def _told(fault: Fault) -> str:
    what = f"status {fault.status}" if fault.kind == "status" else fault.kind.replace("_", " ")
    where = f" for {fault.method} {fault.path}".rstrip() if fault.method or fault.path else ""
    return f"{what}{where}, " + ("every time" if fault.times < 0 else f"{fault.times} more")


def _pretty(text: str) -> str:
    """JSON with line breaks, anything else as it is; at most 6,000 characters."""
    if text[:1] in "{[" and len(text) <= 10 * _LONGEST:
        with suppress(ValueError):  # Not JSON after all: shown as it came.
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n…"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %b %H:%M:%S}"
