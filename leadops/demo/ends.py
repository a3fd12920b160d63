"""The ends in this process: the real adapters, answered by the sandbox's providers without a socket.

What the adapters send is byte for byte what they send over HTTP, so the sandbox checks it all the same; what
goes wrong on the way reaches them as their own library's errors. ``carry`` says what happens to a request
(``carrying.py``); ``wait`` gets the seconds of silence before a timeout or a late cut. Nothing here reads the
machine's clock or runs on another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx

from leadops.demo.carrying import Carrier, Trouble, carried, plain
from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Playbook, Rep
from leadops.providers.crm.hubspot import HubSpot
from leadops.providers.email.sendgrid import SendGrid
from leadops.providers.enrichment.apollo import Apollo
from leadops.providers.enrichment.self_hosted import SelfHosted
from leadops.providers.llm.openai import OpenAIWriter
from leadops.providers.llm.template import TemplateWriter
from leadops.sandbox.enrichment import ApolloSandbox, SelfHostedSandbox
from leadops.sandbox.frame import Answer, Ask, Provider, query_of
from leadops.sandbox.hubspot import HubSpotSandbox
from leadops.sandbox.sendgrid import SendGridSandbox

if TYPE_CHECKING:
    import httpx2

    from leadops.sandbox.openai import OpenAISandbox

Wait = Callable[[float], None]
HUBSPOT_TIMEOUT_S = 20.0
SENDGRID_TIMEOUT_S = 15.0


def no_wait(_seconds: float) -> None:
    """For a clock that stands still during a call."""


def hubspot_end(
    sandbox: HubSpotSandbox,
    mapping: HubSpotMapping,
    reps: Sequence[Rep],
    clock: Callable[[], datetime],
    *,
    carry: Carrier = plain,
    wait: Wait = no_wait,
    timeout_s: float = HUBSPOT_TIMEOUT_S,
) -> HubSpot:
    """HubSpot's adapter. Its budget of requests, which is about real seconds, is without bounds."""
    mapping = mapping.model_copy(update={"requests_per_second": 1e9, "searches_per_second": 1e9})
    return HubSpot(
        sandbox.token,
        mapping,
        reps,
        base_url="http://hubspot.sandbox",
        timeout_s=timeout_s,
        transport=InProcess(sandbox, carry, wait),
        clock=lambda: clock().timestamp(),
        wait=wait,
    )


def sendgrid_end(
    sandbox: SendGridSandbox,
    clock: Callable[[], datetime],
    *,
    carry: Carrier = plain,
    wait: Wait = no_wait,
    timeout_s: float = SENDGRID_TIMEOUT_S,
    track_opens: bool = False,
    track_clicks: bool = False,
) -> SendGrid:
    """SendGrid's adapter, with the vendor's SDK down to the socket it would write to."""

    def line(*args: Any, **given: Any) -> Any:
        from leadops.demo.ends_sendgrid import InProcessLine

        return InProcessLine(*args, **given, carry=carry, provider=sandbox, wait=wait)

    return SendGrid(
        sandbox.key,
        "http://sendgrid.sandbox",
        timeout_s,
        track_opens=track_opens,
        track_clicks=track_clicks,
        clock=lambda: clock().timestamp(),
        line=line,
    )


def openai_end(
    sandbox: OpenAISandbox,
    playbook: Playbook,
    clock: Callable[[], datetime],
    *,
    carry: Carrier = plain,
    wait: Wait = no_wait,
) -> OpenAIWriter:
    """OpenAI's adapter, on the caller's thread and in the time of ``clock`` and ``wait``.

    Requests of one batch are carried one after another in their order; what they wait for passes at once for
    all of them, as it would outside. One for each simulated process: it cannot be called while a call of it
    is under way.
    """
    from leadops.demo.ends_openai import InProcessAsync, OwnThread

    runner = OwnThread(clock, wait)
    return OpenAIWriter(
        sandbox.key,
        "http://openai.sandbox/v1",
        playbook.writer,
        playbook,
        TemplateWriter(),
        clock=runner.loop().time,
        transport=InProcessAsync(sandbox, carry, runner),
        runner=runner,
        uniform=lambda low, _high: low,
    )


def enrichment_ends(
    apollo: ApolloSandbox,
    own: SelfHostedSandbox,
    clock: Callable[[], datetime],
    *,
    carry: Carrier = plain,
    wait: Wait = no_wait,
) -> tuple[SelfHosted, Apollo]:
    """Two who are asked about leads, by their adapters: a service of one's own, Apollo."""

    def seconds() -> float:
        return clock().timestamp()

    return (
        SelfHosted(own.key, "http://self-hosted.sandbox/", InProcess(own, carry, wait), seconds),
        Apollo(apollo.key, "http://apollo.sandbox/api/v1", InProcess(apollo, carry, wait), seconds),
    )


class InProcess(httpx.BaseTransport):
    """Carries each request of an httpx client to one provider; paths begin after its prefix."""

    def __init__(self, provider: Provider, carry: Carrier = plain, wait: Wait = no_wait) -> None:
        self._provider, self._carry, self._wait = provider, carry, wait

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises what httpx raises over a network."""
        ask = ask_of(request, request.read())
        found = carried(self._carry, self._provider, ask, patience_of(request))
        if isinstance(found, Trouble):
            self._wait(found.after_s)
            raise raised_by(httpx, found, request)
        return httpx.Response(**answered(found))


def ask_of(request: httpx.Request | httpx2.Request, body: bytes) -> Ask:
    """As the sandbox's server reads the same bytes."""
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Ask(request.method, unquote(path), headers, query_of(query), body)


def patience_of(request: httpx.Request | httpx2.Request) -> float:
    """Seconds the client waits for an answer."""
    told = request.extensions.get("timeout", {}).get("read")
    return float("inf") if told is None else float(told)


def raised_by(library: Any, trouble: Trouble, request: Any) -> Exception:
    """What ``library`` (httpx or httpx2, whose names are the same) raises where this happens on a network."""
    kind, said = _RAISED[trouble.kind]
    if trouble.answer is not None:
        said = "peer closed connection without sending complete message body"
    error: Exception = getattr(library, kind)(said, request=request)
    return error


_RAISED = {
    "refused": ("ConnectError", "[Errno 111] Connection refused"),
    "no_connection": ("ConnectTimeout", "timed out"),
    "timeout": ("ReadTimeout", "timed out"),
    "cut": ("RemoteProtocolError", "Server disconnected without sending a response."),
}


def answered(answer: Answer) -> dict[str, Any]:
    """An answer as the arguments of a response of httpx or httpx2."""
    return {"status_code": answer.status, "headers": dict(answer.headers), "content": answer.body}
