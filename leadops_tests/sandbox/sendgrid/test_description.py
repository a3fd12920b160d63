"""The vendored description is the one that decides, and our answers keep it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from leadops.sandbox.frame import Answer
from leadops.sandbox.sendgrid import SendGridSandbox, description
from leadops.settings import PROJECT_ROOT
from leadops_tests.sandbox.sendgrid.asks import NOON, Clock, ask, message, sandbox, send, sent
from leadops_tests.sandbox.sendgrid.test_strict import ACCEPTED, REFUSED

ORIGINALS = Path(os.environ.get("LEADOPS_CONTRACTS", PROJECT_ROOT.parent / "shared" / "contracts"))
ONLY_DESCRIBED = [
    message(ip_pool_name="x"),
    message(categories=["x" * 256]),
    message(asm={"groups_to_display": [1]}),
    message(attachments=[{"content": "QUJD", "filename": "a", "disposition": "sideways"}]),
]
"""Refused by nothing but the description."""


@pytest.mark.parametrize("name", [description.MAIL, description.SUPPRESSIONS])
def test_the_vendored_files_are_the_vendors_own(name: str) -> None:
    if not (ORIGINALS / name).exists():
        pytest.skip("the vendor's descriptions are not beside the project (LEADOPS_CONTRACTS)")
    assert description.document(name, as_written=True) == json.loads((ORIGINALS / name).read_text("utf-8"))


@pytest.mark.parametrize("request_", ONLY_DESCRIBED)
def test_what_only_the_description_forbids_is_refused_because_of_it(request_: dict[str, object]) -> None:
    assert send(sandbox(), request_).status == 400
    assert send(sandbox(validate=False), request_).status == 202


def test_only_the_documented_exceptions_are_applied() -> None:
    ours, theirs = (description.document(description.MAIL, as_written=written) for written in (False, True))
    schema = ours["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    original = theirs["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    changed = [
        name for name in original["properties"] if original["properties"][name] != schema["properties"][name]
    ]
    assert changed == ["custom_args"]
    assert description.request_problems(message(custom_args={"a": "b"})) == []
    as_written = description.validator(description.MAIL, description._SEND, True)
    assert isinstance(as_written, Draft202012Validator)
    assert [list(e.absolute_path) for e in as_written.iter_errors(message(custom_args={"a": "b"}))] == [
        ["custom_args"]
    ]


def _asked(vendor: SendGridSandbox) -> list[tuple[str, str, str, Answer]]:
    """(description, path in it, method, answer): every kind of answer the sandbox gives."""
    mail = description.MAIL
    found = [(mail, "/v3/mail/send", "post", send(vendor, request)) for request, _ in REFUSED.values()]
    found += [(mail, "/v3/mail/send", "post", send(vendor, request)) for request in ACCEPTED.values()]
    found += [
        (mail, "/v3/mail/send", "post", send(vendor, authorization="")),
        (mail, "/v3/mail/send", "post", send(vendor, authorization="Bearer x")),
        (mail, "/v3/mail/send", "post", send(vendor, b"{")),
        (mail, "/v3/mail/send", "post", ask(vendor, "GET", "/v3/mail/send")),
        (mail, "/v3/mail/batch", "post", ask(vendor, "POST", "/v3/mail/batch")),
    ]
    found += [
        (mail, "/v3/mail/send", "post", vendor.refusal(status)) for status in (400, 401, 403, 404, 405, 500)
    ]
    unverified = sandbox(verified=["other.example"])
    found.append((mail, "/v3/mail/send", "post", send(unverified)))
    batch = json.loads(ask(vendor, "POST", "/v3/mail/batch").body)["batch_id"]
    found.append((mail, "/v3/mail/batch/{batch_id}", "get", ask(vendor, "GET", f"/v3/mail/batch/{batch}")))
    for n, kind in enumerate(("bounce", "spamreport", "unsubscribe", "dropped")):
        who = sent(vendor, one={"to": [{"email": f"p{n}@acme.example"}]})
        vendor.mailroom.event(who, kind, NOON, **({"reason": "Invalid"} if kind == "dropped" else {}))  # type: ignore[arg-type]
    blocked = sent(vendor, one={"to": [{"email": "p9@acme.example"}]})
    vendor.mailroom.event(blocked, "bounce", NOON, type="blocked")
    lists = description.SUPPRESSIONS
    for n, name in enumerate(("bounces", "spam_reports", "unsubscribes", "invalid_emails", "blocks")):
        path = f"/v3/suppression/{name}"
        found.append((lists, path, "get", ask(vendor, "GET", path)))
        if name != "unsubscribes":
            whom = "p9" if name == "blocks" else f"p{n}"
            one = ask(vendor, "GET", f"{path}/{whom}@acme.example")
            found.append((lists, f"{path}/{{email}}", "get", one))
    one = ask(vendor, "GET", "/v3/asm/suppressions/global/p2@acme.example")
    found.append((lists, "/v3/asm/suppressions/global/{email}", "get", one))
    return found


def test_every_answer_with_a_described_body_keeps_the_description() -> None:
    asked = _asked(sandbox(clock=Clock()))
    checked, as_written = 0, 0
    for name, path, method, answer in asked:
        assert str(answer.status) in description.document(name)["paths"][path][method]["responses"]
        value = json.loads(answer.body) if answer.body else None
        problems = description.answer_problems(name, path, method, answer.status, value)
        if problems is None:
            assert answer.status == 202
            assert answer.body == b""
            continue
        assert problems == [], (path, answer)
        checked += 1
        as_written += not description.answer_problems(
            name, path, method, answer.status, value, as_written=True
        )
    # As written, an error's `field` and `help` may not be null, which they are in the vendor's own answers.
    assert (len(asked), checked, as_written) == (79, 68, 12)
    assert {answer.status for _, _, _, answer in asked} == {200, 201, 202, 400, 401, 403, 404, 405, 500}


def test_an_answer_that_does_not_keep_it_is_noticed() -> None:
    path = "/v3/mail/send"
    assert description.answer_problems(description.MAIL, path, "post", 400, {"errors": "x"})
    assert description.answer_problems(description.SUPPRESSIONS, "/v3/suppression/blocks", "get", 200, [{}])
