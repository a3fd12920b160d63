"""Correlation keys: what identifies, what blocks, and how many."""

from __future__ import annotations

import time

import pytest

from leadops.domain.fold import fold
from leadops.domain.keys import (
    MAX_LISTED,
    EventKey,
    Keyring,
    cited_message_ids,
    cited_tokens,
    event_keys,
    identity_keys,
    lock_number,
    suppression_keys,
    touch_keys,
)
from leadops_tests.domain.events import KEYRING, event


@pytest.mark.parametrize(
    "address",
    [
        "Anna+x@Gmail.com",
        "a.n.n.a@googlemail.com",
        "ANNA@GMAIL.COM",
        "Anna <anna+2@gmail.com>",
        "mailto:anna@gmail.com",
    ],
)
def test_every_spelling_of_a_mailbox_is_one_key(address: str) -> None:
    assert KEYRING.email(address) == KEYRING.email("anna@gmail.com")


def test_digests_depend_on_the_secret_and_on_the_kind() -> None:
    assert Keyring(b"other").email("anna@acme.example") != KEYRING.email("anna@acme.example")
    assert KEYRING.token("x").partition(":")[2] != KEYRING.touch("x").partition(":")[2]
    assert "anna" not in str(KEYRING.email("anna@acme.example"))


def test_free_mail_is_nobodys_company() -> None:
    assert KEYRING.domain("gmail.com") is None
    assert KEYRING.domain("acme.example") is not None


def test_a_lock_number_fits_a_bigint() -> None:
    numbers = [lock_number(str(i)) for i in range(1000)]
    assert all(-(2**63) <= n < 2**63 for n in numbers)
    assert len(set(numbers)) == 1000


def test_only_manual_decisions_take_their_identity_from_a_list() -> None:
    guests = {"emails": ["ceo@acme.example", "cfo@acme.example"]}
    assert len(identity_keys(event("meeting_booked", properties=guests), KEYRING)) == 1
    assert len(identity_keys(event("identity_merged", None, properties=guests), KEYRING)) == 2


def blocking(keys: list[EventKey]) -> set[str]:
    return {k.key.partition(":")[0] for k in keys if k.blocking}


def test_what_blocks_depends_on_the_kind() -> None:
    cites = {"in_reply_to": "<a@x.example>", "to": "reply+ABCDEFGHIJKLMNOP@r.example", "touch_id": "tch_1"}
    assert blocking(event_keys(event(properties=cites), KEYRING)) == set()
    assert blocking(event_keys(event("email_clicked", properties=cites), KEYRING)) == set()
    reply = event_keys(event("reply_received", properties=cites), KEYRING)
    assert blocking(reply) == {"email", "msgid", "token", "touch", "domain"}
    bounce = event_keys(event("email_bounced", properties=cites), KEYRING)
    assert blocking(bounce) == {"email", "msgid", "token", "touch"}


def test_what_an_event_cites_never_says_who_it_is() -> None:
    cites = {"in_reply_to": "<a@x.example>", "reply_token": "t" * 20}
    keys = event_keys(event("reply_received", crm_id="7", properties=cites), KEYRING)
    assert {k.key.partition(":")[0] for k in keys if k.identity} == {"email", "crm"}


def test_a_touch_is_met_by_every_way_an_event_may_speak_of_it() -> None:
    state = fold([event(crm_id="7", phone="+49 30 901820")])
    keys = touch_keys(KEYRING, state, "token-of-the-thread", ["tch_1"], ["<m@x.example>"])
    cites = {"references": "<m@x.example>", "reply_token": "token-of-the-thread", "touch_id": "tch_1"}
    spoken = event_keys(
        event("reply_received", "Anna+1@acme.example", crm_id="7", phone="+4930901820", properties=cites),
        KEYRING,
    )
    assert {k.key for k in spoken} == keys
    assert set(suppression_keys(KEYRING, state).values()) == {"address", "domain"}


def test_of_a_long_thread_the_first_and_the_last_messages_count() -> None:
    ids = [f"<{i}@x.example>" for i in range(500)]
    cited = cited_message_ids({"in_reply_to": ids[0], "references": " ".join(ids[1:])})
    assert len(cited) == MAX_LISTED
    assert (cited[0], cited[-1]) == (ids[0], ids[-1])
    assert len(cited_tokens({"to": " ".join(f"reply+{i:020d}@x.example" for i in range(99))})) == MAX_LISTED


@pytest.mark.parametrize("nasty", ["<" + "@" * 20_000, "<a@" * 6_000, "<" + "a" * 19_000, "reply+" * 3_000])
def test_nasty_headers_cost_no_time(nasty: str) -> None:
    began = time.perf_counter()
    event_keys(event("reply_received", properties={"references": nasty, "to": nasty}), KEYRING)
    assert time.perf_counter() - began < 0.5
