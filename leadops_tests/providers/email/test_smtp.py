"""Each thing a server can do to us, and the one outcome it has. A wrong AMBIGUOUS costs a person's time,
a wrong RETRY a second mail.
"""

from __future__ import annotations

import threading

import pytest

from leadops.errors import UsageError
from leadops.providers.email.smtp import Smtp
from leadops.terms import Outcome, SendResult
from leadops_tests.providers.email.servers import CUT, HANG, Scripted, free_port, honest_server

WIRE = b"Message-ID: <m1@leads.example>\r\nSubject: Hi\r\n\r\nHello\r\n.hidden dot\r\n"
SHORT_S = 0.4


def send(client: Smtp, key: str = "touch_1", wire: bytes = WIRE, to: str = "anna@acme.example") -> SendResult:
    return client.send(key, "rep@leads.example", to, wire)


RETRY, REJECTED, AMBIGUOUS, ACCEPTED = Outcome.RETRY, Outcome.REJECTED, Outcome.AMBIGUOUS, Outcome.ACCEPTED

TABLE = [
    # what the server does            outcome    detail
    ({"banner": CUT}, RETRY, "connection_lost"),
    ({"banner": HANG}, RETRY, "timeout"),
    ({"banner": "421 4.3.2 busy"}, RETRY, "connect_421_4.3.2"),
    ({"banner": "554 no"}, RETRY, "connect_554"),
    ({"banner": "gibberish"}, RETRY, "connect_-1"),
    ({"ehlo": CUT}, RETRY, "connection_lost"),
    ({"ehlo": HANG}, RETRY, "timeout"),
    ({"ehlo": "550 go away"}, RETRY, "helo_550"),
    ({"mail": "421 closing"}, RETRY, "sender_421"),
    ({"mail": "451 4.7.1 greylisted"}, RETRY, "sender_451_4.7.1"),
    ({"mail": "550 5.7.1 not you"}, RETRY, "sender_550_5.7.1"),
    ({"mail": "552 5.3.4 too large"}, REJECTED, "sender_552_5.3.4"),
    ({"mail": "530 5.7.0 log in first"}, RETRY, "auth"),
    ({"mail": CUT}, RETRY, "connection_lost"),
    ({"mail": HANG}, RETRY, "timeout"),
    ({"rcpt": "421 closing"}, RETRY, "recipient_421"),
    ({"rcpt": "450 4.2.1 mailbox busy"}, RETRY, "recipient_450_4.2.1"),
    ({"rcpt": "452 4.2.2 over quota"}, RETRY, "recipient_452_4.2.2"),
    ({"rcpt": "550 5.1.1 <anna@acme.example> unknown"}, REJECTED, "recipient_550_5.1.1"),
    ({"rcpt": "553 bad"}, REJECTED, "recipient_553"),
    ({"rcpt": "530 5.7.0 log in first"}, RETRY, "auth"),
    ({"rcpt": CUT}, RETRY, "connection_lost"),
    ({"rcpt": HANG}, RETRY, "timeout"),
    ({"data": "421 closing"}, RETRY, "data_421"),
    ({"data": "451 later"}, RETRY, "data_451"),
    ({"data": "554 5.7.1 policy"}, REJECTED, "data_554_5.7.1"),
    ({"data": "250 odd"}, RETRY, "data_250"),
    ({"data": CUT}, RETRY, "connection_lost"),
    ({"data": HANG}, RETRY, "timeout"),
    ({"dot": "250 2.0.0 Ok: queued as ABCD12"}, ACCEPTED, "message_250_2.0.0"),
    ({"dot": "421 4.3.0 closing"}, RETRY, "message_421_4.3.0"),
    ({"dot": "451 4.3.0 later"}, RETRY, "message_451_4.3.0"),
    ({"dot": "552 5.2.2 full"}, REJECTED, "message_552_5.2.2"),
    ({"dot": "554 5.7.1 spam"}, REJECTED, "message_554_5.7.1"),
    ({"dot": "354 what"}, AMBIGUOUS, "message_354"),
    ({"dot": "gibberish"}, AMBIGUOUS, "message_-1"),
    ({"dot": CUT}, AMBIGUOUS, "connection_lost"),
    ({"dot": HANG}, AMBIGUOUS, "timeout"),
]


@pytest.mark.parametrize(
    ("answers", "outcome", "detail"), TABLE, ids=lambda v: str(v) if isinstance(v, dict) else ""
)
def test_what_the_server_does_has_one_outcome(answers: dict[str, str], outcome: Outcome, detail: str) -> None:
    with Scripted(answers) as server:
        result = send(Smtp("127.0.0.1", server.port, timeout_s=SHORT_S))
        assert (result.outcome, result.detail) == (outcome, detail)
        if outcome in (ACCEPTED, AMBIGUOUS):
            assert len(server.got) == 1
        if outcome is ACCEPTED:
            assert result.provider_ref == "ABCD12"


def test_a_connection_cut_while_the_body_leaves_is_retry_or_unknown_never_accepted() -> None:
    with Scripted({"body": CUT}) as server:
        large = WIRE + b"x" * 70 + b"\r\n"
        result = send(Smtp("127.0.0.1", server.port, timeout_s=2), wire=large * 60_000)
        assert (result.outcome, server.got) == (RETRY, [])


def test_nobody_there_is_retry() -> None:
    result = send(Smtp("127.0.0.1", free_port(), timeout_s=2))
    assert (result.outcome, result.detail) == (RETRY, "refused")


def test_an_unknown_host_is_retry() -> None:
    result = send(Smtp("no-such-host.invalid", 25, timeout_s=5))
    assert (result.outcome, result.detail) == (RETRY, "dns")


def test_a_wrong_password_is_the_senders_fault() -> None:
    with Scripted({"auth": "535 5.7.8 bad credentials"}) as server:
        client = Smtp("127.0.0.1", server.port, "user", "secret", timeout_s=2)
        assert (send(client).outcome, send(client).detail) == (RETRY, "auth")
        with pytest.raises(UsageError, match="LEADOPS_SMTP_PASSWORD") as caught:
            client.check()
        assert "secret" not in str(caught.value)


def test_starttls_is_never_skipped_silently() -> None:
    with honest_server() as (port, inbox):
        client = Smtp("127.0.0.1", port, starttls=True, timeout_s=2)
        assert (send(client).outcome, send(client).detail) == (RETRY, "starttls_unsupported")
        assert inbox.messages == []


def test_a_message_arrives_as_it_was_frozen() -> None:
    with honest_server() as (port, inbox):
        client = Smtp("127.0.0.1", port, timeout_s=5)
        client.check()
        result = send(client)
        assert result == SendResult(ACCEPTED, "4Xyz12AB", "<m1@leads.example>", "message_250_2.0.0")
        sent_from, sent_to, content = inbox.messages[0]
        assert (sent_from, sent_to) == ("rep@leads.example", ["anna@acme.example"])
        assert content == WIRE
        assert client.look_up("touch_1") is None
        client.close()


def test_one_connection_serves_many_messages_and_refusals() -> None:
    with Scripted({"rcpt": "550 5.1.1 unknown"}) as server:
        client = Smtp("127.0.0.1", server.port, timeout_s=2)
        assert [send(client).outcome for _ in range(3)] == [REJECTED] * 3
        server.answers["rcpt"] = "250 ok"
        assert send(client).outcome is ACCEPTED
        assert server.connections == 1
        client.close()


def test_a_connection_the_server_dropped_meanwhile_is_replaced() -> None:
    with Scripted({"dot": "250 ok"}) as server:
        client = Smtp("127.0.0.1", server.port, timeout_s=2)
        assert send(client).outcome is ACCEPTED
        server.answers["rset"] = CUT
        assert send(client).outcome is ACCEPTED
        assert server.connections == 2
        assert len(server.got) == 2
        client.close()


def test_threads_share_it() -> None:
    with honest_server() as (port, inbox):
        client = Smtp("127.0.0.1", port, timeout_s=10)
        results: list[SendResult] = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(send(client, f"touch_{n}"))) for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [r.outcome for r in results] == [ACCEPTED] * 12
        assert len(inbox.messages) == 12
        client.close()


@pytest.mark.parametrize("to", ["a@b.example\r\nRCPT TO:<x@y.example>", "<a@b.example>"])
def test_an_address_cannot_carry_commands(to: str) -> None:
    with Scripted({}) as server:
        assert send(Smtp("127.0.0.1", server.port, timeout_s=2), to=to).detail == "bad_address"
        assert server.connections == 0


def test_an_address_the_server_cannot_spell_is_rejected() -> None:
    with Scripted({}) as server:
        result = send(Smtp("127.0.0.1", server.port, timeout_s=2), to="jürgen@acme.example")
        assert (result.outcome, result.detail) == (REJECTED, "smtputf8_unsupported")


def test_details_never_hold_an_address() -> None:
    with Scripted({"rcpt": "550 5.1.1 <anna@acme.example>: no such user"}) as server:
        assert "@" not in send(Smtp("127.0.0.1", server.port, timeout_s=2)).detail
