"""`leadops sandbox` as a person starts it: a process of its own, used with the vendor's SDK."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import httpx
import pytest
from python_http_client.exceptions import BadRequestsError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook

from leadops.cli.sandbox import build, environment
from leadops.errors import UsageError
from leadops.sandbox.server import running
from leadops.sandbox.webhooks import SIGNATURE, TIMESTAMP
from leadops.settings import PROJECT_ROOT, Settings
from leadops_tests.sandbox.sendgrid.asks import message

PROGRAM = "import typer; from leadops.cli.sandbox import sandbox; typer.run(sandbox)"


class Started:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.url, self.exports = "", {}
        assert process.stdout is not None
        self.url = process.stdout.readline().split()[3].rstrip("/,")
        for line in iter(process.stdout.readline, ""):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            self.exports[name] = value
            if name == "LEADOPS_SENDGRID_KEY" or not line:
                break

    def read_export(self) -> None:
        assert self.process.stdout is not None
        name, _, value = self.process.stdout.readline().removeprefix("export ").strip().partition("=")
        self.exports[name] = value

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextmanager
def started(*arguments: str, folder: Path) -> Iterator[Started]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LEADOPS_")}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--only", "sendgrid", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**environ, "PYTHONPATH": str(PROJECT_ROOT)},
    )
    try:
        yield Started(process)
    finally:
        process.kill()
        process.communicate()


def test_the_vendors_sdk_talks_to_it_as_the_printed_lines_say(tmp_path: Path) -> None:
    with started("--verified", "seller.example", folder=tmp_path) as run:
        assert run.exports == {
            "LEADOPS_EMAIL": "sendgrid",
            "LEADOPS_SENDGRID_URL": f"{run.url}/sendgrid",
            "LEADOPS_SENDGRID_KEY": "sandbox",
        }
        client = SendGridAPIClient("sandbox", host=run.exports["LEADOPS_SENDGRID_URL"])
        answer = client.client.mail.send.post(request_body=message())
        assert (answer.status_code, answer.body) == (202, b"")
        received = httpx.get(f"{run.url}/control/received", params={"touch": "t-1"}).json()["received"]
        assert received[0]["sg_message_id"].startswith(answer.headers["X-Message-Id"])
        with pytest.raises(BadRequestsError) as refused:
            client.client.mail.send.post(request_body=message(subject=""))
        assert json.loads(refused.value.body)["errors"][0]["field"] == "subject"
        with pytest.raises(UnauthorizedError):
            SendGridAPIClient("other", host=f"{run.url}/sendgrid").client.mail.send.post(
                request_body=message()
            )
        assert "Your request" in httpx.get(run.url).text
        assert run.stop() == 0


def test_with_webhooks_every_mail_is_delivered_and_people_answer_by_hand(tmp_path: Path) -> None:
    heard: Queue[tuple[str, dict[str, str], bytes]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.put((self.path, dict(self.headers.items()), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    key = tmp_path / "webhook.pem"
    arguments = ("--events-url", f"{address}/e", "--inbound-url", f"{address}/i", "--webhook-key", str(key))
    with started(*arguments, folder=tmp_path) as run:
        run.read_export()
        public = run.exports["LEADOPS_SENDGRID_EVENT_KEY"]
        headers = {"Authorization": "Bearer sandbox"}
        httpx.post(f"{run.url}/sendgrid/v3/mail/send", json=message(), headers=headers)
        path, given, body = heard.get(timeout=10)
        assert (path, [event["event"] for event in json.loads(body)]) == ("/e", ["processed", "delivered"])
        assert EventWebhook(public).verify_signature(body.decode(), given[SIGNATURE], given[TIMESTAMP])
        verbs = f"{run.url}/control/do"
        assert httpx.post(f"{verbs}/event", json={"touch": "t-1", "kind": "bounce"}).status_code == 200
        assert json.loads(heard.get(timeout=10)[2])[0]["type"] == "bounce"
        assert httpx.post(f"{verbs}/reply", json={"touch": "t-1", "text": "Yes please"}).status_code == 200
        path, _, body = heard.get(timeout=10)
        assert path == "/i"
        assert b"Yes please" in body
        httpx.post(f"{run.url}/sendgrid/v3/mail/send", json=message(), headers=headers)
        assert [event["event"] for event in json.loads(heard.get(timeout=10)[2])] == ["dropped"]
        assert httpx.post(f"{verbs}/event", json={"touch": "none", "kind": "open"}).status_code == 422
        assert httpx.post(f"{verbs}/event", json={"kind": "open"}).status_code == 422
        assert httpx.post(f"{verbs}/reply", json={"touch": "t-1"}).status_code == 422
    with started(*arguments, folder=tmp_path) as again:
        again.read_export()
        assert again.exports["LEADOPS_SENDGRID_EVENT_KEY"] == public
    assert key.stat().st_mode & 0o077 == 0
    server.shutdown()
    server.server_close()


def test_build_takes_keys_from_the_settings_and_options_for_the_vendor(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, sendgrid_key="mine")  # type: ignore[arg-type]
    app, providers, control = build(config, only=["sendgrid"], sendgrid={"keeps_message_id": True})
    (vendor,) = providers
    assert vendor.key == "mine"  # type: ignore[attr-defined]
    assert vendor.mailroom.keeps_message_id  # type: ignore[attr-defined]
    control.verbs["grow"] = lambda given: given
    assert control.state()["verbs"] == ["grow"]
    assert app.routes
    assert environment("http://x", providers, {"sendgrid": "mine"})["LEADOPS_SENDGRID_KEY"] == "mine"


def test_an_unknown_provider_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose from hubspot, openai, sendgrid, apollo"):
        build(Settings(home=tmp_path), only=["mailgun"])


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_text("no key")
    arguments = ("--events-url", "http://127.0.0.1:9/", "--webhook-key", "k.pem")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--only", "sendgrid", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
    )
    assert done.returncode != 0
    assert "The webhooks cannot be posted" in done.stderr


def test_all_providers_stand_side_by_side_and_let_only_their_keys_in(tmp_path: Path) -> None:
    built = build(Settings(home=tmp_path))
    asked = {
        "hubspot": ("GET", "/crm/objects/2026-09/contacts"),
        "openai": ("GET", "/v1/models"),
        "sendgrid": ("GET", "/v3/scopes"),
        "apollo": ("GET", "/api/v1/organizations/enrich?domain=acme.com"),
        "clearbit": ("GET", "/v2/combined/find?email=anna@acme.com"),
        "self_hosted": ("GET", "/?domain=acme.com"),
    }
    assert [provider.name for provider in built.providers] == list(asked)
    with running(built.app) as url, httpx.Client() as client:
        for name, (method, path) in asked.items():
            for key, expected in (("sandbox", 200), ("wrong", 401)):
                headers = {"Authorization": f"Bearer {key}", "x-api-key": key}
                if name == "clearbit":
                    headers["Authorization"] = httpx.BasicAuth(key, "")._auth_header
                assert (
                    client.request(method, f"{url}/{name}{path}", headers=headers).status_code == expected
                ), name
        page = client.get(url).text
    assert all(title in page for title in ("HubSpot", "OpenAI", "SendGrid"))
