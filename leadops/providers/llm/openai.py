"""Slots filled by a language model through OpenAI's SDK: any base URL that speaks its chat completions.

The model only points (an entry of a closed list, a passage, "this evidence reads well here"); code checks
and takes the words from the playbook or the evidence: ``domain/slots_judged.py``. What it could not be asked,
or did not answer in time, is written by rule; ``WrittenSlots.writer`` then says why. What is sent: see
``openai_prompt.py``. The same request twice (a crash between answer and save) is billed twice: that is all.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from leadops.domain.slots_judged import Lists, judge, needs_judge
from leadops.errors import UsageError
from leadops.playbook.ends import Writer
from leadops.playbook.model import Playbook
from leadops.providers.breaker import Breaker
from leadops.providers.llm import openai_answer, openai_loop, openai_prompt
from leadops.providers.llm.openai_answer import Reading
from leadops.providers.llm.openai_loop import Runner
from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.providers.llm.template import TemplateWriter

if TYPE_CHECKING:
    import ssl

    import httpx2
    from openai import AsyncOpenAI

_LOGGER = logging.getLogger(__name__)
_KEPT_WARM_S = 60.0
_CONNECTIONS = 16
"""Per client: its pool looks at all of them for every request, which with 128 took longer than the rest."""
_GRACE_S = 1.0
"""For what is cancelled at the deadline to let go."""
_SHORT_WAIT_S = (0.2, 0.6)


@dataclass(slots=True)
class _Session:
    """A client and its turns, on one loop."""

    loop: asyncio.AbstractEventLoop
    clients: itertools.cycle[AsyncOpenAI]
    all_clients: tuple[AsyncOpenAI, ...]
    turns: asyncio.Semaphore


@dataclass(slots=True)
class _Pace:
    """Requests at even distances; 0 a minute: no limit."""

    per_minute: float
    _next: float = 0.0

    def wait_s(self, now: float) -> float:
        """How long the next one has to wait; its place is taken."""
        if not self.per_minute:
            return 0.0
        at = max(self._next, now)
        self._next = at + 60 / self.per_minute
        return at - now


@dataclass(slots=True)
class _Batch:
    """One call of ``write``: when it must be over (the loop's time), whose requests are on the wire."""

    until: float
    on_the_wire: set[int] = field(default_factory=set)


class OpenAIWriter(SlotWriter):
    """Asks a model where a template has something to judge, and there is something to judge by.

    ``key`` None: OPENAI_API_KEY; ``base_url`` None: OPENAI_BASE_URL, else the vendor's. A call of ``write``
    takes ``config.deadline_s`` at most (the SDK's import, once per process, not counted).
    ``clock``: monotonic seconds, for the pause after failures. ``transport``: in place of the network.
    ``runner``: where and in whose time requests are made, by default on a thread of their own.
    ``uniform``: a number between two, for the wait before another try.
    """

    def __init__(
        self,
        key: str | None,
        base_url: str | None,
        config: Writer,
        playbook: Playbook,
        fallback: TemplateWriter,
        *,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx2.AsyncBaseTransport | None = None,
        runner: Runner = openai_loop,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.name = f"openai:{config.model}"
        self.at_once = config.concurrency
        self._pace = _Pace(config.requests_per_minute)
        self.breaker = Breaker(clock)
        self._key = key
        self._base_url = base_url
        self._config = config
        self._lists: Lists = {"pain_points": playbook.pain_points, "case_studies": playbook.case_studies}
        self._own_name = _own_name(playbook.company)
        self._fallback = fallback
        self._transport, self._runner, self._uniform = transport, runner, uniform
        self._session: _Session | None = None

    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        written: dict[int, WrittenSlots] = {}
        self.write_each(requests, written.__setitem__)
        return [written[index] for index in range(len(requests))]

    def write_each(self, requests: Sequence[SlotRequest], told: Callable[[int, WrittenSlots], None]) -> None:
        by_rule = self._fallback.write(requests)
        asked = [i for i, r in enumerate(requests) if needs_judge(r.template, r.evidence)]
        for index in sorted(set(range(len(requests))) - set(asked)):
            told(index, by_rule[index])

        def read(place: int, reading: Reading) -> None:
            index = asked[place]
            told(index, self._written(requests[index], reading, by_rule[index]))

        if asked:
            self._ask([requests[i] for i in asked], read)

    def check(self) -> None:
        """One list of models. Raises UsageError: openai_key, openai_model, openai_unreachable."""
        where = self._base_url or "the default address"
        try:
            _import_sdk()
            found = self._runner.run(self._model_ids(), self._config.timeout_s + _GRACE_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person must know what to look at
            raise _usage_error(error, where) from None
        if self._config.model not in found:
            raise UsageError(
                "openai_model",
                f"{where} does not offer the model {self._config.model}; correct writer.model in the "
                "playbook, or LEADOPS_OPENAI_URL",
            )

    def close(self) -> None:
        """End the connections. The writer may be used again."""
        session, self._session = self._session, None
        if session is not None and session.loop is self._runner.loop():
            for client in session.all_clients:
                self._runner.run(client.close(), _GRACE_S)

    def _written(self, request: SlotRequest, reading: Reading, by_rule: WrittenSlots) -> WrittenSlots:
        cost = reading.cost_usd(self._config)
        if reading.values is None:
            return replace(by_rule, writer=f"template:{reading.reason}", tokens=reading.tokens, cost_usd=cost)
        slots = judge(request.template, request.evidence, reading.values, self._lists, self._own_name)
        return WrittenSlots(slots, self.name, reading.tokens, cost)

    def _ask(self, requests: Sequence[SlotRequest], told: Callable[[int, Reading], None]) -> None:
        """One reading per request. Never raises, for a mail without a model's help is a good mail."""
        waiting, guard = set(range(len(requests))), threading.Lock()

        def once(index: int, reading: Reading) -> None:
            with guard:  # what was given up may still be answered, on the loop's thread
                if index in waiting:
                    told(index, reading)
                    waiting.discard(index)

        try:
            _import_sdk()
            batch = _Batch(self._runner.loop().time() + self._config.deadline_s)
            self._runner.run(self._all(batch, requests, once), self._config.deadline_s + 2 * _GRACE_S)
            reason = "openai_error"
        except openai_loop.OutOfTime:
            reason = "openai_deadline"
        except Exception as error:  # noqa: BLE001 - see above
            reason = "openai_key" if type(error).__name__ == "OpenAIError" else "openai_error"
            _LOGGER.warning("no model was asked: %s (%s)", reason, type(error).__name__)
        for index in sorted(waiting):
            once(index, Reading(None, reason))

    def _opened(self) -> _Session:
        """The session of this loop, on whose thread this runs. Raises openai.OpenAIError without a key."""
        loop = asyncio.get_running_loop()
        # After a fork the loop is another one: the parent's connections stay the parent's.
        session = self._session
        if session is None or session.loop is not loop:
            count = -(-self._config.concurrency // _CONNECTIONS)
            trust = _trust()
            clients = tuple(self._client(trust) for _ in range(count))
            turns = asyncio.Semaphore(self._config.concurrency)
            self._session = session = _Session(loop, itertools.cycle(clients), clients, turns)
        return session

    def _client(self, trust: ssl.SSLContext) -> AsyncOpenAI:
        import httpx2  # the SDK's transport since its version 3
        import openai

        limits = httpx2.Limits(
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_KEPT_WARM_S,
        )
        return openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._base_url,
            timeout=self._config.timeout_s,
            # The SDK repeats timeouts and sleeps up to two minutes if told to; ours knows the deadline.
            max_retries=0,
            # Where evidence goes is what the settings say, not what an answer says.
            http_client=openai.DefaultAsyncHttpxClient(
                limits=limits, follow_redirects=False, transport=self._transport, verify=trust
            ),
        )

    async def _model_ids(self) -> set[str]:
        return {model.id async for model in next(self._opened().clients).models.list()}

    async def _all(
        self, batch: _Batch, requests: Sequence[SlotRequest], told: Callable[[int, Reading], None]
    ) -> None:
        session = self._opened()

        async def one(index: int, request: SlotRequest) -> None:
            told(index, await self._one(session, batch, index, request))

        tasks = [asyncio.create_task(one(i, r)) for i, r in enumerate(requests)]
        _, late = await asyncio.wait(tasks, timeout=max(0.0, batch.until - session.loop.time()))
        if batch.on_the_wire and late:
            self.breaker.failed()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_GRACE_S)
        for index, task in enumerate(tasks):
            if task in late:
                told(index, Reading(None, "openai_deadline"))
            elif task.exception() is not None:
                told(index, Reading(None, "openai_error"))

    async def _one(self, session: _Session, batch: _Batch, index: int, request: SlotRequest) -> Reading:
        async with session.turns:
            if self.breaker.is_pausing:
                return Reading(None, "openai_pause")
            pause_s = self._pace.wait_s(session.loop.time())
            if session.loop.time() + pause_s >= batch.until:
                return Reading(None, "openai_deadline")
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            batch.on_the_wire.add(index)
            reading, wait_s = await self._try(next(session.clients), request)
            if reading.reason in openai_answer.PASSING and session.loop.time() + wait_s < batch.until:
                await asyncio.sleep(wait_s)
                reading, _ = await self._try(next(session.clients), request)
            batch.on_the_wire.discard(index)
            self._remember(reading)
            return reading

    async def _try(self, client: AsyncOpenAI, request: SlotRequest) -> tuple[Reading, float]:
        """(what came of one request, seconds to wait before another)."""
        import openai

        wait_s = self._uniform(*_SHORT_WAIT_S)
        try:
            # The SDK's own timeout is for each read: an answer that drips would never end.
            async with asyncio.timeout(self._config.timeout_s):
                raw = await self._call(client, request)
            return openai_answer.read(json.loads(raw), request.template), 0.0
        except openai.APIStatusError as error:
            asked_to_wait = openai_answer.retry_after(error.response.headers)
            reason = openai_answer.reason_of_status(error.status_code, error.code)
            return Reading(None, reason), wait_s if asked_to_wait is None else asked_to_wait
        except (openai.APITimeoutError, TimeoutError):
            return Reading(None, "openai_timeout"), wait_s
        except openai.APIConnectionError:
            return Reading(None, "openai_connection"), wait_s
        except (ValueError, RecursionError):
            return Reading(None, "openai_garbage"), wait_s

    async def _call(self, client: AsyncOpenAI, request: SlotRequest) -> str:
        """The answer as text: the SDK does not check answers against its own types, so we read it ourselves.

        ``chat.completions.create`` walks through the whole schema for every request, to find what it might
        have to rename: half of what a request costs us, and there is nothing. So the body goes as it is.
        """
        import httpx2

        config = self._config
        body = {
            "model": config.model,
            "messages": openai_prompt.messages(request.template, request.evidence, self._lists),
            "response_format": openai_prompt.response_format(request.template, self._lists),
            "temperature": config.temperature,
            "max_completion_tokens": config.max_tokens,
        }
        answer = await client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        return answer.text

    def _remember(self, reading: Reading) -> None:
        """A refusal or a bad request is an answer; silence, overload and a wrong key are not."""
        is_answer = reading.values is not None or reading.tokens > 0
        if is_answer:
            self.breaker.worked()
        elif reading.reason not in openai_answer.ITEM:
            self.breaker.failed()


def _import_sdk() -> None:
    """Half a second, once per process, on the caller's thread: the loop must not stand still for it."""
    importlib.import_module("openai")


@cache
def _trust() -> ssl.SSLContext:
    """One for the process: to make it reads every certificate there is, as long as five requests take."""
    import httpx2

    return httpx2.create_ssl_context()


def _own_name(company: str) -> str:
    """The word that names us: the first of the company's name, unless it says too little."""
    first = company.split()[0] if company.split() else ""
    return first if len(first) >= 4 else company


def _usage_error(error: Exception, where: str) -> UsageError:
    status = getattr(error, "status_code", None)
    if type(error).__name__ == "OpenAIError" or status == 401:
        missing = "no key" if status is None else f"{where} refuses the key"
        return UsageError("openai_key", f"{missing}; set LEADOPS_OPENAI_KEY, or LEADOPS_WRITER=template")
    if status is not None:
        return UsageError(
            f"openai_{status}",
            f"{where} answers {status} to a list of models; check LEADOPS_OPENAI_URL and what the key may do",
        )
    return UsageError(
        "openai_unreachable", f"{where} cannot be reached ({type(error).__name__}); check LEADOPS_OPENAI_URL"
    )
