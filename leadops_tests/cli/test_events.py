"""``leadops events``: refused rows mended and put through again, parked items put back."""

from __future__ import annotations

import pytest

from leadops.cli.events import remapped
from leadops.errors import LeadopsError, UsageError
from leadops.providers.crm.mapping import default_mapping, parse_mapping
from leadops.stages.fold import fold_pending
from leadops_tests.cli.installed import change, read, run
from leadops_tests.house import DEMO, World, wire

ROWS = "id,created_at,email\n1,2026-03-02T10:00:00Z,anna@acme.example\n2,02.03.2026 11:00,bo@acme.example\n"
MENDED = """
files:
  - pattern: leads*.csv
    kind: lead_created
    id: id
    occurred_at: {column: created_at, format: "%d.%m.%Y %H:%M"}
    contact: {email: email}
"""


def put(world: World, name: str, text: str) -> None:
    (world.folder / "crm").mkdir(exist_ok=True)
    (world.folder / "crm" / name).write_text(text)


def test_a_refused_row_is_mapped_again_after_the_mapping_was_mended(world: World) -> None:
    put(world, "leads.csv", ROWS)
    world.chain.poll(world.now)
    listed = run("events", "quarantined")
    assert "leads.csv:3: column 'created_at'" in " ".join(listed.stdout.split())
    assert "bo@acme.example" not in listed.stdout
    assert "bo@acme.example" in run("events", "quarantined", "--raw").stdout.replace("\n", "")
    assert run("events", "replay").exit_code == 1
    put(world, "mapping.yaml", MENDED)
    assert read("events", "replay") == {"accepted": 1, "duplicates": 0, "still_refused": 0, "reasons": []}
    assert read("events", "quarantined") == []
    assert len(world.rows("select 1 from lead_events")) == 2


def test_a_refused_wire_event_is_taken_as_it_is(world: World) -> None:
    world.post(wire("no_such_kind", "bo@acme.example"))
    result = run("events", "replay")
    assert result.exit_code == 1
    assert "still refused: 1" in result.stdout
    assert len(read("events", "quarantined")) == 1


def test_rows_of_every_format_are_mapped_as_the_files_are() -> None:
    again = remapped(default_mapping())
    event = {"kind": "page_viewed", "contact": {"email": "a@b.example"}}
    assert again(event, "events-1.jsonl:4").event == {"source": "files", **event}
    assert again(event, "http").event == event
    assert "fits the file other.xml" in (again(event, "other.xml:4").error or "")
    assert "could not be read" in (again({"text": "{broken"}, "events-1.jsonl:4").error or "")
    nested = MENDED.replace("leads*.csv", "rows.jsonl\n    format: jsonl").replace(
        "email: email", "email: who.mail"
    )
    row = {"id": 7, "created_at": "02.03.2026 11:00", "who": {"mail": "a@b.example"}}
    found = remapped(parse_mapping(nested))(row, "rows.jsonl:2").event
    assert found is not None
    assert (found["id"], found["contact"]) == ("lead_created:7", {"email": "a@b.example"})


PARKABLE = {
    "fold": ("lead_events", "event_id", "pending_fold"),
    "replies": ("lead_events", "event_id", "pending_reply"),
    "enrich": ("leads", "lead_id", "pending_enrichment"),
    "score": ("leads", "lead_id", "pending_score"),
    "enrol": ("leads", "lead_id", "pending_enrolment"),
    "plan": ("enrolments", "enrolment_id", "pending_plan"),
}


@pytest.mark.parametrize("stage", PARKABLE)
def test_a_parked_item_waits_for_its_stage_again(world: World, stage: str) -> None:
    world.post(wire("reply_received", **DEMO) if stage == "replies" else wire("demo_requested", **DEMO))
    world.run()
    table, column, flag = PARKABLE[stage]
    item = world.one(f"select {column} from {table}")
    park = "insert into parked_items values (:stage, :item, 'score_KeyError', :now)"
    change(world, park, stage=stage, item=item, now=world.now)
    assert [(p["stage"], p["item_id"]) for p in read("events", "parked")] == [(stage, item)]
    assert "score_KeyError" in run("events", "parked").stdout
    result = run("events", "unpark", stage, item)
    assert result.stdout == "Put back: 1.\n", result.exception
    assert world.one(f"select {flag} from {table}") is True
    assert read("events", "parked") == []
    world.run()


def test_all_of_a_stage_and_what_has_nothing_left_to_do(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    fold_pending(world.house.engine, world.house.playbook, world.house.keyring, now=world.now)
    lead = world.one("select lead_id from leads")
    park = "insert into parked_items values (:stage, :item, 'x', :now)"
    for stage, item in (("score", lead), ("score", "led_gone"), ("enrich", lead)):
        change(world, park, stage=stage, item=item, now=world.now)
    assert run("events", "unpark", "score", "--all").stdout == "Put back: 1; 1 had nothing left to do.\n"
    assert [p["stage"] for p in read("events", "parked")] == ["enrich"]
    assert run("events", "unpark", "--all").stdout == "Put back: 1.\n"


def test_wrong_use_of_unpark_is_said(world: World) -> None:
    for words in ([], ["score"], ["score", "x", "--all"]):
        assert isinstance(run("events", "unpark", *words).exception, UsageError)
    assert isinstance(run("events", "unpark", "score", "led_1").exception, LeadopsError)
    change(world, "insert into parked_items values ('tea', 'x', 'y', :now)", now=world.now)
    assert "takes nothing back" in str(run("events", "unpark", "tea", "x").exception)
    assert len(read("events", "parked")) == 1
