"""OpenAI's SDK over a transport and a loop in this process. Imports httpx2: import it lazily."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import httpx2

from leadops.demo.carrying import Carrier, Trouble, carried
from leadops.demo.ends import Wait, answered, ask_of, patience_of, raised_by
from leadops.sandbox.frame import Provider

T = TypeVar("T")


class InProcessAsync(httpx2.AsyncBaseTransport):
    """Carries each request to one provider, outside the loop; silence passes in the loop's time."""

    def __init__(self, provider: Provider, carry: Carrier, runner: OwnThread) -> None:
        self._provider, self._carry, self._runner = provider, carry, runner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises what httpx2 raises over a network."""
        ask = ask_of(request, await request.aread())
        patience_s = patience_of(request)
        found = self._runner.aside(lambda: carried(self._carry, self._provider, ask, patience_s))
        if isinstance(found, Trouble):
            await asyncio.sleep(found.after_s)
            raise raised_by(httpx2, found, request)
        return httpx2.Response(**answered(found))


class OwnThread:
    """Runs coroutines on the caller's thread, in the time of ``clock``; ``wait`` lets so many seconds pass.

    Where ``clock`` does not move while ``wait`` is called, the loop's own time does, so nothing waits for
    ever. A crash (a BaseException that is no Exception) out of ``aside`` ends all that runs, and is raised.
    """

    def __init__(self, clock: Callable[[], datetime], wait: Wait) -> None:
        self._loop = _Loop(clock, wait)
        self._crash: BaseException | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """Always the same."""
        return self._loop

    def run(self, work: Coroutine[Any, Any, T], patience_s: float) -> T:
        """As ``openai_loop.Runner`` says; a crash is raised, and what was under way is cancelled.

        Whatever loop runs on this thread already (a browser's, a test's) is left as it was.
        """
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self._run(work, patience_s)
        finally:
            asyncio._set_running_loop(outer)

    def _run(self, work: Coroutine[Any, Any, T], patience_s: float) -> T:
        task = self._loop.create_task(_bounded(work, patience_s))
        try:
            return self._loop.run_until_complete(task)
        except RuntimeError:
            if self._crash is None:
                raise
        finally:
            if self._crash is not None or not task.done():
                self._clear()
        crash, self._crash = self._crash, None
        assert crash is not None
        raise crash

    def aside(self, call: Callable[[], T]) -> T:
        """``call``, as if no loop ran: it may let others run, who have loops of their own."""
        if self._crash is not None:
            raise self._crash
        asyncio._set_running_loop(None)
        try:
            return call()
        except Exception:
            raise
        except BaseException as crash:
            self._crash = crash
            self._loop.stands_still = True
            self._loop.stop()
            raise
        finally:
            asyncio._set_running_loop(self._loop)

    def _clear(self) -> None:
        """Cancel what is left; it may tidy up, but neither ask anybody nor wait."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.stands_still = False


async def _bounded(work: Coroutine[Any, Any, T], patience_s: float) -> T:
    async with asyncio.timeout(patience_s):
        return await work


class _Loop(asyncio.SelectorEventLoop):
    """An event loop in somebody else's time. There is nothing to be read or written."""

    def __init__(self, clock: Callable[[], datetime], wait: Wait) -> None:
        self._clock, self._wait, self._began = clock, wait, clock()
        self._ahead_s = 0.0
        self.stands_still = False
        super().__init__(_Selector(self._pass))
        self.set_exception_handler(_tell)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return (self._clock() - self._began).total_seconds() + self._ahead_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        """At once, on this thread: the SDK asks for its platform's name so."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)
        return future

    def _pass(self, seconds: float) -> None:
        if self.stands_still:
            return
        wanted = self.time() + seconds
        # As in ``OwnThread.aside``: while it waits, others may run loops of their own.
        asyncio._set_running_loop(None)
        try:
            self._wait(seconds)
        finally:
            asyncio._set_running_loop(self)
        self._ahead_s += max(0.0, wanted - self.time())

    def __del__(self) -> None:
        if not self.is_closed():
            self.close()


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A crash is raised where the loop was run: it is no news that nobody asked its task for it."""
    if isinstance(context.get("exception"), Exception | None):
        loop.default_exception_handler(context)


class _Selector(selectors.SelectSelector):
    """Waits in virtual time: nobody else could wake this loop."""

    def __init__(self, wait: Wait) -> None:
        super().__init__()
        self._pass = wait

    def select(self, timeout: float | None = None) -> list[Any]:
        """Nothing is ever ready."""
        if timeout is None:
            raise RuntimeError("all tasks of this loop wait for something that cannot come")
        if timeout > 0:
            self._pass(timeout)
        return []
