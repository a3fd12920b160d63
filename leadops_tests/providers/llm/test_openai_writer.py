"""The OpenAI writer against the sandbox over a real socket: words, cost, warmth, and what never leaves."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import threading

import pytest

from leadops.errors import UsageError
from leadops.playbook.ends import Writer
from leadops.providers.llm import openai_loop
from leadops.providers.llm.openai import _Pace
from leadops.providers.llm.port import SlotWriter, WrittenSlots
from leadops.providers.llm.template import TemplateWriter
from leadops.sandbox.frame import Answer, Ask, Fault
from leadops.sandbox.openai import OpenAISandbox, validator
from leadops_tests.providers.llm.asking import ANNA, KEY, PLAIN, PLAYBOOK, request, writer_for
from leadops_tests.providers.llm.conftest import Made
from leadops_tests.providers.llm.serving import Served, serving


def chosen(written: WrittenSlots) -> dict[str, tuple[str, str]]:
    return {s.slot: (s.value, s.evidence) for s in written.slots}


def sent(served: Served) -> dict[str, object]:
    body = json.loads(served.asks[-1].body)
    assert isinstance(body, dict)
    return body


def test_a_model_chooses_an_entry_quotes_a_passage_and_keeps_the_evidence(made_by: Made) -> None:
    writer = made_by()
    assert isinstance(writer, SlotWriter)
    assert writer.name == "openai:gpt-4o"
    (written,) = writer.write([request()])
    assert written.writer == "openai:gpt-4o"
    assert chosen(written) == {
        "first_name": ("Anna", "contact.first_name"),
        "company": ("Acme Inc", "company.name"),
        "interest": ("sales dashboards", "lead.interest"),
        "pain": ("two reports that disagree on the same number", "pain_points.trust"),
        "topic": ("two dashboards that never show the same revenue", "lead.message"),
    }


def test_tokens_and_cost_are_what_the_answer_says_at_the_playbooks_prices(
    made_by: Made, served: Served
) -> None:
    usage = {}
    provider = served.provider

    def remember(ask: Ask) -> Answer:
        answer = provider.answer(ask)
        usage.update(json.loads(answer.body)["usage"])
        return answer

    served.before = remember
    (written,) = made_by(usd_per_million_input=2.0, usd_per_million_output=8.0).write([request()])
    assert usage["prompt_tokens"] > 300
    assert usage["completion_tokens"] > 20
    assert written.tokens == usage["prompt_tokens"] + usage["completion_tokens"]
    expected = (usage["prompt_tokens"] * 2.0 + usage["completion_tokens"] * 8.0) / 1e6
    assert written.cost_usd == pytest.approx(expected)


def test_what_needs_no_judgement_asks_nobody(made_by: Made, served: Served) -> None:
    only_a_name = {"contact.first_name": "Anna", "contact.title": "VP Sales"}
    written = made_by().write([request(template=PLAIN), request(only_a_name), request({})])
    assert [w.writer for w in written] == ["template"] * 3
    assert written == TemplateWriter().write([request(template=PLAIN), request(only_a_name), request({})])
    assert served.asks == []
    assert made_by().write([]) == []


def test_answers_come_in_the_order_of_the_requests(made_by: Made) -> None:
    firms = [f"Firm {letter}" for letter in "ABCDEFGHIJ"]
    requests = [request(ANNA | {"company.name": firm}) for firm in firms]
    requests.insert(3, request(template=PLAIN))
    written = made_by().write(requests)
    assert [chosen(w)["company"][0] for w in written if len(w.slots) > 1] == firms
    assert written[3].writer == "template"


def test_only_evidence_that_the_slots_declare_is_sent(made_by: Made, served: Served) -> None:
    private = ANNA | {
        "contact.title": "SECRET-TITLE",
        "lead.source": "SECRET-SOURCE",
        "other": "SECRET-OTHER",
    }
    made_by().write([request(private, key="tch_secret")])
    body = sent(served)
    assert "secret" not in json.dumps(body).lower()
    data = json.loads(body["messages"][1]["content"])  # type: ignore[index]
    assert set(data["evidence"]) == {
        "contact.first_name",
        "company.name",
        "lead.interest",
        "lead.message",
    }
    assert set(data["lists"]) == {"pain_points"}


def test_a_long_message_is_cut_before_it_is_sent(made_by: Made, served: Served) -> None:
    made_by().write([request(ANNA | {"lead.message": "late reports and " * 2000})])
    assert len(served.asks[-1].body) < 8_000


def test_the_request_keeps_the_vendors_description_and_the_playbooks_words(
    made_by: Made, served: Served, sandbox: OpenAISandbox
) -> None:
    made_by(temperature=0.3, max_tokens=123, model="gpt-4o-mini").write([request()])
    body = sent(served)
    validator("CreateChatCompletionRequest").validate(body)
    assert not any(exchange.problems for exchange in sandbox.exchanges)
    assert (body["temperature"], body["max_completion_tokens"], body["model"]) == (0.3, 123, "gpt-4o-mini")
    wanted = body["response_format"]["json_schema"]  # type: ignore[index]
    assert wanted["strict"] is True
    assert wanted["schema"]["additionalProperties"] is False
    assert set(wanted["schema"]["required"]) == set(wanted["schema"]["properties"])
    assert wanted["schema"]["properties"]["pain"]["enum"] == ["trust", "speed", "effort", None]
    assert served.asks[-1].headers["authorization"] == f"Bearer {KEY}"


def test_two_calls_use_one_connection(made_by: Made, served: Served) -> None:
    writer = made_by(concurrency=1)
    writer.write([request()])
    writer.write([request(), request()])
    assert len(served.asks) == 3
    assert served.connections == 1


def test_never_more_at_once_than_the_playbook_says(made_by: Made, served: Served) -> None:
    met = threading.Barrier(3, timeout=10)

    def wait_for_two_others(ask: Ask) -> None:
        met.wait()

    served.before = wait_for_two_others
    made_by(concurrency=3).write([request() for _ in range(12)])
    # The barrier lets nobody go on until three are there: so three were, and never a fourth.
    assert len(served.asks) == 12
    assert served.most_at_once == 3


def test_the_limit_holds_for_several_callers_together(made_by: Made, served: Served) -> None:
    served.provider.latency_s = (0.01, 0.01)
    writer = made_by(concurrency=2)
    threads = [threading.Thread(target=writer.write, args=([request()] * 4,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(served.asks) == 16
    assert served.most_at_once <= 2


def test_one_loop_thread_serves_every_writer(made_by: Made) -> None:
    made_by().write([request()])
    made_by().write([request()])
    assert sum(t.name == "leadops-openai" for t in threading.enumerate()) == 1


def _in_a_child(writer: object, queue: object) -> None:
    (written,) = writer.write([request()])  # type: ignore[attr-defined]
    queue.put((os.getpid(), written.writer))  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork with threads is what this is about
def test_a_forked_child_begins_with_a_loop_and_connections_of_its_own(made_by: Made, served: Served) -> None:
    writer = made_by()
    writer.write([request()])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(writer, queue))
    child.start()
    pid, name = queue.get(timeout=30)
    child.join(10)
    assert pid != os.getpid()
    assert name == "openai:gpt-4o"
    assert served.connections == 2
    assert writer.write([request()])[0].writer == "openai:gpt-4o"
    assert served.connections == 2


def test_a_closed_writer_can_be_used_again(made_by: Made, served: Served) -> None:
    writer = made_by()
    writer.write([request()])
    writer.close()
    assert writer.write([request()])[0].writer == "openai:gpt-4o"
    assert served.connections == 2


def test_nothing_of_a_lead_is_logged_even_at_debug(made_by: Made, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        made_by().write([request(ANNA | {"company.name": "Zanzibar Traders"})])
    assert "Zanzibar" not in caplog.text


def test_an_answer_does_not_lead_the_evidence_elsewhere(made_by: Made, served: Served) -> None:
    with serving(OpenAISandbox(served.provider.clock, KEY)) as elsewhere:
        target = f"{elsewhere.url}/v1/chat/completions"
        served.before = lambda ask: Answer(307, b"", {"location": target})
        (written,) = made_by().write([request()])
        assert written.writer == "template:openai_307"
        assert elsewhere.asks == []


# --- check


def test_check_is_content_with_a_key_and_a_model_that_are_known(made_by: Made, served: Served) -> None:
    made_by().check()
    assert [(a.method, a.path) for a in served.asks] == [("GET", "/v1/models")]


@pytest.mark.parametrize(
    ("key", "model", "fault", "code", "words"),
    [
        ("sk-wrong", "gpt-4o", None, "openai_key", "LEADOPS_OPENAI_KEY"),
        (KEY, "gpt-9", None, "openai_model", "writer.model"),
        (KEY, "gpt-4o", Fault("status", 500), "openai_500", "LEADOPS_OPENAI_URL"),
        (KEY, "gpt-4o", Fault("cut_before"), "openai_unreachable", "LEADOPS_OPENAI_URL"),
        (KEY, "gpt-4o", Fault("slow_before", seconds=30), "openai_unreachable", "LEADOPS_OPENAI_URL"),
        (KEY, "gpt-4o", Fault("garbage"), "openai_unreachable", "LEADOPS_OPENAI_URL"),
    ],
)
def test_check_says_what_to_do(
    made_by: Made, sandbox: OpenAISandbox, key: str, model: str, fault: Fault | None, code: str, words: str
) -> None:
    if fault is not None:
        sandbox.faults.append(fault)
    with pytest.raises(UsageError) as caught:
        made_by(key=key, model=model, timeout_s=0.3).check()
    assert caught.value.code == code
    assert words in str(caught.value)
    assert key not in str(caught.value)


def test_without_a_key_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    writer = writer_for("http://127.0.0.1:9/v1", None, PLAYBOOK)
    with pytest.raises(UsageError) as caught:
        writer.check()
    assert caught.value.code == "openai_key"
    assert writer.write([request()])[0].writer == "template:openai_key"


def test_the_default_prices_are_the_default_models() -> None:
    assert PLAYBOOK.writer == Writer()


def test_work_that_does_not_end_is_given_up_and_cancelled() -> None:
    import asyncio

    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    with pytest.raises(openai_loop.OutOfTime):
        openai_loop.run(endless(), 0.05)
    assert cancelled.wait(5)


def test_requests_keep_the_distance_that_the_account_allows() -> None:
    pace = _Pace(60)
    assert [pace.wait_s(0.0) for _ in range(3)] == [0, 1, 2]
    assert pace.wait_s(10.0) == 0
    assert [_Pace(0).wait_s(0.0) for _ in range(3)] == [0, 0, 0]


def test_whose_turn_comes_after_the_deadline_is_written_by_rule(made_by: Made) -> None:
    written = made_by(concurrency=4, requests_per_minute=30, deadline_s=1.5).write([request()] * 4)
    assert [w.writer for w in written] == ["openai:gpt-4o"] + ["template:openai_deadline"] * 3
