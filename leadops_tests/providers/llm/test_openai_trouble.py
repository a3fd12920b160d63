"""Whatever OpenAI or the network does: words by rule, the reason told, what was billed counted, in time."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from typing import Any

import pytest

from leadops.providers.llm.openai_answer import PASSING
from leadops.providers.llm.port import WrittenSlots
from leadops.providers.llm.template import TemplateWriter
from leadops.sandbox.frame import Answer, Ask, Fault
from leadops.sandbox.openai import QUOTA, OpenAISandbox
from leadops_tests.providers.llm.asking import ANNA, KEY, PLAYBOOK, request, writer_for
from leadops_tests.providers.llm.conftest import Made
from leadops_tests.providers.llm.serving import Served

BY_RULE = TemplateWriter().write([request()])[0].slots
NO_WAIT = {"retry-after": "", "retry-after-ms": ""}


def status(code: int, headers: dict[str, str] | None = None, body: str | None = None) -> Fault:
    return Fault("status", code, headers or {}, body, times=-1)


TROUBLE: dict[str, tuple[Fault, str]] = {
    "bad request": (status(400), "openai_400"),
    "key refused": (status(401), "openai_key"),
    "not allowed": (status(403), "openai_403"),
    "no such model": (status(404), "openai_404"),
    "conflict": (status(409), "openai_409"),
    "not processable": (status(422), "openai_422"),
    "rate limit, says nothing": (status(429, NO_WAIT), "openai_429"),
    "rate limit, soon over": (status(429, {"retry-after-ms": "50"}), "openai_429"),
    "rate limit, for long": (status(429, {"retry-after": "3600", "retry-after-ms": ""}), "openai_429"),
    "rate limit, until a date": (
        status(429, {"retry-after": "Tue, 03 Mar 2026 18:00:00 GMT", "retry-after-ms": ""}),
        "openai_429",
    ),
    "quota used up": (status(429, body=QUOTA), "openai_quota"),
    "server error": (status(500), "openai_500"),
    "overloaded": (status(503), "openai_503"),
    "a proxy's page": (status(502, body="<html>Bad gateway</html>"), "openai_502"),
    "silence before": (Fault("slow_before", seconds=30, times=-1), "openai_timeout"),
    "silence after": (Fault("slow_after", seconds=30, times=-1), "openai_timeout"),
    "garbage": (Fault("garbage", times=-1), "openai_garbage"),
    "cut before": (Fault("cut_before", times=-1), "openai_connection"),
    "cut after": (Fault("cut_after", times=-1), "openai_connection"),
}


def check_by_rule(written: WrittenSlots, reason: str) -> None:
    assert written.writer == f"template:{reason}"
    assert written.slots == BY_RULE


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_leaves_the_templates_words_and_its_code(
    made_by: Made, sandbox: OpenAISandbox, served: Served, trouble: str
) -> None:
    fault, reason = TROUBLE[trouble]
    sandbox.faults.append(fault)
    patience = 0.4 if fault.kind.startswith("slow") else 10.0
    writer = made_by(timeout_s=patience, deadline_s=2 * patience)
    began = time.monotonic()
    (written,) = writer.write([request()])
    assert time.monotonic() - began < 2 * patience + 2
    check_by_rule(written, reason)
    assert (written.tokens, written.cost_usd) == (0, 0.0)
    again = reason in PASSING and trouble != "rate limit, for long"
    assert len(served.asks) == (2 if again else 1)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("refuses", "openai_refusal"), ("cut_short", "openai_length"), ("not_json", "openai_garbage")],
)
def test_an_answer_of_no_use_is_billed_all_the_same(
    made_by: Made, sandbox: OpenAISandbox, mode: str, reason: str
) -> None:
    sandbox.mode = mode
    (written,) = made_by().write([request()])
    check_by_rule(written, reason)
    assert written.tokens > 300
    assert written.cost_usd > 0


def completion(message: object, finish: str = "stop", **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage} | more


FULL = {"first_name": "Anna", "company": None, "interest": None, "pain": None, "topic": None}


def said(content: object) -> dict[str, Any]:
    return completion({"role": "assistant", "content": content, "refusal": None})


@pytest.mark.parametrize(
    ("answer", "reason", "tokens"),
    [
        (completion({"content": None}, "content_filter"), "openai_filter", 15),
        (said(None), "openai_garbage", 15),
        (said("null"), "openai_garbage", 15),
        (said("[]"), "openai_garbage", 15),
        (said("[" * 5_000), "openai_garbage", 15),
        (said(json.dumps(FULL) + " "), "", 15),
        (said(json.dumps(FULL) + " " * 30_000), "openai_garbage", 15),
        (said('{"first_name": "Anna"}'), "openai_garbage", 15),
        (said(["parts"]), "openai_garbage", 15),
        (completion("words"), "openai_garbage", 15),
        (completion(None), "openai_garbage", 15),
        ({"choices": []}, "openai_garbage", 0),
        ({"choices": "none"}, "openai_garbage", 0),
        ({}, "openai_garbage", 0),
        ([], "openai_garbage", 0),
        ("text", "openai_garbage", 0),
        (None, "openai_garbage", 0),
        (said(json.dumps(FULL)) | {"usage": None}, "", 0),
        (said(json.dumps(FULL)) | {"usage": {"prompt_tokens": -4, "completion_tokens": "9"}}, "", 0),
        (said(json.dumps(FULL)) | {"usage": {"prompt_tokens": True, "completion_tokens": 1e300}}, "", 0),
    ],
)
def test_answers_of_any_shape_are_read_or_left(
    made_by: Made, served: Served, answer: object, reason: str, tokens: int
) -> None:
    served.before = lambda ask: Answer.of(200, answer)
    (written,) = made_by().write([request()])
    assert written.tokens == tokens
    if reason:
        check_by_rule(written, reason)
    else:
        assert written.writer == "openai:gpt-4o"


@pytest.mark.parametrize("fault", [Fault("status", 500), Fault("status", 429), Fault("cut_before")])
def test_what_passes_is_asked_once_more(
    made_by: Made, sandbox: OpenAISandbox, served: Served, fault: Fault
) -> None:
    fault.times, fault.headers = 1, NO_WAIT
    sandbox.faults.append(fault)
    (written,) = made_by().write([request()])
    assert written.writer == "openai:gpt-4o"
    assert len(served.asks) == 2


def test_a_timeout_is_not_asked_again(made_by: Made, sandbox: OpenAISandbox, served: Served) -> None:
    sandbox.faults.append(Fault("slow_after", seconds=30, times=1))
    (written,) = made_by(timeout_s=0.3).write([request()])
    check_by_rule(written, "openai_timeout")
    assert len(served.asks) == 1


def test_one_of_three_fails_and_the_others_have_the_models_words(made_by: Made, served: Served) -> None:
    def break_one(ask: Ask) -> Answer | None:
        return served.provider.refusal(400) if b"Broken" in ask.body else None

    served.before = break_one
    requests = [request(ANNA | {"company.name": firm}) for firm in ("Alpha", "Broken", "Gamma")]
    written = made_by().write(requests)
    assert [w.writer for w in written] == ["openai:gpt-4o", "template:openai_400", "openai:gpt-4o"]
    assert [w.slots[1].value for w in written] == ["Alpha", "Broken", "Gamma"]


def test_at_the_deadline_who_has_an_answer_keeps_it(made_by: Made, served: Served) -> None:
    def hold_one(ask: Ask) -> None:
        if b"Slow" in ask.body:
            served.over.wait(30)

    served.before = hold_one
    requests = [request(ANNA | {"company.name": firm}) for firm in ("Alpha", "Slow", "Gamma")]
    began = time.monotonic()
    written = made_by(timeout_s=20, deadline_s=1.0).write(requests)
    assert time.monotonic() - began < 3.0
    assert [w.writer for w in written] == ["openai:gpt-4o", "template:openai_deadline", "openai:gpt-4o"]


def test_a_silent_server_costs_a_batch_its_deadline_and_no_more(
    made_by: Made, sandbox: OpenAISandbox
) -> None:
    sandbox.faults.append(Fault("slow_before", seconds=60, times=-1))
    began = time.monotonic()
    written = made_by(timeout_s=0.5, deadline_s=1.2, concurrency=2).write([request() for _ in range(40)])
    assert time.monotonic() - began < 3.0
    assert {w.writer for w in written} <= {f"template:openai_{r}" for r in ("timeout", "deadline", "pause")}
    assert all(w.slots == BY_RULE for w in written)


def test_an_answer_that_drips_ends_at_the_timeout(made_by: Made, served: Served) -> None:
    class Dripping(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not served.over.wait(0.05):
                self.wfile.write(b" ")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        began = time.monotonic()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        (written,) = made_by(url=url, timeout_s=0.5).write([request()])
        assert time.monotonic() - began < 3.0
        check_by_rule(written, "openai_timeout")
        served.over.set()
        server.shutdown()


def test_nobody_listens(made_by: Made) -> None:
    (written,) = made_by(url="http://127.0.0.1:9/v1").write([request()])
    check_by_rule(written, "openai_connection")


def test_a_base_url_that_is_none(made_by: Made) -> None:
    (written,) = made_by(url="no url at all").write([request()])
    assert written.writer in ("template:openai_connection", "template:openai_error")
    assert written.slots == BY_RULE


# --- the pause after failures


class Hands:
    """A monotonic clock in the test's hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_after_five_failures_in_a_row_nobody_is_asked_for_half_a_minute(
    sandbox: OpenAISandbox, served: Served
) -> None:
    clock = Hands()
    writer = writer_for(f"{served.url}/v1", KEY, PLAYBOOK, clock, concurrency=1)
    fault = status(403)
    sandbox.faults.append(fault)
    written = writer.write([request() for _ in range(8)])
    assert [w.writer for w in written] == ["template:openai_403"] * 5 + ["template:openai_pause"] * 3
    assert all(w.slots == BY_RULE for w in written)
    clock.now += 29
    assert writer.write([request()])[0].writer == "template:openai_pause"
    assert len(served.asks) == 5
    clock.now += 2
    # One look after the pause; it fails, so it pauses again.
    written = writer.write([request(), request()])
    assert [w.writer for w in written] == ["template:openai_403", "template:openai_pause"]
    clock.now += 31
    fault.times = 0
    assert [w.writer for w in writer.write([request(), request()])] == ["openai:gpt-4o"] * 2
    writer.close()


def test_a_refused_item_or_an_answer_of_no_use_pauses_nothing(made_by: Made, sandbox: OpenAISandbox) -> None:
    writer = made_by(concurrency=1)
    sandbox.mode = "not_json"
    assert {w.writer for w in writer.write([request()] * 7)} == {"template:openai_garbage"}
    sandbox.faults.append(status(400))
    assert {w.writer for w in writer.write([request()] * 7)} == {"template:openai_400"}


def test_failures_that_are_not_in_a_row_pause_nothing(made_by: Made, served: Served) -> None:
    def every_second(ask: Ask) -> Answer | None:
        return served.provider.refusal(403) if len(served.asks) % 2 else None

    served.before = every_second
    written = made_by(concurrency=1).write([request()] * 14)
    assert [w.writer for w in written] == ["template:openai_403", "openai:gpt-4o"] * 7


def test_a_deadline_counts_as_a_failure(made_by: Made, sandbox: OpenAISandbox) -> None:
    sandbox.faults.append(Fault("slow_before", seconds=60, times=-1))
    writer = made_by(timeout_s=20, deadline_s=0.1, concurrency=1)
    for _ in range(5):
        assert writer.write([request()])[0].writer == "template:openai_deadline"
    assert writer.write([request()])[0].writer == "template:openai_pause"
