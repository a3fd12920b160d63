"""The server as a process: it says why it cannot start, and stops as asked."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leadops.errors import UsageError
from leadops.web.server import listen

PROJECT = Path(__file__).parents[2]
# One request takes until the file `go` exists; the port is printed when it listens.
PROGRAM = """
import sys, time
from pathlib import Path
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from leadops.web.server import serve

folder = Path(sys.argv[1])

def slow(request):
    (folder / "asked").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return PlainTextResponse("done")

serve(Starlette(routes=[Route("/slow", slow)]), "127.0.0.1", 0, lambda port: print(port, flush=True))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    (tmp_path / "go").touch()
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_finishes_what_it_answers_and_ends_with_0(
    server: tuple[subprocess.Popen[str], int], tmp_path: Path, number: signal.Signals
) -> None:
    process, port = server
    with httpx.Client(timeout=30, trust_env=False) as client:
        with client.stream("GET", f"http://127.0.0.1:{port}/none") as response:
            assert response.status_code == 404
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
            sender.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while not (tmp_path / "asked").exists():
                assert process.poll() is None
            process.send_signal(number)
            (tmp_path / "go").touch()
            answer = b""
            while chunk := sender.recv(4096):
                answer += chunk
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"done")
    assert b"server:" not in answer.lower()
    assert process.wait(20) == 0


def test_a_port_in_use_is_named_with_its_variable() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"Port {port} .* LEADOPS_INGEST_PORT"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_names_the_variables() -> None:
    with pytest.raises(UsageError, match="LEADOPS_BIND"):
        listen("192.0.2.1", 0)
