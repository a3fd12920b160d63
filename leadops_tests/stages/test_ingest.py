"""Events into the log: once each, all of the good ones, none lost with a bad neighbour or a crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from leadops.domain.keys import Keyring
from leadops.providers.crm.port import CrmPort, Poll, RawRow, Writeback, WritebackResult
from leadops.stages.ingest import IngestReport, ingest, poll_crm, replay_quarantined
from leadops.store.engine import sql, transaction
from leadops.store.gate import MAX_LOCKS_PER_TRANSACTION
from leadops_tests.house import TUESDAY, World, wire

KEYRING = Keyring(b"test")


def row(event: Any, where: str = "test") -> RawRow:
    return RawRow(event=event, error=None, raw=event, where=where)


def counts(report: IngestReport) -> tuple[int, int, int]:
    return report.accepted, report.duplicates, report.quarantined


def test_a_hundred_posts_of_one_event_store_one(world: World) -> None:
    event = wire("reply_received", properties={"in_reply_to": "<a@x.example>", "text": "Hello"})
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda _: world.post(event), range(100)))
    assert sum(r.accepted for r in reports) == 1
    assert sum(r.duplicates for r in reports) == 99
    assert world.one("select count(*) from lead_events") == 1
    assert world.one("select count(*) from event_payloads") == 1


def test_overlapping_batches_in_any_order_do_not_deadlock(world: World) -> None:
    kinds = ("form_submitted", "opted_out", "reply_received")
    events = [wire(kinds[i % 3], f"p{i}@acme.example", id=str(i)) for i in range(60)]

    def post(n: int) -> IngestReport:
        turned = events[n:] + events[:n]
        return world.post(*(turned if n % 2 else turned[::-1]))

    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(post, range(16)))
    assert sum(r.accepted for r in reports) == 60
    assert world.one("select count(*) from lead_events") == 60


def test_a_bad_event_is_kept_aside_and_its_neighbours_are_stored(world: World) -> None:
    bad = wire("form_submitted", "b@acme.example") | {"kind": "form_submited"}
    report = world.post(
        wire("form_submitted", "a@acme.example"), bad, wire("form_submitted", "c@acme.example")
    )
    assert counts(report) == (2, 0, 1)
    assert [i.index for i in report.items if i.reason] == [1]
    assert world.rows("select source, raw from quarantined_events") == [{"source": "web", "raw": bad}]
    assert "kind" in world.one("select reason from quarantined_events")
    assert counts(world.post(bad)) == (0, 0, 1)
    assert world.one("select count(*) from quarantined_events") == 1


def test_twins_in_one_batch_are_one_event(world: World) -> None:
    event = wire("form_submitted")
    assert counts(world.post(event, event, wire("form_submitted", id="x"))) == (2, 1, 0)


def test_what_was_mended_is_replayed_once(world: World) -> None:
    world.post(wire("form_submited", id="7"), wire("nonsense", id="8"))

    def mended(raw: Any, where: str) -> RawRow:
        kind = str(raw["kind"]).replace("submited", "submitted")
        return row(dict(raw) | {"kind": kind}, where)

    again = [
        replay_quarantined(world.house.engine, now=world.now, keyring=KEYRING, again=mended) for _ in range(2)
    ]
    assert [counts(r) for r in again] == [(1, 0, 1), (0, 0, 1)]
    assert world.one("select count(*) from quarantined_events where replayed_at is null") == 1
    assert world.one("select source_event_id from lead_events") == "7"


class Feed(CrmPort):
    """A CRM of numbered events."""

    name = "feed"

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self.events = events

    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        start = int(cursor or 0)
        end = min(len(self.events), start + limit)
        return Poll(tuple(row(e) for e in self.events[start:end]), str(end), end < len(self.events))

    def write(self, items: Sequence[Writeback]) -> list[WritebackResult]:
        return []

    def check(self) -> None:
        return


def test_a_crash_between_batches_loses_nothing_and_doubles_nothing(world: World) -> None:
    feed = Feed([wire("opted_out", f"p{i}@acme.example", id=str(i)) for i in range(700)])
    engine = world.house.engine
    with transaction(engine) as connection:  # the second batch of the poll cannot be committed
        connection.execute(
            sql(
                """create function crash() returns trigger language plpgsql as $$ begin
                if (select count(*) from lead_events) > 600 then raise exception 'crash'; end if;
                return null; end $$"""
            )
        )
        connection.execute(
            sql(
                "create trigger crash after insert on lead_events for each statement execute function crash()"
            )
        )
    with pytest.raises(Exception, match="SQLSTATE"):
        poll_crm(engine, feed, now=world.now, keyring=KEYRING)
    stored = world.one("select count(*) from lead_events")
    assert 0 < stored < 700
    assert world.rows("select * from crm_cursors") == []
    with transaction(engine) as connection:
        connection.execute(sql("drop trigger crash on lead_events"))
    report = poll_crm(engine, feed, now=world.now, keyring=KEYRING)
    assert counts(report.ingested) == (700 - stored, stored, 0)
    assert world.one("select cursor from crm_cursors") == "700"
    assert poll_crm(engine, feed, now=world.now, keyring=KEYRING).ingested.items == []


def test_locks_are_taken_in_bounded_batches(world: World) -> None:
    ids = " ".join(f"<{i}@x.example>" for i in range(400))
    events = [
        wire(
            "reply_received",
            f"p{i}@c{i}.example",
            id=str(i),
            properties={"references": ids.replace("@", f"@{i}")},
        )
        for i in range(30)
    ]
    with transaction(world.house.engine) as connection:
        connection.execute(sql("create table held (n int)"))
        connection.execute(
            sql(
                """create function note() returns trigger language plpgsql as $$ begin
                insert into held select count(*) from pg_locks
                    where locktype = 'advisory' and pid = pg_backend_pid();
                return null; end $$"""
            )
        )
        connection.execute(
            sql("create trigger note after insert on lead_events for each statement execute function note()")
        )
    assert world.post(*events).accepted == 30
    assert world.one("select max(n) from held") <= MAX_LOCKS_PER_TRANSACTION
    assert world.one("select count(*) from held") > 1


NASTY: list[Any] = [
    wire("form_submitted", "ok@acme.example", name="An\x00na", properties={"a\x00": "\x00", "b": "\ud800"}),
    wire("form_submitted", "text@acme.example", properties={"x": "\\u0000 and \\ud800 as text"}),
    wire("form_submitted", "big@acme.example", properties={"n": 10**299, "f": 1e300, "neg": -0.0}),
    wire("form_submitted", "nest@acme.example", properties={"a": {"b": [{"c": [[]]}]}}),
]
REFUSED: list[Any] = [
    wire("form_submitted", properties={"n": float("nan"), "lit": "\\u0000"}),
    wire("form_submitted", properties={"n": float("inf")}),
    wire("form_submitted", properties={"n": 10**4000}),
    wire("form_submitted", properties=json.loads('{"a":' * 200 + "1" + "}" * 200)),
    {"source": "\x00\ud800", "kind": "x\x00"},
    {"source": ["list"], "kind": {"a": 1}},
    {"\x00": "\ud800"},
    [1, 2],
    wire("form_submitted") | {"when": TUESDAY},
]


def test_nasty_values_never_break_the_batch(world: World) -> None:
    good = wire("form_submitted", "good@acme.example")
    report = world.post(*NASTY, *REFUSED, good)
    assert counts(report) == (len(NASTY) + 1, 0, len(REFUSED))
    assert world.one("select count(*) from quarantined_events") == len(REFUSED)
    assert counts(world.post(*NASTY, *REFUSED, good)) == (0, len(NASTY) + 1, len(REFUSED))
    assert world.one("select count(*) from quarantined_events") == len(REFUSED)
    replayed = replay_quarantined(world.house.engine, now=world.now, keyring=KEYRING)
    assert replayed.quarantined + replayed.accepted == len(REFUSED)
    world.run()
    assert world.rows("select * from parked_items") == []
    assert world.one(
        "select payload #>> '{properties,x}' from event_payloads where payload -> 'properties' ? 'x'"
    ) == ("\\u0000 and \\ud800 as text")


def test_a_row_that_could_not_be_read_keeps_its_reason(world: World) -> None:
    broken = RawRow(
        event=None, error="column email: not UTF-8", raw={None: ["x"], "a": b"\xff"}, where="leads.csv:41"
    )  # type: ignore[dict-item]
    report = ingest(world.house.engine, [broken], now=world.now, keyring=KEYRING)
    assert report.items[0].reason == "column email: not UTF-8"
    assert world.one("select where_from from quarantined_events") == "leads.csv:41"
