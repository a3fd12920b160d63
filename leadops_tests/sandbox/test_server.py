"""The sandbox over real sockets: what is passed on, and every way in which it fails on purpose."""

from __future__ import annotations

import concurrent.futures
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from leadops.errors import UsageError
from leadops.sandbox.frame import Fault
from leadops.sandbox.server import listen
from leadops_tests.sandbox.serving import Echo, raw, served


def test_a_request_reaches_the_provider_as_it_was_sent() -> None:
    echo = Echo()
    with served(echo) as url:
        answer = httpx.patch(f"{url}/echo/a/b%20c?x=1&x=2&y=", content=b"hello", headers={"X-Ask": "Hey"})
    assert answer.status_code == 200
    assert answer.headers["x-echo"] == "Hey"
    assert answer.json() == {
        "method": "PATCH",
        "path": "/a/b c",
        "query": {"x": "1,2", "y": ""},
        "body": "hello",
    }
    (exchange,) = echo.exchanges
    assert (exchange.method, exchange.path, exchange.status, exchange.request) == (
        "PATCH",
        "/a/b c",
        200,
        "hello",
    )
    assert exchange.fault is None


def test_providers_stand_under_their_names_only() -> None:
    with served(Echo()) as url:
        assert httpx.get(f"{url}/other/a").status_code == 404
        assert httpx.get(f"{url}/echo").status_code in (200, 307)


def test_a_large_body_arrives_whole() -> None:
    echo = Echo()
    with served(echo) as url:
        assert httpx.post(f"{url}/echo/big", content=b"x" * 8_000_000).status_code == 200
    assert len(echo.done[0].body) == 8_000_000


def test_status_nothing_done_the_vendors_own_body() -> None:
    echo = Echo()
    echo.faults.append(Fault("status", 503, headers={"Retry-After": "7"}, times=2))
    with served(echo) as url:
        first, second, third = (httpx.post(f"{url}/echo/a") for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [503, 503, 200]
    assert first.json() == {"vendor": 503}
    assert (first.headers["retry-after"], first.headers["x-refused"]) == ("7", "yes")
    assert len(echo.done) == 1
    assert [exchange.fault for exchange in echo.exchanges] == ["status 503", "status 503", None]


def test_status_with_a_body_of_ones_own() -> None:
    echo = Echo()
    echo.faults.append(Fault("status", 429, body="slow down", headers={"X-Refused": "no"}))
    with served(echo) as url:
        answer = httpx.post(f"{url}/echo/a")
    assert (answer.status_code, answer.text, answer.headers["x-refused"]) == (429, "slow down", "no")


def test_garbage_it_took_effect_and_the_answer_is_no_json() -> None:
    echo = Echo()
    echo.faults.append(Fault("garbage"))
    with served(echo) as url:
        answer = httpx.post(f"{url}/echo/a")
    assert 200 <= answer.status_code < 300
    with pytest.raises(ValueError):
        answer.json()
    assert len(echo.done) == 1


def test_cut_before_nothing_done_and_no_answer_at_all() -> None:
    echo = Echo()
    echo.faults.append(Fault("cut_before"))
    with served(echo) as url:
        assert raw(url, "/echo/a") == b""
        assert echo.done == []
        echo.faults.append(Fault("cut_before"))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{url}/echo/a")
        assert httpx.post(f"{url}/echo/a").status_code == 200
    assert [exchange.status for exchange in echo.exchanges] == [0, 0, 200]


def test_cut_after_it_took_effect_and_half_of_the_body_comes() -> None:
    echo = Echo()
    echo.faults.append(Fault("cut_after"))
    with served(echo) as url:
        head, _, body = raw(url, "/echo/a").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == promised // 2 > 0
        assert len(echo.done) == 1
        echo.faults.append(Fault("cut_after"))
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{url}/echo/a")
    assert len(echo.done) == 2


@pytest.mark.parametrize(("kind", "effects"), [("slow_before", 0), ("slow_after", 1)])
def test_slow_silence_then_the_connection_ends(kind: str, effects: int) -> None:
    echo = Echo()
    echo.faults.append(Fault(kind, seconds=0.3))  # type: ignore[arg-type]
    with served(echo) as url:
        began = time.monotonic()
        assert raw(url, "/echo/a") == b""
        assert time.monotonic() - began >= 0.3
    assert len(echo.done) == effects


@pytest.mark.parametrize(("kind", "effects"), [("slow_before", 0), ("slow_after", 1)])
def test_slow_a_client_that_gives_up_frees_the_connection(kind: str, effects: int) -> None:
    echo = Echo()
    echo.faults.append(Fault(kind, seconds=3600))  # type: ignore[arg-type]
    with served(echo) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/echo/a", timeout=0.3)
        assert len(echo.done) == effects
        assert httpx.post(f"{url}/echo/a").status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 5  # nothing is left that the server would wait for


def test_stopping_does_not_wait_for_a_silent_connection() -> None:
    echo = Echo()
    echo.faults.append(Fault("slow_before", seconds=3600))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with served(echo) as url:
            waiting = pool.submit(raw, url, "/echo/a", 30)
            while not echo.exchanges:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert waiting.result() == b"" or waiting.result().startswith(b"HTTP/1.1 5")


def test_a_fault_meets_only_what_it_names() -> None:
    echo = Echo()
    echo.faults.append(Fault("status", 500, method="POST", path="/a", times=-1))
    with served(echo) as url:
        assert httpx.get(f"{url}/echo/a").status_code == 200
        assert httpx.post(f"{url}/echo/b").status_code == 200
        assert [httpx.post(f"{url}/echo/a/{n}").status_code for n in range(3)] == [500] * 3


def test_faults_are_counted_down_once_each_by_many_at_once() -> None:
    echo = Echo()
    echo.faults.append(Fault("status", 500, times=20))
    with served(echo) as url, httpx.Client() as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = [a.status_code for a in pool.map(lambda n: client.post(f"{url}/echo/{n}"), range(50))]
    assert (codes.count(500), codes.count(200)) == (20, 30)
    assert (echo.asked, len(echo.done)) == (50, 30)


def test_latency_comes_before_the_answer() -> None:
    echo = Echo()
    echo.latency_s = (0.2, 0.25)
    with served(echo) as url:
        began = time.monotonic()
        httpx.get(f"{url}/echo/a")
        assert time.monotonic() - began >= 0.2


def test_a_taken_port_is_told_with_the_variable_to_set() -> None:
    with served(Echo()) as url, pytest.raises(UsageError, match="LEADOPS_SANDBOX_PORT"):
        listen(urlsplit(url).port or 0)


def test_it_listens_on_this_machine_only() -> None:
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.family == socket.AF_INET
