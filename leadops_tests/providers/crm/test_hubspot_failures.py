"""Everything HubSpot or the way to it can do wrong, over real sockets: nothing lost, nothing told twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError, ProviderError, UsageError
from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Delivery
from leadops.providers.crm.hubspot import HubSpot
from leadops.providers.crm.port import Writeback
from leadops.sandbox.frame import Fault
from leadops.stages.ingest import poll_crm
from leadops.stages.write_back import write_back
from leadops.store import crm as outbox
from leadops.store.engine import transaction
from leadops.store.events import cursor_of
from leadops.terms import Outcome
from leadops_tests.providers.crm.conformance import everything, never, one_of_each
from leadops_tests.providers.crm.inprocess import REPS, START, TOKEN, Account
from leadops_tests.sandbox.serving import served

QUICK = HubSpotMapping(requests_per_second=1e6, searches_per_second=1e6)
DETAILS: dict[str, tuple[Fault, str]] = {
    "400": (Fault("status", 400), "crm_refused_400_validation_error"),
    "401": (Fault("status", 401), "crm_key"),
    "403": (Fault("status", 403), "crm_scope"),
    "403 for good": (Fault("status", 403, body='{"category": "FORBIDDEN"}'), "crm_refused_403_forbidden"),
    "404": (Fault("status", 404), "crm_refused_404_object_not_found"),
    "409": (Fault("status", 409), "crm_refused_409_conflict"),
    "422": (Fault("status", 422), "crm_refused_422_validation_error"),
    "423": (Fault("status", 423), "crm_unavailable_423"),
    "429": (Fault("status", 429), "crm_rate_limited"),
    "429 for long": (Fault("status", 429, headers={"Retry-After": "600"}), "crm_rate_limited"),
    "429 for today": (Fault("status", 429, body='{"policyName": "DAILY"}'), "crm_daily_limit"),
    "500": (Fault("status", 500), "crm_unavailable_500"),
    "503": (Fault("status", 503), "crm_unavailable_503"),
    "timeout before": (Fault("slow_before"), "crm_timeout"),
    "timeout after": (Fault("slow_after"), "crm_timeout"),
    "garbage": (Fault("garbage"), "crm_garbage"),
    "cut before": (Fault("cut_before"), "crm_cut"),
    "cut after": (Fault("cut_after"), "crm_cut"),
}
REFUSED = {"400", "403 for good", "404", "409", "422"}


class Served(Account):
    """The account behind a real port."""

    def __init__(self, url: str = "") -> None:
        super().__init__()
        self.url = url

    def over_http(self, timeout_s: float = 0.4, token: str = TOKEN) -> HubSpot:
        return HubSpot(
            token,
            QUICK,
            REPS,
            base_url=f"{self.url}/hubspot",
            timeout_s=timeout_s,
            clock=lambda: self.now.timestamp(),
            wait=self.waits.append,
        )

    def meet(self, fault: Fault, times: int = -1, path: str = "", method: str = "") -> None:
        own = Fault(fault.kind, fault.status, dict(fault.headers), fault.body, method, path, times)
        self.sandbox.faults.append(own)


@pytest.fixture
def account() -> Iterator[Served]:
    made = Served()
    made.crm.setup()
    with served(made.sandbox) as url:
        made.url = url
        made.crm = made.over_http()
        yield made
        made.crm.close()


@pytest.mark.parametrize("case", DETAILS)
def test_a_poll_that_fails_says_why_and_nothing_is_lost(account: Served, engine: Engine, case: str) -> None:
    fault, code = DETAILS[case]
    account.contact("first@acme.example")
    keyring = Keyring(b"test")
    assert poll_crm(engine, account.crm, now=account.now, keyring=keyring).ingested.accepted == 1
    account.later(seconds=30)
    account.contact("second@acme.example")
    before = cursor(engine)
    account.meet(fault, path="/crm/objects/2026-09/contacts/search")
    with pytest.raises(ProviderError) as raised:
        poll_crm(engine, account.crm, now=account.now, keyring=keyring)
    assert raised.value.code == code
    assert "@" not in str(raised.value)
    assert cursor(engine) == before
    account.sandbox.faults.clear()
    assert poll_crm(engine, account.crm, now=account.now, keyring=keyring).ingested.accepted == 1


def cursor(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return cursor_of(connection, "hubspot")


@pytest.mark.parametrize("path", ["/crm/objects/2026-09/contacts/batch/read", "/crm/owners"])
@pytest.mark.parametrize("case", ["500", "timeout after", "garbage", "cut after"])
def test_a_failure_in_the_middle_of_a_poll_loses_nothing(account: Served, case: str, path: str) -> None:
    account.contact("first@acme.example")
    account.meet(DETAILS[case][0], path=path)
    with pytest.raises(ProviderError) as raised:
        account.crm.poll(None, 100, never)
    assert raised.value.code == DETAILS[case][1]
    account.sandbox.faults.clear()
    polls, _ = everything(account.crm)
    assert sum(len(p.rows) for p in polls) == 1


def owe(engine: Engine, contact: str) -> list[str]:
    """A lead known by its HubSpot id, and four things owed."""
    moment = START.isoformat()
    payloads: dict[str, dict[str, Any]] = {
        "enrolment": {"state": "active", "sequence": "hot", "at": moment},
        "score": {"total": 80, "tier": "hot", "why": "x", "at": moment},
        "task": {"title": "Answer", "owner": "rep-ana", "due_at": moment},
        "touch": {"channel": "email", "subject": "Hello", "at": moment},
    }
    state = f'{{"crm_ids": [["hubspot", "{contact}"]], "address": "anna@acme.example"}}'
    with transaction(engine) as connection:
        connection.execute(text(_LEAD), {"state": state, "now": START})
        owed = [outbox.Owed(f"{kind}:1", kind, "led_1", p) for kind, p in payloads.items()]
        outbox.enqueue(connection, owed, now=START)
    return sorted(payloads)


_LEAD = """insert into leads (lead_id, state, state_digest, source, last_event_at, created_at, updated_at)
    values ('led_1', cast(:state as jsonb), 'd', 'web', :now, :now, :now)"""


def told(engine: Engine) -> dict[str, tuple[str, str | None]]:
    with engine.connect() as connection:
        found = connection.execute(text("select kind, state, detail from crm_writebacks")).all()
    return {kind: (state, detail) for kind, state, detail in found}


def stands(account: Served, contact: str) -> dict[str, int]:
    linked = {
        kind: len(account.portal.associated("contacts", contact, kind))
        for kind in ("emails", "notes", "tasks")
    }
    made = {kind: account.portal.count(kind) for kind in linked}
    assert made == linked, "something stands there that hangs on nobody"
    return linked


ALL = {"emails": 1, "notes": 1, "tasks": 1}


UPDATE = ("/crm/objects/2026-09/contacts/batch/update", {"score", "enrolment"})
UPSERT = ("/crm/objects/2026-09/emails/batch/upsert", {"touch"})
ASSOCIATE = ("/crm/associations/2026-09/tasks/contacts/batch/associate", {"task"})
SOME = ("400", "401", "429", "500", "timeout after", "cut after")


@pytest.mark.parametrize(
    ("case", "path", "hit"),
    [(c, *UPSERT) for c in DETAILS] + [(c, *where) for c in SOME for where in (UPDATE, ASSOCIATE)],
)
def test_a_write_back_that_fails_is_kept_or_refused_and_told_once(
    account: Served, engine: Engine, case: str, path: str, hit: set[str]
) -> None:
    fault, code = DETAILS[case]
    contact = account.contact()
    kinds = owe(engine, contact)
    account.meet(fault, path=path)
    report = write_back(engine, account.crm, Delivery(), now=START)
    found = told(engine)
    if case in REFUSED:
        assert found == {k: ("failed", code) if k in hit else ("done", None) for k in kinds}
        assert report.counts["failed"] == len(hit)
        return
    assert {k for k in kinds if found[k] == ("pending", code)} >= hit
    assert set(found.values()) <= {("pending", code), ("done", None)}
    account.sandbox.faults.clear()
    account.now = START + timedelta(minutes=10)
    write_back(engine, account.crm, Delivery(), now=account.now)
    assert told(engine) == dict.fromkeys(kinds, ("done", None))
    assert stands(account, contact) == ALL
    assert account.portal.get("contacts", contact).properties["leadops_score"] == "80"


@pytest.mark.parametrize("case", DETAILS)
def test_where_nothing_can_be_read_first_nothing_is_written(account: Served, case: str) -> None:
    fault, code = DETAILS[case]
    items = one_of_each((("hubspot", account.contact()),))
    account.meet(fault)
    outcome = Outcome.REJECTED if case in REFUSED - {"404"} else Outcome.RETRY
    if case == "404":  # the contact is not there, nor anybody with the address: somebody deleted it
        outcome, code = Outcome.REJECTED, "crm_contact_gone"
    assert [(r.outcome, r.detail) for r in account.crm.write(items)] == [(outcome, code)] * 4
    assert account.portal.count("emails") == 0


def test_what_hubspot_will_not_even_look_for_takes_no_neighbour_along(account: Served) -> None:
    """A batch read refused whole because of one address."""
    contact = account.contact()
    account.wire.refuses = b"odd@"
    items = [
        Writeback(f"score:{n}", "score", "led_1", (), {"total": n, "tier": "cold"}, {"email": email})
        for n, email in enumerate(["anna@acme.example", "odd@acme.example", "bo@acme.example"])
    ]
    got = account.adapter().write(items)
    assert [r.outcome for r in got] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert account.portal.get("contacts", contact).properties["leadops_score"] == "0"


@pytest.mark.parametrize("wait", ["0", "2"])
def test_a_short_limit_is_waited_for(account: Served, wait: str) -> None:
    account.contact()
    account.meet(Fault("status", 429, headers={"Retry-After": wait}), times=1)
    polls, _ = everything(account.crm)
    assert sum(len(p.rows) for p in polls) == 1
    assert account.waits == [float(wait)]


def test_without_a_time_the_wait_doubles_and_ends(account: Served) -> None:
    account.meet(Fault("status", 429))
    with pytest.raises(ProviderError):
        account.crm.poll(None, 10, never)
    assert account.waits == [1.0, 2.0]


def test_nobody_there(account: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        account.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    crm = account.over_http()
    with closing(crm), pytest.raises(ProviderError) as raised:
        crm.poll(None, 10, never)
    assert raised.value.code == "crm_unreachable"


def test_a_server_that_hangs_costs_one_timeout_not_one_for_each(account: Served, engine: Engine) -> None:
    contact = account.contact()
    owe(engine, contact)
    account.meet(Fault("slow_before"), path="/crm/objects/2026-09/contacts/batch/update")
    before = len(account.sandbox.exchanges)
    write_back(engine, account.crm, Delivery(), now=START)
    assert len(account.sandbox.exchanges) - before == 2  # the contact read, the update that hangs


@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        ("401", "crm_key", "LEADOPS_HUBSPOT_TOKEN"),
        ("403", "crm_scope", "crm.objects.contacts.read"),
        ("404", "crm_refused_404_object_not_found", "LEADOPS_HUBSPOT_URL"),
        ("503", "crm_unavailable_503", "LEADOPS_HUBSPOT_URL"),
        ("garbage", "crm_garbage", "LEADOPS_HUBSPOT_URL"),
        ("timeout before", "crm_timeout", "LEADOPS_HUBSPOT_TIMEOUT_S"),
        ("429 for today", "crm_daily_limit", "later"),
    ],
)
def test_check_and_setup_say_what_to_do(account: Served, case: str, code: str, words: str) -> None:
    account.meet(DETAILS[case][0])
    for verb in (account.crm.check, account.crm.setup):
        with pytest.raises(UsageError) as raised:
            verb()
        assert raised.value.code == code
        assert words in str(raised.value)


@pytest.mark.parametrize("token", ["", "  ", "pat-ü", "pat\n1"])
def test_a_token_that_cannot_be_one(account: Served, token: str) -> None:
    with pytest.raises(LeadopsError) as raised:
        account.over_http(token=token)
    assert isinstance(raised.value, UsageError)
    assert "LEADOPS_HUBSPOT_TOKEN" in str(raised.value)


def test_what_is_left_of_the_day_is_known(account: Served) -> None:
    account.sandbox.options.limits = True
    assert account.crm.daily_left is None
    account.crm.check()
    assert account.crm.daily_left is not None
    assert 0 < account.crm.daily_left < 650_000
